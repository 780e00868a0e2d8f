using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Plimsoll.ModelServer;

/// <summary>Tensor values as JSON: flat or nested arrays in, flat arrays out.</summary>
internal static class TensorJson
{
    private delegate bool Element<T>(ref Utf8JsonReader reader, out T value);

    private delegate void WriteElement<T>(Utf8JsonWriter writer, T value);

    /// <summary>Reads exactly <paramref name="elements"/> values from the array that <paramref name="json"/> starts with.</summary>
    public static byte[] Read(ReadOnlySpan<byte> json, Signature signature, int elements) => signature.Type.Runtime switch
    {
        TensorElementType.Bool => Read<bool>(json, signature, elements, Boolean),
        TensorElementType.UInt8 => Read<byte>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetByte(out v)),
        TensorElementType.UInt16 => Read<ushort>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetUInt16(out v)),
        TensorElementType.UInt32 => Read<uint>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetUInt32(out v)),
        TensorElementType.UInt64 => Read<ulong>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetUInt64(out v)),
        TensorElementType.Int8 => Read<sbyte>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetSByte(out v)),
        TensorElementType.Int16 => Read<short>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetInt16(out v)),
        TensorElementType.Int32 => Read<int>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetInt32(out v)),
        TensorElementType.Int64 => Read<long>(json, signature, elements, (ref r, out v) => IsNumber(ref r, out v) && r.TryGetInt64(out v)),
        TensorElementType.Float16 => Read<Half>(json, signature, elements, HalfNumber),
        TensorElementType.Float => Read<float>(json, signature, elements, SingleNumber),
        TensorElementType.Double => Read<double>(json, signature, elements, DoubleNumber),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>Writes the values as one flat array; numbers JSON cannot hold become "NaN", "Infinity", "-Infinity".</summary>
    public static void Write(Utf8JsonWriter writer, TensorData tensor)
    {
        switch (tensor.Type.Runtime)
        {
            case TensorElementType.Bool: Write<bool>(writer, tensor, (w, v) => w.WriteBooleanValue(v)); break;
            case TensorElementType.UInt8: Write<byte>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.UInt16: Write<ushort>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.UInt32: Write<uint>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.UInt64: Write<ulong>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.Int8: Write<sbyte>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.Int16: Write<short>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.Int32: Write<int>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.Int64: Write<long>(writer, tensor, (w, v) => w.WriteNumberValue(v)); break;
            case TensorElementType.Float16: Write<Half>(writer, tensor, (w, v) => WriteNumber(w, (float)v)); break;
            case TensorElementType.Float: Write<float>(writer, tensor, WriteNumber); break;
            case TensorElementType.Double: Write<double>(writer, tensor, WriteNumber); break;
            default: throw new System.Diagnostics.UnreachableException();
        }
    }

    private static byte[] Read<T>(ReadOnlySpan<byte> json, Signature signature, int elements, Element<T> element)
        where T : unmanaged
    {
        var data = new byte[elements * signature.Type.Bytes];
        var values = MemoryMarshal.Cast<byte, T>(data.AsSpan());
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 64, AllowMultipleValues = true });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
            throw InferenceException.Malformed($"the data of '{signature.Name}' is not an array");
        var (depth, count) = (1, 0);
        while (depth > 0)
        {
            reader.Read();
            switch (reader.TokenType)
            {
                case JsonTokenType.StartArray: depth++; continue;
                case JsonTokenType.EndArray: depth--; continue;
            }

            if (count == elements)
                throw InferenceException.Malformed($"the data of '{signature.Name}' has more than the {elements} values of its shape");
            if (!IsScalar(reader.TokenType) || !element(ref reader, out values[count]))
            {
                throw InferenceException.Malformed(
                    $"value {count} of '{signature.Name}' is not a {signature.Type.Protocol}");
            }

            count++;
        }

        return count == elements ? data : throw InferenceException.Malformed(
            $"the data of '{signature.Name}' has {count} values, and its shape needs {elements}");
    }

    private static bool IsScalar(JsonTokenType type) =>
        type is JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False or JsonTokenType.String;

    // The TryGet methods throw on anything that is not a number token.
    private static bool IsNumber<T>(ref Utf8JsonReader reader, out T value) where T : unmanaged
    {
        value = default;
        return reader.TokenType == JsonTokenType.Number;
    }

    private static bool Boolean(ref Utf8JsonReader reader, out bool value)
    {
        value = reader.TokenType == JsonTokenType.True;
        // Some clients send 0 and 1.
        if (reader.TokenType != JsonTokenType.Number)
            return reader.TokenType is JsonTokenType.True or JsonTokenType.False;
        var isByte = reader.TryGetByte(out var number);
        value = number == 1;
        return isByte && number <= 1;
    }

    private static bool DoubleNumber(ref Utf8JsonReader reader, out double value)
    {
        if (reader.TokenType == JsonTokenType.String)
            return Named(reader.ValueSpan, out value);
        value = 0;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out value) && double.IsFinite(value);
    }

    private static bool SingleNumber(ref Utf8JsonReader reader, out float value)
    {
        var ok = DoubleNumber(ref reader, out var wide);
        value = (float)wide;
        return ok && (float.IsFinite(value) || !double.IsFinite(wide));
    }

    private static bool HalfNumber(ref Utf8JsonReader reader, out Half value)
    {
        var ok = DoubleNumber(ref reader, out var wide);
        value = (Half)wide;
        return ok && (Half.IsFinite(value) || !double.IsFinite(wide));
    }

    private static bool Named(ReadOnlySpan<byte> text, out double value)
    {
        value = text.SequenceEqual("NaN"u8) ? double.NaN
            : text.SequenceEqual("Infinity"u8) ? double.PositiveInfinity
            : text.SequenceEqual("-Infinity"u8) ? double.NegativeInfinity
            : 0;
        return value is not 0;
    }

    private static void Write<T>(Utf8JsonWriter writer, TensorData tensor, WriteElement<T> write) where T : unmanaged
    {
        writer.WriteStartArray();
        foreach (var value in MemoryMarshal.Cast<byte, T>(tensor.Data))
            write(writer, value);
        writer.WriteEndArray();
    }

    private static void WriteNumber(Utf8JsonWriter writer, float value)
    {
        if (float.IsFinite(value))
            writer.WriteNumberValue(value);
        else
            WriteNamed(writer, value);
    }

    private static void WriteNumber(Utf8JsonWriter writer, double value)
    {
        if (double.IsFinite(value))
            writer.WriteNumberValue(value);
        else
            WriteNamed(writer, value);
    }

    private static void WriteNamed(Utf8JsonWriter writer, double value) =>
        writer.WriteStringValue(double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}
