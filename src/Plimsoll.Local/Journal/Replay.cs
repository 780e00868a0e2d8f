using System.Collections.Immutable;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;
using Plimsoll.Json;

namespace Plimsoll.Local;

/// <summary>A tick whose plan came out otherwise.</summary>
/// <param name="Tick">Its number.</param>
/// <param name="Path">JSON path of the first difference in the plan.</param>
/// <param name="Recorded">What was recorded there.</param>
/// <param name="Derived">What is derived now.</param>
public sealed record ReplayDifference(long Tick, string Path, string Recorded, string Derived);

/// <summary>What a replay found.</summary>
public sealed record ReplayReport
{
    /// <summary>Tick of the checkpoint it began at; at most the first tick asked for.</summary>
    public required long StartedAt { get; init; }

    /// <summary>Ticks of the range that were derived again and compared.</summary>
    public required long Compared { get; init; }

    public required long Differing { get; init; }

    /// <summary>The first hundred differences.</summary>
    public required ImmutableArray<ReplayDifference> Differences { get; init; }

    /// <summary>Ticks of the range that could not be derived: no checkpoint leads to them.</summary>
    public required long Unreachable { get; init; }

    /// <summary>Ticks missing inside the range: lost while the disk was full.</summary>
    public required long Lost { get; init; }

    /// <summary>Planner versions that recorded the range and are not this one, ordered.</summary>
    public required ImmutableArray<string> OtherVersions { get; init; }

    public bool AllEqual => Differing == 0 && Unreachable == 0 && Compared > 0;
}

/// <summary>Folds and decides again for every tick since a checkpoint, and compares the plans byte for byte.</summary>
/// <param name="journal">The journal to read.</param>
/// <param name="planner">Makes the planner with the allocator of a recorded name.</param>
public sealed class Replay(JournalReader journal, Func<string, Planner> planner)
{
    private const int MostDifferences = 100;

    /// <summary>This planner's version; the module's id changes with any change of its code.</summary>
    public static string PlannerVersion { get; } = Version(typeof(Planner).Assembly);

    /// <summary>Replays a range of ticks, both ends in it.</summary>
    /// <exception cref="JournalException">No checkpoint leads to the range.</exception>
    public ReplayReport Range(long from, long to, CancellationToken cancellationToken)
    {
        if (journal.CheckpointFor(from) is not { } start)
        {
            var kept = journal.Range() is { } range ? $"ticks {range.First} to {range.Last} are kept" : "no tick is kept";
            throw new JournalException($"the journal has no checkpoint at or before tick {from}; {kept}");
        }

        var runs = journal.Runs().ToDictionary(run => run.Run);
        var planners = new Dictionary<string, Planner>(StringComparer.Ordinal);
        var versions = new SortedSet<string>(StringComparer.Ordinal);
        var differences = ImmutableArray.CreateBuilder<ReplayDifference>();
        var (compared, differing, unreachable, lost) = (0L, 0L, 0L, 0L);
        Knowledge? known = start.Known;
        var expected = start.Before;
        foreach (var tick in journal.Ticks(start.Before, to))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var inRange = tick.Number >= from;
            if (tick.Number != expected)
            {
                lost += Math.Max(0, tick.Number - Math.Max(expected, from));
                known = null;
            }

            expected = tick.Number + 1;

            // The recorded checkpoint wins, so that one difference does not colour all that follows.
            known = journal.CheckpointBefore(tick.Number) ?? known;
            if (known is null)
            {
                if (inRange) unreachable++;
                continue;
            }

            var run = runs.TryGetValue(tick.Run, out var found) ? found.Of
                : throw new JournalException($"tick {tick.Number} belongs to run {tick.Run}, which the journal does not have");
            if (!planners.TryGetValue(run.Allocator, out var mind)) planners[run.Allocator] = mind = planner(run.Allocator);
            var (plan, difference) = Derive(tick, known, mind);
            known = plan?.Next;
            if (!inRange) continue;
            compared++;
            if (run.Version != PlannerVersion) versions.Add(run.Version);
            if (difference is null) continue;
            differing++;
            if (differences.Count < MostDifferences) differences.Add(difference);
        }

        return new ReplayReport
        {
            StartedAt = start.Before,
            Compared = compared,
            Differing = differing,
            Differences = differences.ToImmutable(),
            Unreachable = unreachable,
            Lost = lost,
            OtherVersions = [.. versions],
        };
    }

    private static (Plan? Plan, ReplayDifference? Difference) Derive(RecordedTick tick, Knowledge known, Planner planner)
    {
        Plan plan;
        try
        {
            plan = planner.Decide(tick.Spec, tick.Snapshot, known.Fold(tick.Spec, tick.Snapshot));
        }
        catch (InvalidOperationException stopped)
        {
            // The planner stops a plan that breaks an invariant; a recorded one passed.
            return (null, new ReplayDifference(tick.Number, "$", "a plan", stopped.Message));
        }

        var bare = PlimsollJson.ToBytes(JournalWriter.Bare(plan), PlimsollJson.Default.Plan);
        if (!bare.AsSpan().SequenceEqual(tick.PlanJson.AsSpan())) return (plan, Compare(tick, bare));
        var next = SHA256.HashData(PlimsollJson.ToBytes(plan.Next, PlimsollJson.Default.Knowledge));
        return next.AsSpan().SequenceEqual(tick.NextSha256.AsSpan()) ? (plan, null)
            : (plan, new ReplayDifference(
                tick.Number, "$.next", Convert.ToHexStringLower(tick.NextSha256.AsSpan()), Convert.ToHexStringLower(next)));
    }

    // A hash of the inputs says least: it is named only when nothing else differs.
    private static ReplayDifference Compare(RecordedTick tick, byte[] derived)
    {
        using var before = JsonDocument.Parse(tick.PlanJson.AsMemory());
        using var now = JsonDocument.Parse(derived);
        foreach (var name in (ReadOnlySpan<string>)["steps", "models"])
        {
            if (before.RootElement.TryGetProperty(name, out var left) && now.RootElement.TryGetProperty(name, out var right)
                && JsonDifference.First(left, right, "$." + name) is { } inner)
                return new ReplayDifference(tick.Number, inner.Path, inner.Recorded, inner.Derived);
        }

        return JsonDifference.First(before.RootElement, now.RootElement, "$") is { } first
            ? new ReplayDifference(tick.Number, first.Path, first.Recorded, first.Derived)
            : new ReplayDifference(tick.Number, "$", "other bytes of the same values", "a changed form of the JSON");
    }

    private static string Version(Assembly assembly) =>
        (assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown")
        + "+" + assembly.ManifestModule.ModuleVersionId.ToString("N")[..12];
}
