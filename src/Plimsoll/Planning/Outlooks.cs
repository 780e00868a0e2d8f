using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>Derives each model's outlook from what is seen and known.</summary>
internal static class Outlooks
{
    // Demand is judged over a past this many times as long as the window that is planned for, and never less than
    // this: a quantile over two windows says nothing, and what a heavy model must survive it must also remember.
    private const int LookbackWindows = 8;
    private const double SeenRequests = 20;
    private static readonly TimeSpan ShortestLookback = TimeSpan.FromSeconds(10);

    public static ImmutableArray<ModelOutlook> Of(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge)
    {
        var shapes = Admission.Shapes(observed.Nodes);
        var loads = new LoadsInFlight(observed);
        var traffic = observed.Traffic.ToDictionary(row => row.Model);
        var replicas = observed.Replicas.ToLookup(replica => replica.Model);
        var (loadLine, fetchLine) = (
            new UnseenLoads(knowledge.FleetLoads.Samples, spec.Settings), LoadLine.Of(knowledge.FleetFetches.Samples, spec.Settings));
        var cached = observed.Cache.Where(artifact => artifact.Complete)
            .Select(artifact => (artifact.Model, artifact.Version)).ToHashSet();
        return
        [
            .. spec.Models.Select(model => Of(
                spec, observed, shapes, loads, (loadLine, fetchLine), knowledge, model, traffic.GetValueOrDefault(model.Id), replicas[model.Id],
                onDisk: !model.Cached || cached.Contains((model.Id, model.Version)))),
        ];
    }

    private static ModelOutlook Of(
        FleetSpec spec, FleetSnapshot observed, ImmutableArray<NodeState> shapes, LoadsInFlight loads, (UnseenLoads Load, LoadLine Fetch) lines, Knowledge knowledge, ModelSpec model, ModelTraffic? traffic,
        IEnumerable<InferenceReplica> replicas, bool onDisk)
    {
        var known = knowledge.Of(model.Id);
        var variant = Choose(model, shapes);
        var load = known.LoadsOf(variant.Id).Estimate()
            ?? lines.Load.Estimate(variant, model.Footprint.Weights);
        var fromDisk = load;
        var fetch = model.Cached
            ? lines.Fetch.Estimate(model.Footprint.OnDisk) : new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0);
        if (!onDisk) load += fetch;

        var horizon = load.P90 + spec.Settings.Review;
        var now = known.Demand.MeanRate(TimeSpan.FromTicks(Math.Max(
            spec.Settings.Review.Ticks * 5, spec.Settings.DemandBucket.Ticks)), spec.Settings);
        var demand = DemandOutlook.Of(known, model, horizon, now, spec.Settings);
        var expected = CapacityEstimate.Of(variant, known);

