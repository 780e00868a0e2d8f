using System.Globalization;
using System.Text.RegularExpressions;

namespace Plimsoll.Artifacts;

/// <summary>What the name of a GGUF file says of it: part of a split model ("m-00002-of-00003.gguf"), or a projector.</summary>
public static partial class GgufNames
{
    /// <summary>Stem, number and count of a split model's file; not a success for any other name.</summary>
    internal static Match SplitOf(string name) => SplitName().Match(name);

    /// <summary>Whether a file is part of a split model, and not its first.</summary>
    public static bool IsLaterSplit(string name) => FirstSplitOf(name) is not null;

    /// <summary>The name of the first file of the split model that a file is a later part of; null where it is not.</summary>
    public static string? FirstSplitOf(string name) => SplitOf(name) is { Success: true } match && match.Groups[2].Value != "00001"
        ? string.Create(CultureInfo.InvariantCulture, $"{match.Groups[1].Value}-00001-of-{match.Groups[3].Value}.gguf") : null;

    /// <summary>Whether a file turns images into the tokens of the model beside it, and is no model of its own.</summary>
    public static bool IsProjector(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.StartsWith("mmproj", StringComparison.OrdinalIgnoreCase) && name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
    }

    [GeneratedRegex(@"^(.+)-([0-9]{5})-of-([0-9]{5})\.gguf$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SplitName();
}
