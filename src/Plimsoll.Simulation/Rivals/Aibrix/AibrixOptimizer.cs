using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Melange;

namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <summary>
/// AIBrix' use of Mélange: rivals-rules §5.4. Its answer, in hundredths of a GPU by deployment, is what a PodAutoscaler of
/// strategy KPA reads as an external metric with a target of 100.
/// </summary>
public static class AibrixOptimizer
{
    /// <param name="previous">The last answer, kept where requests make no cluster or the programme has no solution.</param>
    /// <param name="least">Each deployment's minimum, the answer while no request is in the window.</param>
    public static ImmutableSortedDictionary<string, int> Decide(
        AibrixOptimizerSettings settings, AibrixProfile profile, AibrixOptimizerObservation seen,
        ImmutableSortedDictionary<string, int>? previous, IReadOnlyDictionary<string, int> least)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(seen);
        var start = WindowStart(settings, seen);
        var points = seen.Requests.Where(request => request.At >= start && request.At <= seen.Now)
            .Select(request => (Output: Math.Log2(Math.Max(1, request.OutputTokens)), Input: Math.Log2(Math.Max(1, request.InputTokens))))
            .ToArray();
        var centres = AibrixClusters.Centres(points, settings.ClusterDistance, settings.ClusterPoints);
        if (centres.IsEmpty)
        {
            return (points.Length > 0 ? previous : null) ?? profile.Gpus.ToImmutableSortedDictionary(
                gpu => gpu.Deployment, gpu => least.GetValueOrDefault(gpu.Deployment) * settings.GpuFraction, StringComparer.Ordinal);
        }

        var seconds = Math.Max(1, (seen.Now - start).TotalSeconds);
        // Noise is dropped from the shares but not from the total, so the clusters carry it.
        var total = Math.Max(points.Length / seconds, seen.LatestPerSecond);
        var answer = MelangeOptimizer.Solve(
            Gpus(profile, settings), Shares(profile, centres), total * settings.GpuFraction, settings.SliceFactor);
        return answer?.Counts ?? previous ?? ImmutableSortedDictionary.Create<string, int>(StringComparer.Ordinal);
    }

    /// <summary>The window is of whole parts: the newest fills up, and the oldest goes at once.</summary>
    private static DateTimeOffset WindowStart(AibrixOptimizerSettings settings, AibrixOptimizerObservation seen)
    {
        var part = settings.Window.Ticks / settings.SubWindows;
        var begun = (seen.Now - seen.Since).Ticks / part * part;
        var start = seen.Since + TimeSpan.FromTicks(begun - (settings.SubWindows - 1) * part);
        return start > seen.Since ? start : seen.Since;
    }

    private static ImmutableArray<MelangeGpu> Gpus(AibrixProfile profile, AibrixOptimizerSettings settings) =>
        [.. profile.Gpus.Select(gpu => new MelangeGpu(
            gpu.Deployment, gpu.Cost / settings.GpuFraction, [.. gpu.PerSecond.SelectMany(row => row)]))];

    private static ImmutableArray<double> Shares(AibrixProfile profile, ImmutableArray<AibrixCentre> centres)
    {
        var shares = new double[profile.OutputTicks.Length * profile.InputTicks.Length];
        double members = centres.Sum(centre => centre.Members);
        foreach (var centre in centres)
        {
            var cell = Nearest(profile.OutputTicks, centre.Output) * profile.InputTicks.Length + Nearest(profile.InputTicks, centre.Input);
            shares[cell] += centre.Members / members;
        }

        return [.. shares];
    }

    /// <summary>Outside of the grid, its border.</summary>
    private static int Nearest(ImmutableArray<double> ticks, double value)
    {
        var best = 0;
        for (var i = 1; i < ticks.Length; i++)
            if (Math.Abs(ticks[i] - value) < Math.Abs(ticks[best] - value)) best = i;
        return best;
    }
}
