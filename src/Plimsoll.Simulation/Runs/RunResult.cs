using System.Collections.Immutable;
using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Requests;

namespace Plimsoll.Simulation.Runs;

/// <summary>What a run came to.</summary>
public sealed record RunResult
{
    /// <summary>Who scaled.</summary>
    public required string Controller { get; init; }

    public required int Seed { get; init; }

    public required int Turns { get; init; }

    /// <summary>Ordered by model.</summary>
    public required ImmutableArray<ModelResult> Models { get; init; }

    /// <summary>What is paid for in its world.</summary>
    public required CostUnit Unit { get; init; }

    /// <summary>What it cost, in its <see cref="Unit"/>.</summary>
    public double Cost => Unit switch { CostUnit.NodeDollars => NodeDollars, CostUnit.Dollars => Dollars, _ => DeviceHours };

    /// <summary>Dollars of what replicas held: their share of their nodes. Zero where all is owned.</summary>
    public required double Dollars { get; init; }

    /// <summary>Hours that devices were held by replicas, loading and draining included.</summary>
    public double DeviceHours => Models.Sum(model => model.DeviceHours);

    /// <summary>Hours that nodes were there, by group.</summary>
    public required ImmutableSortedDictionary<string, double> NodeHours { get; init; }

    /// <summary>Dollars of whole nodes while they were there or on their way, whoever used them.</summary>
    public required double NodeDollars { get; init; }

    /// <summary>What others' jobs came to, in the order in which they came.</summary>
    public ImmutableArray<OtherResult> Others { get; init; } = [];

    /// <summary>Replicas that died of memory.</summary>
    public required int OutOfMemory { get; init; }

    /// <summary>How it went; null where nobody took it.</summary>
    public Timeline? Timeline { get; init; }

    /// <summary>What the controller did, the first twenty thousand times.</summary>
    public ImmutableArray<Decision> Decisions { get; init; } = [];

    /// <summary>What the planner thought of each model at its last turn, ordered by model; empty where somebody else scaled.</summary>
    public ImmutableArray<ModelVerdict> Verdicts { get; init; } = [];

    /// <summary>How often it did anything.</summary>
    public long DecisionCount { get; init; }

    public long Requests => Models.Sum(model => model.Requests);

    /// <summary>The share of all requests that was answered within their models' objectives.</summary>
    public double Attainment => Requests == 0 ? 1 : Models.Sum(model => model.WithinSlo) / (double)Requests;

    internal static RunResult Of(SimulatedCluster cluster, string controller, int seed, int turns) => new()
    {
        Controller = controller,
        Seed = seed,
        Turns = turns,
        Models = [.. cluster.Requests.Values.OrderBy(one => one.Model.Id).Select(one => ModelResult.Of(one, cluster.Use))],
        Unit = CostUnits.Of(cluster.World),
        Dollars = cluster.Use.Dollars,
        NodeHours = cluster.Use.NodeSeconds.ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value / 3600, StringComparer.Ordinal),
        NodeDollars = cluster.World.Nodes.Sum(group => (group.PricePerHour?.Dollars ?? 0) * cluster.Use.NodeSeconds[group.Name] / 3600),
        Others = [.. cluster.Others.Select(job => new OtherResult(job.Job.Name, job.WaitedUntil(cluster.Now), job.EndedAt) { GaveWay = job.Gang?.GaveWay, LostSeconds = job.Gang?.LostSeconds ?? 0 })],
        OutOfMemory = cluster.Use.OutOfMemory,
    };
}

/// <summary>What somebody else's job came to.</summary>
/// <param name="Name">The job.</param>
/// <param name="WaitedSeconds">For room, all together.</param>
/// <param name="EndedAt">Seconds of the run; null where it had not ended.</param>
public sealed record OtherResult(string Name, double WaitedSeconds, double? EndedAt)
{
    /// <summary>How often it was told to give way; null where nobody planned it.</summary>
    public int? GaveWay { get; init; }

    /// <summary>Seconds of its work that had to be done once more.</summary>
    public double LostSeconds { get; init; }
}

/// <summary>What a run came to for one model.</summary>
public sealed record ModelResult
{
    public required ModelId Model { get; init; }

    public required Bytes Weights { get; init; }

    public required long Requests { get; init; }

    /// <summary>Answered within the objective, time held included.</summary>
    public required long WithinSlo { get; init; }

    public required long Late { get; init; }

    public required long Rejected { get; init; }

    public required long Failed { get; init; }

    /// <summary>Held or under way as the run ended.</summary>
    public required long Unfinished { get; init; }

    /// <summary>Of those that were answered; null where none was.</summary>
    public required AnswerSeconds? Seconds { get; init; }

    /// <summary>Hours that devices were held by its replicas; without devices, hours of replicas.</summary>
    public required double DeviceHours { get; init; }

    /// <summary>Of what its replicas held: their share of their nodes. Zero where all is owned.</summary>
    public required double Dollars { get; init; }

    public required int Starts { get; init; }

    /// <summary>1 where nobody asked.</summary>
    public double Attainment => Requests == 0 ? 1 : WithinSlo / (double)Requests;

    internal static ModelResult Of(IModelRequests requests, FleetUse use)
    {
        var totals = requests.Totals();
        return new ModelResult
        {
            Model = requests.Model.Id,
            Weights = requests.Model.Footprint.Weights,
            Requests = totals.Requests,
            WithinSlo = totals.Within,
            Late = totals.Late,
            Rejected = totals.Rejected,
            Failed = totals.Failed,
            Unfinished = totals.Unfinished,
            Seconds = totals.Seconds,
            DeviceHours = use.DeviceSeconds.GetValueOrDefault(requests.Model.Id) / 3600,
            Dollars = use.ModelDollars.GetValueOrDefault(requests.Model.Id),
            Starts = use.Starts.GetValueOrDefault(requests.Model.Id),
        };
    }
}

/// <summary>Seconds from arrival to the last token: quantiles.</summary>
public sealed record AnswerSeconds(double P50, double P95, double P99);
