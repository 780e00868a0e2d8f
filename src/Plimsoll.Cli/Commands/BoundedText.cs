using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Commands;

/// <summary>Text that a command is given: a file, or - for the standard input.</summary>
internal static class BoundedText
{
    /// <param name="path">The file, or -.</param>
    /// <param name="charactersMost">The most that is read.</param>
    /// <exception cref="CommandException">It cannot be read, or is longer.</exception>
    public static string Read(string path, int charactersMost)
    {
        try
        {
            using var stream = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            using var reader = new StreamReader(stream);
            var buffer = new char[charactersMost + 1];
            var read = reader.ReadBlock(buffer, 0, buffer.Length);
            return read <= charactersMost ? new string(buffer, 0, read)
                : throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} is over {new Bytes(charactersMost)}; fewer manifests at once would do");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} cannot be read: {Show.Text(unreadable.Message, 200)}");
        }
    }
}
