using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>By how much demand differs, and whether it does so again.</summary>
public abstract record DemandChangeDocument
{
    [Means("What the usual demand is multiplied by. Default: 1.")]
    [Bounds(0, DemandEvent.FactorMost)]
    public double? Factor { get; init; }

    [Means("Requests a second that come on top, also to a model that nobody asks for otherwise. Default: 0.")]
    [Bounds(0, DemandEvent.AddedMost)]
    public double? AddedPerSecond { get; init; }

    [Means("It comes again, so long from start to start, and never ends: 1d, 7d. Default: it comes once.")]
    [Bounds(600, 31_622_400)]
    public TimeSpan? Every { get; init; }
}

[Means("A time at which demand is known beforehand to differ: a launch, a batch run, a holiday.")]
public sealed record EventDocument : DemandChangeDocument
{
    [Means("When it begins.")]
    [Needed(MomentText.WouldDo)]
    public DateTimeOffset? From { get; init; }

    [Means("When it is over.")]
    [Needed(MomentText.WouldDo)]
    public DateTimeOffset? To { get; init; }
}

[Means("A time at which demand is known beforehand to differ, as the planner is told; what truly comes is the traffic's.")]
public sealed record ScenarioEventDocument : DemandChangeDocument
{
    [Means("When it begins.")]
    [Needed("a time such as 12h")]
    [Bounds(0, 31_536_000)]
    public TimeSpan? At { get; init; }

    [Means("How long it lasts.")]
    [Needed("a time such as 2h")]
    [Bounds(1, 31_536_000)]
    public TimeSpan? For { get; init; }
}

/// <summary>Known events of files, as the planner has them.</summary>
internal static class KnownEvents
{
    /// <summary>A fleet file's; default where there are none. What lacks a moment is left out: it is a problem already.</summary>
    public static ImmutableArray<DemandEvent> Of(ImmutableArray<EventDocument> events) => OrNone(events
        .Where(one => one is { From: not null, To: not null })
        .Select(one => Of(one, one.From!.Value, one.To!.Value)));

    /// <summary>A scenario's, which begins at a moment.</summary>
    public static ImmutableArray<DemandEvent> Of(ImmutableArray<ScenarioEventDocument> events, DateTimeOffset start) => OrNone(events
        .Where(one => one is { At: not null, For: not null })
        .Select(one => Of(one, start + one.At!.Value, start + one.At.Value + one.For!.Value)));

    /// <summary>What no single field of one can tell.</summary>
    public static void Check(ImmutableArray<EventDocument> events, string path, Problems problems) =>
        Check(events.Select(one => Of([one])), path, problems);

    /// <summary>The same of a scenario's.</summary>
    public static void Check(ImmutableArray<ScenarioEventDocument> events, string path, Problems problems) =>
        Check(events.Select(one => Of([one], DateTimeOffset.UnixEpoch)), path, problems);

    private static void Check(IEnumerable<ImmutableArray<DemandEvent>> events, string path, Problems problems)
    {
        foreach (var (i, one) in events.Index())
        {
            if (!one.IsDefault && one[0].Problem() is (var field, var message))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{path}.events[{i}].{field}"), message);
        }
    }

    private static DemandEvent Of(DemandChangeDocument change, DateTimeOffset from, DateTimeOffset to) =>
        new(from, to, change.Factor ?? 1, change.AddedPerSecond ?? 0) { Every = change.Every };

    // Default and not empty: a fleet without any is written and hashed as before there were events.
    private static ImmutableArray<DemandEvent> OrNone(IEnumerable<DemandEvent> events) => events.ToImmutableArray() is { IsEmpty: false } some ? some : default;
}
