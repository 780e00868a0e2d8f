using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Cli.Load;
using Plimsoll.Local;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll history</c>: decisions and what came of them.</summary>
public static class HistoryCommand
{
    public static Command Create(TimeProvider time)
    {
        var (state, fleet) = (UpCommand.StateOption(), UpCommand.FleetOption());
        var model = new Option<string?>("--model") { Description = "Only this model", HelpName = "NAME" };
        var since = TrafficOptions.Duration("--since", "Only this long back, such as 10min (default all that is kept)");
        var limit = TrafficOptions.Count("--limit", "The newest N", 50, 100_000);
        var json = StatusCommand.JsonOption();
        var command = new Command("history", "Show what was decided, why, and what came of it") { state, fleet, model, since, limit, json };
        command.SetAction(parsed => Run(
            StateFolders.Find(parsed.GetValue(state), parsed.GetValue(fleet)),
            new HistoryQuery
            {
                Model = parsed.GetValue(model) is { } name ? ModelId.Of(name) : null,
                From = parsed.GetValue(since) is { } back ? time.GetUtcNow() - back : DateTimeOffset.UnixEpoch,
                Limit = parsed.GetValue(limit),
            },
            parsed.GetValue(json), parsed.InvocationConfiguration.Output, time.GetUtcNow()));
        return command;
    }

    public static int Run(string folder, HistoryQuery query, bool json, TextWriter output, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var journal = StatusCommand.Open(folder);
        var entries = journal.History(query);
        if (json)
        {
            output.WriteLine(JsonSerializer.Serialize([.. entries.Select(HistoryLine.Of)], CommandJson.Default.ImmutableArrayHistoryLine));
            return ExitCode.Ok;
        }

        if (entries.IsEmpty)
        {
            output.WriteLine(query.Model is { } model ? $"nothing is recorded of a model '{Show.Text(model.Value)}' in that time"
                : "nothing was decided in that time");
        }

        var width = StatusCommand.Width();
        foreach (var entry in entries)
        {
            var indent = "";
            foreach (var part in FleetTable.Wrap(Line(entry, now), width - 9))
            {
                output.WriteLine(indent + part);
                indent = new string(' ', 9);
            }
        }

        return ExitCode.Ok;
    }

    /// <summary>"12:00:01 start small-1: ..."; a verdict is named by its model, and what is a day old by its day.</summary>
    public static string Line(HistoryEntry entry, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var what = entry.Kind == "verdict" || entry.Subject is null ? entry.Model?.Value ?? "" : entry.Subject[(entry.Subject.IndexOf('/', StringComparison.Ordinal) + 1)..];
        var when = entry.At.ToString(now - entry.At < TimeSpan.FromHours(20) ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        return entry.Rule is null ? $"{when} {entry.Kind}: {EventLines.OneLine(entry.Text)}"
            : $"{when} {(entry.Kind == "verdict" ? "" : entry.Kind + " ")}{Show.Text(what, 160)}: {EventLines.OneLine(entry.Text)}";
    }
}

/// <summary>One line of <c>plimsoll history --json</c>.</summary>
public sealed record HistoryLine(
    long Tick, DateTimeOffset At, string Kind, string? Model, string? Subject, string? Rule, string Text, long? StartedTick)
{
    public static HistoryLine Of(HistoryEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return new(entry.Tick, entry.At, entry.Kind, entry.Model?.Value, entry.Subject, entry.Rule, entry.Text, entry.StartedTick);
    }
}
