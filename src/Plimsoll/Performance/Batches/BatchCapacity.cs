namespace Plimsoll;

/// <summary>
/// The highest rate at which replicas that compute requests in batches answer a share of them in time. Arrivals are Poisson and a
/// replica that is free takes all that wait, as many as its largest batch holds (dynamic batching without a delay): a queue
/// M/D^[1,B]/1 (Bailey 1954; Neuts 1967), whose state as a batch begins is a Markov chain. Of several replicas, of which each
/// request goes to the one with the fewest, two ends are known: one by itself, and so many that all hold equally much; capacity
/// closes the distance between them as their number grows. Judged against a simulation of the same in docs/benchmarks/prediction.md.
/// </summary>
public sealed class BatchCapacity
{
    /// <summary>States of the chain; where more may wait, so many requests go together that these reach.</summary>
    private const int States = 128;

    /// <summary>A larger number of arrivals in one batch's time than this many deviations above the mean does not happen.</summary>
    private const double Deviations = 7;

    /// <summary>
    /// The power of the number of replicas by which the distance to very many closes. A half would be the square root of staffing;
    /// set between 0.65 and 0.85 on cases drawn with seed 1, where all three are within half a percent of each other at the median.
    /// </summary>
    private const double Closing = 0.75;

    private readonly BatchProfile _profile;
    private readonly int _batch;
    private readonly double[] _chain = new double[States * States];
    private readonly double[] _share = new double[States];
    private readonly double[] _arrivals;

