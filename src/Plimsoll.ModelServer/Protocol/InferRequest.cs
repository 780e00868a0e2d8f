using System.Text.Json;

namespace Plimsoll.ModelServer;

/// <summary>A parsed inference request: inputs in the model's order, and the outputs asked for.</summary>
internal sealed record InferRequest(string? Id, TensorData[] Inputs, Signature[] Outputs)
{
    private const int TextBytesMax = 1024;
    private const int RankMax = 32;

    /// <summary>Reads the body of POST …/infer.</summary>
    /// <exception cref="InferenceException">With status 400: what is wrong and where.</exception>
    public static InferRequest Read(ReadOnlySpan<byte> body, ServedModel model)
    {
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 64 });
            return ReadRoot(ref reader, body, model);
        }
        catch (JsonException e)
        {
            throw InferenceException.Malformed(
                $"the body is not valid JSON at line {(e.LineNumber ?? 0) + 1}, byte {e.BytePositionInLine}");
        }
        catch (InvalidOperationException)
        {
            // The reader looks at a string's bytes only when they are asked for.
            throw InferenceException.Malformed("a name in the body is not valid UTF-8");
        }
    }

    private static InferRequest ReadRoot(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, ServedModel model)
    {
        string? id = null;
        TensorData[]? inputs = null;
        var outputs = model.Outputs;
        Start(ref reader, JsonTokenType.StartObject, "the body");
        while (Property(ref reader) is { } name)
        {
            switch (name)
            {
                case "id": id = Text(ref reader, "id"); break;
                case "inputs": inputs = ReadInputs(ref reader, body, model); break;
                case "outputs": outputs = ReadOutputs(ref reader, model) is { Length: > 0 } chosen ? chosen : model.Outputs; break;
                default: reader.Skip(); break;
            }
        }

        if (reader.Read())
            throw InferenceException.Malformed("the body goes on after its object");
        return new InferRequest(id, inputs ?? throw InferenceException.Malformed("the body has no 'inputs'"), outputs);
    }

    private static TensorData[] ReadInputs(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, ServedModel model)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw InferenceException.Malformed("'inputs' is not an array");
        var found = new TensorData?[model.Inputs.Length];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var input = ReadInput(ref reader, body, model);
            var at = Array.FindIndex(model.Inputs, signature => signature.Name == input.Name);
            if (found[at] is not null)
                throw InferenceException.Malformed($"the input '{input.Name}' is given twice");
            found[at] = input;
        }

        var missing = Array.IndexOf(found, null);
        if (missing >= 0)
            throw InferenceException.Malformed($"the input '{model.Inputs[missing].Name}' is missing");
        return found!;
    }

    private static TensorData ReadInput(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, ServedModel model)
    {
        string? name = null, type = null;
        long[]? shape = null;
        long dataStart = -1;
        var binary = false;
        Start(ref reader, JsonTokenType.StartObject, "an input");
        while (Property(ref reader) is { } property)
        {
            switch (property)
            {
                case "name": name = Text(ref reader, "an input's name"); break;
                case "datatype": type = Text(ref reader, "an input's datatype"); break;
                case "shape": shape = ReadShape(ref reader); break;
                case "data":
                    // Shape and type may come after the data, so its place is kept and read at the end.
                    dataStart = reader.TokenStartIndex;
                    reader.Skip();
                    break;
                case "parameters": binary = HasBinaryData(ref reader); break;
                default: reader.Skip(); break;
            }
        }

        if (binary)
            throw InferenceException.Binary;
        if (name is null)
            throw InferenceException.Malformed("an input has no 'name'");
        var signature = Array.Find(model.Inputs, candidate => candidate.Name == name)
            ?? throw InferenceException.Malformed(
                $"model '{model.Name}' has no input '{name}'; it has {string.Join(", ", model.Inputs.Select(i => $"'{i.Name}'"))}");
        if (type != signature.Type.Protocol)
        {
            throw InferenceException.Malformed(
                $"the input '{name}' has the datatype '{type}', and the model takes {signature.Type.Protocol}");
        }

        if (shape is null || dataStart < 0)
            throw InferenceException.Malformed($"the input '{name}' has no '{(shape is null ? "shape" : "data")}'");
        var elements = Check(signature, shape, body.Length);
        return new TensorData(name, signature.Type, shape, TensorJson.Read(body[(int)dataStart..], signature, elements));
    }

    private static bool HasBinaryData(ref Utf8JsonReader reader)
    {
        var found = false;
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return false;
        }

        while (Property(ref reader) is { } name)
        {
            found |= name == "binary_data_size";
            reader.Skip();
        }

        return found;
    }

    private static int Check(Signature signature, long[] shape, int bodyBytes)
    {
        var fits = shape.Length == signature.Shape.Length
            && shape.Zip(signature.Shape).All(axes => axes.Second < 0 || axes.First == axes.Second);
        if (!fits)
        {
            throw InferenceException.Malformed($"the input '{signature.Name}' has the shape [{string.Join(',', shape)}], "
                + $"and the model takes [{string.Join(',', signature.Shape)}] (-1 is any)");
        }

        var elements = (Int128)1;
        foreach (var axis in shape)
        {
            elements *= axis;
            // Each element takes a byte of JSON at least, so a larger shape is a lie, told before anything is allocated.
            if (elements > bodyBytes)
            {
                throw InferenceException.Malformed(
                    $"the input '{signature.Name}' has the shape [{string.Join(',', shape)}], more than its data can hold");
            }
        }

        return (int)elements;
    }

    private static long[] ReadShape(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw InferenceException.Malformed("an input's 'shape' is not an array");
        var shape = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var axis) || axis < 0)
                throw InferenceException.Malformed("an input's 'shape' holds something that is no length");
            if (shape.Count == RankMax)
                throw InferenceException.Malformed($"an input's 'shape' has more than {RankMax} axes");
            shape.Add(axis);
        }

        return [.. shape];
    }

    private static Signature[] ReadOutputs(ref Utf8JsonReader reader, ServedModel model)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw InferenceException.Malformed("'outputs' is not an array");
        var chosen = new List<Signature>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            string? name = null;
            Start(ref reader, JsonTokenType.StartObject, "an output");
            while (Property(ref reader) is { } property)
            {
                if (property == "name")
                    name = Text(ref reader, "an output's name");
                else
                    reader.Skip();
            }

            var signature = Array.Find(model.Outputs, candidate => candidate.Name == name)
                ?? throw InferenceException.Malformed($"model '{model.Name}' has no output '{name}'");
            if (chosen.Contains(signature))
                throw InferenceException.Malformed($"the output '{name}' is asked for twice");
            chosen.Add(signature);
        }

        return [.. chosen];
    }

    private static void Start(ref Utf8JsonReader reader, JsonTokenType type, string what)
    {
        if (reader.TokenType == JsonTokenType.None)
            reader.Read();
        if (reader.TokenType != type)
            throw InferenceException.Malformed($"{what} is not a JSON object");
    }

    /// <summary>The next property's name with the reader at its value, or null at the object's end.</summary>
    private static string? Property(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.EndObject)
            return null;
        var name = reader.ValueSpan.Length <= TextBytesMax ? reader.GetString()! : "";
        reader.Read();
        return name;
    }

    private static string Text(ref Utf8JsonReader reader, string what)
    {
        if (reader.TokenType != JsonTokenType.String || reader.ValueSpan.Length > TextBytesMax)
            throw InferenceException.Malformed($"{what} is not a string of at most {TextBytesMax} bytes");
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw InferenceException.Malformed($"{what} is not valid UTF-8");
        }
    }
}
