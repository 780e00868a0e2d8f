using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Reports;
using Plimsoll.Simulation.Runs;
using Spectre.Console;

namespace Plimsoll.Cli.Scenarios;

/// <summary>The command <c>plimsoll simulate SCENARIO</c>: what Plimsoll would do with a fleet and its traffic, on a virtual clock.</summary>
public static class SimulateCommand
{
    private const int SeedsMax = 100;

    public static Command Create(TimeProvider time)
    {
        var scenario = new Argument<string>("SCENARIO") { Description = "A scenario file (docs/simulate.md)" };
        var seeds = new Option<int>("--seeds") { Description = "Runs, each with traffic, load times and truth of its own (default 1)", HelpName = "N", DefaultValueFactory = _ => 1 };
        var against = new Option<string?>("--against") { Description = $"Rivals to run beside it, with their defaults: all, or some of {string.Join(',', SimulationRun.Rivals)}", HelpName = "NAMES" };
        var decisions = new Option<bool>("--decisions") { Description = "List what Plimsoll did in the first run, and why" };
        var bound = new Option<bool>("--bound") { Description = "Say what the cheapest run costs at the least for somebody who knows all arrivals" };
        var report = new Option<string?>("--report") { Description = "Write a page about the runs too: .html with plots, or .md", HelpName = "FILE" };
        var json = StatusCommand.JsonOption();
        var command = new Command("simulate", "Run a scenario on a virtual clock and say what came of it") { scenario, against, seeds, bound, decisions, report, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            var count = parsed.GetValue(seeds);
            if (count is < 1 or > SeedsMax) throw new CommandException(ExitCode.BadInput, $"--seeds is {count}; 1 to {SeedsMax} would do");
            var rivals = Rivals(parsed.GetValue(against));
            var page = parsed.GetValue(report) is { } path ? ReportFile.Of(path) : null;
            var file = ScenarioFile.Read(parsed.GetValue(scenario)!);
            var (listing, runs, bounds) = Run(file, count, rivals, parsed.GetValue(bound), parsed.InvocationConfiguration.Error, time, cancellationToken);
            page?.Write(new SimulationReport { Scenario = listing.Scenario, About = listing.About, Length = file.Document.Length!.Value, Runs = [.. runs], Bounds = [.. bounds] });
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.SimulationListing));
            else foreach (var line in SimulationTable.Lines(listing)) output.WriteLine(line);
            if (parsed.GetValue(decisions) && !parsed.GetValue(json))
                foreach (var line in SimulationTable.Decisions(runs[0])) output.WriteLine(line);
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static ImmutableArray<string> Rivals(string? names)
    {
        if (names is null) return [];
        if (names == "all") return SimulationRun.Rivals;
        ImmutableArray<string> asked = [.. names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct()];
        if (asked.FirstOrDefault(name => !SimulationRun.Rivals.Contains(name)) is { } unknown)
            throw new CommandException(ExitCode.BadInput, $"--against names \"{Show.Text(unknown)}\"; all, or some of {string.Join(", ", SimulationRun.Rivals)} would do");
        return asked;
    }

    private static (SimulationListing Listing, IReadOnlyList<RunResult> Runs, IReadOnlyList<BoundResult> Bounds) Run(
        ScenarioFile file, int seeds, ImmutableArray<string> rivals, bool bound, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        var resolver = new ScenarioResolver(file);
        var runs = new List<RunResult>();
        var bounds = new List<BoundResult>();
        var began = time.GetTimestamp();
        string? name = null;
        Shown(error, seeds * (1 + rivals.Length), tell =>
        {
            void Tell(double share)
            {
                cancellationToken.ThrowIfCancellationRequested();
                tell(runs.Count + share);
            }

            for (var seed = 1; seed <= seeds; seed++)
            {
                var world = resolver.Of(seed, cancellationToken);
                if (world is null) throw new CommandException(ExitCode.BadInput, string.Join('\n', file.Problems.Lines()));
                name = world.Name;
                runs.Add(SimulationRun.Plimsoll(world, seed, progress: Tell));
                foreach (var rival in rivals) runs.Add(SimulationRun.Rival(world, seed, rival, progress: Tell));
                if (!bound) continue;
                foreach (var run in runs.Skip(runs.Count - 1 - rivals.Length))
                    bounds.Add(ClairvoyantBound.Of(world, [.. run.Models.Select(model => model.Requests - model.WithinSlo)]));
            }
        });
        return (SimulationListing.Of(name!, file.Document, runs, bounds, time.GetElapsedTime(began)), runs, bounds);
    }

    /// <summary>A bar on a terminal; nothing where the errors go to a file.</summary>
    private static void Shown(TextWriter error, int runs, Action<Action<double>> work)
    {
        if (Console.IsErrorRedirected)
        {
            work(_ => { });
            return;
        }

        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(context =>
        {
            var task = context.AddTask(string.Create(CultureInfo.InvariantCulture, $"{runs} {(runs == 1 ? "run" : "runs")}"), maxValue: runs);
            work(done => task.Value = done);
        });
    }
}
