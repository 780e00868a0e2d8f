using System.Diagnostics.CodeAnalysis;

namespace Plimsoll.Artifacts;

/// <summary>
/// Where an artefact is, taken apart: a path, or an address of http(s), s3, gs, hf or pvc. It prints as it may be shown,
/// without user, query and fragment, which may hold secrets.
/// </summary>
public abstract record SourceAddress
{
    private const int LongestText = 4096;

    private SourceAddress()
    {
    }

    /// <summary>The address as it may be shown, stored and logged.</summary>
    public abstract string Shown { get; }

    /// <summary>A file or folder of this machine.</summary>
    public sealed record LocalPath(string Path) : SourceAddress
    {
        public override string Shown => Path;
    }

    /// <summary>A file or a folder behind a web server.</summary>
    public sealed record Web(Uri Url) : SourceAddress
    {
        public override string Shown => SourceRequest.ShownOf(Url);

        /// <summary>Its path ends in a slash.</summary>
        public bool IsFolder => Url.AbsolutePath.EndsWith('/');
    }

    /// <summary>An object, or all objects whose keys begin with the key and a slash.</summary>
    /// <param name="Scheme">"s3" or "gs".</param>
    /// <param name="Name">The bucket.</param>
    /// <param name="Key">Without a slash at either end; empty for the whole bucket.</param>
    public sealed record Bucket(string Scheme, string Name, string Key) : SourceAddress
    {
        /// <summary>The address ended in a slash: it can only be a folder.</summary>
        public bool IsFolder { get; init; }

        public override string Shown => Key.Length == 0 ? $"{Scheme}://{Name}" : $"{Scheme}://{Name}/{Key}";
    }

    /// <summary>A model of a hub, or a part of it.</summary>
    /// <param name="Repository">"org/name".</param>
    /// <param name="Revision">A branch, tag or commit; "main" where none is given.</param>
    /// <param name="Path">A file or folder in it, without a slash at either end; empty for all of it.</param>
    public sealed record Hub(string Repository, string Revision, string Path) : SourceAddress
    {
        public override string Shown
        {
            get
            {
                var model = Revision == "main" ? $"hf://{Repository}" : $"hf://{Repository}@{Revision.Replace("/", "%2F", StringComparison.Ordinal)}";
                return Path.Length == 0 ? model : $"{model}/{Path}";
            }
        }
    }

    /// <summary>A path on a volume claim of a cluster.</summary>
    /// <param name="Name">The claim.</param>
    /// <param name="Path">Without a slash at either end; empty for the whole volume.</param>
    public sealed record Claim(string Name, string Path) : SourceAddress
    {
        public override string Shown => Path.Length == 0 ? $"pvc://{Name}" : $"pvc://{Name}/{Path}";
    }

    /// <summary>Whether a source is behind an address rather than a path of this machine.</summary>
    public static bool IsAddress([NotNullWhen(true)] string? text) =>
        text is not null && SourceAddressText.SchemeOf(text) is not (null or "file");

    /// <summary>A source as it may be shown, whether it can be read or not; a path as it is.</summary>
    public static string ShownOf(string text)
    {
        if (!IsAddress(text)) return text;
        try
        {
            return Parse(text).Shown;
        }
        catch (ArtifactException)
        {
            return $"{text[..text.IndexOf("://", StringComparison.Ordinal)]}://…";
        }
    }

    /// <summary>Takes an address apart; text without a scheme is a path.</summary>
    /// <exception cref="ArtifactException">It cannot be read; the message repeats nothing that may be a secret.</exception>
    public static SourceAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length is 0 or > LongestText || text.Any(char.IsControl))
            throw new ArtifactException($"A source is a path or an address of 1 to {LongestText} characters, none of them a control character.");
        var scheme = SourceAddressText.SchemeOf(text);
        return scheme switch
        {
            null => new LocalPath(text),
            "file" => Uri.TryCreate(text, UriKind.Absolute, out var file) && file.IsFile && file.Host.Length == 0 ? new LocalPath(file.LocalPath)
                : throw SourceAddressText.Unreadable(text, "file:///FOLDER"),
            "http" or "https" => SourceAddressText.Web(text),
            "s3" or "gs" => SourceAddressText.Bucket(scheme, text),
            "hf" => SourceAddressText.Hub(text),
            "pvc" => SourceAddressText.Claim(text),
            _ => throw SourceAddressText.Unreadable(text, "a path, or https://, s3://, gs://, hf:// or pvc://"),
        };
    }

    public sealed override string ToString() => Shown;
}
