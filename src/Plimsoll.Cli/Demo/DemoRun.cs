using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Fleets;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.Cli.Demo;

/// <summary>One run of <c>plimsoll demo</c>: make the models, weigh them, choose the budget, drive the fleet, give the verdict.</summary>
public sealed class DemoRun(DemoArguments arguments, TextWriter output, TextWriter error, TimeProvider time)
{
    private const int ExerciseRequests = 16;

    private readonly ImmutableArray<DemoModel> _models = DemoModel.All;

    private readonly DemoFolders _folders = DemoFolders.Open();

    // Lines about what goes on belong to the person, the report to whoever reads the output.
    private readonly TextWriter _told = arguments.Json ? error : output;

    /// <param name="traces">The trace of each model, when traces are played.</param>
    /// <param name="cancellationToken">Ends it, and every process of it.</param>
    /// <returns>0 when the budget held and every model with traffic was served, 1 when not.</returns>
    public async Task<int> RunAsync(ImmutableSortedDictionary<ModelId, string> traces, CancellationToken cancellationToken)
    {
        var traffic = arguments.PlaysTraces
            ? DemoTraffic.Replayed(arguments, _models, traces, MachineSpeed.Assumed)
            : DemoTraffic.Synthetic(arguments, _models, MachineSpeed.Assumed);
        var server = ModelServerProgram.Find() ?? throw new CommandException(
            ExitCode.Failed, "the model server is not built; ./plimsoll builds it, or: dotnet build src/Plimsoll.ModelServer");
        var artifacts = await SampleFleet.MakeAsync(_models, _folders.Models, Tell, time, cancellationToken).ConfigureAwait(false);
        var needs = await WeighedAsync(artifacts, server, cancellationToken).ConfigureAwait(false);
        var budget = DemoBudget.Of([.. _models.Select(model => needs[model.Id])]) ?? throw new CommandException(
            ExitCode.Failed, "no budget holds the largest model and one other but not all three: "
                + string.Join("; ", _models.Select(model => $"{model.Id} {needs[model.Id]}")));
        var setting = DemoSetting.Lines(arguments, _models, needs, budget, traffic);
        foreach (var line in setting.SelectMany(sentence => FleetTable.Wrap(sentence, DemoTable.Width))) Tell(line);

        var asked = DemoFleetSpec.Of(_models, artifacts, server, arguments.LoadBandwidth, needs, 0, budget.Budget);
        var timeline = new FleetTimeline([.. _models.Select(model => model.Id)]);
        var policy = arguments.Policy == Policies.SizeBlind ? Policies.SizeBlindAt(arguments.SpeedUp) : arguments.Policy;
        DemoReport report;
        var host = await FleetHost.StartAsync(
            new FleetHostOptions(asked, policy, _folders.Fleet) { Afresh = true }, timeline.Add, new LineLog(Tell), time, cancellationToken)
            .ConfigureAwait(false);
        await using (host.ConfigureAwait(false))
        {
            if (host.FreeAtStart is { } free && free < budget.Budget)
                Tell($"Only {free} of memory is free on this machine now, less than the budget: models will wait. End other programs first.");
            report = await DriveAsync(host, traffic, setting, budget, needs, timeline, cancellationToken).ConfigureAwait(false);
        }

        // A verdict on a part of the run would be taken for one on the whole.
        cancellationToken.ThrowIfCancellationRequested();
        if (arguments.Json) await output.WriteLineAsync(JsonSerializer.Serialize(report, DemoJson.Default.DemoReport)).ConfigureAwait(false);
        else foreach (var line in DemoTable.Lines(report).Prepend("")) await output.WriteLineAsync(line).ConfigureAwait(false);
        Tell("");
        foreach (var line in Next().SelectMany(sentence => FleetTable.Wrap(sentence, DemoTable.Width))) Tell(line);
        return report.IsBudgetHeld && report.Models.All(model => model.Load is not { Due: > 0, Succeeded: 0 }) ? ExitCode.Ok : ExitCode.Failed;
    }

    private async Task<DemoReport> DriveAsync(
        FleetHost host, DemoTraffic traffic, ImmutableArray<string> setting, DemoBudget budget,
        ImmutableSortedDictionary<ModelId, MemoryNeed> needs, FleetTimeline timeline, CancellationToken cancellationToken)
    {
        var sampler = host.SampleMemory();
        await using (sampler.ConfigureAwait(false))
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var watching = host.Ended.ContinueWith(
                _ => stop.CancelAsync(), stop.Token, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            var fleet = new DemoFleet(
                host.Gateway, budget.Budget, needs.ToImmutableSortedDictionary(need => need.Key, need => need.Value.Steady), Memory, timeline);
            var report = await new DemoDrive(arguments, _models, fleet, time).RunAsync(traffic, setting, Tell, stop.Token).ConfigureAwait(false);
            host.ThrowIfFailed();
            return report;
        }

        MemorySoFar Memory()
        {
            var use = sampler.Read();
            return new MemorySoFar(use.Samples, use.Largest, use.ByteSeconds);
        }
    }

    private async Task<ImmutableSortedDictionary<ModelId, MemoryNeed>> WeighedAsync(
        ImmutableSortedDictionary<ModelId, SampleModelResult> artifacts, string server, CancellationToken cancellationToken)
    {
        var asked = DemoFleetSpec.Of(_models, artifacts, server, null, ImmutableSortedDictionary<ModelId, MemoryNeed>.Empty, 1, null);
        var key = WeighedFile.KeyOf(asked.Spec, server);
        if (WeighedFile.Read(_folders.Models, key) is { } known) return known.Needs;
        Tell("weighing the models (once, about a minute): each loads and answers requests");
        var needs = await new Weigh(asked, _folders.Weighing, Tell, time).MeasureAsync(ExerciseAsync, cancellationToken).ConfigureAwait(false);
        new WeighedFile(key, needs).Write(_folders.Models);
        return needs;
    }

    // As many at once as a replica may hold, at the longest length, and as many of lengths that differ from round to round.
    private async Task ExerciseAsync(Uri gateway, int round, CancellationToken cancellationToken)
    {
        using var generator = new LoadGenerator(
            new SendingOptions { Gateway = gateway }, _models.ToDictionary(model => model.Id, _ => ModelInputs.TokenIds), time);
        var requests = from n in Enumerable.Range(0, 2 * ExerciseRequests)
                       from model in _models
                       select new ScheduledRequest(TimeSpan.Zero, model.Id, n < ExerciseRequests ? arguments.SequenceCap : 1 + ((7 * n) + (11 * round)) % arguments.SequenceCap);
        await generator.RunAsync(requests, _ => { }, cancellationToken).ConfigureAwait(false);
    }

    private IEnumerable<string> Next()
    {
        yield return $"The journal of this run is in {_folders.Fleet} until the next demo replaces it.";
        yield return $"Next: plimsoll explain large --fleet {DemoFolders.FleetName} says why it was loaded and let go, history and replay work "
            + "too; "
            + (arguments.Policy == Policies.SizeBlind ? "plimsoll demo runs the same requests under Plimsoll's own rules; "
                : "plimsoll demo --policy size-blind runs the same requests under one rule for all; ")
            + "plimsoll up serves these models to you.";
    }

    private void Tell(string line)
    {
        _told.WriteLine(line);
        _told.Flush();
    }
}
