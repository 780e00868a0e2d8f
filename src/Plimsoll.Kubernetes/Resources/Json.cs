using System.Text.Json;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Looks into objects whose form nobody promised.</summary>
internal static class Json
{
    /// <summary>The value at a path of names; null when it is not there, or is null.</summary>
    public static JsonElement? At(JsonElement value, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(name, out value)) return null;
        }

        return value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? null : value;
    }

    /// <summary>A text; null when something else is there.</summary>
    public static string? Text(JsonElement value, params ReadOnlySpan<string> path) =>
        At(value, path) is { ValueKind: JsonValueKind.String } found ? found.GetString() : null;

    /// <summary>The items of a list; none when something else is there.</summary>
    public static IEnumerable<JsonElement> Items(JsonElement value, params ReadOnlySpan<string> path) =>
        At(value, path) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    /// <summary>A whole number, written as one or as a text; null when something else is there.</summary>
    public static long? Whole(JsonElement value, params ReadOnlySpan<string> path) => At(value, path) switch
    {
        { ValueKind: JsonValueKind.Number } number when number.TryGetInt64(out var whole) => whole,
        { ValueKind: JsonValueKind.String } text when long.TryParse(text.GetString(), System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var whole) => whole,
        _ => null,
    };
}