        // Once some requests were served their times decide: what a prediction does not know (a server's own bounds) shows in
        // them. Of tokens' times they say nothing; for such an objective the prediction stays, corrected.
        var seen = known.Service.CapacityPerSecond(model.Slo, variant.Concurrency);
        if (known.Service.Weight >= SeenRequests && seen is not null && model.Slo is { TimeToFirstToken: null, TimePerOutputToken: null }) expected = null;
        var capacity = expected?.PerSecond ?? seen;
        var mine = replicas.Where(replica => replica.Version == model.Version).ToArray();
        var idle = known.LastArrival is { } last ? Positive(observed.At - last) : (TimeSpan?)null;
        var misses = 1 + (known.ActiveRate * load.P90.TotalSeconds);
        var (hold, gaps) = DemandOutlook.Hold(
            BreakEven(spec.Prices, model, variant, load, capacity, misses) is { } even ? DemandOutlook.ForTarget(even, load.P90, known.LoadDebt) : null, known, horizon);
        return new ModelOutlook
        {
            Model = model,
            Variant = variant,
            Needs = Weighing.Needs(variant, known),
            Load = load,
            LoadFromDisk = fromDisk,
            Fetch = fetch,
            Horizon = horizon,
            Demand = now,
            ActiveRate = known.ActiveRate,
            Forecast = demand.Forecast,
            Quantile = demand.Quantile,
            Basis = demand.Basis,
            Ahead = demand.Ahead.IsDefault ? [] : demand.Ahead,
            Capacity = capacity,
            CapacityExpected = expected,
            Serving = mine.Count(replica => replica.State == ReplicaState.Ready),
            Loading = mine.Count(replica => replica.State == ReplicaState.Loading && !loads.Overdue(replica, spec.Settings)),
            Held = traffic?.HeldNow ?? 0,
            Outstanding = mine.Sum(replica => replica.Outstanding),
            Backlog = spec.Settings.ForecastDemand ? (traffic?.HeldNow ?? 0) + InQueues(mine, variant) : 0,
            Idle = idle,
            Hold = hold,
            HoldGaps = gaps,
            MissesOnReturn = misses,
            TrafficSeen = traffic is not null,
        };
    }

    // Those that a replica has no place for wait in it.
    private static double InQueues(InferenceReplica[] replicas, VariantSpec variant)
    {
        var places = variant.Service is { } prior ? Math.Min(prior.Places, variant.Concurrency) : variant.Concurrency;
        return replicas.Where(replica => replica.State == ReplicaState.Ready).Sum(replica => Math.Max(0, replica.Outstanding - places));
    }

    /// <summary>How much of the past a model judges its demand by.</summary>
    public static TimeSpan Lookback(TimeSpan horizon) =>
        TimeSpan.FromTicks(Math.Max(ShortestLookback.Ticks, LookbackWindows * horizon.Ticks));

    public static TimeSpan OverdueAfter(TimeSpan expected, PlannerSettings settings) =>
        TimeSpan.FromTicks(Math.Max(TimeSpan.FromSeconds(30).Ticks, (long)(expected.Ticks * settings.OverdueFactor)));

    // The first variant some node has the devices for; the first of all where none has, so that the refusal names it.
    public static VariantSpec Choose(ModelSpec model, ImmutableArray<NodeState> shapes)
    {
        foreach (var variant in model.Variants)
        {
            if (variant.Needs.Devices == 0) return variant;
            foreach (var node in shapes)
            {
                if (node.Devices.Count(device => variant.DeviceKind is null || device.Kind == variant.DeviceKind)
                    >= variant.Needs.Devices)
                    return variant;
            }
        }

        return model.Variants[0];
    }

    /// <summary>
    /// Design §6.3: holding costs price × time; coming back costs price × T_load plus the misses. A miss costs c_under for
    /// the replica-time one request takes, with c_under / c_over = attainment / (1 − attainment); the price cancels.
    /// </summary>
    private static TimeSpan? BreakEven(
        Prices prices, ModelSpec model, VariantSpec variant, LoadEstimate load, double? capacity, double misses)
    {
        var priced = variant.Needs.Devices > 0
            ? prices.Devices.Any(price => price.Kind == variant.DeviceKind && price.PerDevice.Micro > 0)
            : prices.HostMemoryPerGiB is { Micro: > 0 };
        return priced ? Reload(model, load, capacity, misses) : null;
    }

    /// <summary>What coming back costs, as time of the replica's own price; at most thirty days.</summary>
    public static TimeSpan Reload(ModelSpec model, LoadEstimate load, double? capacity, double misses)
    {
        var under = model.Slo.Attainment / (1 - model.Slo.Attainment);
        var requestSeconds = capacity is { } perSecond and > 0 ? 1 / perSecond : model.Slo.Latency.TotalSeconds;
        var seconds = load.P90.TotalSeconds + (under * misses * requestSeconds);
        return TimeSpan.FromSeconds(Math.Min(seconds, TimeSpan.FromDays(30).TotalSeconds));
    }

    public static TimeSpan Positive(TimeSpan time) => time < TimeSpan.Zero ? TimeSpan.Zero : time;
}
