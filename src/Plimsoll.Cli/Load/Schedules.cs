using Plimsoll.Cli.Load.Traces;

namespace Plimsoll.Cli.Load;

/// <summary>Ways to come to a schedule. All are lazy and seeded: the same arguments give the same requests.</summary>
public static class Schedules
{
    /// <summary>Poisson arrivals of one model at a steady rate.</summary>
    public static IEnumerable<ScheduledRequest> Poisson(
        ModelId model, double perSecond, TimeSpan duration, int sequenceLength, ulong seed)
    {
        var random = new SeededRandom(SeededRandom.Derive(seed, "poisson/" + model));
        for (var at = 0.0; ;)
        {
            at += random.NextExponential() / perSecond;
            if (at >= duration.TotalSeconds) yield break;
            yield return new ScheduledRequest(TimeSpan.FromSeconds(at), model, sequenceLength);
        }
    }

    /// <summary>
    /// A trace, played faster and thinner. Thinning keeps each request with probability 1/k, decided by a seeded hash
    /// of its position in the file, so that idle stretches stay idle and bursts stay bursts.
    /// </summary>
    /// <param name="trace">Requests in the order of time.</param>
    /// <param name="modelOf">The model for the n-th request.</param>
    /// <param name="speedUp">Trace seconds per second.</param>
    /// <param name="keepOneIn">1 keeps all.</param>
    /// <param name="cap">Longest sequence sent; what is longer is cut to it.</param>
    /// <param name="duration">Requests after this much real time are left out.</param>
    /// <param name="seed">Of the thinning.</param>
    public static IEnumerable<ScheduledRequest> Replay(
        IEnumerable<TraceRequest> trace, Func<long, TraceRequest, ModelId> modelOf, double speedUp, int keepOneIn,
        int cap, TimeSpan duration, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentNullException.ThrowIfNull(modelOf);
        var thinning = SeededRandom.Derive(seed, "thinning");
        var n = 0L;
        foreach (var request in trace)
        {
            var at = request.At / speedUp;
            if (at >= duration) yield break;
            var index = n++;
            if (!IsKept(thinning, index, keepOneIn)) continue;
            yield return new ScheduledRequest(at, modelOf(index, request), Math.Clamp(request.Tokens, 1, cap));
        }
    }

    /// <summary>One of several schedules in the order of time; on a tie the earlier schedule goes first.</summary>
    public static IEnumerable<ScheduledRequest> Merge(IEnumerable<IEnumerable<ScheduledRequest>> schedules)
    {
        ArgumentNullException.ThrowIfNull(schedules);
        var waiting = new PriorityQueue<IEnumerator<ScheduledRequest>, (TimeSpan At, int Order)>();
        var open = schedules.Select(schedule => schedule.GetEnumerator()).ToList();
        try
        {
            for (var i = 0; i < open.Count; i++)
            {
                if (open[i].MoveNext()) waiting.Enqueue(open[i], (open[i].Current.At, i));
            }

            while (waiting.TryDequeue(out var next, out var place))
            {
                yield return next.Current;
                if (next.MoveNext()) waiting.Enqueue(next, (next.Current.At, place.Order));
            }
        }
        finally
        {
            foreach (var schedule in open) schedule.Dispose();
        }
    }

    internal static bool IsKept(ulong seed, long index, int keepOneIn) =>
        keepOneIn <= 1 || SeededRandom.Mix(seed, (ulong)index + 1) % (ulong)keepOneIn == 0;
}
