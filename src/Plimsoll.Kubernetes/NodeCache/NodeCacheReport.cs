using System.Collections.Immutable;
using System.Globalization;
using k8s.Models;
using Plimsoll.Caching;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>What an agent tells of its cache.</summary>
internal static class NodeCacheReport
{
    private const int FetchesMax = 16;
    private const int FailuresMax = 64;

    // More than any disk has, and the schema's bound: a wrong setting must not keep the rest from being told.
    private const long BytesMax = 1_000_000_000_000_000;

    /// <summary>Of a cache that can be used; with what keeps it, or one of its artefacts, from being of use, if anything does.</summary>
    public static NodeModelCacheStatus Of(
        ModelCache cache, NodeCacheFetcher fetcher, NodeCacheAgentOptions options, string? problem,
        ImmutableDictionary<(string Model, string Version), string> lost, long generation, DateTimeOffset at)
    {
        var rows = cache.List();
        var sources = cache.Folders().ToDictionary(one => (one.Model, one.Version), one => one.Source);
        var (fetching, failures) = (fetcher.Fetching, fetcher.Failures);
        return Head(options, generation, at) with
        {
            Used = cache.Used.ToString(),
            Budget = cache.Budget.ToString(),
            UsedBytes = Told(cache.Used),
            BudgetBytes = Told(cache.Budget),
            FreeBytes = cache.FileSystemFree.TryGetKnown(out var free) ? Told(free) : null,
            ShortBytes = Told(cache.Shortfall),
            ArtifactCount = rows.Count(row => row.Complete),
            FetchCount = fetching.Count,
            Artifacts =
            [
                .. rows.OrderByDescending(row => row.LastUsed).ThenBy(row => row.Model).ThenBy(row => row.Version, StringComparer.Ordinal).Take(NodeModelCache.ArtifactsMax)
                    .OrderBy(row => row.Model).ThenBy(row => row.Version, StringComparer.Ordinal).Select(row => Copy(row, sources.GetValueOrDefault((row.Model, row.Version)), lost, fetcher)),
            ],
            Fetches =
            [
                .. fetching.Take(FetchesMax).Select(one => new NodeCacheFetch
                {
                    Model = one.Key.Model,
                    Version = one.Key.Version,
                    DoneBytes = one.Value.At.Done.Value,
                    TotalBytes = one.Value.At.Total?.Value,
                    StartedAt = Time(one.Value.StartedAt),
                }),
            ],
            Failures =
            [
                .. failures.Take(FailuresMax).Select(one => new NodeCacheFailure
                {
                    Model = one.Key.Model,
                    Version = one.Key.Version,
                    Message = StatusText.Of(one.Value.Why, 1000),
                    Count = one.Value.Count,
                    RetryAt = Time(one.Value.RetryAt),
                }),
            ],
            Conditions = [problem is null ? Ready(true, "Kept", "the cache is kept", generation, at) : Ready(false, "NotFollowed", problem, generation, at)],
        };
    }

    /// <summary>Of one that cannot be used, and why.</summary>
    public static NodeModelCacheStatus Of(string problem, NodeCacheAgentOptions options, long generation, DateTimeOffset at) => Head(options, generation, at) with
    {
        Artifacts = [],
        Fetches = [],
        Failures = [],
        Conditions = [Ready(false, "FolderUnusable", problem, generation, at)],
    };

    /// <summary>A time as it is written.</summary>
    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static long Told(Bytes bytes) => Math.Clamp(bytes.Value, 0, BytesMax);

    private static NodeModelCacheStatus Head(NodeCacheAgentOptions options, long generation, DateTimeOffset at) => new()
    {
        ObservedGeneration = generation,
        Heartbeat = Time(at),
        HeartbeatSeconds = (int)Math.Clamp(Math.Ceiling(options.Heartbeat.TotalSeconds), 1, 3600),
        Folder = options.HostFolder,
    };

    private static NodeCacheCopy Copy(
        CachedArtifact row, string? source, ImmutableDictionary<(string Model, string Version), string> lost, NodeCacheFetcher fetcher)
    {
        var fetched = fetcher.Fetched(row.Model.Value, row.Version);
        return new NodeCacheCopy
        {
            Model = row.Model.Value,
            Version = row.Version,
            Source = source,
            Path = source is null ? null : CacheLinks.PathOf(source, row.Version, out _),
            Problem = lost.TryGetValue((row.Model.Value, row.Version), out var why) ? StatusText.Of(why, 1000) : null,
            SizeBytes = row.Size.Value,
            Complete = row.Complete ? "True" : "False",
            Pinned = row.Pinned ? "True" : "False",
            LastUsed = row.LastUsed is { } used ? Time(used) : null,
            FetchedBytes = fetched?.Moved.Value,
            FetchSeconds = fetched is null ? null : Math.Round(fetched.Took.TotalSeconds, 3),
        };
    }

    private static V1Condition Ready(bool ready, string reason, string message, long generation, DateTimeOffset at) => new()
    {
        Type = ConditionTypes.Ready,
        Status = ready ? "True" : "False",
        Reason = reason,
        Message = StatusText.Of(message, 1000),
        LastTransitionTime = at.UtcDateTime,
        ObservedGeneration = generation,
    };
}
