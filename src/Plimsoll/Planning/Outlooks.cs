using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

/// <summary>Derives each model's outlook from what is seen and known.</summary>
internal static class Outlooks
{
    // Demand is judged over a past this many times as long as the window that is planned for, and never less than
    // this: a quantile over two windows says nothing, and what a heavy model must survive it must also remember.
    private const int LookbackWindows = 8;
    internal const double SeenRequests = 20;
    private static readonly TimeSpan ShortestLookback = TimeSpan.FromSeconds(10);

    public static ImmutableArray<ModelOutlook> Of(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge) =>
        Of(spec, observed, knowledge, observed.Replicas.ToLookup(replica => replica.Model));

    public static ImmutableArray<ModelOutlook> Of(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ILookup<ModelId, InferenceReplica> replicas)
    {
        var shapes = Admission.Shapes(observed.Nodes);
        var turn = new Turn
        {
            Spec = spec,
            Observed = observed,
            Shapes = shapes,
            Admissible = spec.Settings.CheapestVariant && observed.Can.HasFlag(Capabilities.AddNodes) && !spec.NodePools.IsDefaultOrEmpty
                ? Admission.Shapes([.. observed.Nodes, .. spec.NodePools.Select(pool => pool.Node)]) : shapes,
            Loads = new LoadsInFlight(spec, observed, knowledge),
            LoadLine = new UnseenLoads(knowledge.FleetLoads.Samples, spec.Settings),
            FetchLine = LoadLine.Of(knowledge.FleetFetches.Samples, spec.Settings),
            Training = new TrainingInTheWay(spec, observed, knowledge),
        };
        var traffic = observed.Traffic.ToDictionary(row => row.Model);
        var cached = observed.Cache.Where(artifact => artifact.Complete).ToLookup(artifact => (artifact.Model, artifact.Version), artifact => artifact.Node);
        var nodes = observed.Cache.IsEmpty || !spec.Settings.CopiesWhereItRuns ? [] : observed.Nodes.ToDictionary(node => node.Id);
        var outlooks = new ModelOutlook[spec.Models.Length];
        OfEach.Do(outlooks.Length, i =>
        {
            var model = spec.Models[i];
            var outlook = Of(
                turn, knowledge.Of(model.Id), model, traffic.GetValueOrDefault(model.Id), [.. replicas[model.Id]],
                onDisk: !model.Cached || (spec.Settings.CopiesWhereItRuns ? cached[(model.Id, model.Version)].Any(node => nodes.TryGetValue(node, out var there) && Admission.CouldRun(there, model))
                    : cached.Contains((model.Id, model.Version))));
            outlooks[i] = outlook;
        });
        if (spec.Settings.SharesTime) SharedDevices.Weigh(observed, outlooks, (replica, model) => IsSupply(replica, model, turn.Loads), spec.Settings);
        OfEach.Do(outlooks.Length, i =>
        {
            var outlook = outlooks[i];
            if (outlook.Backlog > 0 && spec.Settings.StartsMustPay && WeightAllocator.IsGoneBeforeLoad(outlook)) outlook = outlook with { Backlog = 0 };
            else if (outlook.Backlog > 0 && spec.Settings.LoadsWorkOff) outlook = outlook with { Backlog = LeftOnceLoaded(turn, outlook, replicas[outlook.Model.Id]) };
            outlooks[i] = outlook;
        });
        return ImmutableCollectionsMarshal.AsImmutableArray(outlooks);
    }

    // What the outlooks of a turn have in common.
    private sealed class Turn
    {
        public required FleetSpec Spec { get; init; }

        public required FleetSnapshot Observed { get; init; }

        public required ImmutableArray<NodeState> Shapes { get; init; }

        public required ImmutableArray<NodeState> Admissible { get; init; }

        public required LoadsInFlight Loads { get; init; }

        public required UnseenLoads LoadLine { get; init; }

        public required LoadLine FetchLine { get; init; }

        public required TrainingInTheWay Training { get; init; }
    }

