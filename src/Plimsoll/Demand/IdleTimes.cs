using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// How long a model lay idle between uses: a decayed histogram, four buckets to a doubling from a second to 48 days, after
/// Serverless in the Wild (Shahrad et al., ATC 2020), whose minutes are too coarse for a small model.
/// </summary>
/// <param name="Gaps">Decayed number of gaps by bucket.</param>
/// <param name="LastArrival">Latest arrival seen; null before the first.</param>
public sealed record IdleTimes(ImmutableArray<float> Gaps, DateTimeOffset? LastArrival)
{
    private const int PerDoubling = 4;
    private const int Buckets = (PerDoubling * 22) + 1;

    // About this many gaps are kept in mind.
    private const double GapsKept = 200;

    // A gap faded below this is forgotten.
    private const float GapLeast = 0.01f;

    // With fewer gaps than this a histogram is an anecdote.
    internal const double GapsLeast = 10;

    public static readonly IdleTimes None = new([.. new float[Buckets]], null);

    /// <summary>Gaps it rests on, the aged ones counted for less.</summary>
    public double Weight
    {
        get
        {
            var sum = 0.0;
            foreach (var gap in Gaps) sum += gap;
            return sum;
        }
    }

    /// <summary>Adds an arrival; one before the latest changes nothing.</summary>
    public IdleTimes Arrived(DateTimeOffset at)
    {
        if (LastArrival is not { } last) return this with { LastArrival = at };
        if (at <= last) return this;
        return Passed(at - last, 1) with { LastArrival = at };
    }

    /// <summary>Adds a gap, and ages the others by as much as it weighs.</summary>
    internal IdleTimes Passed(TimeSpan gap, double weight)
    {
        var gaps = Gaps.ToBuilder();
        for (var i = 0; i < gaps.Count; i++) gaps[i] = gaps[i] < GapLeast ? 0 : Short(gaps[i] * (1 - (weight / GapsKept)));
        var bucket = (int)Position(gap);
        gaps[bucket] = Short(gaps[bucket] + weight);
        return this with { Gaps = gaps.MoveToImmutable() };
    }

    /// <summary>
    /// The probability that the next arrival comes within a time, given how long there was none; missing where too
    /// few gaps that long were seen.
    /// </summary>
    public Signal<double> ArrivesWithin(TimeSpan time, TimeSpan idle)
    {
        var longer = Longer(idle);
        if (LastArrival is not { } last || longer < 1) return Signal.Missing<double>("too few gaps as long were seen");
        return Signal.Known(Math.Clamp(1 - (Longer(idle + time) / longer), 0, 1), last);
    }

    /// <summary>
    /// How long to hold an idle model: the h with the least E[min(gap, h)] + P(gap &gt; h) · reload, every cost as time
    /// of the same price. With fewer than ten gaps it is the reload itself, the break-even of ski rental (Karlin et
    /// al. 1988), which costs at most twice the optimum.
    /// </summary>
    /// <param name="reload">What coming back costs, as time of the model's own price.</param>
    public TimeSpan LeastCostHold(TimeSpan reload)
    {
        var all = Weight;
        if (all < GapsLeast || reload <= TimeSpan.Zero) return reload < TimeSpan.Zero ? TimeSpan.Zero : reload;
        var (best, least) = (0.0, reload.TotalSeconds);
        var (held, gone) = (0.0, 0.0);
        for (var i = 0; i < Buckets; i++)
        {
            var (start, end) = (Edge(i), Edge(i + 1));
            held += Gaps[i] * (start + end) / 2;
            gone += Gaps[i];
            var cost = (held + ((all - gone) * (end + reload.TotalSeconds))) / all;
            if (cost >= least - 1e-9) continue;
            (best, least) = (end, cost);
        }

        return TimeSpan.FromSeconds(best);
    }

    // As it is written: a journal read back goes on the same.
    private static float Short(double gaps) => (float)(Half)gaps;

    private double Longer(TimeSpan time)
    {
        if (time <= TimeSpan.Zero) return Weight;
        var position = Position(time);
        var at = (int)position;
        var sum = Gaps[at] * (1 - (position - at));
        for (var i = at + 1; i < Buckets; i++) sum += Gaps[i];
        return sum;
    }

    // Bucket 0 is all below a second; bucket i ends at 2^(i / 4) seconds.
    private static double Position(TimeSpan time)
    {
        var seconds = time.TotalSeconds;
        return seconds < 1 ? Math.Max(0, seconds) : Math.Min(1 + (Math.Log2(seconds) * PerDoubling), Buckets - 1e-6);
    }

    private static double Edge(int bucket) => bucket == 0 ? 0 : Math.Pow(2, (bucket - 1.0) / PerDoubling);
}
