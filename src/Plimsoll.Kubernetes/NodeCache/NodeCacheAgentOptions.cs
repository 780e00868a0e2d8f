using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>How a node's agent keeps its cache.</summary>
public sealed record NodeCacheAgentOptions
{
    /// <summary>The node it runs on.</summary>
    public required string Node { get; init; }

    /// <summary>The cache's folder, as the agent sees it.</summary>
    public required string Folder { get; init; }

    /// <summary>The same folder as the node sees it, to be told.</summary>
    public string HostFolder { get; init; } = CachePaths.DefaultFolder;

    /// <summary>What it may hold at the most; null for all that is free at the start but for <see cref="KeepFree"/>.</summary>
    public Bytes? Budget { get; init; }

    /// <summary>What is to stay free of a file system of this size.</summary>
    public Func<Bytes, Bytes> KeepFree { get; init; } = FifthOf;

    /// <summary>All fetches together; null is no limit.</summary>
    public BytesPerSecond? Bandwidth { get; init; }

    /// <summary>Fetches at once.</summary>
    public int FetchesAtOnce { get; init; } = 2;

    /// <summary>The longest it is silent.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The shortest time between two writes of its status.</summary>
    public TimeSpan Pace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often it tells how far fetches are.</summary>
    public TimeSpan Progress { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait after a first failure; doubles up to ten minutes.</summary>
    public TimeSpan Retry { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Endpoints and tokens of stores.</summary>
    public SourceSettings Sources { get; init; } = SourceSettings.OfProcess;

    /// <summary>
    /// The kubelet ends pods when less than 10 % of its own file system or 15 % of the images' is free, and begins to remove
    /// images at 15 %. A fifth leaves room to pull one before that.
    /// </summary>
    public static Bytes FifthOf(Bytes fileSystem) => new(fileSystem.Value / 5);
}
