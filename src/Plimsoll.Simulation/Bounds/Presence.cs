using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// What it costs at the least that some replica, one, is there whenever a request is answered in time: between two of them it is kept,
/// for as long as they are apart, or ends and starts anew. Exact but for where within its slack a request begins, by a dynamic programme over
/// requests in the order in which they have to begin; how many may be missed by a price of each (Lagrange), the best of which is a bound too.
/// </summary>
internal static class Presence
{
    private const int Halvings = 40;

    /// <summary>Seconds of a unit, loads included.</summary>
    /// <param name="model">Who asks, and in what time.</param>
    /// <param name="terms">What its replicas take.</param>
    /// <param name="length">Seconds of the run.</param>
    /// <param name="missed">How many may be missed.</param>
    public static double Of(SimulatedModel model, BoundTerms terms, double length, long missed)
    {
        // One that is kept whatever comes loads in the run's own time.
        if (terms.Least >= 1) return length;
        var trace = model.Trace;
        if (trace.Count <= missed) return 0;
        var requests = new Asked[trace.Count];
        for (var i = 0; i < requests.Length; i++)
        {
            var slack = ReplicaWork.Slack(model, i, terms.Alone[i]);
            var latest = trace.Arrivals[i] + slack;
            requests[i] = new Asked(latest, Math.Max(0, terms.Alone[i] - slack), Math.Max(0, slack - terms.Alone[i]));
        }

        Array.Sort(requests, (a, b) => a.Latest.CompareTo(b.Latest));

        // Who loads faster than its answers are waited for gathers requests: then each of them may come so much earlier, else the last.
        var gathers = requests.Max(one => one.Early) > terms.Load;

        // At no price all are missed, at the price of a replica for the whole run none that need not be: the best is between.
        var (low, high, best) = (0.0, length + terms.Load, 0.0);
        for (var k = 0; k < Halvings; k++)
        {
            var price = (low + high) / 2;
            var (seconds, left) = At(requests, terms, length, price, gathers);
            best = Math.Max(best, seconds + (price * (left - missed)));
            if (left > missed) low = price;
            else high = price;
        }

        return best;
    }

    // The least of seconds + price * missed, apart.
    private static (double Seconds, long Missed) At(Asked[] requests, BoundTerms terms, double length, double price, bool gathers)
    {
        // There at the moment a request has to begin, or not; who was never there only loads to begin with.
        var (on, off, never) = (Cost.Impossible, Cost.Impossible, new Cost(0, 0, 0));
        var before = 0.0;
        // What is still to come where it ends after the last that it served, and by how much that may have ended before it had to begin.
        var (core, early) = (0.0, 0.0);
        foreach (var one in requests)
        {
            var latest = Math.Min(one.Latest, length);
            var gap = latest - before;
            off = Cost.Least(off, on.Kept(Math.Min(core, gap) - early));
            var kept = on.Kept(gathers ? Math.Max(0, gap - one.Early) : gap);
            var served = Cost.Least(kept, Cost.Least(off.Kept(terms.Again), never.Kept(terms.Load)));
            var skipped = kept.Missed(price);
            (off, never) = (off.Missed(price), never.Missed(price));
            if (skipped.Total < served.Total) (on, core) = (skipped, 0);
            else (on, core, early) = (served, one.Core, gathers ? 0 : one.Early);
            before = latest;
        }

        var last = Cost.Least(on.Kept(Math.Min(core, length - before) - early), Cost.Least(off, never));
        return (last.Seconds, last.Count);
    }

    /// <param name="Latest">When it has to begin.</param>
    /// <param name="Core">For how long after that a replica is there for it, whenever it began.</param>
    /// <param name="Early">How long before that it may have ended.</param>
    private readonly record struct Asked(double Latest, double Core, double Early);

    private readonly record struct Cost(double Seconds, long Count, double Total)
    {
        public static readonly Cost Impossible = new(double.PositiveInfinity, 0, double.PositiveInfinity);

        public Cost Kept(double seconds) => new(Seconds + seconds, Count, Total + seconds);

        public Cost Missed(double price) => new(Seconds, Count + 1, Total + price);

        public static Cost Least(Cost a, Cost b) => a.Total <= b.Total ? a : b;
    }
}
