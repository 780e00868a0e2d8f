using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Demo;

/// <summary>What the demo found about one model.</summary>
public sealed record DemoModelResult
{
    public required string Model { get; init; }

    public required long WeightBytes { get; init; }

    public required double SloMs { get; init; }

    public required ModelLoad Load { get; init; }

    /// <summary>Replicas that became ready.</summary>
    public required int ColdStarts { get; init; }

    /// <summary>Replicas that were let go.</summary>
    public required int Releases { get; init; }

    /// <summary>Replicas that were loaded, held and let go: each closes a cycle; those let go while they loaded do not count.</summary>
    public required int Cycles { get; init; }

    public required int Crashes { get; init; }

    /// <summary>One character per stretch of the run: '#' or a number serves, '~' loads, '.' is gone.</summary>
    public required string Replicas { get; init; }

    /// <summary>How long its replicas were there, loading and draining too, while requests came; all together.</summary>
    public required double ReplicaSeconds { get; init; }

    /// <summary>Memory held, over time.</summary>
    public required double GibSeconds { get; init; }

    /// <summary>The same had one replica been kept all along.</summary>
    public required double KeptGibSeconds { get; init; }
}

/// <summary>The demo's outcome.</summary>
public sealed record DemoReport
{
    public required string Policy { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>What the traffic and the setting were; equal for runs that may be compared.</summary>
    public required ImmutableArray<string> Setting { get; init; }

    public required double Seconds { get; init; }

    public required long BudgetBytes { get; init; }

    public required long AllLoadedBytes { get; init; }

    /// <summary>The most memory all replicas together ever had.</summary>
    public required long LargestBytes { get; init; }

    /// <summary>How often it was looked at.</summary>
    public required long MemorySamples { get; init; }

    public required ImmutableArray<DemoModelResult> Models { get; init; }

    public required ModelLoad All { get; init; }

    public required Percentiles GeneratorLagMs { get; init; }

    public bool IsBudgetHeld => LargestBytes <= BudgetBytes;

    public double MemoryShareOfKept =>
        Models.Sum(model => model.KeptGibSeconds) is var kept and > 0 ? Models.Sum(model => model.GibSeconds) / kept : 0;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DemoReport))]
public sealed partial class DemoJson : JsonSerializerContext;
