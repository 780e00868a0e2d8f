using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Local;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll explain MODEL</c>: why it is held, loaded or let go, with the numbers.</summary>
public static class ExplainCommand
{
    private const int LastMax = 8;

    public static Command Create(TimeProvider time)
    {
        var model = new Argument<string>("MODEL") { Description = "The model's name" };
        var (state, fleet) = (UpCommand.StateOption(), UpCommand.FleetOption());
        var json = StatusCommand.JsonOption();
        var command = new Command("explain", "Say why a model is held, loaded or let go") { model, state, fleet, json };
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
        var model = tick.Spec.Find(ModelId.Of(name)) ?? throw new CommandException(ExitCode.Failed, Unknown(name, tick.Spec));
        var history = journal.History(new HistoryQuery { Model = model.Id, Limit = LastMax });
        var status = ModelStatus.Of(model, tick);
        if (json)
        {
            var report = new ExplainReport(tick.Snapshot.At, Math.Round((now - tick.Snapshot.At).TotalSeconds, 1), status, [.. history.Select(HistoryLine.Of)]);
            output.WriteLine(JsonSerializer.Serialize(report, CommandJson.Default.ExplainReport));
            return ExitCode.Ok;
        }

        var width = StatusCommand.Width();
        foreach (var line in Lines(model, tick, status, history, now).SelectMany(line => Folded(line, width))) output.WriteLine(line);
        return ExitCode.Ok;
    }

    private static IEnumerable<string> Lines(
        ModelSpec model, RecordedTick tick, ModelStatus status, ImmutableArray<HistoryEntry> history, DateTimeOffset now)
    {
        var verdict = tick.Plan.Models.First(one => one.Model == model.Id);
        var slo = model.Slo;
        var age = now - tick.Snapshot.At;
        yield return $"{model.Id}, {(age < TimeSpan.FromSeconds(1) ? "now" : Durations.Show(age) + " ago")}: {verdict.Reason}";
        yield return $"  weight    {model.Footprint.Weights} ({ScalarKind.NameOf(model.Footprint.Format)}, {ScalarKind.NameOf(model.Footprint.Source)}), charged {verdict.Needs.Host}";
        yield return $"  objective {Fact.Fraction("", slo.Attainment).Shown} within {Durations.Show(slo.Latency)}"
            + (slo.TimeToFirstToken is { } first ? $", the first token within {Durations.Show(first)}" : "")
            + (slo.TimePerOutputToken is { } between ? $", {Durations.Show(between)} for each after it" : "");
        yield return $"  demand    {Rate(status.DemandPerSecond)}, forecast {Rate(status.ForecastPerSecond)}{Basis(verdict, tick.Snapshot.At)}; "
            + (verdict.CapacityPerSecond > 0 ? $"one replica carries {Rate(verdict.CapacityPerSecond)}" : "what one replica carries is not known yet");
        if (DemandCalendar.Of(model)?.Next(tick.Snapshot.At) is { } next) yield return $"  event     {Event(next, tick.Snapshot.At, verdict.LoadTime)}";
        if (verdict.CapacityExpected is { } expected)
            foreach (var part in CapacityText.Of(expected)) yield return $"  {part}";
        yield return $"  load      {Durations.Show(verdict.LoadTime)} (9 in 10 loads are faster{Half(verdict.LoadExpected)})"
            + (verdict.Hold is { } hold ? $"; an idle replica is held {Durations.Show(hold)}{(verdict.HoldGaps > 0 ? $", by its last {verdict.HoldGaps} idle gaps" : "")}" : "; idle memory is held until another model needs it");
        yield return $"  replicas  {FleetTable.Replicas(model.Id, tick.Snapshot)}, {verdict.Wanted} wanted; weights {Place(FleetTable.ShownTier(model, tick.Snapshot))}";
        foreach (var step in tick.Plan.Steps.Where(step => Step.ModelOf(step) == model.Id))
            yield return $"  next      {step.Id.Value.Replace('/', ' ')}: {step.Reason}";
        foreach (var entry in history) yield return "  " + HistoryCommand.Line(entry, now);
    }

