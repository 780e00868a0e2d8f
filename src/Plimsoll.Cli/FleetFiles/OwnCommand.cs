using System.Collections.Immutable;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>A command that a person gave, of a server or of a job.</summary>
internal static class OwnCommand
{
    /// <summary>The command with its program's full path where it was given by one; a program that is not there is a problem of the file.</summary>
    public static ImmutableArray<string> Found(ImmutableArray<string> command, string path, FleetFile file)
    {
        var program = command[0];
        if (program.Contains('/', StringComparison.Ordinal))
        {
            var full = Path.GetFullPath(program, file.Folder);
            if (!File.Exists(full)) file.Problems.Add($"{path}.command[0]", $"{full} does not exist");
            return command.SetItem(0, full);
        }

        if (!program.Contains('{', StringComparison.Ordinal) && ServerPresets.OnPath(program) is null)
            file.Problems.Add($"{path}.command[0]", $"found \"{Show.Text(program)}\", which is not on the PATH; a path to the program would do");
        return command;
    }
}
