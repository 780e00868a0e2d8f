using System.Buffers;

namespace Plimsoll.Artifacts;

/// <summary>The grammar of addresses. Parts become parts of URLs and paths, so none may lead elsewhere.</summary>
internal static class SourceAddressText
{
    private const int LongestPart = 255;
    private const int MostShown = 200;

    private static readonly SearchValues<char> Plain =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    /// <summary>In lower case; null where the text is a path.</summary>
    public static string? SchemeOf(string text)
    {
        var end = text.IndexOf("://", StringComparison.Ordinal);
        if (end <= 0 || !char.IsAsciiLetter(text[0]) || !text.AsSpan(0, end).ToString().All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.'))
            return null;
        return text[..end].ToLowerInvariant();
    }

    public static SourceAddress Web(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Host.Length == 0) throw Unreadable(text, "https://HOST/PATH");
        return new SourceAddress.Web(url);
    }

    public static SourceAddress Bucket(string scheme, string text)
    {
        var form = $"{scheme}://BUCKET/KEY";
        var (bucket, key) = Cut(Rest(text), '/');
        // A signed address or keys in front of the bucket would otherwise be shown as a name.
        if (text.Contains('?', StringComparison.Ordinal)) throw Unreadable(text, $"{form} (a signed address begins with https://)");
        if (bucket.Length is 1 or 2) throw Unreadable(text, $"{form} with a bucket's name of 3 characters or more");
        if (bucket.Length is < 3 or > 222 || bucket.AsSpan().ContainsAnyExcept(Plain) || !char.IsAsciiLetterOrDigit(bucket[0]) || bucket.Contains("..", StringComparison.Ordinal))
            throw Unreadable(text, form);
        var folder = key.Length == 0 || key.EndsWith('/');
        key = key.EndsWith('/') ? key[..^1] : key;
        CheckPath(key, text, form, longest: 1024);
        return new SourceAddress.Bucket(scheme, bucket, key) { IsFolder = folder };
    }

    public static SourceAddress Hub(string text)
    {
        const string Form = "hf://ORG/NAME@REVISION/FILE";
        var parts = Rest(text).TrimEnd('/').Split('/');
        if (parts.Length < 2 || text.AsSpan().ContainsAny('?', '#')) throw Unreadable(text, Form);
        var (name, revision) = Cut(parts[1], '@');
        var hasRevision = parts[1].Contains('@', StringComparison.Ordinal);
        var rest = parts.AsSpan(2);
        // The hub's own branches have slashes: refs/pr/1, refs/convert/parquet.
        if (revision == "refs" && rest.Length >= 2)
        {
            revision = $"refs/{rest[0]}/{rest[1]}";
            rest = rest[2..];
        }

        revision = revision.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        if (!IsName(parts[0], 96) || !IsName(name, 96) || (hasRevision && !revision.Split('/').All(part => IsName(part, LongestPart))))
            throw Unreadable(text, Form);
        var path = string.Join('/', rest.ToArray());
        CheckPath(path, text, Form, longest: 1024);
        return new SourceAddress.Hub($"{parts[0]}/{name}", hasRevision ? revision : "main", path);
    }

    public static SourceAddress Claim(string text)
    {
        const string Form = "pvc://CLAIM/PATH";
        var (claim, path) = Cut(Rest(text), '/');
        path = path.TrimEnd('/');
        if (!IsName(claim, 253) || text.AsSpan().ContainsAny('?', '#')) throw Unreadable(text, Form);
        CheckPath(path, text, Form, longest: LongestPart * 16);
        return new SourceAddress.Claim(claim, path);
    }

    /// <summary>What was found, without user and query, and what would do.</summary>
    public static ArtifactException Unreadable(string text, string form)
    {
        var shown = text.Split('?', '#')[0];
        var at = shown.LastIndexOf('@');
        // What stands before an @ may be a password; a revision that follows one is worth less than a leak.
        if (at >= 0) shown = shown[(at + 1)..];
        shown = shown.Length > MostShown ? shown[..MostShown] + "…" : shown;
        return new ArtifactException($"\"{shown}\" is no source that can be read; {form} would do.");
    }

    private static string Rest(string text) => text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..];

    private static (string Before, string After) Cut(string text, char at) =>
        text.IndexOf(at) is var place and >= 0 ? (text[..place], text[(place + 1)..]) : (text, "");

    private static bool IsName(string part, int longest) => part.Length > 0 && part.Length <= longest && part is not ("." or "..")
        && !part.AsSpan().ContainsAnyExcept(Plain) && part[0] != '-';

    private static void CheckPath(string path, string text, string form, int longest)
    {
        if (path.Length == 0) return;
        if (path.Length > longest || path.Contains('\\', StringComparison.Ordinal) || path.Split('/').Any(part => part is "" or "." or ".."))
            throw Unreadable(text, $"{form} without empty parts, \".\", \"..\" or a backslash, at most {longest} characters long,");
    }
}
