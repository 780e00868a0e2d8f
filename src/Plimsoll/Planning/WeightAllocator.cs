using System.Collections.Immutable;
using System.Runtime.InteropServices;

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
        var allocations = new Allocation[outlooks.Length];
        OfEach.Do(allocations.Length, i => allocations[i] = Allocate(spec, observed, knowledge.Of(outlooks[i].Model.Id), outlooks[i]));
        return ImmutableCollectionsMarshal.AsImmutableArray(allocations);
    }

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    // A queue that is gone sooner than this needs nobody.
    private static readonly TimeSpan BacklogLeast = TimeSpan.FromSeconds(10);

    private static Allocation Allocate(FleetSpec spec, FleetSnapshot observed, ModelKnowledge known, ModelOutlook outlook)
    {
        var model = outlook.Model;
        var supply = outlook.Supply;
        var letGo = LetGo(outlook);
        var perSecond = letGo is null ? ToCarry(outlook) : 0;
        var all = MixOf(outlook, perSecond, letGo is not null);
        var mix = WorthStarting(spec.Settings, known, outlook, all);
        var wanted = mix.Sum(part => part.Replicas);

        // What is not worth a start is not claimed either.
        if (outlook.Mix is { } ways && wanted < all.Sum(part => part.Replicas)) perSecond = Math.Min(perSecond, ways.CapacityOf([.. mix.Select(part => part.Replicas)]));
        var allocation = new Allocation
        {
            Model = model.Id,
            Mix = mix,
            PerSecond = perSecond,
            Keep = Math.Max(wanted, supply),
            MayClaim = true,
            Why = Met(outlook),
            Firm = spec.Settings.LoadsWorkOff && outlook.Backlog > 0 && letGo is null ? ForWhatComes(outlook with { Backlog = 0 }) : null,
        };

        // Nothing is removed on missing data.
        if (!outlook.TrafficSeen)
            return allocation with
            {
                Why = new Reason(Rule.HoldMissingData,
                    [Fact.Of("what", "the count of arrivals"), Fact.Of("why", "nobody reported them")]),
            };
        if (letGo is not null) return allocation with { Keep = wanted, Why = supply > wanted ? letGo : Idle(outlook) };
        if (Drowsy(outlook) is { } drowsy) allocation = allocation with { Awake = wanted, WhySleep = drowsy };
        if (supply <= wanted) return allocation;
        if (Successors(outlook, mix, perSecond) is > 0 and var loading)
            return allocation with { Keep = supply, Why = new Reason(Rule.HoldUntilReplaced, [Fact.Of("loading", loading), Fact.Of("staying", supply - wanted)]) };

        // A successor of who is slowed comes beside as many as may be; one of the others goes as soon as it serves, whatever became of who slowed it.
        if (spec.Settings.MovesForTime && observed.Can.HasFlag(Capabilities.ChooseNode) && supply == outlook.Most + 1)
            return outlook.Loading > 0
                ? allocation with { Keep = supply, Why = new Reason(Rule.HoldUntilReplaced, [Fact.Of("loading", outlook.Loading), Fact.Of("staying", supply - outlook.Loading)]) }
                : allocation with { Keep = outlook.Most, Why = new Reason(Rule.DrainAboveMost, [Fact.Of("have", supply), Fact.Of("most", outlook.Most)]) };

        // Each further replica is let go on its own, once it has been surplus for as long as one of its rank is held.
        if (outlook.Hold is not { } hold) return allocation with { Why = supply > 0 && wanted == 0 ? Idle(outlook) : allocation.Why };
        var keep = supply;
        var seen = known.Surplus is { } surplus ? SurplusTimes.SeenFrom(surplus, observed.At, Knowledge.IdleReviews * spec.Settings.Review) : DateTimeOffset.MinValue;
        var (longest, held, last) = (TimeSpan.Zero, new SurplusHold(hold, 0, 0), new SurplusHold(hold, 0, 0));
        while (keep > Math.Max(wanted, 1))
        {
            var since = keep - 1 < known.LastWanted.Length ? known.LastWanted[keep - 1] : observed.At;
            if (since < seen) since = seen;
            if (spec.Settings.ForecastDemand) held = DemandOutlook.Surplus(known, outlook.Load.P90, outlook.Quantile, HeldLeast(spec.Settings, outlook), keep);
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

    // Of those that are to stay, how many have yet to load before the others may go; 0 where those that serve carry all without them.
    private static int Successors(ModelOutlook outlook, ImmutableArray<VariantCount> mix, double perSecond)
    {
        if (outlook.Mix is not { } ways || outlook.Loading == 0 || perSecond <= 0 || !ways.KeepsCheapest) return 0;
        var (serving, loading) = (new int[mix.Length], 0);
        for (var i = 0; i < serving.Length; i++)
        {
            serving[i] = Math.Min(mix[i].Replicas, outlook.Ready[i]);
            loading += Math.Min(mix[i].Replicas, outlook.There[i]) - serving[i];
        }

        return ways.CapacityOf(serving) < perSecond ? loading : 0;
    }

    private static string Basis(ModelOutlook outlook, SurplusHold held) =>
        $": {Durations.Show(outlook.Load.P90)} to load, in which {Fact.Fraction("", Math.Round(held.Share, 3)).Shown} of what one carries would be late"
        + (held.Times > 0 ? $", and the last {held.Times} times one was not wanted" : "");

    private static (int Replicas, double PerSecond) ForWhatComes(ModelOutlook outlook) => (Wanted(outlook), ToCarry(outlook));

    /// <summary>By the forecast and the capacity; at least one while requests wait; within the file's bounds.</summary>
    internal static int Wanted(ModelOutlook outlook) => MixOf(outlook, ToCarry(outlook), letGo: false).Sum(part => part.Replicas);

    // What runs is kept first, where there are several ways to run it, and the rest is the cheapest mix that carries what that does not.
    private static ImmutableArray<VariantCount> MixOf(ModelOutlook outlook, double perSecond, bool letGo)
    {
        var model = outlook.Model;
        var (least, most) = (model.MinReplicas, Math.Max(model.MinReplicas, model.MaxReplicas));
        if (outlook.Held > 0 && !letGo) least = Math.Max(1, least);
        if (outlook.Mix is not { } mix)
        {
            outlook.Forecast.TryGetLast(out var forecast);
            var wanted = perSecond <= 0 ? 0 : Math.Max(Needed(outlook, forecast), ForBacklog(outlook, perSecond));
            return [new VariantCount(outlook.Variant.Id, Math.Clamp(wanted, Math.Min(least, most), most))];
        }

        var counts = mix.Kept(outlook.There.AsSpan(), perSecond, most);
        var missing = counts.AsSpan().SequenceEqual(outlook.There.AsSpan()) ? mix.More(counts, VariantMix.Unlimited(counts.Length), perSecond, most) : [];
        for (var i = 0; i < missing.Length; i++) counts[i] += missing[i];
        if (counts.Sum() < least && mix.KeepsCheapest)
        {
            var further = mix.Fill(counts, outlook.There.AsSpan(), Math.Min(least, most));
            counts[Math.Max(0, outlook.IndexOf(outlook.Variant.Id))] += further;
        }
        else if (counts.Sum() < least) counts = mix.First(Larger(outlook.There, counts), Math.Min(least, most), outlook.IndexOf(outlook.Variant.Id));
        var parts = new VariantCount[counts.Length];
        for (var i = 0; i < parts.Length; i++) parts[i] = new VariantCount(outlook.Ways[i].Variant.Id, counts[i]);
        return ImmutableCollectionsMarshal.AsImmutableArray(parts);
    }

    // The wanted number wanders with its estimate, and where that lies about a multiple of what one carries a start would follow from an
    // excess of nothing. One that is not there yet costs its start too, C: over the time H that such a one is held it must be wanted with a
    // probability not of 1 - q but of (1 - q)(1 + C / H). What waits and what arrives now are asked no such question.
    private static ImmutableArray<VariantCount> WorthStarting(PlannerSettings settings, ModelKnowledge known, ModelOutlook outlook, ImmutableArray<VariantCount> mix)
    {
        if (!settings.StartsMustPay || OnlyWay(settings, outlook, mix) is not { } at) return mix;
        var (all, least) = (mix[at], outlook.Model.MinReplicas);
        if (!outlook.Ways.IsEmpty) outlook = outlook.Ways[at] with { Backlog = outlook.Backlog };
        if (all.Replicas <= outlook.Supply || outlook.Supply == 0 || outlook is { Hold: null } or { Backlog: > 0 } or { Ahead.IsEmpty: true }) return mix;
        outlook.Demand.TryGetLast(out var lately);
        var worth = outlook.Supply;
        for (; worth < all.Replicas; worth++)
        {
            var held = DemandOutlook.Surplus(known, outlook.Load.P90, outlook.Quantile, HeldLeast(settings, outlook), worth + 1).Time;
            var quantile = 1 - ((1 - outlook.Quantile) * (1 + (StartCost(outlook) / held)));
            var level = WindowForecast.Between(outlook.Ahead.AsSpan(), Math.Max(quantile, outlook.Quantile / 2), settings.CoversLess);
            if (Needed(outlook, Math.Max(level, lately)) <= worth) break;
        }

        return mix.SetItem(at, all with { Replicas = Math.Max(worth, Math.Min(least, all.Replicas)) });
    }

    // The way in which all run that are there or wanted; null where there is none, or where older settings mix ways without this question.
    private static int? OnlyWay(PlannerSettings settings, ModelOutlook outlook, ImmutableArray<VariantCount> mix)
    {
        if (mix.Length == 1) return 0;
        if (!settings.MoveWhereCheaper) return null;
        var only = -1;
        for (var i = 0; i < mix.Length; i++)
        {
            if (mix[i].Replicas == 0 && outlook.There[i] == 0) continue;
            if (only >= 0) return null;
            only = i;
        }

        return only < 0 ? null : only;
    }

    // A start costs more than its load: an event, a cache that is cold, a line in a log. None of these has a price; together they are taken
    // for ten loads, and for a minute at the most, which no model that takes that long to load notices. And who is surplus stays for two of
    // those, so that what wanders about a multiple of what one carries makes no start and stop of each of its waves.
    private static TimeSpan StartCost(ModelOutlook outlook)
    {
        var loads = Loads(outlook, PlannerSettings.LoadsPerTurnUsual);
        return loads > outlook.Load.P90 ? loads : outlook.Load.P90;
    }

    internal static TimeSpan HeldLeast(PlannerSettings settings, ModelOutlook outlook)
    {
        if (!settings.StartsMustPay) return outlook.Horizon;
        var loads = Loads(outlook, 2 * PlannerSettings.LoadsPerTurnUsual);
        return loads > outlook.Horizon ? loads : outlook.Horizon;
    }

    private static TimeSpan Loads(ModelOutlook outlook, int loads) => TimeSpan.FromTicks(Math.Min(loads * outlook.Load.P90.Ticks, Minute.Ticks));

    // What comes, and what waits; nothing while nothing is expected.
    private static double ToCarry(ModelOutlook outlook) => outlook.Forecast.TryGetLast(out var forecast) && forecast > 0 ? forecast + Backlog(outlook) : 0;

    private static int[] Larger(ImmutableArray<int> there, int[] counts) => [.. counts.Select((count, i) => Math.Max(count, there[i]))];

    /// <summary>Replicas of the outlook's variant alone that carry a rate, whatever the file's bounds; at most a million.</summary>
    internal static int Needed(ModelOutlook outlook, double perSecond)
    {
        var needed = NeededAlone(outlook, perSecond);
        if (outlook.Left.IsDefault || needed == 0) return needed;

        // What others on the same devices leave of those that are there is made up for by further ones.
        var most = needed + outlook.Left.Length;
        while (needed < most && outlook.CapacityOfOneAmong(needed) is { } each && outlook.Worth(needed) * each < perSecond) needed++;
        return needed;
    }

    /// <summary>The same if all had their devices for themselves.</summary>
    internal static int NeededAlone(ModelOutlook outlook, double perSecond) =>
        perSecond <= 0 ? 0
        : outlook is { CapacityExpected.PerSecond: > 0 and var each, Pooled.IsDefault: false } ? ServicePrior.ReplicasFor(perSecond, each, outlook.Pooled.AsSpan(), ReplicasMost)
        : outlook.Capacity is { } capacity and > 0 ? (int)Math.Min(Math.Ceiling(perSecond / capacity), ReplicasMost)
        : 1;

    private const int ReplicasMost = 1_000_000;

    // What waits is to be worked off beside what comes, within the time that a load takes: with no more replicas than the demand
    // needs, the queue that a crowd left while they loaded would make all of it late for as long as it stays.
    private static double Backlog(ModelOutlook outlook) => outlook is { Backlog: > 0 and var waiting, Capacity: > 0 }
        ? waiting / BacklogWithin(outlook).TotalSeconds : 0;

    private static TimeSpan BacklogWithin(ModelOutlook outlook) => outlook.Load.P90 > BacklogLeast ? outlook.Load.P90 : BacklogLeast;

    /// <summary>Whether those that serve work off what waits, beside what arrives now, before a further replica could.</summary>
    internal static bool IsGoneBeforeLoad(ModelOutlook outlook)
    {
        if (outlook.Serving == 0 || outlook.CapacityOfEach(outlook.Serving) is not { } each) return false;
        outlook.Demand.TryGetLast(out var lately);
        return outlook.Backlog <= ((outlook.Serving * each) - lately) * BacklogWithin(outlook).TotalSeconds;
    }

    // Without what sharing saves: what waits is there whatever comes.
    private static int ForBacklog(ModelOutlook outlook, double perSecond) => outlook is { Backlog: > 0, Capacity: > 0 and var each }
        ? (int)Math.Min(Math.Ceiling(perSecond / each), ReplicasMost) : 0;

    // Why an idle model's replicas go now; null while they stay.
    private static Reason? LetGo(ModelOutlook outlook)
    {
        if (outlook.Held > 0 || outlook.Outstanding > 0 || (outlook.Idle ?? outlook.Unasked) is not { } idle || outlook.Use is not null) return null;
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

    // Why an idle model's replicas sleep that do not go yet; null while they stay awake.
    private static Reason? Drowsy(ModelOutlook outlook) =>
        outlook is { Held: 0, Outstanding: 0, Use: null, HoldAwake: { } hold, Wake: { } wake } && (outlook.Idle ?? outlook.Unasked) is { } idle && idle >= hold
            ? new Reason(Rule.SleepIdle, [Fact.Of("idle", idle), Fact.Of("hold", hold), Fact.Of("wake", wake.P90)], new Rejected("keeping it awake", [Fact.Of("memory of each device", outlook.Needs.PerDevice?.Highest ?? Bytes.Zero)]))
            : null;

    private static Reason Idle(ModelOutlook outlook) =>
        outlook is { Supply: 0, Asleep: > 0, Wake: { } wake }
            ? new Reason(Rule.IdleAsleep, [Fact.Of("load", wake.P90)])
        : outlook.Supply == 0
            ? new Reason(Rule.IdleAtZero, [Fact.Of("load", outlook.Load.P90)])
            : outlook.Use is { } use
                ? new Reason(Rule.HoldForUse, [Fact.Of("time", use.Time), Fact.Fraction("chance", Math.Round(use.Chance, 2)), Fact.Of("left", Outlooks.Positive(use.Until - outlook.At))])
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
            .. outlook.Basis is { } basis ? [Fact.Of("basis", $" ({Fact.Fraction("", basis.Quantile).Shown} quantile; {outlook.Grounds})")]
                : outlook.Grounds is { } grounds ? [Fact.Of("basis", $" ({grounds})")] : Array.Empty<Fact>(),
        ]);
    }
}