    private static IEnumerable<string> Folded(string line, int width)
    {
        var indent = line.Length - line.TrimStart().Length;
        var first = true;
        foreach (var part in FleetTable.Wrap(line, width - indent - 4))
        {
            yield return new string(' ', first ? indent : indent + 4) + (first ? Spaced(line, part) : part);
            first = false;
        }
    }

    // Wrapping folds runs of spaces; the first part keeps the column behind its word.
    private static string Spaced(string line, string part)
    {
        var start = line.TrimStart();
        var word = start.IndexOf(' ', StringComparison.Ordinal);
        if (word is < 0 or > 10 || !line.StartsWith("  ", StringComparison.Ordinal)) return part;
        var gap = start[word..].Length - start[word..].TrimStart().Length;
        return gap > 1 ? part[..word] + new string(' ', gap) + part[(word + 1)..] : part;
    }

    private static string Place(string tier) => tier switch
    {
        "memory" => "in memory",
        "device" => "on the device",
        "disk" => "on disk",
        "loading" => "are being loaded",
        "remote" => "not on this machine",
        _ => tier,
    };

    // When it is planned for follows from the load; a node that has to come first is asked for earlier by as long as that takes.
    private static string Event((DemandEvent Event, DateTimeOffset From, DateTimeOffset To) next, DateTimeOffset now, TimeSpan load) =>
        EventAhead.What(next.Event.Factor, next.Event.AddedPerSecond)
            + (next.From <= now ? $" now, until {MomentText.Show(next.To, now)}"
                : $" from {MomentText.Show(next.From, now)} for {Durations.Show(next.To - next.From)}; loading for it begins {Durations.Show(load)} before")
            + (next.Event.Every is { } every ? $"; again every {Durations.Show(every)}" : "");

    internal static string Basis(ModelVerdict verdict, DateTimeOffset now) => verdict.ForecastFrom is not { } basis
        ? verdict.ForecastPerSecond.TryGetLast(out var most) && most > 0
            ? verdict.Event is { } known ? $" ({known.Shown(now)})" : " (the most of late; too little was seen to forecast)" : ""
        : $" ({Fact.Fraction("", basis.Quantile).Shown} quantile of the most within {Durations.Show(basis.Window)}"
            + (basis.Corrected ? ", raised by late requests" : basis.Lowered ? ", lowered by requests in time" : "")
            + $"; {basis.Shown}{(verdict.Event is { } ahead ? "; " + ahead.Shown(now) : "")})";

    private static string Half(LoadEstimate? load) => load switch
    {
        null => "",
        { Observed: 0 } => $", half are faster than {Durations.Show(load.Median)}; from bytes and bandwidth, as none was seen yet",
        { Observed: 1 } => $", half are faster than {Durations.Show(load.Median)}; from the one load seen",
        _ => $", half are faster than {Durations.Show(load.Median)}; from the last {load.Observed} loads",
    };

    private static string Rate(double? perSecond) => perSecond is { } rate ? Fact.Rate("", rate).Shown : "not known";

    private static string Unknown(string name, FleetSpec spec)
    {
        var names = spec.Models.Select(model => model.Id.Value).ToList();
        return NearMiss.Of(name, names, 1).FirstOrDefault() is { } near
            ? $"the fleet has no model '{Show.Text(name)}'; did you mean '{near}'?"
            : $"the fleet has no model '{Show.Text(name)}'; it has {string.Join(", ", names.Take(10))}{(names.Count > 10 ? string.Create(CultureInfo.InvariantCulture, $" and {names.Count - 10} more") : "")}";
    }
}

/// <summary>What <c>plimsoll explain --json</c> prints.</summary>
public sealed record ExplainReport(DateTimeOffset At, double AgeSeconds, ModelStatus Now, ImmutableArray<HistoryLine> Last);
