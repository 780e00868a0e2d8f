namespace Plimsoll.Kubernetes.Metrics;

/// <summary>
/// The service sample of an interval: for the requests that ended in it, how many were in the pod and how long they
/// took. Two looks give means only, so all of an interval's requests count with the mean of both; the spread between
/// intervals is what a fit sees. Where the server tells the time in its queue, both leave the queue out: requests
/// being worked on, against the time from the first work to the end. That pair stays true under overload, when the
/// whole latency says how long the queue is and not how fast the server is. A server that is full and tells no such time
/// works on those it counts as running: by Little's law each took the requests in work × the interval / those that ended.
/// </summary>
internal static class ServicePair
{
    public static ServiceSample? Between(ServerSample before, ServerSample now, DateTimeOffset from, bool saturated)
    {
        if (now.Latency is not { } latency) return null;
        var count = latency.Count - (before.Latency?.Count ?? 0);
        var total = latency.Sum - (before.Latency?.Sum ?? 0);
        var seconds = (now.At - from).TotalSeconds;
        if (!(count >= 1) || !(total > 0) || !(seconds > 0)) return null;
        var queued = Queued(before, now);

        // With the queue's time inside, an overloaded pod looks slow; better no sample than that one.
        var working = now.Running is { } running ? Mean(before.Running, running) : 0;
        if (queued is null && saturated && working < 1) return null;
        var inside = queued is not null || saturated;
        var each = queued is null && saturated ? Math.Min(working * seconds / count, total / count)
            : Math.Max((total / count) - (queued ?? 0), total / count * 1e-3);
        var n = inside && now.Running is not null ? working
            : now.Running is not null ? Mean(before.InFlight, now.InFlight!.Value)
            : Math.Min(each * count / seconds, count);
        n = Math.Max(1, n);
        var most = Math.Max(n, inside ? Math.Max(before.Running ?? 0, now.Running ?? 0)
            : Math.Max(before.InFlight ?? 0, now.InFlight ?? 0));
        var slowest = before.Latency is { } earlier ? latency.Slowest(earlier) : null;
        return new ServiceSample(
            (long)Math.Min(count, 1e12), n * count, each * count, n * n * count, n * each * count,
            (int)Math.Min(Math.Ceiling(most), 1e7), slowest ?? (total / count));
    }

    /// <summary>Sums over pods; null for none.</summary>
    public static ServiceSample? Sum(IEnumerable<ServiceSample> samples)
    {
        ServiceSample? sum = null;
        foreach (var sample in samples)
        {
            sum = sum is null ? sample : new ServiceSample(
                sum.Count + sample.Count, sum.SumN + sample.SumN, sum.SumL + sample.SumL, sum.SumNN + sample.SumNN,
                sum.SumNL + sample.SumNL, Math.Max(sum.MaxN, sample.MaxN),
                Math.Max(sum.MaxLatencySeconds, sample.MaxLatencySeconds));
        }

        return sum;
    }

    // Seconds a request waited in the server's own queue.
    private static double? Queued(ServerSample before, ServerSample now)
    {
        if (now.QueueTime is not { } queue) return null;
        var count = queue.Count - (before.QueueTime?.Count ?? 0);
        return count > 0 ? Math.Max(0, (queue.Sum - (before.QueueTime?.Sum ?? 0)) / count) : null;
    }

    private static double Mean(double? before, double now) => ((before ?? 0) + now) / 2;
}
