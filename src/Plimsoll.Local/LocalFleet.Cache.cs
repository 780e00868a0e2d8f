namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    private static readonly TimeSpan CacheRetry = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan EvictRetry = TimeSpan.FromSeconds(30);

    private readonly SortedDictionary<StepId, CacheWork> _cacheWork = [];
    private readonly Dictionary<StepId, long> _evictFailed = [];
    private ModelCache? _cache;

    // Why there is no cache although one is wanted; null while all is well.
    private string? _cacheTrouble;

    // What the cache could hold that no model needs yet.
    private Bytes? _unopenedBudget;

    private string CacheFolder => Path.GetFullPath(_parts.Node.CacheFolder ?? "cache", _parts.StateFolder);

    /// <summary>
    /// Opens the cache where a model needs it or one is there already. A cache that cannot be opened stops a fleet that
    /// starts from nothing, where a sentence reaches somebody; it must not stop one whose replicas run.
    /// </summary>
    private void OpenCache()
    {
        if (!CacheWanted() && !Directory.Exists(CacheFolder))
        {
            _unopenedBudget = _parts.Node.CacheBudget ?? ModelCache.DefaultBudget(_parts.StateFolder);
            return;
        }

        if (TryOpenCache() is not { } unusable) return;
        if (CacheWanted() && _replicas.Count == 0) throw new LocalFleetException(unusable.Message, unusable);
        lock (_gate) DoWithoutCache_NeedsLock(unusable.Message);
    }

    // A fleet that runs may take its first cached model when its file is read again.
    private void OpenCacheWhenWanted_NeedsLock()
    {
        if (_cache is null && _cacheTrouble is null && CacheWanted() && TryOpenCache() is { } unusable)
            DoWithoutCache_NeedsLock(unusable.Message);
    }

    private bool CacheWanted() => _parts.Spec().Models.Any(model => model.Cached);

    private ModelCacheException? TryOpenCache()
    {
        try
        {
            _cache = ModelCache.Open(CacheOptions(), _time, _log, CacheUsers());
            return null;
        }
        catch (ModelCacheException unusable)
        {
            return unusable;
        }
    }

    private void DoWithoutCache_NeedsLock(string why)
    {
        LogCacheUnusable(why);
        _cacheTrouble = why;
        Send_NeedsLock(ReopenCacheAsync());
    }

    private async Task ReopenCacheAsync()
    {
        while (true)
        {
            try
            {
                await Task.Delay(CacheRetry, _time, _end).ConfigureAwait(false);
                var users = CacheUsers();
                var cache = ModelCache.Open(CacheOptions(), _time, _log, users);
                lock (_gate)
                {
                    foreach (var user in users.Where(user => !_replicas.ContainsKey(user.Replica))) cache.Unpin(user.Replica);
                    (_cache, _cacheTrouble) = (cache, null);
                    SignalChange_NeedsLock();
                    return;
                }
            }
            catch (ModelCacheException)
            {
                // Still not; what runs goes on without it.
            }
            catch (OperationCanceledException) when (_end.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private ModelCacheOptions CacheOptions() => new()
    {
        Folder = CacheFolder,
        Node = Node,
        Budget = _parts.Node.CacheBudget,
        Bandwidth = _parts.Node.FetchBandwidth,
    };

    private List<CacheUser> CacheUsers()
    {
        lock (_gate)
            return [.. _replicas.Values.Where(replica => replica.Record.Cached)
                .Select(replica => new CacheUser(replica.Record.Model, replica.Record.Version, replica.Id))];
    }

    // Without its cache the fleet still knows how large it is to be, so that no model is refused for good.
    private Bytes? CacheBudgetNow() => _cache?.Budget
        ?? (_cacheTrouble is null ? _unopenedBudget
            : _parts.Node.CacheBudget ?? new Bytes(_parts.Spec().Models.Select(model => model.Footprint.OnDisk.Value).DefaultIfEmpty(0).Max()));

    private Signal<Bytes> CacheFreeNow() =>
        _cache?.FileSystemFree ?? (_cacheTrouble is { } why ? Signal.Missing<Bytes>(why) : default);

    /// <summary>Where the artefact lies; one in the cache is pinned for the replica. Else a sentence why it is not there.</summary>
    private (string? Path, string? Why) TakeArtifact_NeedsLock(Step.Start start, LaunchSpec launch)
    {
        if (launch.ModelPath is { } given)
        {
            var inPlace = Path.GetFullPath(given);
            return Path.Exists(inPlace) ? (inPlace, null) : (null, $"{start.Model}'s artefact {inPlace} is not there");
        }

        if (_cache is not { } cache)
            return (null, $"{start.Model}'s artefact is to come from the model cache, and {_cacheTrouble ?? "this fleet has none"}");
        if (!cache.Pin(start.Model, start.Version, start.Replica) || cache.PathOf(start.Model, start.Version) is not { } path)
            return (null, $"{start.Model}'s artefact is not in the model cache yet");
        if (Path.Exists(path)) return (path, null);

        // Somebody removed it behind our back: forgotten here, it is fetched again.
        cache.Unpin(start.Replica);
        cache.Evict(start.Model, start.Version);
        return (null, $"{start.Model}'s artefact was removed from the model cache, {path} is not there; it is fetched again");
    }

    private bool BeginPrefetch_NeedsLock(Step.Prefetch step)
    {
        if (_cacheWork.ContainsKey(step.Id)) return false;
        if (_cache is not { } cache) return Failed_NeedsLock(step, step.Model, _cacheTrouble ?? "this fleet has no model cache");
        if (cache.PathOf(step.Model, step.Version) is not null) return false;
        if (_parts.Fetch(step.Model) is not { } source)
            return Failed_NeedsLock(step, step.Model, $"{step.Model} cannot be fetched: its source did not answer when this fleet started; start it again");
        var work = new CacheWork(step.Id, WorkKind.Fetching, step.Model, step.Version, step.Size, _time);
        _cacheWork.Add(step.Id, work);
        LogFetching(step.Model, source.Shown);
        Send_NeedsLock(FetchAsync(cache, step, source, work));
        return true;
    }

    private async Task FetchAsync(ModelCache cache, Step.Prefetch step, FetchSpec source, CacheWork work)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(_end);
        lock (_gate) work.Ending = ending;
        try
        {
            var result = await cache.FetchAsync(step.Model, step.Version, source, work, ending.Token).ConfigureAwait(false);
            lock (_gate)
            {
                if (result.Why is { } why)
                {
                    Failed_NeedsLock(step, step.Model, why);
                    return;
                }

                _outcomes.Add(new Outcome.Fetched
                {
                    At = _time.GetUtcNow(),
                    Model = step.Model,
                    Version = step.Version,
                    Node = Node,
                    Moved = result.Moved,
                    Took = result.Took,
                });
                SignalChange_NeedsLock();
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // What came is kept; the next controller, or the model when it is back, goes on from there.
        }
        finally
        {
            lock (_gate) _cacheWork.Remove(step.Id);
        }
    }

    // What nobody asks for any more, as its model was removed or has another version, takes bandwidth and disk from what is.
    private void EndUnwantedFetches_NeedsLock()
    {
        if (_cacheWork.Count == 0) return;
        var spec = _parts.Spec();
        foreach (var work in _cacheWork.Values)
        {
            if (work.Ending is not { IsCancellationRequested: false } ending
                || spec.Find(work.Model) is { Cached: true } model && model.Version == work.Version)
                continue;
            LogFetchEnded(work.Model, work.Version);
            // Its end takes the gate too, so it comes from another thread.
            Send_NeedsLock(ending.CancelAsync());
        }
    }

    private bool BeginEvict_NeedsLock(Step.Evict step)
    {
        if (_cacheWork.ContainsKey(step.Id)) return false;
        if (_evictFailed.TryGetValue(step.Id, out var failed) && _time.GetElapsedTime(failed) < EvictRetry) return false;
        if (_cache is not { } cache) return Failed_NeedsLock(step, null, _cacheTrouble ?? "this fleet has no model cache");
        _cacheWork.Add(step.Id, new CacheWork(step.Id, WorkKind.Evicting, step.Model, step.Version, step.Size, _time));
        // Removing gigabytes takes some disks seconds, which nobody may wait for.
        Send_NeedsLock(Task.Run(() => Evict(cache, step), CancellationToken.None));
        return true;
    }

    private void Evict(ModelCache cache, Step.Evict step)
    {
        var why = cache.Evict(step.Model, step.Version);
        lock (_gate)
        {
            _cacheWork.Remove(step.Id);
            _evictFailed.Remove(step.Id);
            if (why is null)
            {
                LogEvicted(step.Model, step.Version, step.Size);
                SignalChange_NeedsLock();
                return;
            }

            // It is no fault of the model's that its copy stays, so no model waits longer for it.
            _evictFailed[step.Id] = _time.GetTimestamp();
            Failed_NeedsLock(step, null, why);
        }
    }

    // A client that is told to come back need not do so before the weights are here.
    private TimeSpan? FetchLeft_NeedsLock(ModelId model, DateTimeOffset now) => _cacheWork.Values
        .Select(work => work.Row(now)).FirstOrDefault(row => row.Kind == WorkKind.Fetching && row.Model == model)?.ExpectedEnd - now;

    /// <summary>A fetch or an eviction at work. Reports come from the fetch's own thread, each swapped in whole.</summary>
    private sealed class CacheWork(StepId step, WorkKind kind, ModelId model, string version, Bytes size, TimeProvider time) : IProgress<FetchProgress>
    {
        private static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(200);
        private static readonly TimeSpan LongestLeft = TimeSpan.FromDays(30);
        private readonly DateTimeOffset _startedAt = time.GetUtcNow();
        private volatile Seen? _seen;

        public ModelId Model => model;

        public string Version => version;

        /// <summary>Ends it before it is done, while it is at work; null for what cannot be ended. Guarded by the fleet's gate.</summary>
        public CancellationTokenSource? Ending { get; set; }

        public void Report(FetchProgress value)
        {
            // What an earlier controller brought says nothing of today's rate; a source that begins again starts anew.
            _seen = _seen is { } before && value.Done >= before.First.Done
                ? before with { Last = value } : new Seen(value, time.GetTimestamp(), value);
        }

        public WorkInFlight Row(DateTimeOffset now) => new()
        {
            Step = step,
            Kind = kind,
            StartedAt = _startedAt,
            ExpectedEnd = ExpectedEnd(now),
            Model = model,
            Node = LocalFleet.Node,
            Done = kind == WorkKind.Fetching ? _seen?.Last.Done ?? Bytes.Zero : null,
            Total = _seen?.Last.Total ?? size,
        };

        private DateTimeOffset? ExpectedEnd(DateTimeOffset now)
        {
            if (_seen is not { } seen || time.GetElapsedTime(seen.FirstTimestamp) is var since && since < ShortestLook) return null;
            var moved = seen.Last.Done.Value - seen.First.Done.Value;
            var left = Math.Max(0, (seen.Last.Total ?? size).Value - seen.Last.Done.Value);
            if (moved <= 0) return null;
            var seconds = since.TotalSeconds * left / moved;
            return seconds > LongestLeft.TotalSeconds ? null : now + TimeSpan.FromSeconds(seconds);
        }

        private sealed record Seen(FetchProgress First, long FirstTimestamp, FetchProgress Last);
    }
}
