using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

[Means("What is there, as the agent sees it.")]
public sealed record NodeModelCacheStatus
{
    [Means("The generation of the spec that this status is about.")]
    [Bounds(0, 1e15)]
    public long? ObservedGeneration { get; init; }

    [Means("Ready: whether the agent can use the folder.")]
    [Holds(8, Key = "type")]
    public IReadOnlyList<V1Condition>? Conditions { get; init; }

    [Means("When the agent started: it removes only what it is asked for by this.")]
    [Looks("^[0-9T:.Z+-]+$", 40, "a time such as 2026-01-01T00:00:00Z")]
    public string? StartedAt { get; init; }

    [Means("When the agent last wrote.")]
    [Looks("^[0-9T:.Z+-]+$", 40, "a time such as 2026-01-01T00:00:00Z")]
    public string? Heartbeat { get; init; }

    [Means("How long the agent may be silent at the most, in seconds.")]
    [Bounds(1, 3600)]
    public int? HeartbeatSeconds { get; init; }

    [Means("The folder on the node.")]
    [Looks(@"^/[^\x00-\x1f\x7f]*$", 1024, "a path such as /var/lib/plimsoll/models")]
    public string? Folder { get; init; }

    [Means("What the artefacts take, for a person.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 32, "a size")]
    public string? Used { get; init; }

    [Means("What they may take, for a person.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 32, "a size")]
    public string? Budget { get; init; }

    [Means("What the artefacts take, unfinished ones included.")]
    [Bounds(0, 1e15)]
    public long? UsedBytes { get; init; }

    [Means("What they may take.")]
    [Bounds(0, 1e15)]
    public long? BudgetBytes { get; init; }

    [Means("What the file system has left for the cache: free, less what is to stay free.")]
    [Bounds(0, 1e15)]
    public long? FreeBytes { get; init; }

    [Means("What others have taken of the space that is to stay free.")]
    [Bounds(0, 1e15)]
    public long? ShortBytes { get; init; }

    [Means("Whole artefacts.")]
    [Bounds(0, 1e9)]
    public int? ArtifactCount { get; init; }

    [Means("Artefacts on their way.")]
    [Bounds(0, 1e9)]
    public int? FetchCount { get; init; }

    [Means("What lies on the disk, whole or not; of more than 256 those last used.")]
    [Holds(NodeModelCache.ArtifactsMax)]
    public IReadOnlyList<NodeCacheCopy>? Artifacts { get; init; }

    [Means("What is being fetched.")]
    [Holds(16)]
    public IReadOnlyList<NodeCacheFetch>? Fetches { get; init; }

    [Means("What could not be fetched or removed, and is tried again.")]
    [Holds(64)]
    public IReadOnlyList<NodeCacheFailure>? Failures { get; init; }
}

[Means("A copy on the disk.")]
public sealed record NodeCacheCopy
{
    [Means("The ScaledModel, as namespace/name.")]
    [Needed("a ScaledModel's namespace/name")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 317, "a ScaledModel's namespace/name")]
    public string? Model { get; init; }

    [Means("Its artefact's version.")]
    [Needed("a version")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 64, "a version")]
    public string? Version { get; init; }

    [Means("Where it came from.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 2048, "an address")]
    public string? Source { get; init; }

    [Means("Where pods find it, below the folder.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 1024, "a path")]
    public string? Path { get; init; }

    [Means("What keeps pods from finding it there; absent when nothing does.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 1100, "a sentence")]
    public string? Problem { get; init; }

    [Means("What it takes now.")]
    [Needed("a number of bytes")]
    [Bounds(0, 1e15)]
    public long? SizeBytes { get; init; }

    [Means("True when it is whole.")]
    [Words("True", "False")]
    public string? Complete { get; init; }

    [Means("True while it is being fetched: it cannot be removed then.")]
    [Words("True", "False")]
    public string? Pinned { get; init; }

    [Means("When it became whole or was last used.")]
    [Looks("^[0-9T:.Z+-]+$", 40, "a time")]
    public string? LastUsed { get; init; }

    [Means("What the last fetch brought.")]
    [Bounds(0, 1e15)]
    public long? FetchedBytes { get; init; }

    [Means("How long that took, in seconds.")]
    [Bounds(0, 1e9)]
    public double? FetchSeconds { get; init; }
}

[Means("A fetch under way.")]
public sealed record NodeCacheFetch
{
    [Means("The ScaledModel, as namespace/name.")]
    [Needed("a ScaledModel's namespace/name")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 317, "a ScaledModel's namespace/name")]
    public string? Model { get; init; }

    [Means("Its artefact's version.")]
    [Needed("a version")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 64, "a version")]
    public string? Version { get; init; }

    [Means("What is there already.")]
    [Bounds(0, 1e15)]
    public long? DoneBytes { get; init; }

    [Means("All of it, once the source has told.")]
    [Bounds(0, 1e15)]
    public long? TotalBytes { get; init; }

    [Means("When it began.")]
    [Looks("^[0-9T:.Z+-]+$", 40, "a time")]
    public string? StartedAt { get; init; }
}

[Means("What went wrong.")]
public sealed record NodeCacheFailure
{
    [Means("The ScaledModel, as namespace/name.")]
    [Needed("a ScaledModel's namespace/name")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 317, "a ScaledModel's namespace/name")]
    public string? Model { get; init; }

    [Means("Its artefact's version.")]
    [Needed("a version")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 64, "a version")]
    public string? Version { get; init; }

    [Means("What happened, in a sentence.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 1100, "a sentence")]
    public string? Message { get; init; }

    [Means("How often in a row.")]
    [Bounds(1, 1e9)]
    public int? Count { get; init; }

    [Means("When it is tried again.")]
    [Looks("^[0-9T:.Z+-]+$", 40, "a time")]
    public string? RetryAt { get; init; }
}
