using System.Text.Json;
using System.Text.Json.Serialization;
using Plimsoll.Local;

namespace Plimsoll.Cli.Fleets;

/// <summary>Where fleets keep what they know, and how the other commands find it.</summary>
public static class StateFolders
{
    private const string AddressesFile = "addresses.json";

    /// <summary>$XDG_STATE_HOME/plimsoll, else ~/.local/state/plimsoll.</summary>
    public static string Root => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } told && Path.IsPathRooted(told)
            ? told
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state"),
        "plimsoll");

    public static string Of(string fleet) => Path.Combine(Root, fleet);

    /// <summary>The state folder that was asked for, else the one whose journal was written last.</summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static string Find(string? state, string? fleet)
    {
        var folder = state ?? (fleet is null ? Latest() : Of(fleet))
            ?? throw new CommandException(ExitCode.Failed, $"no fleet has run yet ({Root} holds none); plimsoll up starts one");
        return File.Exists(Journal.PathIn(folder)) ? folder
            : throw new CommandException(ExitCode.Failed, $"{folder} holds no journal; plimsoll up starts a fleet, --state names another folder");
    }

    /// <summary>Notes where a running fleet answers; left behind when it ends.</summary>
    public static void WriteAddresses(string folder, FleetAddresses addresses)
    {
        try
        {
            File.WriteAllBytes(
                Path.Combine(folder, AddressesFile), JsonSerializer.SerializeToUtf8Bytes(addresses, FleetJson.Default.FleetAddresses));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Status then cannot tell the address; nothing else is lost.
        }
    }

    public static FleetAddresses? ReadAddresses(string folder)
    {
        try
        {
            var file = new FileInfo(Path.Combine(folder, AddressesFile));
            return file is { Exists: true, Length: < 64 * 1024 }
                ? JsonSerializer.Deserialize(File.ReadAllBytes(file.FullName), FleetJson.Default.FleetAddresses) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    private static string? Latest()
    {
        try
        {
            return !Directory.Exists(Root) ? null : Directory.EnumerateDirectories(Root)
                .Where(folder => File.Exists(Journal.PathIn(folder)))
                .OrderByDescending(Written).ThenBy(folder => folder, StringComparer.Ordinal).FirstOrDefault();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Failed, $"{Root} cannot be read: {e.Message}");
        }
    }

    // SQLite writes beside the journal first; its own file's time can be minutes behind.
    private static DateTime Written(string folder)
    {
        var journal = Journal.PathIn(folder);
        var (own, log) = (File.GetLastWriteTimeUtc(journal), File.GetLastWriteTimeUtc(journal + "-wal"));
        return own > log ? own : log;
    }
}

/// <summary>Where a fleet's controller answers, while it runs.</summary>
public sealed record FleetAddresses(string Fleet, string Gateway, string? Admin, int ProcessId, DateTimeOffset StartedAt);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(FleetAddresses))]
internal sealed partial class FleetJson : JsonSerializerContext;
