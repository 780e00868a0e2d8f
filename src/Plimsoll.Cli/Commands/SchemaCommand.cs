using System.CommandLine;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Commands;

/// <summary>The command <c>plimsoll schema</c>.</summary>
public static class SchemaCommand
{
    public static Command Create()
    {
        var command = new Command("schema", "Print the JSON Schema of fleet files, for editors");
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.Write(FleetSchema.Write());
            return ExitCode.Ok;
        });
        return command;
    }
}