    // A model's replicas of the wanted version, counted once for all its ways.
    private readonly record struct Standing(InferenceReplica[] Replicas, int Serving, int Coming, int Lost, int Asleep, int Outstanding)
    {
        public static Standing Of(Turn turn, ModelSpec model, InferenceReplica[] replicas)
        {
            var (serving, coming, lost, asleep, outstanding, count) = (0, 0, 0, 0, 0, 0);
            foreach (var replica in replicas)
            {
                if (replica.Version != model.Version) continue;
                count++;
                if (replica.State == ReplicaState.Ready) serving++;
                if (turn.Loads.IsComing(replica)) coming++;
                else if (turn.Loads.IsLost(replica) || (turn.Spec.Settings.LoadsAsLearned && turn.Loads.Overdue(replica) && !EndsFirst(replica, replicas))) lost++;
                if (replica is { State: ReplicaState.Asleep, Turning: false }) asleep++;
                outstanding = checked(outstanding + replica.Outstanding);
            }

            return new Standing(count == replicas.Length ? replicas : [.. replicas.Where(replica => replica.Version == model.Version)], serving, coming, lost, asleep, outstanding);
        }
    }

    // One that its controller ends only after others stays, however long it hangs.
    private static bool EndsFirst(InferenceReplica replica, InferenceReplica[] all) =>
        replica.EndsInOrder is not { } order || !Array.Exists(all, other => other.EndsInOrder > order && other.Variant == replica.Variant && other.State != ReplicaState.Stopping);

    // A model as one of its ways, and what a replica in it costs where prices decide.
    private readonly record struct Way(ModelSpec Model, VariantSpec Variant, ReplicaNeeds Needs, UsdPerHour? PricePerHour);

    private static ModelOutlook Of(Turn turn, ModelKnowledge known, ModelSpec model, ModelTraffic? traffic, InferenceReplica[] replicas, bool onDisk)
    {
        var settings = turn.Spec.Settings;
        var mine = Standing.Of(turn, model, replicas);
        Span<double> told = stackalloc double[known.Forecast is { Windows.Length: <= 8 and var windows } ? windows * WindowForecast.Grid.Length : 0];
        told.Fill(double.NaN);
        if (!settings.CheapestVariant || model.InOrder || model.Variants.Length == 1) return Alone(told);
        var ways = WaysOf(turn, model, known);
        if (ways.Length < 2) return ways is [var one] ? Of(turn, known, one, traffic, mine, onDisk, told) with { Model = model, PricePerHour = null } : Alone(told);
        var outlooks = new ModelOutlook[ways.Length];
        for (var i = 0; i < outlooks.Length; i++) outlooks[i] = Of(turn, known, ways[i], traffic, mine, onDisk, told);
        return Cheapest(turn, model, outlooks, known, mine.Replicas);

        ModelOutlook Alone(Span<double> told)
        {
            var variant = Choose(model, settings.CheapestVariant && !model.InOrder ? turn.Admissible : turn.Shapes);
            return Of(turn, known, new Way(model, variant, Weighing.Needs(variant, known), null), traffic, mine, onDisk, told);
        }
    }

    // The ways that some node could run, in the model's order: its variants where the body places them, and where a scheduler does its
    // targets. None where none could or there are no two, so that the first of all is looked at and a refusal names it.
    private static Way[] WaysOf(Turn turn, ModelSpec model, ModelKnowledge known)
    {
        var targets = model.Requests is not null;
        if (!targets && !turn.Observed.Can.HasFlag(Capabilities.ChooseNode)) return [];
        ImmutableArray<ModelSpec> models = targets ? Parts.Targets(model) : [];
        var count = targets ? models.Length : model.Variants.Length;
        if (count < 2) return [];
        var (ways, found) = (new Way[count], 0);
        for (var i = 0; i < count; i++)
        {
            var variant = targets ? Choose(models[i], turn.Admissible) : model.Variants[i];
            var needs = Weighing.Needs(variant, known);
            foreach (var node in turn.Admissible)
            {
                if (!Admission.Fits(node, needs, variant.DeviceKind) || !Admission.FitsDisk(node, needs)) continue;
                ways[found++] = new Way(
                    targets ? models[i] : model with { Variants = [variant] }, variant, needs, ReplicaPrices.Of(variant, needs, turn.Spec.Prices, turn.Admissible));
                break;
            }
        }

        return found == count ? ways : ways[..found];
    }

