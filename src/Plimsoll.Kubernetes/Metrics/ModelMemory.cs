namespace Plimsoll.Kubernetes.Metrics;

/// <summary>What a meter remembers of one model between two looks.</summary>
internal sealed class ModelMemory
{
    private double _debt;
    private DateTimeOffset _debtSince;

    /// <summary>The end of the last row; null when the last look gave none.</summary>
    public DateTimeOffset? To { get; set; }

    /// <summary>Requests that waited at the end of the last row.</summary>
    public double Held { get; set; }

    public bool Censored { get; set; }

    public FrontSample? Front { get; private set; }

    /// <summary>
    /// Keeps a front's sample for the next look. While it cannot be read the pods' own counts stand in for its
    /// counters, which must then not be counted over the same time again.
    /// </summary>
    public void Remember(Signal<FrontSample>? front)
    {
        if (front is { } told && told.TryGetKnown(out var sample)) Front = sample;
        else Front = Front is { } last ? last with { Arrived = null } : null;
    }

    /// <summary>
    /// Arrivals of a row, never negative. A server's gauges and counters may be a moment apart, so that a request
    /// that ended is seen to leave before it is counted: what falls below zero is taken off the next arrivals, and
    /// forgotten after a while, since requests whose clients left may never be counted at all.
    /// </summary>
    public double Settle(double arrivals, DateTimeOffset to, TimeSpan forgetAfter)
    {
        if (_debt < 0 && to - _debtSince > forgetAfter) _debt = 0;
        var sum = arrivals + _debt;
        if (sum < 0 && _debt == 0) _debtSince = to;
        _debt = Math.Min(0, sum);
        return Math.Max(0, sum);
    }
}
