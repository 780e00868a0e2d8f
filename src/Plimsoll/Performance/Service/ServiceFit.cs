using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// Decayed sums of the regression l = a + b·n: the time a request spends in a replica, in seconds, against the number
/// of requests in the replica when it was sent there, itself included.
/// </summary>
public sealed record ServiceFit(
    double Weight, double SumN, double SumL, double SumNN, double SumNL, double LargestN)
{
    /// <summary>Requests remembered in effect; older ones fade.</summary>
    private const double Memory = 2000;

    // What is taken for garbage, or for a connection that nobody reads from.
    private const double LongestMax = 3600;

    public static readonly ServiceFit None = new(0, 0, 0, 0, 0, 0);

    /// <summary>Seconds in a replica of the longest request, fading as the largest number does; 0, and not in JSON, where nobody asks for it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double LongestSeconds { get; init; }

    /// <summary>Adds an interval's requests; garbage (not finite, negative, empty) changes nothing.</summary>
    /// <param name="sample">The interval's.</param>
    /// <param name="longest">Whether to remember the longest.</param>
    public ServiceFit Add(ServiceSample sample, bool longest = false)
    {
        ArgumentNullException.ThrowIfNull(sample);
        if (sample.Count <= 0 || !(sample.SumL > 0) || !(sample.SumN > 0) || !(sample.SumNN > 0) || !(sample.SumNL > 0)
            || !double.IsFinite(sample.SumN + sample.SumL + sample.SumNN + sample.SumNL))
            return this;
        // Nothing fades where nothing is known, however many requests a first interval has.
        var keep = Weight <= 0 || Weight + sample.Count <= Memory ? 1 : Math.Max(0, Memory - sample.Count) / Weight;
        return new ServiceFit(
            (Weight * keep) + sample.Count,
            (SumN * keep) + sample.SumN,
            (SumL * keep) + sample.SumL,
            (SumNN * keep) + sample.SumNN,
            (SumNL * keep) + sample.SumNL,
            Math.Max(LargestN * (keep < 1 ? 0.999 : 1), sample.MaxN))
        {
            LongestSeconds = longest ? Math.Max(LongestSeconds * (keep < 1 ? 0.999 : 1), Longest(sample)) : LongestSeconds,
        };
    }

    /// <summary>With the longest of an interval remembered as it was, whatever was learned of the others.</summary>
    internal ServiceFit Lasting(ServiceSample sample, bool longest) => longest ? this with { LongestSeconds = Math.Max(LongestSeconds, Longest(sample)) } : this;

    // One request may count for as much as so many usual ones: lengths of answers vary by as much.
    private const double LongMost = 10;

    // Fewer say nothing of what is usual.
    private const double UsualLeast = 20;

    /// <summary>
    /// The sample with its longest request counted for no more than ten usual ones, by the others of its interval or by those before,
    /// whichever took longer: what hung once says nothing of what a replica carries. Requests that all take longer are soon usual.
    /// </summary>
    internal ServiceSample Sober(ServiceSample sample)
    {
        if (sample.Count <= 0 || !(sample.SumL > 0) || !(sample.SumN > 0)) return sample;
        var others = sample.Count > 1 ? (sample.SumL - sample.MaxLatencySeconds) / (sample.Count - 1) : 0;
        var usual = Math.Max(others, Weight >= UsualLeast ? SumL / Weight : 0);
        var beyond = sample.MaxLatencySeconds - (LongMost * usual);
        if (!(usual > 0) || !(beyond > 0) || !(beyond < sample.SumL)) return sample;
        return sample with { SumL = sample.SumL - beyond, SumNL = Math.Max(sample.SumNL * 1e-3, sample.SumNL - (beyond * sample.SumN / sample.Count)) };
    }

    private static double Longest(ServiceSample sample) =>
        double.IsFinite(sample.MaxLatencySeconds) ? Math.Clamp(sample.MaxLatencySeconds, 0, LongestMax) : 0;

    /// <summary>
    /// Requests a second one replica carries inside the SLO: by Little's law n / l(n) at the largest n whose mean time
    /// stays within half the objective, so that the tail stays within the whole. n is no more than twice what was ever
    /// seen, and no more than the replica takes. Null before anything was observed. First rule; Predict deepens it.
    /// </summary>
    public double? CapacityPerSecond(Slo slo, int concurrency)
    {
        ArgumentNullException.ThrowIfNull(slo);
        if (Weight < 1) return null;
        var (meanN, meanL) = (SumN / Weight, SumL / Weight);

        // With n all alike there is no slope to fit: what was seen, n requests in l seconds, is what is known.
        if (Sloped is not var (fixedPart, slope)) return meanN / meanL;
        var budget = slo.Latency.TotalSeconds / 2;
        var most = Math.Max(1, Math.Min(concurrency, 2 * LargestN));
        var n = slope <= 0 ? most : Math.Clamp((budget - fixedPart) / slope, 1, most);
        var latency = fixedPart + (slope * n);
        return latency > 0 ? n / latency : meanN / meanL;
    }

    /// <summary>Seconds of a request whatever is in its replica, and for each that is, itself among them; null before anything was observed.</summary>
    internal (double Fixed, double PerRequest)? Line => Weight < 1 ? null : Sloped ?? (SumL / Weight, 0);

    // Null with n all alike.
    private (double Fixed, double PerRequest)? Sloped
    {
        get
        {
            var (meanN, meanL) = (SumN / Weight, SumL / Weight);
            var variance = (SumNN / Weight) - (meanN * meanN);
            if (variance < 0.05) return null;
            var slope = Math.Max(0, ((SumNL / Weight) - (meanN * meanL)) / variance);
            return (Math.Max(0, meanL - (slope * meanN)), slope);
        }
    }
}
