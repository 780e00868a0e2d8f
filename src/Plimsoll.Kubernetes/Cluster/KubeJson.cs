using System.Globalization;
using System.Text;
using System.Text.Json;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>Reads fields that may be absent, or not what they should be, of objects that others wrote.</summary>
internal static class KubeFields
{
    /// <summary>As deep as the server takes objects: one that is deep must not cost the list it is in.</summary>
    public static readonly JsonDocumentOptions Deep = new() { MaxDepth = ResourceJson.DepthMax };

    public static byte[] Raw(this JsonElement element) => Encoding.UTF8.GetBytes(element.GetRawText());

    public static JsonElement? At(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public static JsonElement? At(this JsonElement element, string first, string second) => element.At(first)?.At(second);

    public static string? Text(this JsonElement element, string name) =>
        element.At(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    public static int? Number(this JsonElement element, string name) =>
        element.At(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var value) ? value : null;

    public static bool Flag(this JsonElement element, string name) => element.At(name) is { ValueKind: JsonValueKind.True };

    public static DateTimeOffset? Time(this JsonElement element, string name) =>
        DateTimeOffset.TryParse(element.Text(name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    public static IEnumerable<JsonElement> List(this JsonElement element, string name) =>
        element.At(name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    public static IEnumerable<KeyValuePair<string, string>> Texts(this JsonElement element, string name) =>
        element.At(name) is { ValueKind: JsonValueKind.Object } map
            ? map.EnumerateObject().Where(one => one.Value.ValueKind == JsonValueKind.String).Select(one => KeyValuePair.Create(one.Name, one.Value.GetString()!))
            : [];
}
