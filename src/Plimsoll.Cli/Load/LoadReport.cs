using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll.Cli.Load;

/// <summary>Percentiles of a time, in milliseconds; zeros when nothing was measured (then <see cref="Count"/> is 0).</summary>
public sealed record Percentiles(long Count, double P50, double P90, double P99, double P999, double Max);

/// <summary>What a load run measured, for one model or for all.</summary>
public sealed record ModelLoad
{
    public required string Model { get; init; }

    /// <summary>Requests that were due.</summary>
    public required long Due { get; init; }

    public required long NotSent { get; init; }

    public required long Succeeded { get; init; }

    /// <summary>Requests that failed, by kind; those not sent are not in here.</summary>
    public required ImmutableSortedDictionary<string, long> Failures { get; init; }

    /// <summary>Of the successful ones, from the intended time of sending.</summary>
    public required Percentiles LatencyMs { get; init; }

    /// <summary>Share of the requests due that succeeded within the SLO's latency; null without an SLO or a request.</summary>
    public double? WithinSlo { get; init; }

    /// <summary>Requests the gateway says it held for want of a replica.</summary>
    public required long Held { get; init; }

    public required double LongestHeldMs { get; init; }

    /// <summary>A model that got no request.</summary>
    public static ModelLoad Nothing(string model) => new()
    {
        Model = model,
        Due = 0,
        NotSent = 0,
        Succeeded = 0,
        Failures = ImmutableSortedDictionary<string, long>.Empty,
        LatencyMs = new Percentiles(0, 0, 0, 0, 0, 0),
        Held = 0,
        LongestHeldMs = 0,
    };

    [JsonIgnore]
    public long Failed => Failures.Values.Sum();
}

/// <summary>The outcome of a load run.</summary>
public sealed record LoadReport
{
    public required string Url { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>From the start to the last answer.</summary>
    public required double Seconds { get; init; }

    public double? SloMs { get; init; }

    /// <summary>What a reader must know of how the traffic was made: speed-up, thinning, caps.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    public required ModelLoad All { get; init; }

    /// <summary>Ordered by name.</summary>
    public required ImmutableArray<ModelLoad> Models { get; init; }

    /// <summary>How late the generator itself was; a latency below its p99 is not to be trusted.</summary>
    public required Percentiles GeneratorLagMs { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(LoadReport))]
public sealed partial class LoadJson : JsonSerializerContext;
