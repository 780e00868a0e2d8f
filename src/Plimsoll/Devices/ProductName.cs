namespace Plimsoll;

/// <summary>
/// Names of one product differ by spaces, dashes, case and makers ("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB",
/// "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED"): this brings them to one key and takes the suffixes off.
/// </summary>
/// <param name="Key">Lower case, words joined by dashes, the maker left out: "a100-sxm4-40gb".</param>
/// <param name="Slice">The MIG profile ("1g.5gb", "3g.40gb"), without its media engines; null for a whole device.</param>
/// <param name="Shared">True when the name says that one device is handed out several times.</param>
internal sealed record ProductName(string Key, string? Slice, bool Shared)
{
    public const int LengthMax = 128;

    private static readonly string[] Makers = ["nvidia-", "geforce-", "amd-", "instinct-"];

    /// <summary>Null for an empty name and for one longer than any product's.</summary>
    public static ProductName? Parse(string name)
    {
        if (name.Length is 0 or > LengthMax) return null;
        var key = Dashed(name);
        foreach (var maker in Makers)
            if (key.StartsWith(maker, StringComparison.Ordinal)) key = key[maker.Length..];
        var shared = key.EndsWith("-shared", StringComparison.Ordinal);
        if (shared) key = key[..^"-shared".Length];
        var mig = key.IndexOf("-mig-", StringComparison.Ordinal);
        if (key.Length == 0 || mig == 0) return null;
        return mig < 0 ? new(key, null, shared) : new(key[..mig], Profile(key[(mig + "-mig-".Length)..]), shared);
    }

    /// <summary>"1g.10gb+me", "1g.10gb.me" and "1g.10gb-me" are slices of the same memory as "1g.10gb".</summary>
    public static string Profile(string text)
    {
        var lower = text.ToLowerInvariant();
        var end = lower.IndexOf("gb", StringComparison.Ordinal);
        return end < 0 ? lower : lower[..(end + 2)];
    }

    private static string Dashed(string name)
    {
        var key = new char[name.Length];
        var length = 0;
        foreach (var c in name)
        {
            if (char.IsAsciiLetterOrDigit(c) || c is '.' or '+') key[length++] = char.ToLowerInvariant(c);
            else if (length > 0 && key[length - 1] != '-') key[length++] = '-';
        }

        return new string(key, 0, length).TrimEnd('-');
    }
}