    /// <param name="profile">Times of its batches.</param>
    /// <param name="concurrency">Requests that a replica is given at once at the most: those in the batch and those that wait for the next.</param>
    public BatchCapacity(BatchProfile profile, int concurrency)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(concurrency);
        // The next batch is at most what may wait beside the one that is computed.
        (_profile, _batch) = (profile, Math.Min(profile.BatchMax, Math.Max(1, (concurrency + 1) / 2)));
        MostPerSecond = profile.MostPerSecond(_batch, double.PositiveInfinity);
        _arrivals = new double[States + (2 * _batch) + 64];
    }

    /// <summary>Requests a second that one replica gets through, however long they wait.</summary>
    public double MostPerSecond { get; }

    /// <summary>Requests that a replica holds while it computes its largest batch and the next one waits.</summary>
    public int Places => 2 * _batch;

    /// <summary>Seconds of a request that is alone.</summary>
    public double Alone => _profile.Seconds(1);

    /// <summary>Requests a second that so many replicas carry together; 0 where even a request that is alone is late.</summary>
    /// <param name="replicas">At least 1.</param>
    /// <param name="share">Of requests, that is to be in time: above 0 and below 1.</param>
    /// <param name="limit">Seconds that they have.</param>
    public double PerSecond(int replicas, double share, double limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(replicas);
        return Alone > limit ? 0 : Together(replicas, OfOne(share, limit), limit);
    }

    /// <summary>The same where it is known what one replica by itself carries within the limit.</summary>
    internal double Together(int replicas, double one, double limit)
    {
        if (replicas == 1) return one;

        // Whoever finds none idle is late where the limit leaves no time to wait for a batch; where it does, either way of serving may carry more.
        var idle = LossLoad(replicas, Math.Min(1, one * Alone)) / Alone;
        if (2 * Alone > limit) return replicas * Math.Max(one, idle);
        var many = Math.Max(one, OfMany(limit));
        return replicas * Math.Max(idle, many - ((many - one) * Math.Pow(replicas, -Closing)));
    }

    /// <summary>
    /// Mean seconds of a request as a + b·n by how many are in the replica as it comes, itself among them (Little): through
    /// the means at nine rates and a request that is alone, each weighed by what it is.
    /// </summary>
    public (double Fixed, double PerRequest) Line()
    {
        // Least squares of (a + b·n)/l − 1.
        double w = 0, wn = 0, wnn = 0, wl = 0, wnl = 0;
        void Add(double n, double seconds)
        {
            var weight = 1 / (seconds * seconds);
            (w, wn, wnn, wl, wnl) = (w + weight, wn + (weight * n), wnn + (weight * n * n), wl + (weight * seconds), wnl + (weight * n * seconds));
        }

        Add(1, Alone);
        for (var tenth = 1; tenth < 10; tenth++)
            if (Late(tenth * MostPerSecond / 10, 4 * _profile.Seconds(_batch)) is { Mean: var mean }) Add(1 + (tenth * MostPerSecond / 10 * mean), mean);
        var each = Math.Max(0, ((w * wnl) - (wn * wl)) / ((w * wnn) - (wn * wn)));
        return (Math.Max(1e-9, (wl - (each * wn)) / w), each);
    }

    private double OfOne(double share, double limit)
    {
        var allowed = CountMaximum.NormalQuantile(1 - share);
        return HighestKept.Of(MostPerSecond * 1e-4, MostPerSecond, rate =>
            Late(rate, limit) is { Share: var late } ? CountMaximum.NormalQuantile(Math.Clamp(late, 1e-12, 1 - 1e-12)) - allowed : double.PositiveInfinity);
    }

    // The load of each of several servers at which a request finds all of them busy as often as it finds one by itself so (Erlang's loss formula).
    private static double LossLoad(int servers, double alone)
    {
        if (servers == 1 || alone >= 1) return alone;
        var (low, high, busy) = (0.0, 1.0, alone / (1 + alone));
        for (var turn = 0; turn < 40; turn++)
        {
            var load = (low + high) / 2;
            double blocked = 1;
            for (var k = 1; k <= servers; k++) blocked = servers * load * blocked / (k + (servers * load * blocked));
            if (blocked <= busy) low = load;
            else high = load;
        }

        return low;
    }

    // A request is sent where one place is free at once, or where it waits for one batch and is computed in the next, half of all that are there.
    private double OfMany(double limit) => _profile.MostPerSecond(_batch, limit / 2);

    /// <summary>
    /// At a rate for one replica the share of requests that take longer than a limit, and the mean seconds of all; null where it is more than it gets through.
    /// </summary>
    public (double Share, double Mean)? Late(double rate, double limit)
    {
        if (!(rate < MostPerSecond)) return null;
        var longest = _profile.Seconds(_batch);

        // As many as could wait and still be answered in time, and a batch more; a batch that takes longer than the limit is late whatever else waits.
        var reach = longest <= limit ? Math.Min(64, Math.Ceiling(limit / longest) + 1) * _batch : Math.Min(2 * _batch, (2 * _profile.LargestWithin(limit)) + States);
        var width = Math.Max(1, reach / (States - 1));
        Array.Clear(_chain);
        for (var i = 0; i < States; i++) Row(i, width, rate);
        Stationary();

        double late = 0, mean = 0, all = 0;
        for (var i = 0; i < States; i++)
        {
            if (_share[i] < 1e-12) continue;
            var waiting = 1 + (i * width);
            var taken = Math.Min(waiting, _batch);
            var (seconds, left) = (_profile.Seconds(taken), waiting - taken);
            var arriving = rate * seconds;
            Poisson(arriving, out var from, out var to);
            all += _share[i] * arriving;
            for (var others = from; others < to; others++)
            {
                var weight = _share[i] * arriving * _arrivals[others - from];
                var (missed, sum) = Among(rate, limit, seconds, left, others, longest);
                late += weight * missed;
                mean += weight * sum;
            }

            // Nobody came meanwhile and nobody was left: the next finds it idle.
            if (left > 0) continue;
            var idle = _share[i] * Math.Exp(-arriving);
            (all, mean) = (all + idle, mean + (idle * Alone));
            if (Alone > limit) late += idle;
        }

        return (late / all, mean / all);
    }

    /// <summary>
    /// Of those who come while a batch is computed, so many besides each other: the share that is late and their mean seconds. Who is
    /// n-th of m came in the n-th m-th of the time, and goes with the batch that its place in the queue has.
    /// </summary>
    private (double Missed, double Mean) Among(double rate, double limit, double seconds, double left, int others, double longest)
    {
        double missed = 0, mean = 0;
        var (count, before) = (others + 1.0, 0.0);
        for (var full = 0; before < 1; full++)
        {
            var until = Math.Clamp((((full + 1.0) * _batch) - left) / count, before, 1);
            if (until > before)
            {
                var last = Math.Min(_batch, Math.Max(1, left + count - ((double)full * _batch) + (full * rate * longest)));
                var behind = (full * longest) + _profile.Seconds(last);
                var inTime = 1 - ((limit - behind) / seconds);
                missed += Math.Clamp(inTime, before, until) - before;
                mean += (until - before) * (behind + (seconds * (1 - ((before + until) / 2))));
            }

            before = until;
        }

        return (missed, mean);
    }

    private void Row(int state, double width, double rate)
    {
        var to = _chain.AsSpan(state * States, States);
        var waiting = 1 + (state * width);
        var taken = Math.Min(waiting, _batch);
        var left = waiting - taken;
        Poisson(rate * _profile.Seconds(taken), out var first, out var last);
        double within = 0;
        for (var count = first; count < last; count++)
        {
            // None left and none came: it waits for one.
            var at = (Math.Max(1, left + count) - 1) / width;
            if (at >= States - 1) break;
            var (low, weight) = ((int)at, _arrivals[count - first]);
            to[low] += weight * (1 - (at - low));
            to[low + 1] += weight * (at - low);
            within += weight;
        }

        to[^1] += Math.Max(0, 1 - within);
    }

    private void Poisson(double mean, out int from, out int to)
    {
        var reach = Deviations * Math.Sqrt(mean + 1);
        from = (int)Math.Max(0, Math.Floor(mean - reach));
        to = from + Math.Min(_arrivals.Length, (int)Math.Ceiling(mean + reach) + 1 - from);
        var peak = Math.Clamp((int)mean, from, to - 1);
        double sum = _arrivals[peak - from] = 1;
        for (var k = peak; k > from; k--) sum += _arrivals[k - 1 - from] = _arrivals[k - from] * k / mean;
        for (var k = peak + 1; k < to; k++) sum += _arrivals[k - from] = _arrivals[k - 1 - from] * mean / k;
        for (var k = from; k < to; k++) _arrivals[k - from] /= sum;
    }

    /// <summary>How often a batch begins with each number waiting (Grassmann, Taksar and Heyman 1985).</summary>
    private void Stationary()
    {
        for (var n = States - 1; n > 0; n--)
        {
            var row = _chain.AsSpan(n * States, n);
            double leaving = 0;
            foreach (var one in row) leaving += one;
            leaving = 1 / Math.Max(1e-300, leaving);
            for (var i = 0; i < n; i++)
            {
                var into = _chain[(i * States) + n] *= leaving;
                if (into > 1e-15) Lanes.AddScaled(_chain.AsSpan(i * States, n), into, row);
            }
        }

        Array.Clear(_share);
        _share[0] = 1;
        double total = 1;
        for (var n = 1; n < States; n++)
        {
            for (var i = 0; i < n; i++) _share[n] += _share[i] * _chain[(i * States) + n];
            total += _share[n];
        }

        for (var n = 0; n < States; n++) _share[n] /= total;
    }
}
