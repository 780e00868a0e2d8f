using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Local;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll explain NAME</c>: why a model is held, loaded or let go, or a job trains or waits, with the numbers.</summary>
public static class ExplainCommand
{
    private const int LastMax = 8;

    public static Command Create(TimeProvider time)
    {
        var model = new Argument<string>("NAME") { Description = "The model's or training job's name" };
        var (state, fleet) = (UpCommand.StateOption(), UpCommand.FleetOption());
        var json = StatusCommand.JsonOption();
        var command = new Command("explain", "Say why a model is held, loaded or let go, or a training job runs or waits") { model, state, fleet, json };
        command.SetAction(parsed => Run(
            parsed.GetValue(model)!, StateFolders.Find(parsed.GetValue(state), parsed.GetValue(fleet)), parsed.GetValue(json),
            parsed.InvocationConfiguration.Output, time.GetUtcNow()));
        return command;
    }

    public static int Run(string name, string folder, bool json, TextWriter output, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var journal = StatusCommand.Open(folder);
        var tick = StatusCommand.Last(journal, folder);
        if (tick.Spec.Training.FirstOrDefault(job => job.Id.Value == name) is { } asked) return Run(asked, journal, tick, json, output, now);
        var model = tick.Spec.Find(ModelId.Of(name)) ?? throw new CommandException(ExitCode.Failed, Unknown(name, tick.Spec));
        var history = journal.History(new HistoryQuery { Model = model.Id, Limit = LastMax });
        if (json)
        {
            var report = new ExplainReport(tick.Snapshot.At, Math.Round((now - tick.Snapshot.At).TotalSeconds, 1), ModelStatus.Of(model, tick.Spec.Settings, tick.Snapshot, tick.Plan), [.. history.Select(HistoryLine.Of)]);
            output.WriteLine(JsonSerializer.Serialize(report, CommandJson.Default.ExplainReport));
            return ExitCode.Ok;
        }

        var lines = ExplainText.Lines(
            model, tick.Spec.Settings, tick.Snapshot, tick.Plan, When(now - tick.Snapshot.At),
            history.Select(entry => HistoryCommand.Line(entry, now)), StatusCommand.Width());
        foreach (var line in lines) output.WriteLine(line);
        return ExitCode.Ok;
    }

    private static int Run(TrainingSpec job, JournalReader journal, RecordedTick tick, bool json, TextWriter output, DateTimeOffset now)
    {
        var history = journal.History(new HistoryQuery { Job = job.Id, Limit = LastMax });
        var status = JobStatus.Of(job, tick.Snapshot, tick.Plan);
        if (json)
        {
            var report = new ExplainJobReport(tick.Snapshot.At, Math.Round((now - tick.Snapshot.At).TotalSeconds, 1), status, [.. history.Select(HistoryLine.Of)]);
            output.WriteLine(JsonSerializer.Serialize(report, CommandJson.Default.ExplainJobReport));
            return ExitCode.Ok;
        }

        foreach (var line in ExplainText.Lines(job, tick.Snapshot, tick.Plan, When(now - tick.Snapshot.At), history.Select(entry => HistoryCommand.Line(entry, now)), StatusCommand.Width()))
            output.WriteLine(line);
        return ExitCode.Ok;
    }

    private static string When(TimeSpan age) => age < TimeSpan.FromSeconds(1) ? "now" : Durations.Show(age) + " ago";

    /// <summary>That the fleet has no such model, and which it has.</summary>
    internal static string Unknown(string name, FleetSpec spec)
    {
        var names = spec.Models.Select(model => model.Id.Value).Concat(spec.Training.Select(job => job.Id.Value)).ToList();
        var what = spec.Training.IsEmpty ? "model" : "model or training job";
        return NearMiss.Of(name, names, 1).FirstOrDefault() is { } near
            ? $"the fleet has no {what} '{Show.Text(name)}'; did you mean '{near}'?"
            : $"the fleet has no {what} '{Show.Text(name)}'; it has {string.Join(", ", names.Take(10))}{(names.Count > 10 ? string.Create(CultureInfo.InvariantCulture, $" and {names.Count - 10} more") : "")}";
    }
}

/// <summary>What <c>plimsoll explain --json</c> prints.</summary>
public sealed record ExplainReport(DateTimeOffset At, double AgeSeconds, ModelStatus Now, ImmutableArray<HistoryLine> Last);

/// <summary>The same of a training job.</summary>
public sealed record ExplainJobReport(DateTimeOffset At, double AgeSeconds, JobStatus Now, ImmutableArray<HistoryLine> Last);
