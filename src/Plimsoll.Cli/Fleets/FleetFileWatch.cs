using System.Collections.Immutable;
using Plimsoll.Caching;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Json;
using Plimsoll.Local;

namespace Plimsoll.Cli.Fleets;

/// <summary>
/// Reads a fleet file again when it changes, off the control loop, and hands what it says to the running fleet. A file
/// with mistakes changes nothing.
/// </summary>
/// <param name="path">The fleet file.</param>
/// <param name="read">Reads and resolves it; throws a <see cref="CommandException"/> that says what is wrong.</param>
/// <param name="time">The clock it looks by.</param>
public sealed class FleetFileWatch(string path, Func<FleetDefinition> read, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    // Taken before the file is read for the first time: what is written in between is not missed.
    private (DateTime Written, long Length)? _known = Stamp(path);

    /// <param name="current">What the fleet was started with.</param>
    /// <param name="offer">Takes a definition; returns why it is refused, or nothing.</param>
    /// <param name="tell">Called with a line for the person.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(
        FleetDefinition current, Func<FleetDefinition, ImmutableArray<string>> offer, Action<string> tell, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(offer);
        ArgumentNullException.ThrowIfNull(tell);
        using var timer = new PeriodicTimer(Period, time);
        var before = _known;
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            var now = Stamp(path);
            var still = now == before;
            before = now;
            // While it is still being written it is left alone for another second.
            if (!still || now == _known) continue;
            _known = now;
            var (next, wrong) = await ReadAsync().ConfigureAwait(false);
            if (next is not null) wrong = offer(next);
            if (!wrong.IsEmpty)
            {
                tell($"{path} was changed and is not taken over: {wrong[0]}"
                    + (wrong.Length > 1 ? $" (and {wrong.Length - 1} more)" : "") + "; the fleet goes on as it was");
                continue;
            }

            tell($"{path} was read again: {Changes(current, next!)}");
            current = next!;
        }
    }

    private Task<(FleetDefinition? Next, ImmutableArray<string> Wrong)> ReadAsync() => Task.Run(() =>
    {
        try
        {
            return ((FleetDefinition?)read(), ImmutableArray<string>.Empty);
        }
        catch (CommandException mistakes)
        {
            return (null, [.. mistakes.Message.Split('\n')]);
        }
    });

    /// <summary>"added a; removed b; changed c, d"; what only a new start can change is said.</summary>
    internal static string Changes(FleetDefinition before, FleetDefinition after)
    {
        var (old, now) = (Texts(before), Texts(after));
        var parts = new List<string>();
        Name("added", now.Keys.Where(id => !old.ContainsKey(id)));
        Name("removed", old.Keys.Where(id => !now.ContainsKey(id)));
        Name("changed", now.Keys.Where(id => old.TryGetValue(id, out var text) && text != now[id]));
        if (Hash(before.Spec with { Models = [], Training = [] }) != Hash(after.Spec with { Models = [], Training = [] })) parts.Add("changed settings");
        if (before.Name != after.Name || before.Node != after.Node || before.Gateway != after.Gateway)
            parts.Add("name, machine and gateway change at the next start only");
        return parts.Count == 0 ? "nothing changed" : string.Join("; ", parts);

        void Name(string what, IEnumerable<string> names)
        {
            if (names.Order(StringComparer.Ordinal).ToList() is { Count: > 0 } ids) parts.Add($"{what} {string.Join(", ", ids)}");
        }
    }

    // Of models and jobs by name; the names of a file differ.
    private static Dictionary<string, string> Texts(FleetDefinition definition) => definition.Spec.Models.Select(model => (Name: model.Id.Value, Text: Text(definition, model.Id)))
        .Concat(definition.Spec.Training.Select(job => (Name: job.Id.Value, Text: Hash(definition.Spec with { Models = [], Training = [job] }) + Text(definition.Jobs[job.Id]))))
        .ToDictionary(one => one.Name, one => one.Text, StringComparer.Ordinal);

    private static string Text(JobLaunch launch) => string.Join('\n',
        [.. launch.Command, .. launch.Environment.Select(pair => $"{pair.Key}={pair.Value}"), launch.WorkingDirectory, $"{launch.Grace}"]);

    private static string Text(FleetDefinition definition, ModelId id) =>
        Hash(definition.Spec with { Models = [definition.Spec.Find(id)!], Training = [] }) + Text(definition.Launches[id])
        + (definition.Fetches.GetValueOrDefault(id) is { } fetch ? Text(fetch) : "");

    private static string Text(LaunchSpec launch) => string.Join('\n',
        [.. launch.Command, .. launch.Environment.Select(pair => $"{pair.Key}={pair.Value}"), launch.ReadyPath, launch.ModelPath, launch.SleepPath, launch.WakePath]);

    private static string Text(FetchSpec fetch) =>
        string.Join('\n', [fetch.Source, .. fetch.Sha256.Select(pair => $"{pair.Key}={pair.Value}")]);

    private static string Hash(FleetSpec spec) => PlimsollJson.Hash(spec, PlimsollJson.Default.FleetSpec);

    private static (DateTime, long)? Stamp(string path) =>
        new FileInfo(path) is { Exists: true } file ? (file.LastWriteTimeUtc, file.Length) : null;
}
