using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Cli.Scenarios;

/// <summary>What runs of a scenario came to, as JSON.</summary>
public sealed record SimulationListing
{
    public required string Scenario { get; init; }

    public string? About { get; init; }

    public required double SimulatedSeconds { get; init; }

    /// <summary>How long the runs took, all together.</summary>
    public required double TookSeconds { get; init; }

    /// <summary>Whether nodes come and go, so that their own price is worth a look.</summary>
    public required bool NodesComeAndGo { get; init; }

    /// <summary>What is paid for, and what costs are compared in: dollars, nodeDollars or deviceHours.</summary>
    public required string CostIn { get; init; }

    public required ImmutableArray<ControllerListing> Controllers { get; init; }

    /// <summary>Who was not run and why, who left which models to an HPA, and what was chosen for those that were tuned.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    public ImmutableArray<TunedListing> Tuned { get; init; } = [];

    /// <summary>Models that were to be explained.</summary>
    public ImmutableArray<ExplainedListing> Explained { get; init; } = [];

    /// <summary>One for each controller, where they were asked for.</summary>
    public ImmutableArray<CurveListing> Curves { get; init; } = [];

    internal static SimulationListing Of(string name, ScenarioDocument document, IReadOnlyList<RunResult> runs, IReadOnlyList<BoundResult> bounds, TimeSpan took) => Of(
        name, document.About, document.Length!.Value, document.Nodes.Any(nodes => nodes.Most > (nodes.Count ?? 1) || nodes.Spot is not null),
        FleetSettings.Planner(document.Planner ?? new PlannerDocument()).Review, runs, bounds, took);

    internal static SimulationListing Of(
        string name, string? about, TimeSpan length, bool nodesComeAndGo, TimeSpan review, IReadOnlyList<RunResult> runs, IReadOnlyList<BoundResult> bounds, TimeSpan took) => new()
        {
            Scenario = name,
            About = about,
            SimulatedSeconds = length.TotalSeconds,
            TookSeconds = Math.Round(took.TotalSeconds, 2),
            NodesComeAndGo = nodesComeAndGo,
            CostIn = runs[0].Unit.Word(),
            Controllers =
            [
                .. runs.Select((run, i) => (Run: run, Bound: i < bounds.Count ? bounds[i] : null)).GroupBy(one => one.Run.Controller)
                    .Select(group => ControllerListing.Of(group.Key, [.. group.Select(one => one.Run)], [.. group.Select(one => one.Bound)], review)),
            ],
        };
}

/// <summary>What a controller attains for what, from one end of its dial to the other.</summary>
/// <param name="Controller">Whose.</param>
/// <param name="Points">All that were run.</param>
/// <param name="CostAt99">Of 99 % within SLO, between points that were run; null where they do not reach around it.</param>
/// <param name="EqualCost">What Plimsoll cost as it is set.</param>
/// <param name="AttainmentAtEqualCost">Likewise; null where no points lie around that cost.</param>
public sealed record CurveListing(string Controller, ImmutableArray<CurvePoint> Points, double? CostAt99, double EqualCost, double? AttainmentAtEqualCost)
{
    internal static ImmutableArray<CurveListing> Of(ImmutableArray<AttainmentCurve> curves, IReadOnlyList<RunResult> runs)
    {
        if (curves.IsEmpty) return [];
        var own = runs.Where(run => run.Controller == curves[0].Controller).ToList();
        var equal = own.Average(run => run.Cost);
        return [.. curves.Select(curve => new CurveListing(curve.Controller, curve.Points, curve.CostAt(0.99), equal, curve.AttainmentAt(equal)))];
    }
}

/// <summary>What was chosen for a rival that was tuned, and what it came to on the traffic it was chosen on.</summary>
public sealed record TunedListing(string Rival, string Chosen, ImmutableArray<int> Seeds, int Candidates, double Goal, double Attainment, double Cost)
{
    internal static TunedListing Of(TunedRival tuned) =>
        new(tuned.Rival, tuned.Chosen, tuned.Seeds, tuned.Candidates, tuned.Goal, tuned.Attainment, tuned.Cost);
}

/// <summary>All runs under one controller.</summary>
public sealed record ControllerListing
{
    public required string Controller { get; init; }

    /// <summary>One for each seed.</summary>
    public required ImmutableArray<RunListing> Runs { get; init; }

    /// <summary>Means over the seeds.</summary>
    public required double Attainment { get; init; }

    /// <summary>What it is compared by; see <see cref="SimulationListing.CostIn"/>.</summary>
    public required double Cost { get; init; }

    public required double Dollars { get; init; }

    /// <summary>Of whole nodes while they were there or on their way, whoever used them.</summary>
    public required double NodeDollars { get; init; }

    public required double DeviceHours { get; init; }

    /// <summary>Others' jobs, in the order in which they came; waits are means over the seeds.</summary>
    public required ImmutableArray<OtherListing> Others { get; init; }

    /// <summary>What anybody who answers as many in time pays at the least, by dollars, or by device hours where all is owned, over the
    /// seeds; null where it was not asked for, or is not known.</summary>
    public double? Bound { get; init; }

    /// <summary>What was paid over that.</summary>
    public double? OverBound => Bound is > 0 and var least ? Cost / least : null;

    /// <summary>By model, means over the seeds.</summary>
    public required ImmutableArray<SimulatedModelListing> Models { get; init; }

