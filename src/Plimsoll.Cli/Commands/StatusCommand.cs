using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Fleets;
using Plimsoll.Local;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll status</c>: the last tick that was recorded, and how old it is.</summary>
public static class StatusCommand
{
    public static Command Create(TimeProvider time)
    {
        var (state, fleet) = (UpCommand.StateOption(), UpCommand.FleetOption());
        var json = JsonOption();
        var command = new Command("status", "Show the running or last fleet as last recorded") { state, fleet, json };
        command.SetAction(parsed => Run(
            StateFolders.Find(parsed.GetValue(state), parsed.GetValue(fleet)), parsed.GetValue(json), parsed.InvocationConfiguration.Output,
            time.GetUtcNow()));
        return command;
    }

    public static Option<bool> JsonOption() => new("--json") { Description = "Print JSON" };

    /// <summary>Columns of the terminal, or 80 where the output is none.</summary>
    public static int Width() => Console.IsOutputRedirected ? 80 : Math.Max(FleetTable.WidthMin, Console.WindowWidth);

    public static int Run(string folder, bool json, TextWriter output, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var journal = Open(folder);
        var tick = Last(journal, folder);
        var addresses = StateFolders.ReadAddresses(folder);
        var age = now - tick.Snapshot.At;
        var (trouble, answered) = ControllerHealth.Of(addresses);
        if (json)
        {
            var report = StatusReport.Of(folder, tick, addresses, age) with { Trouble = trouble };
            output.WriteLine(JsonSerializer.Serialize(report, CommandJson.Default.StatusReport));
            return ExitCode.Ok;
        }

        var width = Width();
        var (state, isRunning) = State(journal, tick, addresses, age, answered && trouble is not null);
        output.WriteLine($"fleet {addresses?.Fleet ?? Path.GetFileName(folder)}, {state}");
        if (isRunning && addresses is not null) output.WriteLine($"requests to {addresses.Gateway}");
        foreach (var line in trouble is null ? [] : FleetTable.Wrap(trouble, width)) output.WriteLine(line);
        foreach (var line in FleetTable.Lines(tick.Spec, tick.Snapshot, tick.Plan, width)) output.WriteLine(line);
        return ExitCode.Ok;
    }

    /// <exception cref="CommandException">It cannot be read.</exception>
    public static JournalReader Open(string folder)
    {
        try
        {
            return JournalReader.Open(Journal.PathIn(folder));
        }
        catch (JournalException unreadable)
        {
            throw new CommandException(ExitCode.Failed, unreadable.Message);
        }
    }

    /// <exception cref="CommandException">Nothing was recorded yet.</exception>
    public static RecordedTick Last(JournalReader journal, string folder)
    {
        ArgumentNullException.ThrowIfNull(journal);
        return journal.Range() is { } range && journal.Tick(range.Last) is { } tick ? tick
            : throw new CommandException(ExitCode.Failed, $"the journal in {folder} holds no tick yet; try again in a moment");
    }

    private static (string State, bool IsRunning) State(
        JournalReader journal, RecordedTick tick, FleetAddresses? addresses, TimeSpan age, bool answersInTrouble)
    {
        var seen = age < TimeSpan.FromSeconds(1.5) ? "as of now" : $"as of {Durations.Show(age)} ago";
        // One that answers and cannot record is neither ended nor silent; only what follows is old.
        if (answersInTrouble) return ($"running, {seen}", true);
        var run = journal.Runs().FirstOrDefault(run => run.Run == tick.Run);
        if (run?.EndedAt is not null) return ($"ended, {seen}", false);
        // A controller that was killed wrote no end; its process is gone, or silence for several ticks tells.
        var silent = age > (tick.Spec.Settings.Review * 5) + TimeSpan.FromSeconds(5)
            || (addresses is not null && !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{addresses.ProcessId}")));
        return silent ? ($"no controller answers, {seen}", false)
            : (string.Create(CultureInfo.InvariantCulture, $"running, {seen} (tick {tick.Number})"), true);
    }
}

/// <summary>What <c>plimsoll status --json</c> prints.</summary>
public sealed record StatusReport
{
    public required string StateFolder { get; init; }

    public required string? Gateway { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>How old this is.</summary>
    public required double AgeSeconds { get; init; }

    public required long Tick { get; init; }

    /// <summary>What the running controller cannot do; left out while all is well.</summary>
    public string? Trouble { get; init; }

    public required ImmutableArray<ModelStatus> Models { get; init; }

    /// <summary>Training jobs; left out where the fleet has none.</summary>
    public ImmutableArray<JobStatus>? Training { get; init; }

    public required long MemoryBudgetBytes { get; init; }

    /// <summary>Bound of the model cache; null where the fleet has none.</summary>
    public long? CacheBudgetBytes { get; init; }

    public long? CacheUsedBytes { get; init; }

    public static StatusReport Of(string folder, RecordedTick tick, FleetAddresses? addresses, TimeSpan age)
    {
        ArgumentNullException.ThrowIfNull(tick);
        return new StatusReport
        {
            StateFolder = folder,
            Gateway = addresses?.Gateway,
            At = tick.Snapshot.At,
            AgeSeconds = Math.Round(age.TotalSeconds, 1),
            Tick = tick.Number,
            Models = [.. tick.Spec.Models.Select(model => ModelStatus.Of(model, tick.Spec.Settings, tick.Snapshot, tick.Plan))],
            Training = tick.Spec.Training.IsEmpty ? null : [.. tick.Spec.Training.Select(job => JobStatus.Of(job, tick.Snapshot, tick.Plan))],
            MemoryBudgetBytes = tick.Snapshot.Nodes.Sum(node => Bytes.Min(node.HostMemory, node.HostMemoryBudget).Value),
            CacheBudgetBytes = tick.Snapshot.Nodes.Any(node => node.CacheBudget is not null)
                ? tick.Snapshot.Nodes.Sum(node => node.CacheBudget?.Value ?? 0) : null,
            CacheUsedBytes = tick.Snapshot.Nodes.Any(node => node.CacheBudget is not null)
                ? tick.Snapshot.Cache.Sum(copy => copy.Size.Value) : null,
        };
    }
}

/// <summary>One model in the reports of status and explain; what is not known is left out.</summary>
public sealed record ModelStatus
{
    public required string Model { get; init; }

