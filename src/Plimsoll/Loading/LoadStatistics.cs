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

    /// <summary>The engine that loaded, where loads of several are kept together; null for one model's own.</summary>
    public string? Engine { get; init; }

    /// <summary>Whether a load can have taken this long.</summary>
    internal bool Plausible => Size.Value >= 0 && Took > TimeSpan.Zero && Took <= Longest
        && Size.Value <= Took.TotalSeconds * FastestBytesPerSecond;
}

/// <summary>
/// How far the last loads were from what each memory had said of them: pinball losses of the logarithms, summed, those before
/// counting three hundredths less with each new load.
/// </summary>
/// <param name="Loads">Loads they are of, worn down likewise.</param>
/// <param name="Medians">Of what was said as the median, by memory.</param>
/// <param name="P90s">Of what nine of ten were said to stay under, by memory.</param>
public sealed record LoadErrors(double Loads, ImmutableArray<double> Medians, ImmutableArray<double> P90s);

/// <summary>
/// The last loads of one model (or fetches, or boots of one kind of node), newest last, and what to expect of the next.
/// Three memories are asked: one of hardly more than the last load, one that forgets a quarter with each, one that keeps the
/// whole window. Which is heeded follows from how well each has foretold the loads since: a page cache that is warm for a while
/// or a slow drift is followed, and where nothing changes nothing is forgotten. Chosen on half of the containers of a
/// production fleet and on synthetic loads, and judged on others (docs/benchmarks/loads.md).
/// </summary>
public sealed record LoadStatistics(ImmutableArray<LoadSample> Samples)
{
    /// <summary>Samples remembered.</summary>
    public const int Window = 50;

    // What is twenty loads old counts less than one in three hundred to the memories that forget.
    private const int ShortWindow = 20;

    // Steady loads are the rule, so the longer a memory the more its say before any was judged.
    private static readonly (double Keeps, double Say)[] Memories = [(0.2, 0.4), (0.75, 1), (1, 2)];

    // A memory whose loss is above the mean by one load's worth of it loses its say by e^-0.6.
    private const double Heed = 0.6;
    private const double ErrorsKeep = 0.97;

    // A journal may be a stranger's: what it holds is looked at on the stack.
    private const int SamplesMost = 1024;

    public static readonly LoadStatistics None = new(ImmutableArray<LoadSample>.Empty);

    /// <summary>Newest last; of what was read from a file no more than the last thousand or so, and none that cannot be true.</summary>
    public ImmutableArray<LoadSample> Samples { get; init; } = Bounded(Samples);

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
        Span<LoadQuantiles> said = stackalloc LoadQuantiles[Memories.Length];
        Ask(said);
        double median = 0, p90 = 0, medianSay = 0, p90Say = 0;
        for (var i = 0; i < Memories.Length; i++)
        {
            var (ofMedian, ofP90) = (Say(i, Errors?.Medians), Say(i, Errors?.P90s));
            median += ofMedian * said[i].Median;
            p90 += ofP90 * said[i].P90;
            medianSay += ofMedian;
            p90Say += ofP90;
        }

        median /= medianSay;
        return LoadEstimate.Of(Math.Exp(median), Math.Exp(Math.Max(median, p90 / p90Say)), Samples.Length);
    }

    private static ImmutableArray<LoadSample> Bounded(ImmutableArray<LoadSample> samples)
    {
        if (samples.IsDefault) return [];
        if (samples.Length <= SamplesMost && samples.All(sample => sample is { Plausible: true })) return samples;
        return [.. samples.Where(sample => sample is { Plausible: true }).TakeLast(SamplesMost)];
    }

    private void Ask(Span<LoadQuantiles> said)
    {
        Span<double> logs = stackalloc double[Samples.Length];
        for (var i = 0; i < logs.Length; i++) logs[i] = Math.Log(Samples[i].Took.TotalSeconds);
        var last = logs[Math.Max(0, logs.Length - ShortWindow)..];
        for (var i = 0; i < Memories.Length; i++)
            said[i] = LoadQuantiles.Of(Memories[i].Keeps < 1 ? last : logs, Memories[i].Keeps);
    }

    // Losses are measured by the mean loss of one load, so that a model whose times scatter is judged as slowly as it must be.
    private double Say(int memory, ImmutableArray<double>? losses)
    {
        var say = Memories[memory].Say;
        if (losses is not { IsDefault: false } sums || sums.Length != Memories.Length || Errors is not { Loads: > 0 } errors) return say;
        double mean = 0, least = double.MaxValue;
        foreach (var loss in sums)
        {
            mean += loss / sums.Length;
            least = Math.Min(least, loss);
        }

        return mean > 0 ? say * Math.Exp(-Math.Min(30, Heed * (sums[memory] - least) * errors.Loads / mean)) : say;
    }

    private LoadErrors Judged(TimeSpan took)
    {
        Span<LoadQuantiles> said = stackalloc LoadQuantiles[Memories.Length];
        Ask(said);
        var log = Math.Log(took.TotalSeconds);
        var (medians, p90s) = (ImmutableArray.CreateBuilder<double>(Memories.Length), ImmutableArray.CreateBuilder<double>(Memories.Length));
        for (var i = 0; i < Memories.Length; i++)
        {
            medians.Add(Worn(Errors?.Medians, i, Pinball(0.5, said[i].Median, log)));
            p90s.Add(Worn(Errors?.P90s, i, Pinball(0.9, said[i].P90, log)));
        }

        return new LoadErrors(Rounded(((Errors?.Loads ?? 0) * ErrorsKeep) + 1), medians.MoveToImmutable(), p90s.MoveToImmutable());
    }

    private static double Worn(ImmutableArray<double>? before, int memory, double loss) =>
        Rounded((before is { IsDefault: false } sums && memory < sums.Length ? sums[memory] * ErrorsKeep : 0) + loss);

    // What is journalled stays short, and the last bits of a logarithm decide nothing.
    private static double Rounded(double value) => Math.Round(value, 6);

    private static double Pinball(double level, double said, double was) =>
        was >= said ? level * (was - said) : (1 - level) * (said - was);
}
