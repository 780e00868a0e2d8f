using System.Text.Json;

namespace Plimsoll.Local;

/// <summary>Where two JSON documents first differ, in the order of the first one's members.</summary>
internal static class JsonDifference
{
    private const int LongestShown = 120;

    /// <summary>The path and both values, or null when they are equal.</summary>
    public static (string Path, string Recorded, string Derived)? First(JsonElement recorded, JsonElement derived, string path)
    {
        if (recorded.ValueKind != derived.ValueKind) return (path, Show(recorded), Show(derived));
        switch (recorded.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in recorded.EnumerateObject())
                {
                    var at = $"{path}.{member.Name}";
                    if (!derived.TryGetProperty(member.Name, out var other)) return (at, Show(member.Value), "nothing");
                    if (First(member.Value, other, at) is { } inner) return inner;
                }

                foreach (var member in derived.EnumerateObject())
                {
                    if (!recorded.TryGetProperty(member.Name, out _)) return ($"{path}.{member.Name}", "nothing", Show(member.Value));
                }

                return null;
            case JsonValueKind.Array:
                var (left, right) = (recorded.GetArrayLength(), derived.GetArrayLength());
                for (var i = 0; i < Math.Min(left, right); i++)
                {
                    if (First(recorded[i], derived[i], $"{path}[{i}]") is { } inner) return inner;
                }

                return left == right ? null
                    : ($"{path}[{Math.Min(left, right)}]",
                        left > right ? Show(recorded[right]) : "nothing", right > left ? Show(derived[left]) : "nothing");
            default:
                return recorded.GetRawText() == derived.GetRawText() ? null : (path, Show(recorded), Show(derived));
        }
    }

    private static string Show(JsonElement value) =>
        value.GetRawText() is { Length: > LongestShown } text ? text[..LongestShown] + "…" : value.GetRawText();
}
