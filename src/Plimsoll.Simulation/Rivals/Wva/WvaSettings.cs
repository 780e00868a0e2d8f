using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Wva;

/// <summary>
/// llm-d's Workload Variant Autoscaler with its defaults (config/manager, internal/interfaces/saturation_scaling.go,
/// internal/engines/analyzers/saturation_v2). What it decides is a gauge that an HPA or KEDA follows with AverageValue 1.
/// </summary>
public sealed record WvaSettings
{
    /// <summary>Fixed in the engine at the version read; the configured interval (60 s) is not applied there.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Share of the KV cache at which a replica is saturated.</summary>
    public double KvCacheThreshold { get; init; } = 0.80;

    public double QueueLengthThreshold { get; init; } = 5;

    /// <summary>V1: mean spare below which it scales up.</summary>
    public double KvSpareTrigger { get; init; } = 0.1;

    public double QueueSpareTrigger { get; init; } = 3;

    /// <summary>V2: shares of capacity between which it holds.</summary>
    public double ScaleUpThreshold { get; init; } = 0.85;

    public double ScaleDownBoundary { get; init; } = 0.70;

    public int ComputeHistory { get; init; } = 10;

    public double BytesPerToken { get; init; } = 4;

    /// <summary>Cost of a variant that says none.</summary>
    public double DefaultVariantCost { get; init; } = 10;

    public bool ScaleToZero { get; init; }

    public TimeSpan RetentionPeriod { get; init; } = TimeSpan.FromMinutes(10);

    public TimeSpan FromZeroPollInterval { get; init; } = TimeSpan.FromMilliseconds(100);
}

/// <summary>One replica's metrics.</summary>
/// <param name="TokensInUse">Of its KV cache.</param>
/// <param name="TokenCapacity">Of its KV cache; 0: unknown, and V2 ignores the replica.</param>
/// <param name="KvShare">In use, 0 to 1: what V1 goes by.</param>
/// <param name="MeanInput">Tokens of a prompt.</param>
/// <param name="MeanOutput">Tokens of an answer.</param>
public sealed record WvaReplica(
    string Variant, long TokensInUse, long TokenCapacity, double KvShare, int Waiting, double MeanInput, double MeanOutput);

/// <param name="Current">Replicas the deployment reports, or asks for where it reports none.</param>
/// <param name="Pending">Of these, not ready.</param>
/// <param name="Desired">What was last decided; 0: nothing.</param>
/// <param name="Cost">Of one replica; null: the default.</param>
public sealed record WvaVariant(
    string Name, string Accelerator, int Current, int Pending, int Desired = 0, double? Cost = null, WvaEngineArguments? Arguments = null);

/// <summary>What a variant's engine was started with: a stand-in for measurements while none of its replicas report.</summary>
/// <param name="BatchedTokens">See <see cref="DefaultBatchedTokens"/>.</param>
/// <param name="OverriddenTokens">KV capacity where the number of blocks is set by hand.</param>
public sealed record WvaEngineArguments(
    int BatchedTokens, int MaxSequences = 256, long? OverriddenTokens = null, int GpuCount = 1, double MemoryFraction = 0.9,
    int BlockSize = 16, string KvDtype = "auto", int TensorParallel = 1)
{
    /// <summary>vLLM's default of max-num-batched-tokens.</summary>
    public static int DefaultBatchedTokens(bool engineV1, bool chunkedPrefill, int modelLength) =>
        chunkedPrefill ? engineV1 ? 8192 : 2048 : Math.Max(modelLength, 2048);

    /// <summary>Whether two engines on the same accelerator hold as many tokens; the limit of sequences does not matter.</summary>
    public bool CompatibleWith(WvaEngineArguments other) => this with { MaxSequences = 0 } == other with { MaxSequences = 0 };
}

/// <summary>What V2 remembers of a model.</summary>
/// <param name="Computed">Tokens in use seen under a queue, newest last, by accelerator and class of answers.</param>
/// <param name="Live">The last capacity measured, by variant.</param>
public sealed record WvaState(
    ImmutableSortedDictionary<string, ImmutableArray<long>> Computed, ImmutableSortedDictionary<string, long> Live)
{
    public static WvaState Fresh { get; } = new(
        ImmutableSortedDictionary.Create<string, ImmutableArray<long>>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, long>(StringComparer.Ordinal));
}

/// <summary>Requests waiting in front of a model. The engine does not read it at the version simulated.</summary>
/// <param name="PrefixHitRate">Share of prompt tokens that are cached.</param>
public sealed record WvaSchedulerQueue(int Requests, long Bytes, double PrefixHitRate = 0);
