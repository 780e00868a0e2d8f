using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Tuning;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios.Tuning;

/// <summary>The command <c>plimsoll tune SCENARIO</c>: the few settings of Plimsoll that are worth changing for a fleet and its traffic.</summary>
public static class TuneCommand
{
    private const int SeedsUsual = 5;
    private const int SeedsMax = 100;
    private const int CandidatesMax = 1000;

    public static Command Create(TimeProvider time)
    {
        var scenario = new Argument<string>("SCENARIO") { Description = "A scenario file (docs/simulate.md)" };
        var want = new Option<string?>("--want") { Description = "The share of each model's requests that must be in time (default: what its objective asks)", HelpName = "SHARE" };
        var seeds = new Option<int>("--seeds") { Description = $"Runs that each change is judged by, none of them searched on (default {SeedsUsual})", HelpName = "N", DefaultValueFactory = _ => SeedsUsual };
        var candidates = new Option<int>("--candidates") { Description = $"Settings tried at the most, two runs each (default {FleetSearch.CandidatesUsual})", HelpName = "N", DefaultValueFactory = _ => FleetSearch.CandidatesUsual };
        var fluid = new Option<bool>("--fluid") { Description = "Simulate requests in groups and replicas together: faster, for weeks of much traffic, and nearly the same" };
        var json = StatusCommand.JsonOption();
        var command = new Command("tune", "Say which few settings are worth changing for a fleet and its traffic") { scenario, want, seeds, candidates, fluid, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            var count = parsed.GetValue(seeds);
            if (count is < 2 or > SeedsMax) throw new CommandException(ExitCode.BadInput, $"--seeds is {count}; 2 to {SeedsMax} would do, as one seed doesn't tell a gain from chance");
            var most = parsed.GetValue(candidates);
            if (most is < 2 or > CandidatesMax) throw new CommandException(ExitCode.BadInput, $"--candidates is {most}; 2 to {CandidatesMax} would do");
            var share = parsed.GetValue(want) is { } text ? ShareText.Read("--want", text) : (double?)null;
            var file = ScenarioFile.Read(parsed.GetValue(scenario)!);
            var listing = Run(file, share, count, most, parsed.GetValue(fluid), parsed.InvocationConfiguration.Error, time, cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.TuneListing));
            else foreach (var line in TuneTable.Lines(listing)) output.WriteLine(line);
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static TuneListing Run(ScenarioFile file, double? want, int seeds, int candidates, bool fluid, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var resolver = new ScenarioResolver(file);
        ImmutableArray<(int Seed, World World)> Parts(IEnumerable<int> of, bool earlier) => [.. of.Select(seed => (seed, resolver.MustOf(seed, cancellationToken, earlier, fluid)))];
        var judged = Parts(Enumerable.Range(1, seeds), earlier: false);
        var other = HasEarlierParts(file.Document);
        var searched = Parts(TuningSeeds.All, other);
        FleetTuning? tuned = null;
        SimulationProgress.Show(error, RunsMost(), tell =>
        {
            var search = new FleetSearch(TunableSettings.Wanted(file.Document, want), TunableSettings.Of(file.Document), CostUnits.Of(judged[0].World), runs => tell(Math.Min(runs, RunsMost())), cancellationToken);
            tuned = search.Tune(searched, judged, candidates);
        });
        return TuneListing.Of(judged[0].World.Name, file.Document, tuned!, want, other, time.GetElapsedTime(began));

        // As many as there are in all, if some changes are found; the bar goes to its end where it takes fewer.
        int RunsMost() => (TuningSeeds.All.Length * candidates) + (seeds * ChangesUsual);
    }

    private const int ChangesUsual = 4;

    // Else the requests of a trace are the same for the search and the judging, and only loads and truth differ.
    private static bool HasEarlierParts(ScenarioDocument document) =>
        document.Models.All(model => model.Traffic!.Trace is null || (model.Traffic.From ?? TimeSpan.Zero) >= document.Length!.Value);
}
