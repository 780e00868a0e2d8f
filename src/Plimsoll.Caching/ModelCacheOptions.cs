using Plimsoll.Artifacts;

namespace Plimsoll.Caching;

/// <summary>Bounds and paces of a model cache.</summary>
public sealed record ModelCacheOptions
{
    public required string Folder { get; init; }

    /// <summary>The node its rows are of.</summary>
    public required NodeId Node { get; init; }

    /// <summary>Bytes it may hold, unfinished fetches included; null is nine tenths of what is free or its own already.</summary>
    public Bytes? Budget { get; init; }

    /// <summary>What is to stay free of a file system of this size; null keeps 64 MiB, or 2 % of a small one.</summary>
    public Func<Bytes, Bytes>? KeepFree { get; init; }

    /// <summary>All fetches together; null is no limit.</summary>
    public BytesPerSecond? Bandwidth { get; init; }

    /// <summary>A transfer that brings nothing for this long is cut and tried again.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Tries in a row that bring nothing, before a fetch fails.</summary>
    public int FruitlessTries { get; init; } = 5;

    /// <summary>Pause after the first fruitless try; doubles up to thirty seconds.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Bytes between two marks: what a killed fetch may have to bring again.</summary>
    public Bytes MarkEvery { get; init; } = Bytes.MiB(16);

    /// <summary>A slow fetch marks at least this often.</summary>
    public TimeSpan MarkAfter { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Files of one artefact at the most.</summary>
    public int MostFiles { get; init; } = 10_000;

    /// <summary>Endpoints and tokens of stores; those of this process unless said otherwise.</summary>
    public SourceSettings Sources { get; init; } = SourceSettings.OfProcess;
}

/// <summary>A replica that uses an artefact of the cache.</summary>
public sealed record CacheUser(ModelId Model, string Version, ReplicaId Replica);

/// <summary>A whole artefact of the cache.</summary>
/// <param name="Model">Whose.</param>
/// <param name="Version">Its version.</param>
/// <param name="Source">Where it came from, as it may be shown.</param>
/// <param name="Folder">Where its files lie, with the cache's manifest beside them.</param>
/// <param name="CompletedAt">When it was whole.</param>
public sealed record CachedFolder(ModelId Model, string Version, string Source, string Folder, DateTimeOffset CompletedAt);

/// <summary>How far a fetch is. <paramref name="Total"/> is null until the source has told.</summary>
public sealed record FetchProgress(Bytes Done, Bytes? Total);

/// <summary>How a fetch ended.</summary>
/// <param name="Path">The artefact, a file or a folder as its source is; null when it failed.</param>
/// <param name="Moved">Bytes this fetch brought; less than the artefact's size when it resumed.</param>
/// <param name="Took">From the call to its end.</param>
/// <param name="Why">One sentence when it failed; null when it is there.</param>
public sealed record FetchResult(string? Path, Bytes Moved, TimeSpan Took, string? Why);

/// <summary>A model cache that cannot be opened; the message is one sentence that says what would do.</summary>
public sealed class ModelCacheException : Exception
{
    public ModelCacheException(string message)
        : base(message)
    {
    }

    public ModelCacheException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public ModelCacheException()
    {
    }
}

/// <summary>Why a fetch cannot go on; the message is the sentence its outcome carries.</summary>
internal sealed class FetchFailedException(string message, bool transient = false, bool dropPartial = false) : Exception(message)
{
    /// <summary>Trying again may do.</summary>
    public bool Transient { get; } = transient;

    /// <summary>What was fetched so far is worthless or in the way.</summary>
    public bool DropPartial { get; } = dropPartial;

    /// <summary>The pause the source asked for; zero when it asked for none.</summary>
    public TimeSpan Pause { get; private init; }

    public static FetchFailedException Of(ArtifactException why, TimeSpan? pause = null) =>
        new(why.Message.TrimEnd('.'), transient: why.Unreachable) { Pause = pause ?? TimeSpan.Zero };
}
