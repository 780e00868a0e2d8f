using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Reports;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Runs.Tuning;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios;

/// <summary>The command <c>plimsoll simulate SCENARIO</c>: what Plimsoll would do with a fleet and its traffic, on a virtual clock.</summary>
public static class SimulateCommand
{
    private const int SeedsMax = 100;

    public static Command Create(TimeProvider time)
    {
        var scenario = new Argument<string>("SCENARIO") { Description = "A scenario file (docs/simulate.md)" };
        var seeds = new Option<int>("--seeds") { Description = "Runs, each with traffic, load times and truth of its own (default 1)", HelpName = "N", DefaultValueFactory = _ => 1 };
        var against = new Option<string?>("--against") { Description = $"Rivals to run beside it, with their defaults, or with :tuned after the name: all, or some of {string.Join(',', SimulationRun.Rivals)}", HelpName = "NAMES" };
        var tuneFor = new Option<string>("--tune-for") { Description = "The share of requests within their objectives that tuned rivals are made cheapest for (default 99%)", HelpName = "SHARE", DefaultValueFactory = _ => "99%" };
        var candidates = new Option<int>("--candidates") { Description = $"Settings tried for each tuned rival at the most (default {RivalSearch.CandidatesMax})", HelpName = "N", DefaultValueFactory = _ => RivalSearch.CandidatesMax };
        var decisions = new Option<bool>("--decisions") { Description = "List what Plimsoll did in the first run, and why" };
        var byWeight = new Option<bool>("--by-weight") { Description = "Say how long each model loads, how far ahead it looks and how long it is held idle" };
        var explain = new Option<string[]>("--explain") { Description = "Say why a model stood as it did at a time of the first run, or at its end, as explain does of a fleet that runs; may be given again", HelpName = "MODEL[@TIME]" };
        var bound = new Option<bool>("--bound") { Description = "Say what the cheapest run costs at the least for somebody who knows all arrivals" };
        var curve = new Option<bool>("--curve") { Description = "Turn the dial of each through several settings, and say what 99% within SLO costs and what is attained at equal cost" };
        var fluid = new Option<bool>("--fluid") { Description = "Simulate requests in groups and replicas together: faster, for weeks of much traffic, and nearly the same" };
        var report = new Option<string?>("--report") { Description = "Write a page about the runs too: .html with plots, or .md", HelpName = "FILE" };
        var json = StatusCommand.JsonOption();
        var command = new Command("simulate", "Run a scenario on a virtual clock and say what came of it") { scenario, against, tuneFor, candidates, seeds, fluid, bound, curve, decisions, byWeight, explain, report, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            var count = parsed.GetValue(seeds);
            if (count is < 1 or > SeedsMax) throw new CommandException(ExitCode.BadInput, $"--seeds is {count}; 1 to {SeedsMax} would do");
            var rivals = RivalNames.Read(parsed.GetValue(against));
            if (parsed.GetValue(json) && parsed.GetValue(decisions)) throw new CommandException(ExitCode.BadInput, "--decisions lists for a person, and --json has no such list; leave out one of the two");
            foreach (var option in (Option[])[tuneFor, candidates])
                if (parsed.GetResult(option) is { Implicit: false } && !rivals.Any(rival => rival.Tuned)) throw new CommandException(ExitCode.BadInput, $"{option.Name} is of rivals that are tuned, and none is; :tuned after a name in --against would do");
            var search = RivalNames.Search(parsed.GetValue(tuneFor)!, parsed.GetValue(candidates));
            var moments = AskedMoment.Read(parsed.GetValue(explain));
            var page = parsed.GetValue(report) is { } path ? ReportFile.Of(path) : null;
            var file = ScenarioFile.Read(parsed.GetValue(scenario)!);
            var (listing, runs, bounds, curves) = Run(file, count, rivals, search, new Asked(parsed.GetValue(fluid), parsed.GetValue(bound), parsed.GetValue(curve), moments), parsed.InvocationConfiguration.Error, time, cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.SimulationListing));
            else
            {
                var lines = SimulationTable.Lines(listing)
                    .Concat(parsed.GetValue(byWeight) ? SimulationTable.ByWeight(listing) : [])
                    .Concat(parsed.GetValue(decisions) ? SimulationTable.Decisions(runs[0]) : [])
                    .Concat(listing.Explained.SelectMany(one => one.Lines.Prepend("")));
                foreach (var line in lines) output.WriteLine(line);
            }

            page?.Write(new SimulationReport { Scenario = listing.Scenario, About = listing.About, Length = file.Document.Length!.Value, Runs = [.. runs], Bounds = [.. bounds], Curves = curves });
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static void NeedsAllRequests(World world)
    {
        if (world.Models.FirstOrDefault(model => !model.Drawn.IsEmpty) is { } drawn)
            throw new CommandException(ExitCode.BadInput, $"--bound reads every request, and with --fluid those of {Show.Text(drawn.Spec.Id.Value)} are too many to be kept; leave out one of the two");
    }

    private sealed record Asked(bool Fluid, bool Bound, bool Curve, ImmutableArray<AskedMoment> Moments);

    private static (SimulationListing Listing, IReadOnlyList<RunResult> Runs, IReadOnlyList<BoundResult> Bounds, ImmutableArray<AttainmentCurve> Curves) Run(
        ScenarioFile file, int seeds, ImmutableArray<RivalName> rivals, (double Goal, int Candidates) search, Asked asked, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        var resolver = new ScenarioResolver(file);
        var runs = new List<RunResult>();
        var bounds = new List<BoundResult>();
        var began = time.GetTimestamp();
        string? name = null;
        var tuned = new List<TunedRival>();
        ImmutableArray<string> said = [];
        var curves = ImmutableArray.CreateBuilder<AttainmentCurve>();
        var points = asked.Curve ? seeds * (CurveRuns.PlimsollPoints + rivals.Sum(rival => CurveRuns.PointsOf(rival.Of))) : 0;
        var pointsRun = 0;
        ImmutableArray<ExplainedListing> explained = [];
        SimulationProgress.Show(error, (seeds * (1 + rivals.Length)) + rivals.Count(rival => rival.Tuned) + points, tell =>
        {
            void Tell(double share)
            {
                cancellationToken.ThrowIfCancellationRequested();
                tell(tuned.Count + runs.Count + pointsRun + share);
            }

            RivalTuning? TuningOf(RivalName rival) => rival.Tuned ? tuned.First(one => one.Rival == rival.Of).Tuning : null;

            World Of(int seed, bool earlier) => resolver.MustOf(seed, cancellationToken, earlier, asked.Fluid);

            if (rivals.Any(rival => rival.Tuned))
            {
                // What cannot be answered is said before hours of tuning.
                var asks = Of(1, earlier: false);
                if (asked.Bound) NeedsAllRequests(asks);
                ExplainedMoments.Check(asks, asked.Moments);
                ImmutableArray<(int, World)> parts = [.. TuningSeeds.All.Select(seed => (seed, Of(seed, earlier: true)))];
                foreach (var rival in rivals.Where(rival => rival.Tuned && RivalNames.HasSomethingToDo(rival, parts[0].Item2))) tuned.Add(RivalSearch.Tune(rival.Of, parts, search.Goal, search.Candidates, Tell));
            }

            for (var seed = 1; seed <= seeds; seed++)
            {
                var world = Of(seed, earlier: false);
                if (seed == 1) (rivals, said) = RivalNames.Said(world, rivals, tuned);
                name = world.Name;
                if (asked.Bound) NeedsAllRequests(world);
                if (seed == 1) ExplainedMoments.Check(world, asked.Moments);
                var moments = seed == 1 && !asked.Moments.IsEmpty ? new ExplainedMoments(world, asked.Moments) : null;
                runs.Add(SimulationRun.Plimsoll(world, seed, seen: moments is null ? null : moments.See, progress: Tell));
                if (moments is not null) explained = moments.Of(runs[0]);
                foreach (var rival in rivals)
                    runs.Add(SimulationRun.Rival(world, seed, rival.Of, TuningOf(rival), rival.Name, Tell));
                if (!asked.Bound) continue;
                var bound = new ClairvoyantBound(world);
                foreach (var run in runs.Skip(runs.Count - 1 - rivals.Length))
                    bounds.Add(bound.Of([.. run.Models.Select(model => model.Requests - model.WithinSlo)]));
            }

            if (!asked.Curve) return;
            ImmutableArray<(int, World)> worlds = [.. Enumerable.Range(1, seeds).Select(seed => (seed, Of(seed, earlier: false)))];
            void Ran()
            {
                pointsRun++;
                Tell(0);
            }

            curves.Add(CurveRuns.Plimsoll(worlds, Ran));
            foreach (var rival in rivals)
                curves.Add(CurveRuns.Rival(worlds, rival.Of, TuningOf(rival), rival.Name, runs.Where(run => run.Controller == rival.Name), Ran));
        });
        return (SimulationListing.Of(name!, file.Document, runs, bounds, time.GetElapsedTime(began)) with { Notes = said, Tuned = [.. tuned.Select(TunedListing.Of)], Explained = explained, Curves = CurveListing.Of(curves.ToImmutable(), runs) }, runs, bounds, curves.ToImmutable());
    }
}
