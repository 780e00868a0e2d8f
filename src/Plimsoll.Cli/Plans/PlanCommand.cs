using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Cli.Plans;

/// <summary>The command <c>plimsoll plan FLEET</c>: what Plimsoll would run where for a described or observed fleet and a known demand.</summary>
public static class PlanCommand
{
    public static Command Create(TimeProvider time)
    {
        var fleet = new Argument<string>("FLEET") { Description = "A scenario, of which the nodes and models are planned for; a fleet file; or the journal of plimsoll up, or its folder (docs/plan.md)" };
        var demand = new Option<string?>("--demand") { Description = "Requests a second instead of the scenario's traffic or what was seen: MODEL=RATE or MODEL=RATE..PEAK, with commas, or a CSV file of model,rate,peak", HelpName = "DEMAND" };
        var nodes = new Option<string?>("--nodes") { Description = "How many nodes of a group there are, instead of the scenario's count: GROUP=COUNT, with commas", HelpName = "COUNTS" };
        var state = new Option<string?>("--state") { Description = "The folder whose journal tells what a fleet file's models were seen to take and carry (default the one of its name, if it has run)", HelpName = "DIR" };
        var json = StatusCommand.JsonOption();
        var command = new Command("plan", "Say what would run where for a described or observed fleet, what it costs and what runs out first") { fleet, demand, nodes, state, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (asked, counts) = (DemandText.Read(parsed.GetValue(demand)), DemandText.Nodes(parsed.GetValue(nodes)));
            var source = await PlanSource.ReadAsync(parsed.GetValue(fleet)!, parsed.GetValue(state), asked, counts, time, cancellationToken).ConfigureAwait(false);
            foreach (var note in source.Notes) await parsed.InvocationConfiguration.Error.WriteLineAsync($"plimsoll: {note}").ConfigureAwait(false);
            var listing = PlanListing.From(SettledFleet.Of(source.Fleet), cancellationToken) with { Of = source.Kind, OfWhat = source.Said };
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) await output.WriteLineAsync(JsonSerializer.Serialize(listing, CommandJson.Default.PlanListing)).ConfigureAwait(false);
            else foreach (var line in PlanTable.Lines(listing)) await output.WriteLineAsync(line).ConfigureAwait(false);
            return listing.AllHeld ? ExitCode.Ok : ExitCode.Refused;
        });
        return command;
    }
}
