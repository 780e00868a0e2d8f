using System.Text;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Commands;

/// <summary>Text that a command is given: a file, a folder's files of YAML and JSON one after the other, or - for the standard input.</summary>
internal static class BoundedText
{
    private const int FilesMost = 1000;

    /// <param name="path">The file, the folder, or -.</param>
    /// <param name="charactersMost">The most that is read.</param>
    /// <exception cref="CommandException">It cannot be read, or is longer.</exception>
    public static string Read(string path, int charactersMost)
    {
        try
        {
            if (path != "-" && Directory.Exists(path)) return OfFolder(path, charactersMost);
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

    private static string OfFolder(string folder, int charactersMost)
    {
        string[] files = [.. Directory.EnumerateFiles(folder).Where(file => Path.GetExtension(file).ToUpperInvariant() is ".YAML" or ".YML" or ".JSON").Take(FilesMost + 1).Order(StringComparer.Ordinal)];
        if (files.Length is 0 or > FilesMost)
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(folder, 200)} is a folder with {(files.Length == 0 ? "no" : $"over {FilesMost}")} .yaml, .yml or .json files; manifests in such files would do, {FilesMost} at the most");
        var text = new StringBuilder();
        foreach (var file in files)
        {
            text.Append(Read(file, charactersMost)).Append("\n---\n");
            if (text.Length > charactersMost) throw new CommandException(ExitCode.BadInput, $"the files of {Show.Text(folder, 200)} are over {new Bytes(charactersMost)} together; fewer manifests at once would do");
        }

        return text.ToString();
    }
}
