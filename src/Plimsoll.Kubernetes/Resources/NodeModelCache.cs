using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// The kind NodeModelCache: the model cache of one node, by the node's name. The operator writes what is wanted, the node's
/// agent what is there. Both are whole pictures: writing one again, or losing one that is followed by another, changes nothing.
/// </summary>
[Means("The model cache of one node. Made by the node's agent and named after the node, to which it belongs.")]
[Names("nodemodelcaches", "nodemodelcache", "pnc", Namespaced = false)]
[Column("Used", "string", ".status.used", "What the artefacts take, unfinished ones included.")]
[Column("Budget", "string", ".status.budget", "What they may take.")]
[Column("Artefacts", "integer", ".status.artifactCount", "Whole artefacts.")]
[Column("Fetching", "integer", ".status.fetchCount", "Artefacts on their way.")]
[Column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status", "Whether the agent can use the folder.")]
[Column("Heard", "date", ".status.heartbeat", "Since the agent last wrote.", Wide = true)]
[Column("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].message", "How things are.", Wide = true)]
[KubernetesEntity(Group = ResourceGroup.Group, ApiVersion = ResourceGroup.Version, Kind = KubeKind, PluralName = KubePluralName)]
public sealed record NodeModelCache : IKubernetesObject<V1ObjectMeta>
{
    public const string KubeKind = "NodeModelCache";
    public const string KubePluralName = "nodemodelcaches";

    /// <summary>Most artefacts that one object names.</summary>
    public const int ArtifactsMax = 256;

    public string ApiVersion { get; set; } = ResourceGroup.ApiVersion;

    public string Kind { get; set; } = KubeKind;

    public V1ObjectMeta Metadata { get; set; } = new();

    [Means("What is asked for; written by the operator alone.")]
    public NodeModelCacheSpec? Spec { get; set; }

    [Means("What is there; written by the node's agent alone.")]
    public NodeModelCacheStatus? Status { get; set; }
}

[Means("What is asked for. What is named in neither list stays as it is.")]
public sealed record NodeModelCacheSpec
{
    [Means("Artefacts to have on the disk.")]
    [Holds(NodeModelCache.ArtifactsMax)]
    public IReadOnlyList<NodeCacheArtifact>? Artifacts { get; init; }

    [Means("Artefacts to remove from it.")]
    [Holds(NodeModelCache.ArtifactsMax)]
    public IReadOnlyList<NodeCacheKey>? Evict { get; init; }

    [Means("The agent that is asked to remove them, by its startedAt. Another one, which started later, removes nothing: who uses a copy may have changed.")]
    [Looks("^[0-9T:.Z+-]+$", 40, "a time such as 2026-01-01T00:00:00Z")]
    public string? Agent { get; init; }
}

[Means("An artefact to have.")]
public sealed record NodeCacheArtifact
{
    [Means("The ScaledModel, as namespace/name.")]
    [Needed("a ScaledModel's namespace/name")]
    [Looks("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", 317, "a ScaledModel's namespace/name")]
    public string? Model { get; init; }

    [Means("Its artefact's version, as weighed.")]
    [Needed("a version")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]*$", 64, "letters, digits, '.', '_' and '-'")]
    public string? Version { get; init; }

    [Means("Where it is fetched from: https, s3, gs or hf.")]
    [Needed("an address")]
    [Looks(@"^(https?|s3|gs|hf)://[^\x00-\x20\x7f]+$", 2048, "an address of https, s3, gs or hf")]
    public string? Source { get; init; }

    [Means("What it takes on disk.")]
    [Bounds(0, 1e15)]
    public long? SizeBytes { get; init; }
}

[Means("An artefact by its name.")]
public sealed record NodeCacheKey
{
    [Means("The ScaledModel, as namespace/name.")]
    [Needed("a ScaledModel's namespace/name")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 317, "a ScaledModel's namespace/name")]
    public string? Model { get; init; }

    [Means("Its artefact's version.")]
    [Needed("a version")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 64, "a version")]
    public string? Version { get; init; }
}