    // By price where all have one and it is known what the first carries. Those later in the model's order that nobody has seen at work, or
    // that would be late even alone, only where the others have no room; they are taken to carry what the model's replicas do.
    private static ModelOutlook Cheapest(Turn turn, ModelSpec model, ModelOutlook[] priced, ModelKnowledge known, InferenceReplica[] mine)
    {
        var byPrice = Array.TrueForAll(priced, one => one.PricePerHour is not null) && IsKnown(priced[0]);
        var keeps = Array.Exists(priced, one => one is { Capacity: not null, CapacityExpected: null or { Keeps: true } });
        var (ways, there, ready) = (new ModelOutlook[priced.Length], new int[priced.Length], new int[priced.Length]);
        for (var at = 0; at < ways.Length; at++)
        {
            var one = priced[at];
            var preference = !byPrice ? at : !IsKnown(one) || (keeps && one.CapacityExpected is { Keeps: false }) ? at + 1 : 0;
            var capacity = one.Capacity ?? priced[0].Capacity;
            ways[at] = preference == one.Preference && capacity == one.Capacity ? one : one with { Capacity = capacity, Preference = preference };
            foreach (var replica in mine)
            {
                if (!IsSupply(replica, model, turn.Loads) || !one.Model.Has(replica.Variant)) continue;
                there[at]++;
                if (replica.State == ReplicaState.Ready) ready[at]++;
            }
        }

        var cheapest = ways.MinBy(CostAlone)!;
        var all = ImmutableCollectionsMarshal.AsImmutableArray(ways);
        return cheapest with
        {
            Model = ReferenceEquals(model.Requests, cheapest.Model.Requests) ? model : model with { Requests = cheapest.Model.Requests },
            Ways = all,
            Mix = new VariantMix(all, turn.Spec.Settings.MoveWhereCheaper && known.Overpaid is { Settled: true }),
            There = ImmutableCollectionsMarshal.AsImmutableArray(there),
            Ready = ImmutableCollectionsMarshal.AsImmutableArray(ready),
        };

        bool IsKnown(ModelOutlook way) => way.Capacity > 0 && (way.CapacityExpected is not null || known.VariantServices?.ContainsKey(way.Variant.Id) == true);
    }

    // Dollars an hour of as many as all of the demand takes, each way looking as far ahead as it loads; of what it met when it was last
    // in use where nothing is expected.
    private static (int Preference, int Short, Int128 Micro) CostAlone(ModelOutlook way)
    {
        way.Forecast.TryGetLast(out var forecast);
        var wanted = WeightAllocator.Needed(way, Math.Max(forecast, way.ActiveRate));
        var replicas = Math.Clamp(wanted, 1, Math.Max(1, way.Model.MaxReplicas));
        return (way.Preference, Math.Max(0, wanted - replicas), (Int128)replicas * (way.PricePerHour?.Micro ?? 0));
    }

    private static ModelOutlook Of(
        Turn turn, ModelKnowledge known, Way way, ModelTraffic? traffic, in Standing mine, bool onDisk, Span<double> told)
    {
        var (spec, observed) = (turn.Spec, turn.Observed);
        var (model, variant) = (way.Model, way.Variant);
        var load = known.LoadsOf(variant.Id).Estimate()
            ?? turn.LoadLine.Estimate(variant, model.Footprint.Weights);
        var fromDisk = load;
        var fetch = model.Cached
            ? turn.FetchLine.Estimate(model.Footprint.OnDisk) : new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0);
        if (!onDisk) load += fetch;
        var (cold, wake) = (load, Sleeping.Wake(variant, known, model.Footprint.Weights, observed.Can));
        var asleep = wake is null ? 0 : mine.Asleep;
        var now = known.Demand.MeanRate(Now(HorizonOf(cold)), spec.Settings, observed.At);
        var expected = CapacityEstimate.Of(variant, known);

