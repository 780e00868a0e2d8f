using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Pages.Live;

/// <summary>One tick as readers see it. What all of them need is worked out once, when the first asks.</summary>
internal sealed class LiveTick
{
    private const int DecisionsShown = 40;
    private const int ReplicasShown = 50;

    private readonly Lazy<ImmutableArray<LiveRow>> _rows;
    private readonly Lazy<LiveTotals> _totals;
    private readonly Lazy<LiveNodes> _nodes;

    public LiveTick(Tick tick)
    {
        Tick = tick;
        _rows = new(() =>
        {
            var seen = new SnapshotIndex(tick.Snapshot);
            var verdicts = tick.Plan.Models.ToDictionary(verdict => verdict.Model);
            return [.. tick.Spec.Models.Where(model => verdicts.ContainsKey(model.Id)).Select(model => new LiveRow(model, Shown(verdicts[model.Id], tick), seen))];
        });
        _totals = new(() => Sum(_rows.Value));
        _nodes = new(() => new LiveNodes(tick.Snapshot));
    }

    private static ModelVerdict Shown(ModelVerdict verdict, Tick tick) =>
        verdict with { DemandPerSecond = verdict.DemandAsOf(tick.Spec.Settings, tick.Snapshot.At) };

    public Tick Tick { get; }

    /// <summary>The model of a name as the page shows it.</summary>
    public ModelSpec? Find(string name) =>
        Tick.Spec.Find(ModelId.Of(name)) ?? Tick.Spec.Models.FirstOrDefault(model => Figures.Clean(model.Id.Value, LiveQuery.TextMax) == name);

    /// <summary>Adds what this tick knows.</summary>
    public LiveState On(LiveState state, LiveQuery query, ModelSpec? model)
    {
        var rows = _rows.Value;
        var matching = query.Search.Length == 0 ? rows
            : [.. rows.Where(row => row.Name.Contains(query.Search, StringComparison.OrdinalIgnoreCase))];
        var pages = Math.Max(1, (matching.Length + LiveQuery.PageSize - 1) / LiveQuery.PageSize);
        var from = Math.Min(query.Page, pages - 1) * LiveQuery.PageSize;
        var sorted = matching.ToArray();
        Array.Sort(sorted, (a, b) => LiveRow.Compare(a, b, query.Sort));
        return state with
        {
            Tick = Tick.Number,
            At = Tick.Snapshot.At,
            Mode = Tick.Spec.Mode.ToString().ToLowerInvariant(),
            Totals = _totals.Value,
            Memory = _nodes.Value.Kinds,
            Nodes = _nodes.Value.Fullest,
            NodeCount = Tick.Snapshot.Nodes.Length,
            Models = new LiveModels(matching.Length, from, [.. sorted.Skip(from).Take(LiveQuery.PageSize).Select(row => row.Shown())]),
            Detail = model is not null && rows.FirstOrDefault(row => row.Spec.Id == model.Id) is { } found ? Detail(found) : null,
        };
    }

    public static ImmutableArray<LiveDecision> Newest(ImmutableArray<TickEvent> decisions, ModelId? model) =>
        [.. decisions.Reverse().Where(one => model is null || one.Model == model).Take(DecisionsShown)
            .Select(one => Decision(one.At, one.Model, one.What, one.Why))];

    private static LiveDecision Decision(DateTimeOffset at, ModelId? model, string what, Reason? why) => new(
        at, model is { } of ? Figures.Clean(of.Value, LiveQuery.TextMax) : null, Figures.Clean(what), why is null ? null : Figures.Clean(why.ToString()));

    private LiveDetail Detail(LiveRow row) => new(
        row.Shown(), [.. row.Facts()],
        [.. row.Replicas.Take(ReplicasShown).Select(replica => new LiveReplica(
            Figures.Clean(replica.Id.Value, LiveQuery.TextMax), replica.State.ToString().ToLowerInvariant(), replica.StateSince,
            Figures.Clean(replica.Placement.ToString(), LiveQuery.TextMax), replica.Outstanding,
            replica.HostMemory.TryGetLast(out var memory) ? memory.Value : null))],
        [.. Tick.Plan.Steps.Where(step => Step.ModelOf(step) == row.Spec.Id && !Tick.Applied.Started.Contains(step.Id)).Take(ReplicasShown)
            .Select(step => Decision(Tick.Snapshot.At, row.Spec.Id, step.Id.Value.Replace('/', ' '), step.Reason))]);

    private static LiveTotals Sum(ImmutableArray<LiveRow> rows) => new(
        rows.Length, rows.Count(row => row.Ready > 0), rows.Count(row => row.Loading > 0 || row.Tier == "fetching"),
        rows.Count(row => row.Verdict.Wanted > row.Ready && !row.Verdict.Refused), rows.Count(row => row.Verdict.Refused),
        rows.Sum(row => row.Ready), rows.Sum(row => row.HeldNow),
        rows.Aggregate(Bytes.Zero, (sum, row) => sum + row.Spec.Footprint.Weights).Value,
        SumOf(rows.Select(row => row.Demand)), SumOf(rows.Select(row => row.Forecast)));

    private static double? SumOf(IEnumerable<double?> rates)
    {
        double? sum = null;
        foreach (var rate in rates)
        {
            if (rate is { } known) sum = (sum ?? 0) + known;
        }

        return sum;
    }
}
