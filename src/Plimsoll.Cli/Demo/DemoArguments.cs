using System.Collections.Immutable;

namespace Plimsoll.Cli.Demo;

/// <summary>What <c>plimsoll demo</c> was asked to do.</summary>
public sealed record DemoArguments
{
    public const string OwnPolicy = "plimsoll";

    public const string SizeBlind = "size-blind";

    public double Minutes { get; init; } = 4;

    /// <summary>Trace seconds per second: an hour at 15 is four minutes.</summary>
    public double SpeedUp { get; init; } = 15;

    public ulong Seed { get; init; } = 1;

    public string Policy { get; init; } = OwnPolicy;

    /// <summary>The rate at which weights are read.</summary>
    public BytesPerSecond LoadBandwidth { get; init; } = new(150_000_000);

    /// <summary>The longest sequence sent, in tokens.</summary>
    public int SequenceCap { get; init; } = 64;

    /// <summary>True when real traces are played instead of made-up traffic.</summary>
    public bool PlaysTraces { get; init; }

    /// <summary>A trace file per model; empty plays the two Azure hours of PLIMSOLL_DATA.</summary>
    public ImmutableSortedDictionary<ModelId, string> Traces { get; init; } = ImmutableSortedDictionary<ModelId, string>.Empty;

    public bool Json { get; init; }

    /// <summary>Leave the fleet's replicas and its folder for a look.</summary>
    public bool Keep { get; init; }

    public TimeSpan Duration => TimeSpan.FromMinutes(Minutes);
}
