using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// Where pods find an artefact below the cache's folder, by its source alone: the hub's own layout for what comes from a hub,
/// a name made of the address for all else. Operator and agent both use this, so that neither need trust the other's word.
/// </summary>
public static class CachePaths
{
    /// <summary>The cache's folder on each node unless said otherwise.</summary>
    public const string DefaultFolder = "/var/lib/plimsoll/models";

    /// <summary>Where the artefacts themselves lie; pods use the links beside it.</summary>
    public const string Artifacts = "artifacts";

    public const string Hub = "hub";
    public const string BySource = "by-source";

    private const int CommitLength = 40;
    private const int LongestName = 200;

    /// <summary>"hub/models--org--name/snapshots/COMMIT" or "by-source/s3%2Fbucket%2Fkey".</summary>
    public static string Of(SourceAddress source, string version) => source is SourceAddress.Hub { Path: "" } hub
        ? $"{HubFolder(hub)}/snapshots/{CommitOf(hub, version)}" : $"{BySource}/{Escaped(source.Shown)}";

    /// <summary>The file that says which commit a branch or tag is at, and the commit; null where the address names a commit or no hub.</summary>
    public static (string Path, string Commit)? RefOf(SourceAddress source, string version) =>
        source is SourceAddress.Hub { Path: "" } hub && !IsCommit(hub.Revision) ? ($"{HubFolder(hub)}/refs/{hub.Revision}", CommitOf(hub, version)) : null;

    private static string HubFolder(SourceAddress.Hub hub) => $"{Hub}/models--{hub.Repository.Replace("/", "--", StringComparison.Ordinal)}";

    // Which commit a branch is at is not told with the weights. Those who read this layout take whatever refs/ names.
    private static string CommitOf(SourceAddress.Hub hub, string version) => IsCommit(hub.Revision) ? hub.Revision
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{hub.Shown}@{version}")))[..CommitLength];

    private static bool IsCommit(string revision) => revision.Length == CommitLength && revision.All(char.IsAsciiHexDigitLower);

    // One part of a path whatever the address is: "s3://models/encoder/v3" is "s3%2Fmodels%2Fencoder%2Fv3".
    private static string Escaped(string shown)
    {
        var name = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(shown.Replace("://", "/", StringComparison.Ordinal)))
        {
            var c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' && name.Length > 0) name.Append(c);
            else name.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
        }

        return name.Length <= LongestName ? name.ToString()
            : $"{name.ToString(0, LongestName)}%{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(shown)))[..16]}";
    }
}
