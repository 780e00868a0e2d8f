using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Our own first rule: as many replicas as the forecast's quantile needs at the observed capacity, let go at break-even.
/// The Decide issue puts mixes of variants and scarcity in its place.
/// </summary>
public sealed class WeightAllocator : IAllocator
{
    public string Name => "plimsoll";

    public ImmutableArray<Allocation> Allocate(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ImmutableArray<ModelOutlook> outlooks)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(knowledge);
        return [.. outlooks.Select(outlook => Allocate(spec, observed, knowledge.Of(outlook.Model.Id), outlook))];
    }

    // A queue that is gone sooner than this needs nobody.
    private static readonly TimeSpan BacklogLeast = TimeSpan.FromSeconds(10);

    private static Allocation Allocate(FleetSpec spec, FleetSnapshot observed, ModelKnowledge known, ModelOutlook outlook)
    {
        var model = outlook.Model;
        var supply = outlook.Supply;
        var letGo = LetGo(outlook);
        var wanted = letGo is not null ? model.MinReplicas : Wanted(outlook);
        var allocation = new Allocation
        {
            Model = model.Id,
            Mix = [new VariantCount(outlook.Variant.Id, wanted)],
            Keep = Math.Max(wanted, supply),
            MayClaim = true,
            Why = Met(outlook),
        };

        // Nothing is removed on missing data.
        if (!outlook.TrafficSeen)
            return allocation with
            {
                Why = new Reason(Rule.HoldMissingData,
                    [Fact.Of("what", "the count of arrivals"), Fact.Of("why", "nobody reported them")]),
            };
        if (letGo is not null) return allocation with { Keep = wanted, Why = supply > wanted ? letGo : Idle(outlook) };
        if (supply <= wanted) return allocation;

        // Each further replica is let go on its own, once it has been surplus for as long as one of its rank is held.
        if (outlook.Hold is not { } hold) return allocation with { Why = supply > 0 && wanted == 0 ? Idle(outlook) : allocation.Why };
        var keep = supply;
        var seen = known.Surplus is { } surplus ? SurplusTimes.SeenFrom(surplus, observed.At, Knowledge.IdleReviews * spec.Settings.Review) : DateTimeOffset.MinValue;
        var (longest, held, last) = (TimeSpan.Zero, new SurplusHold(hold, 0, 0), new SurplusHold(hold, 0, 0));
        while (keep > Math.Max(wanted, 1))
        {
            var since = keep - 1 < known.LastWanted.Length ? known.LastWanted[keep - 1] : observed.At;
            if (since < seen) since = seen;
            if (spec.Settings.ForecastDemand) held = DemandOutlook.Surplus(known, outlook.Load.P90, outlook.Quantile, outlook.Horizon, keep);
            if (observed.At - since < held.Time) break;
            (longest, last) = (observed.At - since, held);
            keep--;
        }

        return keep == supply
            ? allocation
            : allocation with
            {
                Keep = keep,
                Why = new Reason(Rule.DrainSurplus,
                [
                    Fact.Of("wanted", wanted), Fact.Of("have", supply), Fact.Of("surplus", longest), Fact.Of("hold", last.Time),
                    .. spec.Settings.ForecastDemand ? [Fact.Of("basis", Basis(outlook, last))] : Array.Empty<Fact>(),
                ]),
            };
    }

    private static string Basis(ModelOutlook outlook, SurplusHold held) =>
        $": {Durations.Show(outlook.Load.P90)} to load, in which {Fact.Fraction("", Math.Round(held.Share, 3)).Shown} of what one carries would be late"
        + (held.Times > 0 ? $", and the last {held.Times} times one was not wanted" : "");

    /// <summary>By the forecast and the capacity; at least one while requests wait; within the file's bounds.</summary>
    internal static int Wanted(ModelOutlook outlook)
    {
        var model = outlook.Model;
        outlook.Forecast.TryGetLast(out var forecast);
        var wanted = forecast <= 0 ? 0
            : outlook is { CapacityExpected.PerSecond: > 0 and var each, Variant.Service: { } prior } ? prior.ReplicasFor(forecast, each, model.MaxReplicas)
            : outlook.Capacity is { } capacity and > 0 ? (int)Math.Min(Math.Ceiling(forecast / capacity), model.MaxReplicas)
            : 1;
        if (outlook.Held > 0) wanted = Math.Max(1, wanted);
        if (forecast > 0) wanted = Math.Max(wanted, ForBacklog(outlook, forecast));
        return Math.Clamp(wanted, model.MinReplicas, Math.Max(model.MinReplicas, model.MaxReplicas));
    }

    // What waits is to be worked off beside what comes, within the time that a load takes: with no more replicas than the demand
    // needs, the queue that a crowd left while they loaded would make all of it late for as long as it stays.
    private static int ForBacklog(ModelOutlook outlook, double perSecond)
    {
        if (outlook is not { Backlog: > 0 and var waiting, Capacity: > 0 and var each }) return 0;
        var needed = perSecond + (waiting / Math.Max(outlook.Load.P90.TotalSeconds, BacklogLeast.TotalSeconds));
        return (int)Math.Min(Math.Ceiling(needed / each), outlook.Model.MaxReplicas);
    }

    // Why an idle model's replicas go now; null while they stay.
    private static Reason? LetGo(ModelOutlook outlook)
    {
        if (outlook.Held > 0 || outlook.Outstanding > 0 || outlook.Idle is not { } idle) return null;
        if (outlook.Model.IdleLimit is { } limit && idle >= limit)
            return new Reason(Rule.DrainIdleLimit, [Fact.Of("idle", idle), Fact.Of("limit", limit)]);
        return outlook.Hold is { } hold && idle >= hold
            ? new Reason(
                Rule.DrainIdleAtBreakEven,
                [
                    Fact.Of("idle", idle), Fact.Of("hold", hold), Fact.Of("load", outlook.Load.P90),
                    Fact.Quantity("misses", outlook.MissesOnReturn),
                    .. outlook.HoldGaps > 0 ? [Fact.Of("basis", $", and the last {outlook.HoldGaps} gaps")] : Array.Empty<Fact>(),
                ],
                new Rejected("keeping it", [Fact.Of("memory held", outlook.Needs.Host.Steady)]))
            : null;
    }

    private static Reason Idle(ModelOutlook outlook) =>
        outlook.Supply == 0
            ? new Reason(Rule.IdleAtZero, [Fact.Of("load", outlook.Load.P90)])
            : outlook.Hold is { } hold
                ? new Reason(Rule.HoldForReload,
                    [Fact.Of("idle", outlook.Idle ?? TimeSpan.Zero), Fact.Of("hold", hold), Fact.Of("load", outlook.Load.P90)])
                : new Reason(Rule.HoldOwned, [Fact.Of("idle", outlook.Idle ?? TimeSpan.Zero)]);

    private static Reason Met(ModelOutlook outlook)
    {
        outlook.Forecast.TryGetLast(out var forecast);
        if (forecast <= 0 && outlook.Held == 0 && outlook.Model.MinReplicas == 0) return Idle(outlook);
        return new Reason(Rule.Met,
        [
            Fact.Rate("demand", forecast), Fact.Of("horizon", outlook.Horizon), Fact.Of("have", outlook.Serving),
            outlook.CapacityOfEach(outlook.Serving) is { } capacity ? Fact.Rate("capacity", capacity) : Fact.Of("capacity", "unknown capacity"),
            .. outlook.Basis is { } basis
                ? [Fact.Of("basis", $" ({Fact.Fraction("", basis.Quantile).Shown} quantile; {basis.Shown})")] : Array.Empty<Fact>(),
        ]);
    }
}
