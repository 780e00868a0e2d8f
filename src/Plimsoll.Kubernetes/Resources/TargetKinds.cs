using System.Text.RegularExpressions;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>The kinds of target that are known by name, and where they are served.</summary>
public static partial class TargetKinds
{
    public const string Deployment = "Deployment";
    public const string StatefulSet = "StatefulSet";
    public const string LeaderWorkerSet = "LeaderWorkerSet";
    public const string InferenceService = "InferenceService";

    /// <summary>Group and version of a kind that needs none stated; null for others.</summary>
    public static string? ApiVersionOf(string kind) => kind switch
    {
        Deployment or StatefulSet or "ReplicaSet" => "apps/v1",
        LeaderWorkerSet => "leaderworkerset.x-k8s.io/v1",
        InferenceService => "serving.kserve.io/v1beta1",
        _ => null,
    };

    /// <summary>Whether a text is a group and version, and nothing that leads elsewhere in a path.</summary>
    public static bool IsApiVersion(string text) => ApiVersions().IsMatch(text);

    [GeneratedRegex("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ApiVersions();

    /// <summary>A kind with its group, which tells those of one name apart.</summary>
    public static string WithGroup(string kind, string apiVersion) => $"{kind}.{(GroupOf(apiVersion) is { Length: > 0 } group ? group : "core")}";

    /// <summary>The group of an apiVersion; empty for the core group.</summary>
    public static string GroupOf(string apiVersion)
    {
        ArgumentNullException.ThrowIfNull(apiVersion);
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? "" : apiVersion[..slash];
    }
}
