using System.Collections.Immutable;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Caching;

/// <summary>
/// The disk tier of a node: whole artefacts, fetched from folders or http(s), each in a folder of its own with a manifest of
/// sizes and hashes. An unfinished one lies in a folder that ends in ".partial" and goes on where it was cut. One controller
/// at a time uses a cache folder.
/// </summary>
public sealed partial class ModelCache : IAsyncDisposable
{
    private const string Partial = ".partial";
    private const string Leaving = ".evicted";

    private readonly Lock _gate = new();
    private readonly ModelCacheOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly HttpMessageInvoker _http;
    private readonly ByteBucket _bucket;
    private readonly FileStream _lock;
    private readonly SortedDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private bool _disposed;

    private ModelCache(
        ModelCacheOptions options, FileStream held, TimeProvider time, ILogger log, IReadOnlyCollection<CacheUser> users)
    {
        (_options, _lock, _time, _log) = (options, held, time, log);
        _bucket = new ByteBucket(options.Bandwidth, time);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = options.Stall,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        });
        Scan(users);
        Budget = options.Budget ?? DefaultBudget();
    }

    /// <summary>Bytes it may hold.</summary>
    public Bytes Budget { get; }

    /// <summary>Bytes it holds, unfinished fetches included.</summary>
    public Bytes Used
    {
        get
        {
            lock (_gate) return Used_NeedsLock();
        }
    }

    /// <summary>What it may still take of its file system; missing when that cannot be told.</summary>
    public Signal<Bytes> FileSystemFree
    {
        get
        {
            try
            {
                var (free, size) = FileSystemFacts.Space(_options.Folder);
                return Signal.Known(Bytes.Max(Bytes.Zero, free - ReserveOf(size)), _time.GetUtcNow());
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                return Signal.Missing<Bytes>($"the file system of {_options.Folder} cannot be read: {e.Message}");
            }
        }
    }

    /// <summary>
    /// What of its file system is to stay free and others have taken: the cache can give it back by evicting. Zero while
    /// enough is free, and when that cannot be told.
    /// </summary>
    public Bytes Shortfall
    {
        get
        {
            try
            {
                var (free, size) = FileSystemFacts.Space(_options.Folder);
                return Bytes.Max(Bytes.Zero, ReserveOf(size) - free);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                return Bytes.Zero;
            }
        }
    }

    /// <summary>The whole artefacts, each with its folder, ordered by model and version.</summary>
    public ImmutableArray<CachedFolder> Folders()
    {
        lock (_gate)
            return
            [
                .. _entries.Values.Where(entry => entry.Manifest is not null)
                    .OrderBy(entry => entry.Model).ThenBy(entry => entry.Version, StringComparer.Ordinal)
                    .Select(entry => new CachedFolder(
                        entry.Model, entry.Version, entry.Manifest!.Source, Path.Combine(_options.Folder, entry.Name), entry.Manifest.CompletedAt)),
            ];
    }

    /// <summary>Opens or makes a cache folder; artefacts that are not what their manifest says are removed.</summary>
    /// <param name="options">Where, and how much.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Warnings.</param>
    /// <param name="users">Replicas that use an artefact already: pinned before anything can be removed.</param>
    /// <exception cref="ModelCacheException">The folder cannot be used, or another controller uses it.</exception>
    public static ModelCache Open(
        ModelCacheOptions options, TimeProvider time, ILogger log, IReadOnlyCollection<CacheUser>? users = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(log);
        options = options with { Folder = Path.GetFullPath(options.Folder) };
        FileStream held;
        try
        {
            Directory.CreateDirectory(options.Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelCacheException($"the model cache {options.Folder} cannot be made: {e.Message}", e);
        }

        try
        {
            held = new FileStream(Path.Combine(options.Folder, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelCacheException(
                $"the model cache {options.Folder} cannot be used: {e.Message}; another controller may use it, give this fleet its own", e);
        }

        try
        {
            return new ModelCache(options, held, time, log, users ?? []);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            held.Dispose();
            throw new ModelCacheException($"the model cache {options.Folder} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>What a cache that is made in a folder may hold where nothing else is said; null when that cannot be told.</summary>
    public static Bytes? DefaultBudget(string folder)
    {
        try
        {
            return NineTenths(FileSystemFacts.Space(folder).Free);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Where a whole artefact lies, a file or a folder as its source was; null when it is not there.</summary>
    public string? PathOf(ModelId model, string version)
    {
        lock (_gate) return _entries.TryGetValue(CacheNames.Of(model, version), out var entry) ? PathOf(entry) : null;
    }

    /// <summary>Everything in it, ordered by model and version.</summary>
    public ImmutableArray<CachedArtifact> List()
    {
        lock (_gate)
            return
            [
                .. _entries.Values.Where(entry => entry.Manifest is not null || entry.Size > 0 || entry.Fetch is not null)
                    .OrderBy(entry => entry.Model).ThenBy(entry => entry.Version, StringComparer.Ordinal)
                    .Select(entry => new CachedArtifact
                    {
                        Node = _options.Node,
                        Model = entry.Model,
                        Version = entry.Version,
                        Size = new Bytes(entry.Size),
                        Complete = entry.Manifest is not null,
                        Pinned = entry.Pins.Count > 0 || entry.Fetch is not null,
                        LastUsed = entry.LastUsed,
                    }),
            ];
    }

    /// <summary>Keeps an artefact from being evicted while a replica uses it. Not remembered: the fleet pins again when it adopts.</summary>
    /// <returns>False when the artefact is not there.</returns>
    public bool Pin(ModelId model, string version, ReplicaId replica)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(CacheNames.Of(model, version), out var entry) || entry.Manifest is null) return false;
            entry.Pins.Add(replica);
            Touch_NeedsLock(entry);
            return true;
        }
    }

    /// <summary>Lets go of whatever a replica used.</summary>
    public void Unpin(ReplicaId replica)
    {
        lock (_gate)
        {
            foreach (var entry in _entries.Values)
            {
                if (entry.Pins.Remove(replica)) Touch_NeedsLock(entry);
            }
        }
    }

    /// <summary>Removes an artefact, whole or unfinished.</summary>
    /// <returns>Null when it is gone, also when it was not there; else one sentence that says why it stays.</returns>
    public string? Evict(ModelId model, string version)
    {
        string leaving;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var name = CacheNames.Of(model, version);
            if (!_entries.TryGetValue(name, out var entry)) return null;
            if (entry.Pins.Count > 0) return $"{model}@{version} is in use by {string.Join(", ", entry.Pins.Order())}";
            if (entry.Fetch is not null) return $"{model}@{version} is being fetched";
            try
            {
                leaving = MoveAway(entry.Manifest is null ? name + Partial : name);
            }
            catch (DirectoryNotFoundException)
            {
                // Somebody else removed it.
                _entries.Remove(name);
                return null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return $"{model}@{version} cannot be removed: {e.Message}";
            }

            _entries.Remove(name);
        }

        return Remove(leaving);
    }

    /// <summary>Reads a whole artefact again and compares every hash; a damaged one that nobody uses is removed.</summary>
    /// <returns>Null when it is as fetched; else one sentence.</returns>
    public async Task<string?> VerifyAsync(ModelId model, string version, CancellationToken cancellationToken)
    {
        Entry? entry;
        lock (_gate) _entries.TryGetValue(CacheNames.Of(model, version), out entry);
        if (entry?.Manifest is not { } manifest) return $"{model}@{version} is not in the model cache";
        foreach (var file in manifest.Files)
        {
            string found;
            try
            {
                var stream = File.OpenRead(Path.Combine(_options.Folder, entry.Name, file.Name));
                await using var closing = stream.ConfigureAwait(false);
                found = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                found = e.Message;
            }

            if (found == file.Sha256) continue;
            var kept = Evict(model, version);
            return $"{file.Name} of {model}@{version} is damaged: its SHA-256 was {file.Sha256} and is {found}; "
                + (kept is null ? "the artefact was removed" : $"the artefact stays, because {kept}");
        }

        return null;
    }

    /// <summary>Ends fetches; what they brought is kept to go on with.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] ending;
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            var fetches = _entries.Values.Select(entry => entry.Fetch).OfType<Fetch>().ToArray();
            foreach (var fetch in fetches) fetch.End.Cancel();
            ending = [.. fetches.Select(fetch => fetch.Task)];
        }

        await Task.WhenAll(ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _http.Dispose();
        await _lock.DisposeAsync().ConfigureAwait(false);
    }

    private long Claimed_NeedsLock() => _entries.Values.Sum(entry => Math.Max(entry.Size, entry.Fetch?.Reserved ?? 0));

    private Bytes Used_NeedsLock() => new(_entries.Values.Sum(entry => entry.Size));

    private Bytes DefaultBudget()
    {
        var (free, size) = FileSystemFacts.Space(_options.Folder);
        return _options.KeepFree is null ? NineTenths(free + Used_NeedsLock()) : Bytes.Max(Bytes.Zero, free + Used_NeedsLock() - ReserveOf(size));
    }

    private static Bytes NineTenths(Bytes bytes) => new(bytes.Value / 10 * 9);

    private string? PathOf(Entry entry) => entry.Manifest is not { } manifest ? null
        : manifest.SingleFile ? Path.Combine(_options.Folder, entry.Name, manifest.Files[0].Name)
        : Path.Combine(_options.Folder, entry.Name);

    // The manifest's own time says when the artefact was last used; it survives a restart and costs one call.
    private void Touch_NeedsLock(Entry entry)
    {
        entry.LastUsed = _time.GetUtcNow();
        try
        {
            File.SetLastWriteTimeUtc(
                Path.Combine(_options.Folder, entry.Name, CacheManifest.FileName), entry.LastUsed.Value.UtcDateTime);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogUntouched(entry.Name, e.Message);
        }
    }

    private sealed class Entry(string name, ModelId model, string version)
    {
        public string Name { get; } = name;

        public ModelId Model { get; } = model;

        public string Version { get; } = version;

        /// <summary>Null while it is unfinished.</summary>
        public CacheManifest? Manifest { get; set; }

        public long Size { get; set; }

        public DateTimeOffset? LastUsed { get; set; }

        public HashSet<ReplicaId> Pins { get; init; } = [];

        public Fetch? Fetch { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "model cache: {Name} was not as its manifest says ({Why}) and was removed")]
    private partial void LogDamaged(string name, string why);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "model cache: {Name} is not as its manifest says ({Why}) and stays only because a replica uses it")]
    private partial void LogDamagedInUse(string name, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "model cache: {Name} could not be removed: {Why}")]
    private partial void LogNotRemoved(string name, string why);

    [LoggerMessage(Level = LogLevel.Debug, Message = "model cache: the last use of {Name} could not be noted: {Why}")]
    private partial void LogUntouched(string name, string why);
}
