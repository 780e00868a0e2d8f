using System.Collections.Immutable;

namespace Plimsoll.Local;

/// <summary>
/// How a variant is started on this machine: a command of any server, and how to tell that it is ready.
/// </summary>
public sealed record LaunchSpec
{
    /// <summary>
    /// Program and arguments. Placeholders in any argument: {model} path of the artefact, {folder} the folder it lies in, {name} the model's id, {port}
    /// the port chosen for it, {device} device ids joined by commas, {cores} cores as a decimal number, {threads} cores
    /// rounded up, {load_bandwidth} bytes per second (the argument and the one before it are left out when no limit is set).
    /// </summary>
    public required ImmutableArray<string> Command { get; init; }

    /// <summary>Added to the controller's own environment, same placeholders.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } =
        ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Answers 200 once the replica can serve: "/v2/health/ready", "/health".</summary>
    public string ReadyPath { get; init; } = "/v2/health/ready";

    /// <summary>Prometheus metrics of the server, for its load stages; null when it has none.</summary>
    public string? MetricsPath { get; init; }

    /// <summary>Posted to put a ready replica to sleep ("/sleep?level=1"); null when the server cannot.</summary>
    public string? SleepPath { get; init; }

    /// <summary>Posted to wake a sleeping replica ("/wake_up"); null when the server cannot.</summary>
    public string? WakePath { get; init; }

    /// <summary>Folder the command runs in; null for the fleet's state folder.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The artefact where it lies, when it is used in place; null when it comes through the model cache.</summary>
    public string? ModelPath { get; init; }
}

/// <summary>What of this machine a fleet may use; null means detected.</summary>
public sealed record LocalNodeOptions
{
    public Bytes? MemoryBudget { get; init; }

    public Cores? Cores { get; init; }

    /// <summary>Per GPU; null is what the device has.</summary>
    public Bytes? DeviceMemoryBudget { get; init; }

    /// <summary>Folder of the model cache; null is "cache" in the state folder.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Bound of the model cache; null leaves nine tenths of the file system's free space.</summary>
    public Bytes? CacheBudget { get; init; }

    /// <summary>Rate limit of fetches, all together; null is none.</summary>
    public BytesPerSecond? FetchBandwidth { get; init; }

    /// <summary>How long a replica that was told to end may take before it is killed.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Have the kernel hold all replicas together to the memory budget, where this user may make cgroups. The kernel
    /// then kills a replica rather than let the budget be passed.
    /// </summary>
    public bool EnforceMemoryBudget { get; init; }

    /// <summary>Keep replicas running when the controller ends, to be adopted by the next.</summary>
    public bool LeaveRunning { get; init; }
}