    internal static ControllerListing Of(string controller, ImmutableArray<RunResult> runs, ImmutableArray<BoundResult?> bounds, TimeSpan review) => new()
    {
        Controller = controller,
        Runs = [.. runs.Zip(bounds, RunListing.Of)],
        Attainment = runs.Average(run => run.Attainment),
        Cost = runs.Average(run => run.Cost),
        Dollars = runs.Average(run => run.Dollars),
        NodeDollars = runs.Average(run => run.NodeDollars),
        DeviceHours = runs.Average(run => run.DeviceHours),
        Others =
        [
            .. runs.SelectMany(run => run.Others.Select((job, i) => (Job: job, At: i))).GroupBy(one => one.At).OrderBy(group => group.Key)
                .Select(group => new OtherListing(group.First().Job.Name, group.Average(one => one.Job.WaitedSeconds), group.Count(one => one.Job.EndedAt is not null))
                {
                    EndedAtSeconds = group.Average(one => one.Job.EndedAt),
                    GaveWay = group.Average(one => one.Job.GaveWay),
                    LostSeconds = group.First().Job.GaveWay is null ? null : group.Average(one => one.Job.LostSeconds),
                }),
        ],
        Bound = bounds.Select(bound => bound?.In(runs[0].Unit)).Where(one => one is { } known && double.IsFinite(known)).Average(),
        Models = [.. runs[0].Models.Select((model, i) => SimulatedModelListing.Of([.. runs.Select(run => run.Models[i])], runs[0].Verdicts.ElementAtOrDefault(i), review))],
    };
}

/// <summary>Somebody else's job.</summary>
/// <param name="Job">Its name.</param>
/// <param name="WaitedSeconds">For room.</param>
/// <param name="Ended">In how many of the runs it ended.</param>
public sealed record OtherListing(string Job, double WaitedSeconds, int Ended)
{
    /// <summary>Seconds of the run, over the runs in which it ended; null where it did in none.</summary>
    public double? EndedAtSeconds { get; init; }

    /// <summary>How often it was told to give way; null of one that nobody plans.</summary>
    public double? GaveWay { get; init; }

    /// <summary>Seconds of its work that had to be done once more; null of one that nobody plans.</summary>
    public double? LostSeconds { get; init; }
}

/// <summary>One run.</summary>
public sealed record RunListing(int Seed, long Requests, double Attainment, double Dollars, double NodeDollars, double DeviceHours, int OutOfMemory, ImmutableSortedDictionary<string, double> NodeHours, double? BoundDollars, double? BoundDeviceHours)
{
    internal static RunListing Of(RunResult run, BoundResult? bound) => new(
        run.Seed, run.Requests, run.Attainment, run.Dollars, run.NodeDollars, run.DeviceHours, run.OutOfMemory, run.NodeHours, Known(bound?.Dollars), Known(bound?.DeviceHours));

    private static double? Known(double? value) => value is { } known && double.IsFinite(known) ? known : null;
}

/// <summary>One model, means over the seeds.</summary>
public sealed record SimulatedModelListing
{
    public required string Model { get; init; }

    public required long WeightBytes { get; init; }

    public required double Requests { get; init; }

    public required double Attainment { get; init; }

    public required double Late { get; init; }

    public required double Rejected { get; init; }

    public required double Failed { get; init; }

    /// <summary>Seconds from arrival to the end; null where nothing was answered.</summary>
    public double? P50Seconds { get; init; }

    public double? P99Seconds { get; init; }

    public required double DeviceHours { get; init; }

    /// <summary>Of what its replicas held; zero where all is owned.</summary>
    public required double Dollars { get; init; }

    public required double Starts { get; init; }

    /// <summary>As Plimsoll had it when the first run ended: how long nine in ten of its loads take at the most; null of others.</summary>
    public double? LoadSeconds { get; init; }

    /// <summary>Likewise: how far ahead its demand was looked at.</summary>
    public double? HorizonSeconds { get; init; }

    /// <summary>Likewise: how long an idle replica was held; null where it was held until somebody else needed the room.</summary>
    public double? HoldSeconds { get; init; }

    internal static SimulatedModelListing Of(ImmutableArray<ModelResult> runs, ModelVerdict? verdict, TimeSpan review) => new()
    {
        LoadSeconds = verdict?.LoadTime.TotalSeconds,
        HorizonSeconds = verdict is null ? null : (verdict.ForecastFrom?.Window ?? verdict.LoadTime + review).TotalSeconds,
        HoldSeconds = verdict?.Hold?.TotalSeconds,
        Model = runs[0].Model.Value,
        WeightBytes = runs[0].Weights.Value,
        Requests = runs.Average(run => (double)run.Requests),
        Attainment = runs.Average(run => run.Attainment),
        Late = runs.Average(run => (double)run.Late),
        Rejected = runs.Average(run => (double)run.Rejected),
        Failed = runs.Average(run => (double)run.Failed),
        P50Seconds = Mean(runs.Select(run => run.Seconds?.P50)),
        P99Seconds = Mean(runs.Select(run => run.Seconds?.P99)),
        DeviceHours = runs.Average(run => run.DeviceHours),
        Dollars = runs.Average(run => run.Dollars),
        Starts = runs.Average(run => (double)run.Starts),
    };

    private static double? Mean(IEnumerable<double?> values) => values.Average();
}
