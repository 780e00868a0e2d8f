using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Wva;

/// <summary>
/// V1: spare KV cache and queue of replicas that are not saturated; rivals-rules §7.1, after internal/saturation/analyzer.go.
/// </summary>
public static class WvaPercentage
{
    /// <summary>Whether a model's replicas ask for one more, and whether one may go.</summary>
    public static (bool ScaleUp, bool DownSafe) Analyze(WvaSettings settings, IEnumerable<(double KvShare, double Queue)> replicas)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var all = replicas.ToArray();
        if (all.Length == 0) return (false, false);
        var free = all.Where(r => r.KvShare < settings.KvCacheThreshold && r.Queue < settings.QueueLengthThreshold).ToArray();
        var kv = free.Length == 0 ? 0 : free.Average(r => settings.KvCacheThreshold - r.KvShare);
        var queue = free.Length == 0 ? 0 : free.Average(r => settings.QueueLengthThreshold - r.Queue);
        var up = kv < settings.KvSpareTrigger || queue < settings.QueueSpareTrigger;
        return (up, free.Length >= 2 && Left(settings.KvCacheThreshold, kv, free.Length) >= settings.KvSpareTrigger
            && Left(settings.QueueLengthThreshold, queue, free.Length) >= settings.QueueSpareTrigger);
    }

    /// <summary>One replica a pass and model; while any variant is still on its way, none.</summary>
    /// <param name="reporting">Replicas with metrics, by variant.</param>
    public static ImmutableSortedDictionary<string, int> Decide(
        WvaSettings settings, ImmutableArray<WvaVariant> variants, IReadOnlyDictionary<string, int> reporting, bool scaleUp, bool downSafe)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(reporting);
        var frozen = variants.Any(v => Moving(v) || reporting.GetValueOrDefault(v.Name) != v.Current);
        var targets = variants.ToImmutableSortedDictionary(
            v => v.Name, v => frozen && Moving(v) ? v.Desired : v.Current, StringComparer.Ordinal);
        if (frozen) return targets;
        if (scaleUp)
        {
            var cheapest = variants.Where(v => v.Pending == 0).OrderBy(Cost).ThenBy(v => v.Name, StringComparer.Ordinal).FirstOrDefault();
            return cheapest is null ? targets : targets.SetItem(cheapest.Name, cheapest.Current + 1);
        }

        if (!downSafe) return targets;
        var dearest = variants.Where(v => v.Current > 1).OrderBy(Cost).ThenBy(v => v.Name, StringComparer.Ordinal).LastOrDefault();
        return dearest is null ? targets : targets.SetItem(dearest.Name, dearest.Current - 1);

        double Cost(WvaVariant variant) => variant.Cost ?? settings.DefaultVariantCost;
    }

    private static bool Moving(WvaVariant variant) => variant.Desired != 0 && variant.Desired != variant.Current;

    /// <summary>Spare once the load of n replicas is on n − 1.</summary>
    private static double Left(double threshold, double spare, int replicas) =>
        threshold - (threshold - spare) * replicas / (replicas - 1);
}
