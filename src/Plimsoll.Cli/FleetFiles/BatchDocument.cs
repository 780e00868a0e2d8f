using System.Collections.Immutable;

namespace Plimsoll.Cli.FleetFiles;

[Means("One measurement of a profile.")]
public sealed record BatchDocument
{
    [Means("Requests that are computed together.")]
    [Needed("a number of requests, 1 or more,")]
    [Bounds(1, BatchProfile.BatchMost)]
    public int? Batch { get; init; }

    [Means("From the batch's start to its end.")]
    [Needed("a duration such as 12ms")]
    [Bounds(0.000_001, BatchProfile.SecondsMost)]
    public TimeSpan? Latency { get; init; }
}

/// <summary>Profiles of files, as the planner has them.</summary>
internal static class BatchProfiles
{
    /// <summary>Null where there is none, or a field or all of it is a problem already.</summary>
    public static BatchProfile? Of(ImmutableArray<BatchDocument> rows) => Read(rows).Profile;

    /// <summary>What no single field of one can tell.</summary>
    public static void Check(ImmutableArray<BatchDocument> rows, string path, Problems problems)
    {
        if (Read(rows).Problem is { } problem) problems.Add($"{path}.profile", problem);
    }

    private static (BatchProfile? Profile, string? Problem) Read(ImmutableArray<BatchDocument> rows) =>
        rows.IsEmpty || rows.Any(row => row is not { Batch: not null, Latency: not null }) ? default
        : BatchProfile.Of(rows.Select(row => new BatchTime(row.Batch!.Value, row.Latency!.Value.TotalSeconds)));
}
