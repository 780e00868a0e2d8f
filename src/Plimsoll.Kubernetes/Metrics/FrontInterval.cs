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

    public string? Why { get; init; }

    public static FrontInterval Between(FrontSample? before, Signal<FrontSample>? front, TimeSpan longestGap)
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
        return new FrontInterval
        {
            From = before.At,
            To = now.At,
            Arrived = now.Arrived is { } counters ? Grown(before.Arrived, counters) : null,
            Queued = now.Queued,
            QueueGrew = (now.Queued ?? 0) - (before.Queued ?? 0),
            Counts = true,
        };
    }

    // A series that fell began anew. One that was not there before may have counted for long: its first value is where
    // it is counted from, as Prometheus' own increase() has it.
    private static double? Grown(
        ImmutableSortedDictionary<string, double>? before, ImmutableSortedDictionary<string, double> now) =>
        before is null ? null : now.Sum(series =>
            !before.TryGetValue(series.Key, out var earlier) ? 0
            : series.Value >= earlier ? series.Value - earlier : series.Value);
}
