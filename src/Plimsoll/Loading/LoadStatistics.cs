using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>One observed load or fetch.</summary>
/// <param name="Size">Bytes that were read or moved.</param>
/// <param name="Took">From the start to the end.</param>
public sealed record LoadSample(Bytes Size, TimeSpan Took)
{
    // Nothing reads weights faster than a device its own memory, and nobody waits longer than a day: beyond either, a
    // clock was set while it ran.
    private const double FastestBytesPerSecond = 10e12;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>How much of it went into reading the bytes; null where the server does not say.</summary>
    public TimeSpan? Read { get; init; }

    /// <summary>Whether a load can have taken this long.</summary>
    internal bool Plausible => Size.Value >= 0 && Took > TimeSpan.Zero && Took <= Longest
        && Size.Value <= Took.TotalSeconds * FastestBytesPerSecond;
}

/// <summary>
/// How far the last loads were from what had been said of them, of each of the two memories that are weighed by it: pinball
/// losses of the logarithms, each new load making those before count three hundredths less.
/// </summary>
/// <param name="Loads">Loads they are of, worn down likewise.</param>
/// <param name="RecentMedian">Of the recent memory's medians.</param>
/// <param name="LongMedian">Of the long memory's medians.</param>
/// <param name="RecentP90">Of what the recent memory said nine of ten would stay under.</param>
/// <param name="LongP90">Of what the long memory said nine of ten would stay under.</param>
public sealed record LoadErrors(double Loads, double RecentMedian, double LongMedian, double RecentP90, double LongP90);

/// <summary>
/// The last loads of one model (or fetches, or boots of one kind of node), newest last, and what to expect of the next.
/// Two memories are asked: one that forgets a fifth with each load, and one that keeps the whole window. Which is heeded
/// follows from how well each has foretold the loads since: a drift is followed, and where nothing changes
/// nothing is forgotten. Chosen on one half of the containers of a production fleet and on synthetic loads, judged on the others (docs/benchmarks/loads.md).
/// </summary>
public sealed record LoadStatistics(ImmutableArray<LoadSample> Samples)
{
    /// <summary>Samples remembered.</summary>
    public const int Window = 50;

    // Of the recent memory; a fifth forgotten leaves nine loads' worth, and what is twenty loads old counts one in a hundred.
    private const double RecentKeeps = 0.8;
    private const int RecentWindow = 20;

    // Steady loads are the rule, so the long memory starts with twice the say; the errors of thirty loads outweigh that.
    private const double LongSay = 2;
    private const double ErrorsKeep = 0.97;
    private const double Heed = 0.6;

    public static readonly LoadStatistics None = new(ImmutableArray<LoadSample>.Empty);

    /// <summary>Null before two loads were seen, so that older journals read and hash as they did.</summary>
    public LoadErrors? Errors { get; init; }

    /// <summary>One more load; one that cannot be true (a clock that was set, an empty answer) changes nothing.</summary>
    public LoadStatistics Add(LoadSample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        if (!sample.Plausible) return this;
        return new LoadStatistics(Samples.Length < Window ? Samples.Add(sample) : Samples.RemoveAt(0).Add(sample))
        {
            Errors = Samples.IsEmpty ? null : Judged(sample.Took),
        };
    }

    /// <summary>From these loads alone; null where there are none.</summary>
    public LoadEstimate? Estimate()
    {
        if (Samples.IsEmpty) return null;
        var (recent, all) = Memories();
        var errors = Errors;
        var median = Blend(recent.Median, all.Median, errors?.RecentMedian, errors?.LongMedian);
        var p90 = Math.Max(median, Blend(recent.P90, all.P90, errors?.RecentP90, errors?.LongP90));
        return LoadEstimate.Of(Math.Exp(median), Math.Exp(p90), Samples.Length);
    }

    /// <summary>
    /// From bytes and bandwidth, of something that was never loaded: fixed + bytes / bandwidth. The bandwidth is the declared one,
    /// else both are what these loads of other models show, else the assumed ones.
    /// </summary>
    public LoadEstimate Prior(Bytes size, BytesPerSecond? declared, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return declared is { } bandwidth
            ? new LoadLine(settings.AssumedLoadFixed.TotalSeconds, 1.0 / Math.Max(1, bandwidth.Value)).Estimate(size)
            : LoadLine.Of(Samples, settings).Estimate(size);
    }

    private (LoadQuantiles Recent, LoadQuantiles All) Memories()
    {
        Span<double> logs = stackalloc double[Samples.Length];
        for (var i = 0; i < logs.Length; i++) logs[i] = Math.Log(Samples[i].Took.TotalSeconds);
        return (LoadQuantiles.Of(logs[Math.Max(0, logs.Length - RecentWindow)..], RecentKeeps), LoadQuantiles.Of(logs, 1));
    }

    private double Blend(double recent, double all, double? recentError, double? allError)
    {
        var say = LongSay;
        if (Errors is { Loads: > 0 } errors && recentError is { } mine && allError is { } other && mine + other > 0)
        {
            // Measured by the loss of one load, so that a model whose times scatter is judged as slowly as it must be.
            var worse = (other - mine) * errors.Loads / ((mine + other) / 2);
            say *= Math.Exp(-Math.Clamp(Heed * worse, -30, 30));
        }

        return (recent + (say * all)) / (1 + say);
    }

    private LoadErrors Judged(TimeSpan took)
    {
        var (recent, all) = Memories();
        var log = Math.Log(took.TotalSeconds);
        var before = Errors ?? new LoadErrors(0, 0, 0, 0, 0);
        return new LoadErrors(
            Kept(before.Loads, 1),
            Kept(before.RecentMedian, Pinball(0.5, recent.Median, log)),
            Kept(before.LongMedian, Pinball(0.5, all.Median, log)),
            Kept(before.RecentP90, Pinball(0.9, recent.P90, log)),
            Kept(before.LongP90, Pinball(0.9, all.P90, log)));
    }

    // Six decimals: what is journalled stays short, and the last bits of a logarithm decide nothing.
    private static double Kept(double sum, double one) => Math.Round((sum * ErrorsKeep) + one, 6);

    private static double Pinball(double level, double said, double was) =>
        was >= said ? level * (was - said) : (1 - level) * (said - was);
}
