using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Json;

/// <summary>Identities are plain strings in JSON, as values and as property names.</summary>
public sealed class IdentityConverter<T> : JsonConverter<T> where T : struct, IIdentity<T>
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        T.Of(reader.GetString() ?? throw new JsonException($"{typeof(T).Name} must be a string"));

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);

    public override T ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        T.Of(reader.GetString()!);

    public override void WriteAsPropertyName(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        writer.WritePropertyName(value.Value);
}

public sealed class BytesConverter : JsonConverter<Bytes>
{
    public override Bytes Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, Bytes value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(value.Value);
}

public sealed class BytesPerSecondConverter : JsonConverter<BytesPerSecond>
{
    public override BytesPerSecond Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, BytesPerSecond value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(value.Value);
}

public sealed class CoresConverter : JsonConverter<Cores>
{
    public override Cores Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, Cores value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(value.Milli);
}

public sealed class UsdPerHourConverter : JsonConverter<UsdPerHour>
{
    public override UsdPerHour Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(reader.GetInt64());

    public override void Write(Utf8JsonWriter writer, UsdPerHour value, JsonSerializerOptions options) =>
        writer.WriteNumberValue(value.Micro);
}
