using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Reports;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Where a report goes, looked at before anything runs: nobody waits an hour to learn that a folder is missing.</summary>
internal sealed class ReportFile
{
    private readonly string _path;

    private ReportFile(string path) => _path = path;

    /// <exception cref="CommandException">No such ending, or no such folder.</exception>
    public static ReportFile Of(string path)
    {
        var full = Path.GetFullPath(path);
        if (Path.GetExtension(full).ToUpperInvariant() is not (".HTML" or ".MD"))
            throw new CommandException(ExitCode.BadInput, $"--report {Show.Text(path, 200)} would have to end in .html or .md");
        if (Directory.Exists(full)) throw new CommandException(ExitCode.BadInput, $"--report {Show.Text(path, 200)} is a folder");
        if (!Directory.Exists(Path.GetDirectoryName(full)))
            throw new CommandException(ExitCode.BadInput, $"--report {Show.Text(path, 200)} is in a folder that is not there");
        return new ReportFile(full);
    }

    /// <exception cref="CommandException">It cannot be written.</exception>
    public void Write(SimulationReport report)
    {
        var text = Path.GetExtension(_path).Equals(".md", StringComparison.OrdinalIgnoreCase) ? report.Markdown() : report.Html();
        try
        {
            // Whatever was there stays until all of the new one is.
            var part = $"{_path}.{Environment.ProcessId}.part";
            try
            {
                File.WriteAllText(part, text);
                File.Move(part, _path, overwrite: true);
            }
            finally
            {
                File.Delete(part);
            }
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Failed, $"the report cannot be written: {Show.Text(unwritable.Message, 400)}");
        }
    }
}