        // Once some requests were served their times decide: what a prediction does not know (a server's own bounds) shows in
        // them. Of tokens' times they say nothing; for such an objective the prediction stays, corrected. So does a profile, which was measured.
        var service = known.ServiceOf(variant.Id);
        var seen = service.CapacityPerSecond(model.Slo, variant.Concurrency);
        if (service.Weight >= SeenRequests && seen is not null && variant.Service is not { Profiled: true } && model.Slo is { TimeToFirstToken: null, TimePerOutputToken: null }) expected = null;
        var capacity = expected?.PerSecond ?? seen;
        var pooled = expected is { } priced && variant.Service is { } prior ? prior.PooledAt(priced.Pace, priced.PromptTokens, priced.AnswerTokens) : default;
        if (asleep > 0 && known.Failures.Wakes < Sleeping.WakesFailedMost && !IsMoreThan(mine.Serving + mine.Coming + asleep)) load = wake!;
        var horizon = HorizonOf(load);
        var demand = DemandOutlook.Of(known, model, horizon, observed.At, now, spec.Settings, told);

        // Whom nobody ever asked lies idle since an event last wanted it.
        var idle = known.LastArrival is { } last ? Positive(observed.At - last)
            : !model.Events.IsDefaultOrEmpty && known.LastWanted is [var wanted, ..] ? Positive(observed.At - wanted) : (TimeSpan?)null;

        // Whom requests are known to come to within its load is not idle: nobody lets it go, and nobody takes its place cheaply.
        var (active, coming) = (known.ActiveRate, 0.0);
        if (demand.Event is { Adds: true } && demand.Forecast.TryGetLast(out coming)) (idle, active) = (TimeSpan.Zero, Math.Max(active, coming));
        var misses = 1 + (known.ActiveRate * load.P90.TotalSeconds);
        var reload = ToComeBack(cold, 1 + (known.ActiveRate * cold.P90.TotalSeconds));
        var (hold, gaps) = DemandOutlook.Hold(reload, known, horizon);
        var holdAwake = wake is { } awake && DemandOutlook.Hold(ToComeBack(awake, Sleeping.Misses(model, known, awake)), known, horizon).Hold is { } kept
            ? TimeSpan.FromTicks(Math.Max(kept.Ticks, Sleeping.AwakeLeast.Ticks)) : (TimeSpan?)null;

        // Who states an idle limit wants nothing there that nobody uses; on missing counts nobody is started.
        var rests = spec.Settings.WakeAhead && model is { IdleLimit: null, MinReplicas: 0 } && traffic is { HeldNow: 0 } && !(demand.Forecast.TryGetLast(out var some) && some > 0);
        return new ModelOutlook
        {
            Model = model,
            Variant = variant,
            Needs = way.Needs,
            PricePerHour = way.PricePerHour,
            Load = load,
            LoadAnew = cold,
            LoadFromDisk = fromDisk,
            Fetch = fetch,
            Wake = wake,
            Asleep = asleep,
            HoldAwake = holdAwake,
            Horizon = horizon,
            Demand = now,
            ActiveRate = active,
            Forecast = demand.Forecast,
            Event = demand.Event,
            At = observed.At,
            Quantile = demand.Quantile,
            Basis = demand.Basis,
            Ahead = demand.Ahead.IsDefault ? [] : demand.Ahead,
            Capacity = capacity,
            CapacityExpected = expected,
            Pooled = pooled,
            Time = spec.Settings.SharesTime && variant.Needs.Devices > 0 ? ReplicaTime.Of(variant, expected, service, model.Slo) : null,
            Serving = mine.Serving,
            Loading = mine.Coming,
            Lost = mine.Lost,
            Held = traffic?.HeldNow ?? 0,
            Outstanding = mine.Outstanding,
            Backlog = spec.Settings.ForecastDemand ? (traffic?.HeldNow ?? 0) + InQueues(mine.Replicas, variant) : 0,
            Idle = idle,
            Unasked = spec.Settings.IdleIsSeen && idle is null && known.LastWanted is [var needed, ..] ? Positive(observed.At - needed) : null,
            Hold = hold,
            HoldGaps = gaps,
            Use = rests ? UseExpected.Of(known, observed.At, horizon, load.P90, reload) : null,
            MissesOnReturn = misses,
            TrafficSeen = traffic is not null,
        };

