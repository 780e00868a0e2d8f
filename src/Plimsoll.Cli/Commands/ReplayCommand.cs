using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Fleets;
using Plimsoll.Local;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll replay</c>: derives recorded plans again and says whether they are the same.</summary>
public static class ReplayCommand
{
    private const int ShownMax = 10;

    public static Command Create()
    {
        var (state, fleet) = (UpCommand.StateOption(), UpCommand.FleetOption());
        var from = new Option<long?>("--from") { Description = "First tick (default the first that is kept)", HelpName = "TICK" };
        var to = new Option<long?>("--to") { Description = "Last tick (default the last)", HelpName = "TICK" };
        var json = StatusCommand.JsonOption();
        var command = new Command("replay", "Derive recorded plans again and say if they differ") { state, fleet, from, to, json };
        command.SetAction((parsed, cancellationToken) => Task.Run(
            () => Run(
                StateFolders.Find(parsed.GetValue(state), parsed.GetValue(fleet)), parsed.GetValue(from), parsed.GetValue(to),
                parsed.GetValue(json), parsed.InvocationConfiguration.Output, cancellationToken),
            cancellationToken));
        return command;
    }

    public static int Run(string folder, long? from, long? to, bool json, TextWriter output, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var journal = StatusCommand.Open(folder);
        if (journal.Range() is not { } range) throw new CommandException(ExitCode.Failed, $"the journal in {folder} holds no tick yet");
        var (first, last) = (from ?? range.First, to ?? range.Last);
        if (first > last) throw new CommandException(ExitCode.BadInput, $"--from {first} is after --to {last}; ticks {range.First} to {range.Last} are kept");
        ReplayReport report;
        try
        {
            report = new Replay(journal, name => new Planner(Policies.Named(name))).Range(first, last, cancellationToken);
        }
        catch (JournalException unreadable)
        {
            throw new CommandException(ExitCode.Failed, unreadable.Message);
        }

        if (json) output.WriteLine(JsonSerializer.Serialize(ReplayOutcome.Of(report, first, last), CommandJson.Default.ReplayOutcome));
        else Print(report, first, last, output);
        return report.Differing > 0 ? ExitCode.Differs : report.Compared == 0 ? ExitCode.Failed : ExitCode.Ok;
    }

    private static void Print(ReplayReport report, long first, long last, TextWriter output)
    {
        output.WriteLine(report.Compared == 0 ? $"no plan of ticks {first} to {last} can be derived again"
            : report.Differing == 0 ? $"ticks {first} to {last}: {report.Compared} plans derived again, all the same, byte for byte"
            : $"ticks {first} to {last}: {report.Compared} plans derived again, {report.Differing} differ");
        foreach (var difference in report.Differences.Take(ShownMax))
        {
            output.WriteLine(
                $"  tick {difference.Tick} {difference.Path}: recorded {FleetTable.Cut(difference.Recorded, 120)}, derived {FleetTable.Cut(difference.Derived, 120)}");
        }

        if (report.Unreachable > 0) output.WriteLine($"{report.Unreachable} ticks lie behind a gap and have no checkpoint before them");
        if (report.Lost > 0) output.WriteLine($"{report.Lost} ticks were never recorded");
        if (!report.OtherVersions.IsEmpty)
            output.WriteLine($"recorded by another version of the planner: {string.Join(", ", report.OtherVersions)}");
    }
}

/// <summary>What <c>plimsoll replay --json</c> prints.</summary>
public sealed record ReplayOutcome
{
    public required long From { get; init; }

    public required long To { get; init; }

    public required long Compared { get; init; }

    public required long Differing { get; init; }

    public required long Unreachable { get; init; }

    public required long Lost { get; init; }

    public required ImmutableArray<string> OtherVersions { get; init; }

    public required ImmutableArray<ReplayDifference> Differences { get; init; }

    public static ReplayOutcome Of(ReplayReport report, long from, long to)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new ReplayOutcome
        {
            From = from,
            To = to,
            Compared = report.Compared,
            Differing = report.Differing,
            Unreachable = report.Unreachable,
            Lost = report.Lost,
            OtherVersions = report.OtherVersions,
            Differences = report.Differences,
        };
    }
}
