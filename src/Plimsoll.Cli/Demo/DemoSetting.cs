using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Demo;

/// <summary>The sentences that say what a run's setting is; printed before the traffic, and part of the report.</summary>
public static class DemoSetting
{
    public static ImmutableArray<string> Lines(
        DemoArguments arguments, ImmutableArray<DemoModel> models, ImmutableSortedDictionary<ModelId, MemoryNeed> needs,
        DemoBudget budget, DemoTraffic traffic)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(budget);
        ArgumentNullException.ThrowIfNull(traffic);
        var lines = ImmutableArray.CreateBuilder<string>();
        foreach (var model in models) lines.Add($"{model.Id}: measured {needs[model.Id]}.");
        lines.Add(budget.ToString());
        var largest = models.MaxBy(model => model.WeightBytes)!;
        var load = new Bytes(largest.WeightBytes) / arguments.LoadBandwidth;
        lines.Add($"Weights are read at {Show(arguments.LoadBandwidth.Value / 1e6)} MB/s: {largest.Id} in {Durations.Show(load)}, "
            + $"which stands for {Durations.Show(load * arguments.SpeedUp)}.");
        if (arguments.Policy == Policies.SizeBlind) lines.Add(SizeBlind(arguments.SpeedUp));
        lines.AddRange(traffic.Notes);
        return lines.ToImmutable();
    }

    /// <summary>Every time constant of the rival as the peers have it, and what it is here.</summary>
    public static string SizeBlind(double speedUp)
    {
        var rules = SizeBlindSettings.Defaults(speedUp);
        return $"Size-blind rules, every time constant divided by {Show(speedUp)}: HPA looks every 15 s, here "
            + $"{Durations.Show(rules.SyncPeriod)}; its downscale window of 300 s is {Durations.Show(rules.DownscaleWindow)}; KEDA's cooldown "
            + $"of 300 s is {Durations.Show(rules.Cooldown)}. KEDA's poll of 30 s is left out in the rival's favour: a held request starts a "
            + $"replica at once, as with KEDA's HTTP add-on. Target: {Show(rules.TargetPerReplica)} requests in flight per replica.";
    }

    private static string Show(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);
}
