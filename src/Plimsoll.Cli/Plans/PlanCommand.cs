using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Cli.Plans;

/// <summary>The command <c>plimsoll plan FLEET</c>: what Plimsoll would run where for a described fleet and a known demand.</summary>
public static class PlanCommand
{
    public static Command Create()
    {
        var fleet = new Argument<string>("FLEET") { Description = "A scenario file, of which the nodes and models are planned for (docs/plan.md)" };
        var demand = new Option<string?>("--demand") { Description = "Requests a second instead of the scenario's traffic: MODEL=RATE or MODEL=RATE..PEAK, with commas, or a CSV file of model,rate,peak", HelpName = "DEMAND" };
        var nodes = new Option<string?>("--nodes") { Description = "How many nodes of a group there are, instead of the scenario's count: GROUP=COUNT, with commas", HelpName = "COUNTS" };
        var json = StatusCommand.JsonOption();
        var command = new Command("plan", "Say what would run where for a described fleet, what it costs and what runs out first") { fleet, demand, nodes, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            var (asked, counts) = (DemandText.Read(parsed.GetValue(demand)), DemandText.Nodes(parsed.GetValue(nodes)));
            var file = ScenarioFile.Read(parsed.GetValue(fleet)!);
            Check(file, asked, counts);
            var described = new ScenarioResolver(file).Described(asked, counts, cancellationToken)
                ?? throw new CommandException(ExitCode.BadInput, string.Join('\n', file.Problems.Lines()));
            var listing = PlanListing.Of(SettledFleet.Of(described), cancellationToken);
            var output = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.PlanListing));
            else foreach (var line in PlanTable.Lines(listing)) output.WriteLine(line);
            return Task.FromResult(listing.AllHeld ? ExitCode.Ok : ExitCode.Refused);
        });
        return command;
    }

    // Names that the fleet does not have; the file's own problems are told first.
    private static void Check(ScenarioFile file, Dictionary<string, KnownDemand> demand, Dictionary<string, int> nodes)
    {
        if (file.Problems.Any) return;
        var models = file.Document.Models.SelectMany(model => Enumerable.Range(0, model.Copies ?? 0).Select(copy => $"{model.Name}-{copy}").Append(model.Name!)).ToHashSet(StringComparer.Ordinal);
        if (demand.Keys.FirstOrDefault(name => !models.Contains(name)) is { } model)
            throw new CommandException(ExitCode.BadInput, $"--demand names \"{Show.Text(model)}\", which is no model of {Show.Text(file.Path, 200)}; {Some(file.Document.Models.Select(one => one.Name!))} would do");
        if (nodes.Keys.FirstOrDefault(name => file.Document.Nodes.All(group => group.Name != name)) is { } group)
            throw new CommandException(ExitCode.BadInput, $"--nodes names \"{Show.Text(group)}\", which is no group of nodes of {Show.Text(file.Path, 200)}; {Some(file.Document.Nodes.Select(one => one.Name!))} would do");
    }

    private static string Some(IEnumerable<string> names) => string.Join(", ", names.Take(8));
}
