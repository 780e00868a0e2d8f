namespace Plimsoll.Simulation.Rivals.Knative;

/// <summary>
/// A metric in buckets over a window: rivals-rules §3.1, after knative/serving pkg/autoscaler/aggregation/bucketing.go.
/// It is a ring that is written in place, as a bucket comes every second and for every revision.
/// </summary>
/// <param name="weighted">Whether newer buckets weigh more (an annotation), and not all the same.</param>
public sealed class KpaWindow(TimeSpan window, TimeSpan granularity, bool weighted = false)
{
    private readonly double[] _buckets = new double[(window.Ticks + granularity.Ticks - 1) / granularity.Ticks];
    private long? _first;
    private long _last;

    /// <summary>Share of the newest bucket in the weighted average.</summary>
    public double Coefficient { get; } = WeightFor((int)((window.Ticks + granularity.Ticks - 1) / granularity.Ticks));

    /// <summary>So much that what lies outside of the window would weigh 0.01 %, and no less than 0.2.</summary>
    public static double WeightFor(int buckets) => Math.Max(0.2, 1 - Math.Pow(0.0001, 1.0 / buckets));

    /// <summary>Pods to ask out of many: rivals-rules §3.1 step 1.</summary>
    public static int SampleSize(int pods) => pods <= 3 ? pods : WholeReplicas.Ceiling(pods * 15.3664 / (pods + 15.3664 - 1));

    /// <summary>Adds to the moment's bucket; what is older than the window is ignored.</summary>
    public void Record(DateTimeOffset now, double value)
    {
        var index = Index(now);
        if (_first is null || index - _last >= _buckets.Length)
        {
            // After a whole window of silence the average begins anew.
            Array.Clear(_buckets);
            (_first, _last) = (index, index);
        }

        if (index <= _last - _buckets.Length) return;
        for (; _last < index; _last++) _buckets[Slot(_last + 1)] = 0;
        _first = Math.Min(_first.Value, index);
        _buckets[Slot(index)] += value;
    }

    /// <summary>Null: nothing was ever recorded.</summary>
    public double? Average(DateTimeOffset now)
    {
        if (_first is not { } first) return null;
        var silent = Math.Max(0, Index(now) - _last);
        if (silent >= _buckets.Length) return 0;
        var average = weighted ? Weighted(silent) : Plain(first, silent);
        return Math.Round(average, 6, MidpointRounding.AwayFromZero);
    }

    private double Plain(long first, long silent)
    {
        double sum = 0;
        for (var index = _last; index > _last + silent - _buckets.Length; index--) sum += _buckets[Slot(index)];
        return sum / Math.Min(_last - first + 1, _buckets.Length - silent);
    }

    /// <summary>Not normalised: a window that has just begun reads low.</summary>
    private double Weighted(long silent)
    {
        double sum = 0;
        var weight = Coefficient * Math.Pow(1 - Coefficient, silent);
        for (var index = _last; index > _last + silent - _buckets.Length; index--, weight *= 1 - Coefficient)
            sum += _buckets[Slot(index)] * weight;
        return sum;
    }

    private long Index(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks / granularity.Ticks;

    private int Slot(long index) => (int)(index % _buckets.Length);
}
