namespace Plimsoll.Artifacts;

/// <summary>
/// What addresses need beside themselves: endpoints, tokens and folders, as environment variables under the names that the
/// stores' own tools use. It prints none of them.
/// </summary>
public sealed class SourceSettings
{
    /// <summary>Those of this process.</summary>
    public static SourceSettings OfProcess { get; } = new();

    /// <summary>Reads an environment variable; null when it is not set.</summary>
    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>Folder in which volume claims are mounted under their names; null for what PLIMSOLL_PVC_ROOT says.</summary>
    public string? ClaimRoot { get; init; }

    /// <summary>The first of these variables that is set and not empty.</summary>
    internal string? First(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Variable(name) is { Length: > 0 } value) return value.Trim();
        }

        return null;
    }

    /// <summary>An address from the environment, without a slash at its end.</summary>
    /// <exception cref="ArtifactException">It is none; the message names the variable, not its value.</exception>
    internal Uri? Endpoint(params ReadOnlySpan<string> names)
    {
        if (First(names) is not { } text) return null;
        if (!text.Contains("://", StringComparison.Ordinal)) text = "http://" + text;
        return Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0
            ? url : throw new ArtifactException($"{string.Join(" or ", names.ToArray())} holds no address; http(s)://HOST:PORT would do.");
    }

    /// <summary>A secret that goes into a header, where a line break or a space would break the request.</summary>
    internal string? Secret(params ReadOnlySpan<string> names) => First(names) is { } secret ? Checked(secret, string.Join(" or ", names.ToArray())) : null;

    /// <exception cref="ArtifactException">It cannot be one; the message names where it stands, not its value.</exception>
    internal static string Checked(string secret, string where) => secret.Length <= 8192 && secret.All(c => c is > ' ' and < '\u007f')
        ? secret : throw new ArtifactException($"{where} holds no token: it has a space, a control character or a letter beyond ASCII in it.");
}
