using System.Collections.Immutable;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Cli.Scenarios;

/// <summary>What runs of a scenario came to, as JSON.</summary>
public sealed record SimulationListing
{
    public required string Scenario { get; init; }

    public string? About { get; init; }

    public required double SimulatedSeconds { get; init; }

    /// <summary>How long the runs took, all together.</summary>
    public required double TookSeconds { get; init; }

    public required ImmutableArray<ControllerListing> Controllers { get; init; }

    internal static SimulationListing Of(string name, ScenarioDocument document, IReadOnlyList<RunResult> runs, TimeSpan took) => new()
    {
        Scenario = name,
        About = document.About,
        SimulatedSeconds = document.Length!.Value.TotalSeconds,
        TookSeconds = Math.Round(took.TotalSeconds, 2),
        Controllers = [.. runs.GroupBy(run => run.Controller).Select(group => ControllerListing.Of(group.Key, [.. group]))],
    };
}

/// <summary>All runs under one controller.</summary>
public sealed record ControllerListing
{
    public required string Controller { get; init; }

    /// <summary>One for each seed.</summary>
    public required ImmutableArray<RunListing> Runs { get; init; }

    /// <summary>Means over the seeds.</summary>
    public required double Attainment { get; init; }

    public required double Dollars { get; init; }

    public required double DeviceHours { get; init; }

    /// <summary>By model, means over the seeds.</summary>
    public required ImmutableArray<SimulatedModelListing> Models { get; init; }

    internal static ControllerListing Of(string controller, ImmutableArray<RunResult> runs) => new()
    {
        Controller = controller,
        Runs = [.. runs.Select(RunListing.Of)],
        Attainment = runs.Average(run => run.Attainment),
        Dollars = runs.Average(run => run.Dollars),
        DeviceHours = runs.Average(run => run.DeviceHours),
        Models = [.. runs[0].Models.Select((model, i) => SimulatedModelListing.Of([.. runs.Select(run => run.Models[i])]))],
    };
}

/// <summary>One run.</summary>
public sealed record RunListing(int Seed, long Requests, double Attainment, double Dollars, double DeviceHours, int OutOfMemory, ImmutableSortedDictionary<string, double> NodeHours)
{
    internal static RunListing Of(RunResult run) => new(run.Seed, run.Requests, run.Attainment, run.Dollars, run.DeviceHours, run.OutOfMemory, run.NodeHours);
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

    public required double Starts { get; init; }

    internal static SimulatedModelListing Of(ImmutableArray<ModelResult> runs) => new()
    {
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
        Starts = runs.Average(run => (double)run.Starts),
    };

    private static double? Mean(IEnumerable<double?> values) => values.Average();
}
