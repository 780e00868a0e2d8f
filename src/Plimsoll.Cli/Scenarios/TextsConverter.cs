using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Texts by name; KEDA wants numbers in quotes, and people leave them out.</summary>
internal sealed class TextsConverter : JsonConverter<Dictionary<string, string>>
{
    public override Dictionary<string, string> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        if (document.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("metadata is no map of texts");
        return document.RootElement.EnumerateObject().Where(one => one.Value.ValueKind is JsonValueKind.String or JsonValueKind.Number)
            .GroupBy(one => one.Name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Last().Value.ToString(), StringComparer.Ordinal);
    }

    public override void Write(Utf8JsonWriter writer, Dictionary<string, string> value, JsonSerializerOptions options) => throw new NotSupportedException("manifests are only read");
}
