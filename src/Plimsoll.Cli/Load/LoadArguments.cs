namespace Plimsoll.Cli.Load;

/// <summary>What <c>plimsoll load</c> was asked to do.</summary>
public sealed record LoadArguments
{
    public required Uri Url { get; init; }

    /// <summary>The model all requests go to; may be null when the trace names models.</summary>
    public string? Model { get; init; }

    /// <summary>Requests a second of a Poisson stream; null when a trace is played.</summary>
    public double? RatePerSecond { get; init; }

    /// <summary>A trace file; null when a rate is given.</summary>
    public string? Trace { get; init; }

    public double SpeedUp { get; init; } = 1;

    public int KeepOneIn { get; init; } = 1;

    /// <summary>Null: 30 seconds of a rate, all of a trace.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Tokens per request at a rate; the cap on a trace's sizes.</summary>
    public int SequenceLength { get; init; } = 128;

    public ulong Seed { get; init; } = 1;

    public int MaxInFlight { get; init; } = 4096;

    public TimeSpan? Slo { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    public bool Json { get; init; }

    /// <summary>What is wrong with the combination, in one sentence; null when nothing is.</summary>
    public string? Problem =>
        RatePerSecond is null == Trace is null ? "Give either --rate R or --trace FILE."
        : RatePerSecond is not null && Model is null ? "Give the model with --model NAME."
        : RatePerSecond is not null && SpeedUp != 1 ? "--speed-up applies to --trace; with --rate give the rate you want."
        : RatePerSecond is not null && KeepOneIn != 1 ? "--keep-one-in applies to --trace; with --rate give the rate you want."
        : null;
}
