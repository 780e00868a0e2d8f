using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Puts addresses of models together.</summary>
internal static class ModelSource
{
    private const int LongestName = 96;

    /// <summary>"org/name", as the hub has it.</summary>
    public static bool IsHubName(string text) =>
        text.Split('/') is [var organisation, var name] && IsName(organisation) && IsName(name);

    /// <summary>The address of a hub's model at a revision; one without a revision of its own gets the one given.</summary>
    public static string WithRevision(string address, string? revision)
    {
        if (string.IsNullOrEmpty(revision)) return address;
        try
        {
            return SourceAddress.Parse(address) is SourceAddress.Hub { Revision: "main" } hub ? (hub with { Revision = revision }).Shown : address;
        }
        catch (ArtifactException)
        {
            return address;
        }
    }

    private static bool IsName(string text) =>
        text.Length is > 0 and <= LongestName && char.IsAsciiLetterOrDigit(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
