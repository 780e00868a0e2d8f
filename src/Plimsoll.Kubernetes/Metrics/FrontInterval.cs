using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>What happened in front of the pods between two samples of it.</summary>
internal sealed record FrontInterval
{
    public DateTimeOffset From { get; init; }

    public DateTimeOffset To { get; init; }

    /// <summary>Requests that came; null where no counter says.</summary>
    public double? Arrived { get; init; }

    /// <summary>Requests that wait there now; null where no gauge says.</summary>
    public double? Queued { get; init; }

    /// <summary>By how much the queue grew, negative where it shrank.</summary>
    public double QueueGrew { get; init; }

    /// <summary>Whether two samples could be compared.</summary>
    public bool Counts { get; init; }

    /// <summary>There is a front, and it could not be counted.</summary>
    public bool Missed { get; init; }

    /// <summary>Its sample is the one already counted.</summary>
    public bool Waits { get; init; }

    /// <summary>More may have come than was counted: a counter fell, and not as by a restart.</summary>
    public bool LowerBound { get; init; }

    public string? Why { get; init; }

    // A query is answered with its own time and not with its series' scrapes. Between two of those it gives the numbers of
    // the first again, and the second then seems to bring all of, say, 30 s in one look's 5: so counters that did not move
    // are no silence before the age at which a pod's scrape is too old.
    private static readonly TimeSpan SilentAfter = TimeSpan.FromMinutes(1);

    /// <summary>The difference of two samples of one front.</summary>
    /// <param name="before">The one that was counted last.</param>
    /// <param name="front">What is told now; null where there is no front.</param>
    /// <param name="longestGap">How far two may be apart and still be compared.</param>
    /// <param name="mayWait">Whether a row was given that stands while this one waits.</param>
    public static FrontInterval Between(FrontSample? before, Signal<FrontSample>? front, TimeSpan longestGap, bool mayWait)
    {
        if (front is not { } told) return new FrontInterval();
        if (!told.TryGetKnown(out var now)) return new FrontInterval { Missed = true, Why = told.Why };
        if (now.At == before?.At) return new FrontInterval { Queued = now.Queued, Waits = true };
        if (before is null || now.At < before.At || now.At - before.At > longestGap)
            return new FrontInterval
            {
                Queued = now.Queued,
                Missed = true,
                Why = "the query for arrivals was read once so far; they are counted between two looks",
            };
        var (arrived, fell) = Grown(before.Arrived, now.Arrived);
        if ((arrived == 0 || fell) && mayWait && now.At - before.At < SilentAfter)
            return new FrontInterval { Queued = now.Queued, Waits = true };
        return new FrontInterval
        {
            From = before.At,
            To = now.At,
            Arrived = arrived,
            Queued = now.Queued,
            QueueGrew = (now.Queued ?? 0) - (before.Queued ?? 0),
            Counts = true,
            LowerBound = fell,
        };
    }

    // A series that fell far began anew, and one that fell a little is an older reading or a sum that lost a part: neither
    // came just now. One that was not there before may have counted for long: its first value is where it is counted from,
    // as Prometheus' own increase() has it.
    private static (double? Arrived, bool Fell) Grown(
        ImmutableSortedDictionary<string, double>? before, ImmutableSortedDictionary<string, double>? now)
    {
        if (before is null || now is null) return (null, false);
        var (arrived, fell) = (0.0, false);
        foreach (var (series, value) in now)
        {
            if (!before.TryGetValue(series, out var earlier)) continue;
            var anew = CounterGrowth.FellFar(earlier, value);
            fell |= value < earlier && !anew;
            arrived += anew ? value : Math.Max(0, value - earlier);
        }

        return (arrived, fell);
    }
}
