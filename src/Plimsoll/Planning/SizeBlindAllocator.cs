using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>The one threshold and the one cooldown that all models get.</summary>
/// <param name="TargetPerReplica">Requests in flight per replica, held ones included.</param>
/// <param name="SyncPeriod">HPA's period, 15 s, over the speed-up.</param>
/// <param name="DownscaleWindow">HPA's downscale stabilisation, 300 s, over the speed-up.</param>
/// <param name="Cooldown">KEDA's cooldown before zero, 300 s, over the speed-up.</param>
public sealed record SizeBlindSettings(
    double TargetPerReplica, TimeSpan SyncPeriod, TimeSpan DownscaleWindow, TimeSpan Cooldown)
{
    /// <summary>HPA v2's and KEDA's defaults with every time constant divided by the speed-up.</summary>
    public static SizeBlindSettings Defaults(double speedUp, double targetPerReplica = 4) => new(
        targetPerReplica, TimeSpan.FromSeconds(15 / speedUp), TimeSpan.FromSeconds(300 / speedUp),
        TimeSpan.FromSeconds(300 / speedUp));
}

/// <summary>
/// What autoscalers do today: HPA v2 on an AverageValue of requests in flight (no behavior field: doubling at most,
/// the largest recommendation of the window on the way down), KEDA between zero and one. It never takes memory from
/// another model: a replica that does not fit waits, as a pending pod does. Rules: Kubernetes' and KEDA's documentation.
/// </summary>
public sealed class SizeBlindAllocator(SizeBlindSettings settings) : IAllocator
{
    private const double Tolerance = 0.1;

    // Recommendations within one window at one per tick at the most; older ones fade with the window.
    private const int MostRemembered = 512;

    public string Name => "size-blind";

    public ImmutableArray<Allocation> Allocate(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ImmutableArray<ModelOutlook> outlooks)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(knowledge);
        return [.. outlooks.Select(outlook => Allocate(observed.At, knowledge.Of(outlook.Model.Id), outlook))];
    }

    private Allocation Allocate(DateTimeOffset now, ModelKnowledge known, ModelOutlook outlook)
    {
        var model = outlook.Model;
        // What the rule asked for last: the largest of the window, within the bounds, as the scale subresource would hold it.
        var current = known.Recommendations.IsEmpty ? outlook.Supply
            : Math.Clamp(known.Recommendations.Max(past => past.Replicas), Math.Max(1, model.MinReplicas), Math.Max(1, model.MaxReplicas));
        var inFlight = outlook.Held + outlook.Outstanding;
        var due = known.Recommendations.IsEmpty || now - known.Recommendations[^1].At >= settings.SyncPeriod;
        var active = inFlight > 0 || outlook.Idle is { } idle && idle <= settings.Cooldown;
        var recommendations = known.Recommendations;
        int wanted;
        if (!active && model.MinReplicas == 0)
        {
            wanted = 0;
            recommendations = [];
        }
        else if (current == 0 && inFlight > 0)
        {
            wanted = Math.Max(model.MinReplicas, 1);
            recommendations = [new Recommendation(now, wanted)];
        }
        else if (due && current > 0)
        {
            var recommended = Recommend(inFlight, current);
            recommendations = [.. recommendations.Where(past => now - past.At < settings.DownscaleWindow)];
            wanted = recommendations.Select(past => past.Replicas).Append(recommended).Max();
            var least = Math.Max(1, model.MinReplicas);
            wanted = Math.Clamp(wanted, least, Math.Max(least, Math.Min(model.MaxReplicas, Math.Max(2 * current, 4))));
            recommendations = recommendations.Add(new Recommendation(now, recommended));
            if (recommendations.Length > MostRemembered) recommendations = recommendations.RemoveAt(0);
        }
        else
        {
            // Between two looks it stays at what it asked for; an active model keeps one, as HPA's minimum has it.
            wanted = Math.Max(model.MinReplicas, current);
        }

        return new Allocation
        {
            Model = model.Id,
            Mix = [new VariantCount(outlook.Variant.Id, wanted)],
            Keep = outlook.TrafficSeen ? wanted : Math.Max(wanted, outlook.Supply),
            MayClaim = false,
            Remember = recommendations,
            Why = wanted < outlook.Supply
                ? new Reason(Rule.DrainBySizeBlindRule,
                    [Fact.Of("have", outlook.Supply), Fact.Of("wanted", wanted), Fact.Of("cooldown", settings.Cooldown)])
                : new Reason(Rule.StartBySizeBlindRule,
                [
                    Fact.Quantity("metric", (double)inFlight / Math.Max(1, current)),
                    Fact.Quantity("target", settings.TargetPerReplica), Fact.Of("have", current), Fact.Of("wanted", wanted),
                ]),
        };
    }

    private int Recommend(int inFlight, int current)
    {
        var ratio = inFlight / (settings.TargetPerReplica * current);
        return Math.Abs(ratio - 1) <= Tolerance ? current : (int)Math.Ceiling(inFlight / settings.TargetPerReplica);
    }
}
