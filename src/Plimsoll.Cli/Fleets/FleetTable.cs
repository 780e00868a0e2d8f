using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Pages;

namespace Plimsoll.Cli.Fleets;

/// <summary>A fleet at one tick as lines of text: the live view, status and tests print the same.</summary>
public static class FleetTable
{
    public const int WidthMin = 60;

    /// <summary>All but the model's name: weight 9, tier 9, replicas 12, demand 8, forecast 8, memory 9, and six gaps.</summary>
    private const int FixedWidth = 61;

    /// <summary>Lines that reasons get at least, where a terminal is too low for everything.</summary>
    private const int ReasonsMin = 3;

    /// <param name="spec">What was asked.</param>
    /// <param name="seen">What was seen.</param>
    /// <param name="plan">What was decided.</param>
    /// <param name="width">Columns; no line is longer where they are 66 or more.</param>
    /// <param name="height">Lines there are; models at rest are left out, and counted, where they are too few.</param>
    public static ImmutableArray<string> Lines(FleetSpec spec, FleetSnapshot seen, Plan plan, int width, int height = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(seen);
        ArgumentNullException.ThrowIfNull(plan);
        width = Math.Max(WidthMin, width);
        var lines = ImmutableArray.CreateBuilder<string>();
        var longest = spec.Models.Select(model => model.Id.Value.Length).DefaultIfEmpty(0).Max();
        var name = Math.Clamp(longest, 5, Math.Max(5, width - FixedWidth));
        var verdicts = plan.Models.ToDictionary(verdict => verdict.Model);
        var memory = seen.Nodes.Select(node => Cut(Memory(node, seen), width)).ToList();
        if (spec.Models.Any(model => model.Cached) || !seen.Cache.IsEmpty)
            memory.AddRange(seen.Nodes.Where(node => node.CacheBudget is not null).Select(node => Cut(Cache(node, seen), width)));
        var jobs = JobTable.Rows(spec, seen, width);
        var room = height == int.MaxValue ? int.MaxValue : Math.Max(0, height - 1 - memory.Count - jobs.Length);
        var rows = spec.Models.Length <= room - ReasonsMin ? spec.Models : Liveliest(spec, seen, verdicts, Math.Max(1, room - ReasonsMin - 1));
        lines.Add(Row(name, "MODEL", "WEIGHT", "TIER", "REPLICAS", "DEMAND", "FORECAST", "MEMORY"));
        foreach (var model in rows)
        {
            var verdict = verdicts.GetValueOrDefault(model.Id);
            lines.Add(Row(
                name, model.Id.Value, model.Footprint.Weights.ToString(), ShownTier(model, seen), Replicas(model.Id, seen),
                Rate(verdict?.DemandAsOf(spec.Settings, seen.At)), Rate(verdict?.ForecastPerSecond), Memory(model.Id, seen)));
        }

        if (rows.Length < spec.Models.Length)
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"and {spec.Models.Length - rows.Length} more; plimsoll status shows all"));
        lines.AddRange(jobs);
        lines.AddRange(memory);
        lines.AddRange(Reasons(plan, rows, width, height == int.MaxValue ? height : height - lines.Count));
        return lines.ToImmutable();
    }

    // Models that do something, then those that are wanted, then the rest; each kind in the file's order.
    private static ImmutableArray<ModelSpec> Liveliest(
        FleetSpec spec, FleetSnapshot seen, Dictionary<ModelId, ModelVerdict> verdicts, int count)
    {
        var busy = seen.Replicas.Select(replica => replica.Model).ToHashSet();
        var chosen = spec.Models
            .OrderBy(model => busy.Contains(model.Id) ? 0 : verdicts.GetValueOrDefault(model.Id) is { Wanted: > 0 } ? 1 : 2)
            .ThenBy(model => model.Id).Take(count).Select(model => model.Id).ToHashSet();
        return [.. spec.Models.Where(model => chosen.Contains(model.Id))];
    }

    // Whole sentences where there is room for all, else one line of each.
    private static IEnumerable<string> Reasons(Plan plan, ImmutableArray<ModelSpec> rows, int width, int lines)
    {
        var shown = rows.Select(model => model.Id).ToHashSet();
        var sentences = plan.Models.Where(verdict => shown.Contains(verdict.Model)).Select(verdict => $"{verdict.Model}: {verdict.Reason}")
            .Concat(JobTable.Verdicts(plan).Select(verdict => $"{verdict.Job}: {verdict.Reason}")).ToList();
        var whole = sentences.SelectMany(sentence => Wrap(sentence, width - 2).Select((line, n) => n == 0 ? line : "  " + line)).ToList();
        return whole.Count <= lines ? whole : sentences.Take(Math.Max(0, lines)).Select(sentence => Cut(sentence, width));
    }

    /// <summary>Where the model's weights are, the nearest place of all its replicas.</summary>
    public static string Tier(ModelSpec model, FleetSnapshot seen)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(seen);
        return new SnapshotIndex(seen).Tier(model);
    }

    /// <summary>The tier, and how far a fetch is: "fetch 43%".</summary>
    public static string ShownTier(ModelSpec model, FleetSnapshot seen)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(seen);
        var tier = Tier(model, seen);
        if (tier != "fetching") return tier;
        return Fetch(model, seen) is { Done: { } done, Total: { Value: > 0 } total }
            ? string.Create(CultureInfo.InvariantCulture, $"fetch {Math.Clamp(done.Value * 100 / total.Value, 0, 99)}%") : "fetch";
    }

    /// <summary>The fetch of its weights that is under way; null when none is.</summary>
    public static WorkInFlight? Fetch(ModelSpec model, FleetSnapshot seen) =>
        seen.InFlight.FirstOrDefault(work => work.Kind == WorkKind.Fetching && work.Model == model.Id);

    /// <summary>"1", "0 +1 loading", "2 -1 ending", "0, 1 asleep".</summary>
    public static string Replicas(ModelId model, FleetSnapshot seen)
    {
        ArgumentNullException.ThrowIfNull(seen);
        var states = seen.Replicas.Where(replica => replica.Model == model).Select(replica => replica.State).ToList();
        var (ready, loading) = (states.Count(state => state == ReplicaState.Ready), states.Count(state => state == ReplicaState.Loading));
        var asleep = states.Count(state => state == ReplicaState.Asleep);
        var going = states.Count - ready - loading - asleep;
        return string.Create(CultureInfo.InvariantCulture,
            $"{ready}{(loading > 0 ? $" +{loading} loading" : going > 0 ? $" -{going} ending" : asleep > 0 ? $", {asleep} asleep" : "")}");
    }

    /// <summary>Breaks at spaces; a word longer than the width is cut through.</summary>
    public static IEnumerable<string> Wrap(string text, int width)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        while (text.Length > width)
        {
            var space = text.LastIndexOf(' ', width);
            var end = space > width / 3 ? space : width;
            yield return text[..end];
            text = text[end..].TrimStart();
        }

        yield return text;
    }

    public static string Cut(string text, int width)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length <= width ? text : text[..Math.Max(0, width - 3)] + "...";
    }

    /// <summary>A name cut in its middle: what tells long names apart is mostly at their ends.</summary>
    public static string CutName(string text, int width)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length <= width || width < 8) return Cut(text, width);
        var end = (width - 2) / 2;
        return text[..(width - 2 - end)] + ".." + text[^end..];
    }

    private static string Memory(NodeState node, FleetSnapshot seen)
    {
        var (used, unknown) = Used(seen.Replicas.Where(replica => replica.Placement.Node == node.Id));
        var budget = Bytes.Min(node.HostMemory, node.HostMemoryBudget);
        var held = JobTable.Held(node.Id, seen);
        return $"memory [{Bar(used + held, budget)}] {used}{(held > Bytes.Zero ? $" and {held} to train" : "")} of {budget}{(unknown > 0 ? $", {unknown} not measured yet" : "")}, {node.Cores} cores";
    }

    private static string Cache(NodeState node, FleetSnapshot seen)
    {
        var copies = seen.Cache.Where(copy => copy.Node == node.Id).ToList();
        var used = copies.Aggregate(Bytes.Zero, (sum, copy) => sum + copy.Size);
        var whole = copies.Count(copy => copy.Complete);
        return $"cache  [{Bar(used, node.CacheBudget!.Value)}] {used} of {node.CacheBudget}, "
            + $"{whole} {(whole == 1 ? "model" : "models")}{(copies.Count > whole ? $", {copies.Count - whole} unfinished" : "")}"
            + (node.CacheFileSystemFree is { State: SignalState.Missing, Why: { } why } ? $"; {why}" : "");
    }

    private static string Bar(Bytes used, Bytes budget) =>
        new string('#', (int)Math.Round(20 * (budget.Value == 0 ? 0 : Math.Clamp((double)used.Value / budget.Value, 0, 1)))).PadRight(20, '.');

    private static string Memory(ModelId model, FleetSnapshot seen)
    {
        var own = seen.Replicas.Where(replica => replica.Model == model).ToList();
        if (own.Count == 0) return "-";
        var (used, unknown) = Used(own);
        return unknown == own.Count ? "?" : used.ToString();
    }

    private static (Bytes Used, int Unknown) Used(IEnumerable<InferenceReplica> replicas)
    {
        var (used, unknown) = (Bytes.Zero, 0);
        foreach (var replica in replicas)
        {
            if (replica.HostMemory.TryGetLast(out var memory)) used += memory;
            else unknown++;
        }

        return (used, unknown);
    }

    private static string Rate(Signal<double>? signal) =>
        signal is { } rate && rate.TryGetLast(out var perSecond)
            ? perSecond.ToString(perSecond >= 99.95 ? "0" : perSecond >= 1 ? "0.0" : "0.##", CultureInfo.InvariantCulture) + "/s" + (rate.State == SignalState.Stale ? "?" : "")
            : "?";

    private static string Row(
        int name, string model, string weight, string tier, string replicas, string demand, string forecast, string memory) =>
        $"{CutName(model, name).PadRight(name)} {weight,9} {tier,-9} {replicas,-12} {demand,8} {forecast,8} {memory,9}";
}
