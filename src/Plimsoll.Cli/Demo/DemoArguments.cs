using System.Collections.Immutable;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Demo;

/// <summary>What <c>plimsoll demo</c> was asked to do.</summary>
public sealed record DemoArguments
{
    public double Minutes { get; init; } = 4;

    /// <summary>Trace seconds per second: an hour at 15 is four minutes.</summary>
    public double SpeedUp { get; init; } = 15;

    public ulong Seed { get; init; } = 1;

    public string Policy { get; init; } = Policies.Own;

    /// <summary>The rate at which weights are read.</summary>
    public BytesPerSecond LoadBandwidth { get; init; } = new(150_000_000);

    /// <summary>The longest sequence sent, in tokens.</summary>
    public int SequenceCap { get; init; } = 64;

    /// <summary>True when real traces are played instead of made-up traffic.</summary>
    public bool PlaysTraces { get; init; }

    /// <summary>A trace file per model; empty plays the two Azure hours of PLIMSOLL_DATA.</summary>
    public ImmutableSortedDictionary<ModelId, string> Traces { get; init; } = ImmutableSortedDictionary<ModelId, string>.Empty;

    /// <summary>With traces: each model gets only the requests of its own stretches, so that it rests and returns.</summary>
    public bool Turns { get; init; }

    public bool Json { get; init; }

    public TimeSpan Duration => TimeSpan.FromMinutes(Minutes);
}
