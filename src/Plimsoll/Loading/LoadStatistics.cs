using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>One observed load or fetch.</summary>
public sealed record LoadSample(Bytes Size, TimeSpan Took);

/// <summary>How long a load is expected to take.</summary>
/// <param name="Median">As long as half of them take.</param>
/// <param name="P90">As long as nine of ten take: what planning ahead rests on.</param>
/// <param name="Observed">Loads of this very model it rests on; 0 for a prior from bytes and bandwidth.</param>
public sealed record LoadEstimate(TimeSpan Median, TimeSpan P90, int Observed)
{
    public static LoadEstimate operator +(LoadEstimate a, LoadEstimate b) =>
        new(a.Median + b.Median, a.P90 + b.P90, Math.Min(a.Observed, b.Observed));
}

/// <summary>The last few loads, newest last; enough for a quantile. The Predict issue learns stages from them.</summary>
public sealed record LoadStatistics(ImmutableArray<LoadSample> Samples)
{
    /// <summary>Samples remembered.</summary>
    public const int Window = 20;

    public static readonly LoadStatistics None = new(ImmutableArray<LoadSample>.Empty);

    public LoadStatistics Add(LoadSample sample)
    {
        if (sample.Took <= TimeSpan.Zero || sample.Size.Value < 0) return this;
        return new LoadStatistics(
            Samples.Length < Window ? Samples.Add(sample) : Samples.RemoveAt(0).Add(sample));
    }

    /// <summary>
    /// From this model's own loads. With fewer than ten, the p90 is the largest plus a tenth: nine in ten is
    /// more than a handful can show.
    /// </summary>
    public LoadEstimate? Estimate()
    {
        if (Samples.IsEmpty) return null;
        var sorted = Samples.Select(sample => sample.Took).Order().ToArray();
        var median = sorted[(sorted.Length - 1) / 2];
        var p90 = sorted.Length < 10
            ? TimeSpan.FromTicks(sorted[^1].Ticks / 10 * 11)
            : sorted[(int)Math.Ceiling(0.9 * sorted.Length) - 1];
        return new LoadEstimate(median, p90, sorted.Length);
    }

    /// <summary>
    /// From bytes and bandwidth: fixed + bytes / bandwidth. The bandwidth is the declared one, else the least seen in
    /// nine of ten loads of the fleet, else the assumed one.
    /// </summary>
    public LoadEstimate Prior(Bytes size, BytesPerSecond? declared, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var bandwidth = declared ?? ObservedBandwidth() ?? settings.AssumedLoadBandwidth;
        var median = settings.AssumedLoadFixed + (size / bandwidth);

        // Nominal bandwidth under-predicts measured loads by 19 to 31 % (design §5).
        return new LoadEstimate(median, TimeSpan.FromTicks(median.Ticks / 10 * 13), 0);
    }

    // Small artefacts say what a start costs and nothing of bandwidth; below this they are left out.
    private BytesPerSecond? ObservedBandwidth()
    {
        var rates = Samples.Where(sample => sample.Size >= Bytes.MiB(64))
            .Select(sample => (long)(sample.Size.Value / sample.Took.TotalSeconds)).Where(rate => rate > 0).Order().ToArray();
        return rates.Length == 0 ? null : new BytesPerSecond(rates[(rates.Length - 1) / 10]);
    }
}
