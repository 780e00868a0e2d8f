using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Reports;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios;

/// <summary>The command <c>plimsoll compare</c>: a person's own HPA or ScaledObject beside Plimsoll, on the same requests and nodes.</summary>
public static class CompareCommand
{
    private const int SeedsMax = 100;
    private const int CharactersMost = 4 << 20;
    private const int NamedMax = 3;
    private const string Yours = "yours";

    public static Command Create(TimeProvider time)
    {
        var traffic = new Argument<string>("TRACE") { Description = "A trace (docs/simulate.md), for a model by the options; or a scenario (.yaml)" };
        var hpa = new Option<string>("--hpa") { Description = "Your manifests, HorizontalPodAutoscalers or KEDA's ScaledObjects", HelpName = "FILE", Required = true };
        var metrics = new Option<string[]>("--metric") { Description = "What a metric reads that Plimsoll doesn't know, such as cpu=busy-percent", HelpName = "NAME=QUANTITY", DefaultValueFactory = _ => [] };
        var trace = new ComparedTrace();
        var seeds = new Option<int>("--seeds") { Description = "Runs, each with load times and truth of its own (default 1)", HelpName = "N", DefaultValueFactory = _ => 1 };
        var bound = new Option<bool>("--bound") { Description = "Say what the cheapest run costs at the least for somebody who knows all arrivals" };
        var report = new Option<string?>("--report") { Description = "Write a page about the runs too: .html with plots, or .md", HelpName = "FILE" };
        var json = StatusCommand.JsonOption();
        var command = new Command("compare", "Run your own HPA or ScaledObject beside Plimsoll, on your own traffic") { traffic, hpa, metrics };
        trace.AddTo(command);
        foreach (var option in (Option[])[seeds, bound, report, json]) command.Add(option);
        command.SetAction((parsed, cancellationToken) =>
        {
            var count = parsed.GetValue(seeds);
            if (count is < 1 or > SeedsMax) throw new CommandException(ExitCode.BadInput, $"--seeds is {count}; 1 to {SeedsMax} would do");
            var page = parsed.GetValue(report) is { } path ? ReportFile.Of(path) : null;
            var manifests = parsed.GetValue(hpa)!;
            var own = new OwnManifests(manifests, MetricWords.Read(parsed.GetValue(metrics)!)).Read(BoundedText.Read(manifests, CharactersMost));
            var place = parsed.GetValue(traffic)!;
            var file = Scenario(parsed, trace, place, own);
            var (listing, runs, bounds) = Run(file, own, count, parsed.GetValue(bound), parsed.InvocationConfiguration.Error, time, cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.SimulationListing));
            else foreach (var line in SimulationTable.Lines(listing)) output.WriteLine(line);
            page?.Write(new SimulationReport { Scenario = listing.Scenario, About = listing.About, Length = file.Document.Length!.Value, Runs = [.. runs], Bounds = [.. bounds] });
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static ScenarioFile Scenario(ParseResult parsed, ComparedTrace trace, string place, ImmutableArray<OwnAutoscaler> own)
    {
        if (Path.GetExtension(place).ToUpperInvariant() is ".YAML" or ".YML")
        {
            return trace.Given(parsed) is { } option
                ? throw new CommandException(ExitCode.BadInput, $"{option} is said by the scenario {Show.Text(place, 200)} itself; leave it out")
                : ScenarioFile.Read(place);
        }

        return own.Length == 1 ? trace.Scenario(parsed, place, own[0])
            : throw new CommandException(ExitCode.BadInput, $"{own.Length} autoscalers are in the manifests, and a trace is of one model; a scenario (.yaml) with all of them would do, or one manifest");
    }

    private static (SimulationListing Listing, IReadOnlyList<RunResult> Runs, IReadOnlyList<BoundResult> Bounds) Run(
        ScenarioFile file, ImmutableArray<OwnAutoscaler> own, int seeds, bool bound, TextWriter error, TimeProvider time, CancellationToken cancellationToken)
    {
        var resolver = new ScenarioResolver(file);
        var (runs, bounds) = (new List<RunResult>(), new List<BoundResult>());
        var began = time.GetTimestamp();
        World? first = null;
        SimulationProgress.Show(error, 2 * seeds, tell =>
        {
            void Tell(double share)
            {
                cancellationToken.ThrowIfCancellationRequested();
                tell(runs.Count + share);
            }

            for (var seed = 1; seed <= seeds; seed++)
            {
                var world = resolver.MustOf(seed, cancellationToken);
                first ??= Checked(world, own);
                runs.Add(SimulationRun.Plimsoll(world, seed, progress: Tell));
                runs.Add(SimulationRun.Own(world, seed, own, Yours, Tell));
                if (!bound) continue;
                var least = new ClairvoyantBound(world);
                foreach (var run in runs.TakeLast(2)) bounds.Add(least.Of([.. run.Models.Select(model => model.Requests - model.WithinSlo)]));
            }
        });
        var listing = SimulationListing.Of(first!.Name, file.Document, runs, bounds, time.GetElapsedTime(began));
        return (listing with { Notes = [Verdict(listing), .. Notes(first, own)] }, runs, bounds);
    }

    private static World Checked(World world, ImmutableArray<OwnAutoscaler> own) =>
        own.FirstOrDefault(one => world.Models.All(model => !one.Scales(model.Spec.Id))) is { } stranger
            ? throw new CommandException(ExitCode.BadInput, $"no model of the scenario is named {Show.Text(stranger.Target)}, which one of the autoscalers scales; it has {string.Join(", ", world.Models.Take(NamedMax).Select(model => model.Spec.Id))}{(world.Models.Length > NamedMax ? " and others" : "")}")
            : world;

    private static string Verdict(SimulationListing listing)
    {
        var (plimsoll, yours) = (listing.Controllers[0], listing.Controllers[1]);
        var dollars = listing.CostIn != CostUnit.DeviceHours.Word();
        var (ours, theirs) = (plimsoll.Cost, yours.Cost);
        var cost = theirs <= 0 && ours > 0
            ? string.Create(CultureInfo.InvariantCulture, $"costs {(dollars ? $"${ours:#,0.00####}" : $"{ours:#,0.0##} device-hours")} where yours costs nothing")
            : theirs <= 0 || Math.Abs((ours / theirs) - 1) < 0.005 ? "costs as much as yours"
            : string.Create(CultureInfo.InvariantCulture, $"costs {Math.Abs((ours / theirs) - 1) * 100:0}% {(ours < theirs ? "less" : "more")} than yours");
        var points = (plimsoll.Attainment - yours.Attainment) * 100;
        var kept = Math.Abs(points) < 0.05 ? "keeps as many requests within SLO"
            : string.Create(CultureInfo.InvariantCulture, $"keeps {Math.Abs(points):0.0} points {(points > 0 ? "more" : "fewer")} of the requests within SLO");
        return $"Plimsoll {cost} and {kept}";
    }

    private static IEnumerable<string> Notes(World world, ImmutableArray<OwnAutoscaler> own)
    {
        foreach (var one in own)
        {
            yield return $"{one.Target}: {(one.Keda is null ? "an HPA" : "KEDA")}, {one.MinReplicas} to {one.MaxReplicas} replicas, by "
                + string.Join(" and ", one.Metrics.Select(metric => $"{Show.Text(metric.Name, 60)} ({MetricWords.NameOf(metric)}, {TargetOf(metric)})"));
        }

        // Of a trace both sides have the manifest's; a scenario says its own.
        var apart = (from one in own
                     from model in world.Models
                     let spec = model.Spec
                     where one.Scales(spec.Id) && (one.MinReplicas, one.MaxReplicas) != (spec.MinReplicas, spec.MaxReplicas)
                     select $"{spec.Id} ({spec.MinReplicas} to {spec.MaxReplicas} in the scenario, {one.MinReplicas} to {one.MaxReplicas} in yours)").ToList();
        if (apart.Count > 0)
            yield return $"each side keeps to its own bounds, which differ: {string.Join(", ", apart.Take(NamedMax))}{(apart.Count > NamedMax ? $" and {apart.Count - NamedMax} more" : "")}";

        var without = world.Models.Where(model => own.All(one => !one.Scales(model.Spec.Id))).Select(model => model.Spec.Id.Value).ToList();
        if (without.Count > 0)
            yield return $"without an autoscaler of yours, and so with as many replicas as they began with: {string.Join(", ", without.Take(NamedMax))}{(without.Count > NamedMax ? $" and {without.Count - NamedMax} more" : "")}";
    }

    private static string TargetOf(OwnMetric metric) => string.Create(CultureInfo.InvariantCulture, $"{metric.Target:0.###}") + metric.Kind switch
    {
        MetricTarget.PerPod => " a pod",
        MetricTarget.AverageValue => " a replica",
        MetricTarget.Utilization => "%",
        _ => " in all",
    };
}
