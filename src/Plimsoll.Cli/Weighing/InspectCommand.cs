using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Weighing;

/// <summary>The command <c>plimsoll inspect</c>: what a model weighs, from its headers.</summary>
public static class InspectCommand
{
    public static Command Create(TimeProvider time)
    {
        var source = SourceWeigher.Argument();
        var json = StatusCommand.JsonOption();
        var command = new Command("inspect", "Weigh a model by its headers, before it runs") { source, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            var weighed = SourceWeigher.Weigh(parsed.GetValue(source)!, time, cancellationToken);
            var (output, report) = (parsed.InvocationConfiguration.Output, InspectReport.Of(weighed.Shown, weighed.Footprint, weighed.Files));
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(report, CommandJson.Default.InspectReport));
            else foreach (var line in InspectTable.Lines(report)) output.WriteLine(line);
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }
}
