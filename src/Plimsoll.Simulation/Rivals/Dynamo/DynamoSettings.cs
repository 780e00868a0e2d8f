using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>Three planners of one name; a result says which it used.</summary>
public enum DynamoGeneration
{
    /// <summary>2025: interpolated profiles, corrected by what was seen.</summary>
    First = 1,

    /// <summary>Early 2026: regressions on what engines report.</summary>
    Second = 2,

    /// <summary>Mid 2026: limited steps, a budget that keeps a step's direction.</summary>
    Third = 3,
}

public enum DynamoTarget
{
    Throughput,
    Latency,
    Sla,
}

/// <summary>
/// NVIDIA Dynamo's planner over one deployment with prefill and decode apart, with its defaults
/// (components/src/dynamo/planner/config/defaults.py).
/// </summary>
public sealed record DynamoSettings
{
    public DynamoGeneration Generation { get; init; } = DynamoGeneration.Third;

    public DynamoTarget Target { get; init; } = DynamoTarget.Throughput;

    public TimeSpan ThroughputInterval { get; init; } = TimeSpan.FromSeconds(180);

    public TimeSpan LoadInterval { get; init; } = TimeSpan.FromSeconds(5);

    public bool EnableThroughput { get; init; } = true;

    public bool EnableLoad { get; init; } = true;

    /// <summary>Mean, ms.</summary>
    public double FirstTokenTarget { get; init; } = 500;

    public double TokenTarget { get; init; } = 50;

    public DynamoPredictor Predictor { get; init; } = DynamoPredictor.Arima;

    public int MinEndpoint { get; init; } = 1;

    public int? PrefillMinEndpoint { get; init; }

    public int? DecodeMinEndpoint { get; init; }

    public int PrefillGpus { get; init; } = 1;

    public int DecodeGpus { get; init; } = 1;

    /// <summary>GPUs in all; −1: no limit.</summary>
    public int MaxGpuBudget { get; init; } = 8;

    /// <summary>Third generation; −1: no limit.</summary>
    public int MinGpuBudget { get; init; } = -1;

    /// <summary>Third generation: replicas that one observation of traffic may move a pool by.</summary>
    public int MaxThroughputStep { get; init; } = 8;

    /// <summary>Share of the target under which a replica may go.</summary>
    public double Sensitivity { get; init; } = 0.80;

    /// <summary>Tokens a prefill iteration computes at most.</summary>
    public double MaxBatchedTokens { get; init; } = 2048;

    /// <summary>Sequences and KV tokens a decode engine holds at most.</summary>
    public int MaxSequences { get; init; } = 256;

    public double MaxKvTokens { get; init; } = double.PositiveInfinity;

    public DynamoPair Least => new(PrefillMinEndpoint ?? MinEndpoint, DecodeMinEndpoint ?? MinEndpoint);
}

/// <summary>Replicas, or GPUs of one, of the two pools.</summary>
public readonly record struct DynamoPair(int Prefill, int Decode);

/// <param name="Decision">Null: nothing changes now.</param>
/// <param name="Floors">What the load loop may not go below, where that loop is on.</param>
public sealed record DynamoDecision(DynamoPair? Decision, DynamoPair? Floors, string Reason);

/// <summary>A pool's engines as they report themselves, for the load loop.</summary>
/// <param name="Ready">Workers that serve.</param>
/// <param name="Expected">Workers asked for: while they differ, scaling is under way.</param>
public sealed record DynamoPool(int Ready, int Expected, ImmutableArray<DynamoEngine> Engines);

/// <param name="QueuedPrefillTokens">Of prompts that wait.</param>
/// <param name="KvTokens">Scheduled.</param>
/// <param name="QueuedKvTokens">Of sequences that wait for decoding.</param>
public sealed record DynamoEngine(double QueuedPrefillTokens, double KvTokens, double QueuedKvTokens);

/// <summary>An interval's traffic.</summary>
/// <param name="Requests">In the interval.</param>
/// <param name="InputTokens">Mean of a prompt.</param>
/// <param name="OutputTokens">Mean of an answer.</param>
/// <param name="HitRate">Share of prompt tokens found in the cache.</param>
public sealed record DynamoTraffic(double Requests, double InputTokens, double OutputTokens, double HitRate = 0)
{
    /// <summary>Mean context while an answer is written.</summary>
    public double Context => InputTokens + OutputTokens / 2;
}

/// <summary>Moving averages of what engines computed of late, for the target of latency.</summary>
/// <param name="InputTokens">Of a prompt.</param>
/// <param name="DecodeTokens">Context of a sequence being decoded.</param>
/// <param name="Batch">Sequences decoded at once.</param>
public sealed record DynamoAverages(double InputTokens, double DecodeTokens, double Batch);