    public required long WeightBytes { get; init; }

    public required string Tier { get; init; }

    /// <summary>Bytes that a fetch has brought so far, and those it is to bring in all; null while none is under way.</summary>
    public long? FetchedBytes { get; init; }

    public long? FetchBytes { get; init; }

    public required ImmutableArray<ReplicaStatus> Replicas { get; init; }

    public required int Wanted { get; init; }

    public double? DemandPerSecond { get; init; }

    public double? ForecastPerSecond { get; init; }

    /// <summary>Null while too little was seen, and the most of the recent past is planned for.</summary>
    public ForecastStatus? Forecast { get; init; }

    /// <summary>What known events make of it; null where they change nothing within the time ahead.</summary>
    public EventAhead? Event { get; init; }

    public required double CapacityPerSecond { get; init; }

    public required double LoadSeconds { get; init; }

    public double? HoldSeconds { get; init; }

    /// <summary>Idle gaps the hold was learned from; null at break-even.</summary>
    public int? HoldGaps { get; init; }

    public required long ChargedLoadPeakBytes { get; init; }

    public required long ChargedSteadyBytes { get; init; }

    /// <summary>Memory charged on each device of a replica; left out on the processor alone.</summary>
    public long? ChargedPerDeviceBytes { get; init; }

    public required string Rule { get; init; }

    public required string Reason { get; init; }

    public required bool Refused { get; init; }

    public static ModelStatus Of(ModelSpec model, PlannerSettings settings, FleetSnapshot seen, Plan plan)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(seen);
        ArgumentNullException.ThrowIfNull(plan);
        var verdict = plan.Models.First(one => one.Model == model.Id);
        return new ModelStatus
        {
            Model = model.Id.Value,
            WeightBytes = model.Footprint.Weights.Value,
            Tier = FleetTable.Tier(model, seen),
            FetchedBytes = FleetTable.Fetch(model, seen)?.Done?.Value,
            FetchBytes = FleetTable.Fetch(model, seen)?.Total?.Value,
            Replicas =
            [
                .. seen.Replicas.Where(replica => replica.Model == model.Id).Select(replica => new ReplicaStatus(
                    replica.Id.Value, FleetFiles.ScalarKind.NameOf(replica.State), replica.StateSince,
                    replica.HostMemory.TryGetLast(out var memory) ? memory.Value : null, replica.Outstanding)),
            ],
            Wanted = verdict.Wanted,
            DemandPerSecond = verdict.DemandAsOf(settings, seen.At).TryGetKnown(out var demand) ? demand : null,
            ForecastPerSecond = verdict.ForecastPerSecond.TryGetKnown(out var forecast) ? forecast : null,
            Forecast = verdict.ForecastFrom is { } basis ? new ForecastStatus(
                basis.Quantile, basis.Window.TotalSeconds, basis.Windows, basis.Median, basis.Ninety9) : null,
            Event = verdict.Event,
            CapacityPerSecond = verdict.CapacityPerSecond,
            LoadSeconds = verdict.LoadTime.TotalSeconds,
            HoldSeconds = verdict.Hold?.TotalSeconds,
            HoldGaps = verdict.HoldGaps > 0 ? verdict.HoldGaps : null,
            ChargedLoadPeakBytes = verdict.Needs.Host.LoadPeak.Value,
            ChargedSteadyBytes = verdict.Needs.Host.Steady.Value,
            ChargedPerDeviceBytes = verdict.Needs.PerDevice?.Highest.Value,
            Rule = verdict.Reason.Rule.ToString(),
            Reason = verdict.Reason.ToString(),
            Refused = verdict.Refused,
        };
    }
}

/// <summary>What the forecast rests on.</summary>
/// <param name="Quantile">The quantile it is of, of the largest rate within the window.</param>
/// <param name="WindowSeconds">How far ahead it looks.</param>
/// <param name="Windows">Windows as long that were seen.</param>
/// <param name="MedianPerSecond">Half of such windows stay under it.</param>
/// <param name="P99PerSecond">One in a hundred goes over it.</param>
public sealed record ForecastStatus(double Quantile, double WindowSeconds, int Windows, double MedianPerSecond, double P99PerSecond);

public sealed record ReplicaStatus(string Id, string State, DateTimeOffset Since, long? MemoryBytes, int Outstanding);
