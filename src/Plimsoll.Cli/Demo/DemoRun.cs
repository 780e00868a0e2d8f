using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Sending;
using Plimsoll.Cli.Load.Traces;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.Demo;

/// <summary>One run of <c>plimsoll demo</c>: make the models, weigh them, choose the budget, drive the fleet, give the verdict.</summary>
public static class DemoRun
{
    // Memory still grows a little after the first batches.
    private const int ExerciseRounds = 4;

    private const int ExerciseRequests = 24;

    /// <returns>0 when the budget held and every model with traffic was served, 1 when not, 2 for bad input.</returns>
    public static async Task<int> RunAsync(
        DemoArguments arguments, ImmutableSortedDictionary<ModelId, string> traces, TextWriter output, TextWriter error,
        TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        try
        {
            // Lines about what goes on belong to the person, the report to whoever reads the output.
            return await RunCheckedAsync(arguments, traces, output, arguments.Json ? error : output, time, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 130;
        }
        catch (Exception problem) when (problem is TraceException or LocalFleetException or GatewayException or ArtifactException or DemoException)
        {
            await error.WriteLineAsync($"plimsoll demo: {problem.Message}").ConfigureAwait(false);
            return problem is TraceException ? 2 : 1;
        }
    }

    private static async Task<int> RunCheckedAsync(
        DemoArguments arguments, ImmutableSortedDictionary<ModelId, string> traces, TextWriter output, TextWriter told,
        TimeProvider time, CancellationToken cancellationToken)
    {
        var models = DemoModel.All;
        var traffic = arguments.PlaysTraces
            ? DemoTraffic.Replayed(arguments, models, traces, MachineSpeed.Assumed)
            : DemoTraffic.Synthetic(arguments, models, MachineSpeed.Assumed);
        var folders = DemoFolders.Open();
        var server = ModelServerProgram.Find()
            ?? throw new DemoException("the model server is not built; ./plimsoll builds it, or: dotnet build src/Plimsoll.ModelServer");
        var artifacts = await MakeAsync(models, folders.Models, told, cancellationToken).ConfigureAwait(false);
        var needs = await WeighedAsync(arguments, models, artifacts, server, folders, told, time, cancellationToken).ConfigureAwait(false);
        var budget = DemoBudget.Of([.. models.Select(model => needs[model.Id])])
            ?? throw new DemoException("no budget holds the largest model and one other but not all three: "
                + string.Join("; ", models.Select(model => $"{model.Id} {needs[model.Id]}")));
        var setting = Setting(arguments, models, needs, budget, traffic);
        foreach (var line in setting.SelectMany(sentence => DemoTable.Wrap(sentence, 80))) Tell(told, line);

        var asked = DemoFleetSpec.Of(models, artifacts, server, arguments.LoadBandwidth, needs, 0);
        var timeline = new FleetTimeline([.. models.Select(model => model.Id)]);
        IAllocator policy = arguments.Policy == DemoArguments.SizeBlind
            ? new SizeBlindAllocator(SizeBlindSettings.Defaults(arguments.SpeedUp)) : new WeightAllocator();
        var host = await DemoHost.StartAsync(
            new DemoHostOptions(asked, policy, folders.Fleet, budget.Budget, arguments.Keep), timeline.Add, time, cancellationToken)
            .ConfigureAwait(false);
        await using (host.ConfigureAwait(false))
        {
            using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var watching = host.Ended.ContinueWith(
                _ => failed.CancelAsync(), failed.Token, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            var fleet = new DemoFleet(
                host.Gateway, budget.Budget, needs.ToImmutableSortedDictionary(need => need.Key, need => need.Value.Steady), Memory, timeline);
            var report = await new DemoDrive(arguments, models, fleet, time)
                .RunAsync(traffic, setting, line => Tell(told, line), failed.Token).ConfigureAwait(false);
            if (host.Ended.IsFaulted)
                throw new DemoException($"the control loop failed: {host.Ended.Exception!.GetBaseException().Message}");
            await PrintAsync(report, arguments.Json, output).ConfigureAwait(false);
            return report.IsBudgetHeld && report.Models.All(model => model.Load is not { Due: > 0, Succeeded: 0 }) ? 0 : 1;
        }

        MemorySoFar Memory()
        {
            var use = host.Memory();
            return new MemorySoFar(use.Samples, use.Largest, use.ByteSeconds);
        }
    }

    private static async Task<ImmutableSortedDictionary<ModelId, MemoryNeed>> WeighedAsync(
        DemoArguments arguments, ImmutableArray<DemoModel> models, ImmutableSortedDictionary<ModelId, SampleModelResult> artifacts,
        string server, DemoFolders folders, TextWriter told, TimeProvider time, CancellationToken cancellationToken)
    {
        var asked = DemoFleetSpec.Of(models, artifacts, server, null, ImmutableSortedDictionary<ModelId, MemoryNeed>.Empty, 1);
        var key = WeighedFile.KeyOf(asked.Spec, server);
        if (WeighedFile.Read(folders.Models, key) is { } known) return known.Needs;
        Tell(told, "Weighing the models on this machine (once) ...");
        var needs = await Weigh.MeasureAsync(
            asked, gateway => ExerciseAsync(gateway, arguments, models, time, cancellationToken), folders.Weighing, time,
            cancellationToken).ConfigureAwait(false);
        if (models.FirstOrDefault(model => !needs.ContainsKey(model.Id)) is { } unweighed)
            throw new DemoException($"'{unweighed.Id}' did not become ready; its log is in {Path.Combine(folders.Weighing, "logs")}");
        new WeighedFile(key, needs).Write(folders.Models);
        return needs;
    }

    private static async Task<ImmutableSortedDictionary<ModelId, SampleModelResult>> MakeAsync(
        ImmutableArray<DemoModel> models, string folder, TextWriter told, CancellationToken cancellationToken)
    {
        Tell(told, $"Models in {folder} (made on the first run, about 1.8 GB) ...");
        var made = ImmutableSortedDictionary.CreateBuilder<ModelId, SampleModelResult>();
        foreach (var model in models)
        {
            made[model.Id] = await SampleModels.EnsureAsync(folder, model.Id.Value, model.WeightBytes, cancel: cancellationToken)
                .ConfigureAwait(false);
        }

        return made.ToImmutable();
    }

    // As many at once as a replica may hold, at the longest length: the most memory that serving takes.
    private static async Task ExerciseAsync(
        Uri gateway, DemoArguments arguments, ImmutableArray<DemoModel> models, TimeProvider time, CancellationToken cancellationToken)
    {
        using var generator = new LoadGenerator(
            new SendingOptions { Gateway = gateway }, models.ToDictionary(model => model.Id, _ => ModelInputs.TokenIds), time);
        var requests = from round in Enumerable.Range(0, ExerciseRounds)
                       from model in models
                       from n in Enumerable.Range(0, ExerciseRequests)
                       select new ScheduledRequest(TimeSpan.FromSeconds(4 * round), model.Id, arguments.SequenceCap);
        await generator.RunAsync(requests, _ => { }, cancellationToken).ConfigureAwait(false);
    }

    private static ImmutableArray<string> Setting(
        DemoArguments arguments, ImmutableArray<DemoModel> models, ImmutableSortedDictionary<ModelId, MemoryNeed> needs,
        DemoBudget budget, DemoTraffic traffic)
    {
        var lines = ImmutableArray.CreateBuilder<string>();
        foreach (var model in models) lines.Add($"{model.Id}: measured {needs[model.Id]}.");
        lines.Add(budget.ToString());
        var largest = models.MaxBy(model => model.WeightBytes)!;
        var load = new Bytes(largest.WeightBytes) / arguments.LoadBandwidth;
        lines.Add($"Weights are read at {Show(arguments.LoadBandwidth.Value / 1e6)} MB/s: {largest.Id} in {Durations.Show(load)}, "
            + $"which stands for {Durations.Show(load * arguments.SpeedUp)}.");
        if (arguments.Policy == DemoArguments.SizeBlind)
        {
            var rules = SizeBlindSettings.Defaults(arguments.SpeedUp);
            lines.Add($"Size-blind rules: {Show(rules.TargetPerReplica)} requests in flight per replica; HPA's 15 s period is "
                + $"{Durations.Show(rules.SyncPeriod)}, its 300 s window {Durations.Show(rules.DownscaleWindow)}, "
                + $"KEDA's 300 s cooldown {Durations.Show(rules.Cooldown)} (each divided by {Show(arguments.SpeedUp)}).");
        }

        lines.AddRange(traffic.Notes);
        return lines.ToImmutable();
    }

    private static async Task PrintAsync(DemoReport report, bool json, TextWriter output)
    {
        if (json)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(report, DemoJson.Default.DemoReport)).ConfigureAwait(false);
            return;
        }

        await output.WriteLineAsync().ConfigureAwait(false);
        foreach (var line in DemoTable.Lines(report)) await output.WriteLineAsync(line).ConfigureAwait(false);
    }

    private static void Tell(TextWriter told, string line)
    {
        told.WriteLine(line);
        told.Flush();
    }

    private static string Show(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);
}
