using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Wva;

/// <param name="RequestsInRetention">Null: the query failed.</param>
/// <param name="QueuedAtEndpointPicker">Requests held while a model has no replica.</param>
public sealed record WvaObservation(
    ImmutableArray<WvaReplica> Replicas, ImmutableArray<WvaVariant> Variants, double? RequestsInRetention, int QueuedAtEndpointPicker = 0);

/// <param name="Targets">Replicas, by variant: the gauge that HPA or KEDA follows.</param>
public sealed record WvaDecision(ImmutableSortedDictionary<string, int> Targets, WvaState State);

/// <summary>One pass over one model: rivals-rules §7.1 to §7.4, after internal/engines.</summary>
public static class WvaEngine
{
    public static WvaDecision DecideV2(WvaSettings settings, WvaState state, WvaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        var analysis = WvaSaturation.Analyze(settings, state, seen.Replicas, seen.Variants);
        var targets = WvaCostOptimizer.Decide(
            [.. seen.Variants.Select(v => new WvaOption(v.Name, v.Cost ?? settings.DefaultVariantCost, analysis.Capacity[v.Name], v.Current))],
            analysis.Required, analysis.Spare);
        return new(Enforce(settings, seen, targets), analysis.State);
    }

    public static WvaDecision DecideV1(WvaSettings settings, WvaState state, WvaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seen);
        var (up, safe) = WvaPercentage.Analyze(settings, seen.Replicas.Select(replica => (replica.KvShare, (double)replica.Waiting)));
        var reporting = seen.Replicas.CountBy(replica => replica.Variant).ToDictionary(StringComparer.Ordinal);
        return new(Enforce(settings, seen, WvaPercentage.Decide(settings, seen.Variants, reporting, up, safe)), state);
    }

    /// <summary>The poll of every 100 ms: while requests wait, every variant of the model without replicas goes to 1.</summary>
    public static ImmutableSortedDictionary<string, int> FromZero(WvaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(seen);
        return seen.Variants.ToImmutableSortedDictionary(
            v => v.Name, v => v.Current == 0 && seen.QueuedAtEndpointPicker > 0 ? 1 : v.Current, StringComparer.Ordinal);
    }

    /// <summary>To zero after a retention without requests where that is on; where it is off, one at least, on the cheapest.</summary>
    private static ImmutableSortedDictionary<string, int> Enforce(
        WvaSettings settings, WvaObservation seen, ImmutableSortedDictionary<string, int> targets)
    {
        if (seen.Variants.IsEmpty) return targets;
        if (settings.ScaleToZero)
            return seen.RequestsInRetention == 0 ? targets.ToImmutableSortedDictionary(target => target.Key, _ => 0, StringComparer.Ordinal) : targets;
        if (targets.Values.Sum() > 0) return targets;
        var cheapest = seen.Variants.OrderBy(v => v.Cost ?? settings.DefaultVariantCost).ThenBy(v => v.Name, StringComparer.Ordinal).First();
        return targets.SetItem(cheapest.Name, 1);
    }
}
