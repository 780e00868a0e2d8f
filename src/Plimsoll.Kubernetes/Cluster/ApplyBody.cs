using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>
/// JSON as the API server takes it for an apply. It reads that as YAML, which knows no pairs of escapes for what lies beyond
/// the first plane (an emoji that a person wrote): such a one stands there itself.
/// </summary>
internal static partial class ApplyBody
{
    public static byte[] Of(byte[] json)
    {
        if (json.AsSpan().IndexOf("\\uD"u8) < 0 && json.AsSpan().IndexOf("\\ud"u8) < 0) return json;
        return Encoding.UTF8.GetBytes(Pair().Replace(Encoding.UTF8.GetString(json), match => new string([Unit(match.Groups[1]), Unit(match.Groups[2])])));
    }

    private static char Unit(Group hex) => (char)ushort.Parse(hex.ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // Behind an even number of backslashes, or what follows is no escape.
    [GeneratedRegex(@"(?<=(?<!\\)(?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")]
    private static partial Regex Pair();
}