        // A burst of a few seconds is over before what takes minutes to load could serve.
        TimeSpan Now(TimeSpan ahead) => !spec.Settings.CoversLess ? spec.Settings.Lately
            : TimeSpan.FromTicks(Math.Clamp(ahead.Ticks / 4, spec.Settings.Lately.Ticks, Math.Max(spec.Settings.Lately.Ticks, Knowledge.ActiveWindow.Ticks)));

        TimeSpan HorizonOf(LoadEstimate by) => by.P90 + turn.Training.GivesWayIn(model.Priority, variant.DeviceKind) + spec.Settings.Review;

        // Whoever else is to come takes as long as a load, and is to be begun as early.
        bool IsMoreThan(int there) => spec.Settings.LooksPastSleepers && capacity is > 0 and var one
            && DemandOutlook.Of(known, model, HorizonOf(cold), observed.At, now, spec.Settings).Forecast.TryGetLast(out var most)
            && ServicePrior.ReplicasFor(most, one, pooled.IsDefault ? ServicePriors.None.AsSpan() : pooled.AsSpan(), there + 1) > there;

        // As time of its price; null where nothing has one.
        TimeSpan? ToComeBack(LoadEstimate by, double late) =>
            BreakEven(spec.Prices, model, variant, by, capacity, late) is { } even ? DemandOutlook.ForTarget(even, by.P90, known.LoadDebt) : null;
    }

    private static bool IsSupply(InferenceReplica replica, ModelSpec model, LoadsInFlight loads) =>
        replica.Version == model.Version && (replica.State == ReplicaState.Ready || loads.IsComing(replica));

    // What of all that waits will still wait once a further replica could serve: what serves works it off meanwhile, and what loads as soon as
    // it is there. No more than waits now: what comes meanwhile is the forecast's.
    private static double LeftOnceLoaded(Turn turn, ModelOutlook outlook, IEnumerable<InferenceReplica> replicas)
    {
        if (outlook.Loading == 0 || outlook.CapacityOfEach(outlook.Serving + outlook.Loading) is not { } each) return outlook.Backlog;
        outlook.Demand.TryGetLast(out var lately);
        var load = outlook.Load.P90;
        var served = outlook.Serving * load.TotalSeconds;
        foreach (var replica in replicas)
        {
            if (replica.State != ReplicaState.Loading || !IsSupply(replica, outlook.Model, turn.Loads)) continue;
            var serves = load - Positive(turn.Loads.Expected(replica) - (outlook.At - replica.StartedAt));
            served += Math.Max(0, serves.TotalSeconds);
        }

        return Math.Clamp(outlook.Backlog + (lately * load.TotalSeconds) - (each * served), 0, outlook.Backlog);
    }

    // Those that a replica has no place for wait in it.
    private static double InQueues(InferenceReplica[] replicas, VariantSpec variant)
    {
        var (places, sum) = (variant.Service is { } prior ? Math.Min(prior.Places, variant.Concurrency) : variant.Concurrency, 0.0);
        foreach (var replica in replicas)
        {
            if (replica.State == ReplicaState.Ready) sum += Math.Max(0, replica.Outstanding - places);
        }

        return sum;
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
                if (Admission.DevicesOf(node, variant.DeviceKind, Bytes.Zero) >= variant.Needs.Devices) return variant;
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
        var priced = variant.Needs.Devices == 0 && prices.HostMemoryPerGiB is { Micro: > 0 };
        if (variant.Needs.Devices > 0)
        {
            foreach (var price in prices.Devices) priced |= price.Kind == variant.DeviceKind && price.PerDevice.Micro > 0;
        }

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
