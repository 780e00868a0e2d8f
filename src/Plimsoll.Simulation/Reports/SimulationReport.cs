using System.Collections.Immutable;
using Plimsoll.Pages;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;

namespace Plimsoll.Simulation.Reports;

/// <summary>Runs of a scenario as a page for people. The same runs make the same bytes.</summary>
public sealed record SimulationReport
{
    public required string Scenario { get; init; }

    /// <summary>The question that the scenario asks.</summary>
    public string? About { get; init; }

    public required TimeSpan Length { get; init; }

    /// <summary>At least one. Timelines and decisions are shown of each controller's first.</summary>
    public required ImmutableArray<RunResult> Runs { get; init; }

    /// <summary>For each run, in their order, what the cheapest one costs that misses as many; none where nobody asked.</summary>
    public ImmutableArray<BoundResult> Bounds { get; init; } = [];

    /// <summary>What controllers attain for what, from one end of their dials to the other; none where nobody asked.</summary>
    public ImmutableArray<AttainmentCurve> Curves { get; init; } = [];

    /// <summary>One page that needs nothing from elsewhere: its styles, plots and script are in it. It is well-formed XML too.</summary>
    public string Html() => HtmlReport.Of(new ComparedRuns(this));

    public string Markdown() => MarkdownReport.Of(new ComparedRuns(this));
}

/// <summary>A report's runs by controller, and in what their cost is counted.</summary>
internal sealed class ComparedRuns
{
    private readonly Dictionary<(string Controller, int Seed), BoundResult> _bounds;

    public ComparedRuns(SimulationReport report)
    {
        if (report.Runs.IsEmpty) throw new ArgumentException("a report needs a run");
        if (!report.Bounds.IsEmpty && report.Bounds.Length != report.Runs.Length) throw new ArgumentException("bounds are of all runs or of none");
        Report = report;
        Controllers = [.. report.Runs.GroupBy(run => run.Controller).Select(group => new ControllerRuns([.. group]))];
        _bounds = report.Bounds.Zip(report.Runs).ToDictionary(pair => (pair.Second.Controller, pair.Second.Seed), pair => pair.First);
        Unit = First.Runs[0].Unit;
        Heaviest = [.. Enumerable.Range(0, First.Models.Length)
            .OrderByDescending(i => First.Models[i].Weights.Value).ThenBy(i => First.Models[i].Model)];
    }

    public SimulationReport Report { get; }

    /// <summary>In the order in which they ran; Plimsoll is the first.</summary>
    public ImmutableArray<ControllerRuns> Controllers { get; }

    public ControllerRuns First => Controllers[0];

    /// <summary>What was paid for.</summary>
    public CostUnit Unit { get; }

    /// <summary>Whether cost is counted in dollars; in device hours where all is owned.</summary>
    public bool IsPriced => Unit != CostUnit.DeviceHours;

    /// <summary>Whether whole nodes are paid for, as they come and go: more than models' replicas held of them.</summary>
    public bool IsOfNodes => Unit == CostUnit.NodeDollars;

    /// <summary>Indices of models, the heaviest first.</summary>
    public ImmutableArray<int> Heaviest { get; }

    public string CostWords => IsOfNodes ? "dollars of nodes" : IsPriced ? "dollars" : "device hours";

    public double CostOf(ControllerRuns controller) => controller.Runs.Average(run => run.Cost);

    /// <summary>Of what its replicas held: nobody's share of a node is no model's.</summary>
    public double CostOf(ModelMeans model) => IsPriced ? model.Dollars : model.DeviceHours;

    /// <summary>"$12.3" or "12.3 device h".</summary>
    public string Cost(double cost) => IsPriced ? Figures.Dollars(cost) : Figures.Number(cost) + " device h";

    /// <summary>What a run that misses as many costs at the least; null where that is not known for all models.</summary>
    public double? BoundOf(RunResult run) =>
        _bounds.TryGetValue((run.Controller, run.Seed), out var bound) && bound.Models.All(model => model.Problem is null)
        && bound.In(Unit) is var least && double.IsFinite(least) ? least : null;

    /// <summary>Means over the runs that have one.</summary>
    public double? BoundOf(ControllerRuns controller) => controller.Runs.Average(BoundOf);

    public bool IsBounded => Report.Runs.Any(run => BoundOf(run) is not null);

    public string Seeds => First.Runs.Length is > 1 and var count ? $"{count} seeds (figures are means)" : $"seed {First.Runs[0].Seed}";

    /// <summary>What came of the comparison, in a sentence or two, whoever won.</summary>
    public string Finding
    {
        get
        {
            var own = $"{First.Name} answered {Figures.Percent(First.Attainment)} of requests within their objectives for {Cost(CostOf(First))}.";
            if (Controllers.Length == 1) return own;
            var asGood = Controllers.Skip(1).Where(one => one.Attainment >= First.Attainment).OrderBy(CostOf).ToList();
            if (asGood.Count == 0) return $"{own} No rival answered as many in time.";
            var cheapest = asGood[0];
            var than = CostOf(cheapest) < CostOf(First) ? "for less" : CostOf(cheapest) > CostOf(First) ? "at a higher cost" : "at the same cost";
            return $"{own} Of the rivals that answered at least as many in time, {cheapest.Name} was the cheapest, {than}: "
                + $"{Figures.Percent(cheapest.Attainment)} for {Cost(CostOf(cheapest))}.";
        }
    }
}

/// <summary>All runs under one controller; means over its seeds.</summary>
internal sealed class ControllerRuns(ImmutableArray<RunResult> runs)
{
    public string Name => Runs[0].Controller;

    public ImmutableArray<RunResult> Runs { get; } = runs;

    public double Requests { get; } = runs.Average(run => (double)run.Requests);

    public double Attainment { get; } = runs.Average(run => run.Attainment);

    public double Dollars { get; } = runs.Average(run => run.Dollars);

    public double NodeDollars { get; } = runs.Average(run => run.NodeDollars);

    public double DeviceHours { get; } = runs.Average(run => run.DeviceHours);

    /// <summary>Of all its runs.</summary>
    public int OutOfMemory { get; } = runs.Sum(run => run.OutOfMemory);

    /// <summary>In the order of the runs'.</summary>
    public ImmutableArray<ModelMeans> Models { get; } = [.. runs[0].Models.Select((_, i) => ModelMeans.Of([.. runs.Select(run => run.Models[i])]))];
}

/// <summary>One model under one controller; means over the seeds.</summary>
internal sealed record ModelMeans(
    ModelId Model, Bytes Weights, double Requests, double Attainment, double? P50Seconds, double? P99Seconds, double DeviceHours, double Dollars, double Starts)
{
    public static ModelMeans Of(ImmutableArray<ModelResult> runs) => new(
        runs[0].Model,
        runs[0].Weights,
        runs.Average(run => (double)run.Requests),
        runs.Average(run => run.Attainment),
        runs.Average(run => run.Seconds?.P50),
        runs.Average(run => run.Seconds?.P99),
        runs.Average(run => run.DeviceHours),
        runs.Average(run => run.Dollars),
        runs.Average(run => (double)run.Starts));
}
