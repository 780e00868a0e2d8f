using System.Collections.Immutable;
using Plimsoll.Artifacts;
using Plimsoll.Caching;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>Fetches what is wanted, so many at once, and tries again what failed, less and less often.</summary>
internal sealed class NodeCacheFetcher(ModelCache cache, NodeCacheAgentOptions options, TimeProvider time, Action changed, Action<string> log) : IAsyncDisposable
{
    private const int FailuresMax = 64;
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string, string), Running> _running = [];
    private readonly Dictionary<(string, string), Failure> _failures = [];
    private readonly Dictionary<(string, string), FetchResult> _fetched = [];

    /// <summary>One that failed.</summary>
    public sealed record Failure(string Why, int Count, DateTimeOffset RetryAt);

    /// <summary>How far one is.</summary>
    public sealed class Running(DateTimeOffset startedAt) : IProgress<FetchProgress>, IDisposable
    {
        private readonly CancellationTokenSource _end = new();
        private volatile FetchProgress _at = new(Bytes.Zero, null);

        public DateTimeOffset StartedAt { get; } = startedAt;

        public FetchProgress At => _at;

        public Task Task { get; set; } = Task.CompletedTask;

        /// <summary>Cancelled when it is to end.</summary>
        public CancellationToken End => _end.Token;

        public void Report(FetchProgress value) => _at = value;

        public async Task EndAsync()
        {
            try
            {
                await _end.CancelAsync().ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                // It has ended by itself.
            }

            await Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        public void Dispose() => _end.Dispose();
    }

    public ImmutableSortedDictionary<(string Model, string Version), Running> Fetching
    {
        get
        {
            lock (_gate) return _running.ToImmutableSortedDictionary();
        }
    }

    public ImmutableSortedDictionary<(string Model, string Version), Failure> Failures
    {
        get
        {
            lock (_gate) return _failures.ToImmutableSortedDictionary();
        }
    }

    /// <summary>When the next failed one is tried again; null when none failed.</summary>
    public DateTimeOffset? NextRetry
    {
        get
        {
            lock (_gate) return _failures.Count == 0 ? null : _failures.Values.Min(failure => failure.RetryAt);
        }
    }

    public FetchResult? Fetched(string model, string version)
    {
        lock (_gate) return _fetched.GetValueOrDefault((model, version));
    }

    /// <summary>Whether it did not fail just now.</summary>
    public bool MayTry(string model, string version)
    {
        lock (_gate) return !_failures.TryGetValue((model, version), out var failure) || failure.RetryAt <= time.GetUtcNow();
    }

    /// <summary>Ends fetches of what is not wanted any more, and forgets failures of what is neither wanted nor to go.</summary>
    public async Task EndOthersAsync(IReadOnlyList<NodeCacheArtifact> wanted, IReadOnlySet<(string, string)> evict)
    {
        var keys = wanted.Select(one => (one.Model!, one.Version!)).ToHashSet();
        Running[] ending;
        lock (_gate)
        {
            ending = [.. _running.Where(one => !keys.Contains(one.Key)).Select(one => one.Value)];
            foreach (var gone in _failures.Keys.Where(key => !keys.Contains(key) && !evict.Contains(key)).ToArray()) _failures.Remove(gone);
            foreach (var gone in _fetched.Keys.Where(key => !keys.Contains(key)).ToArray()) _fetched.Remove(gone);
        }

        foreach (var one in ending) await one.EndAsync().ConfigureAwait(false);
    }

    /// <summary>Begins what is wanted and not there, in the order it is named.</summary>
    public void Begin(IReadOnlyList<NodeCacheArtifact> wanted)
    {
        foreach (var one in wanted)
        {
            var key = (one.Model!, one.Version!);
            if (cache.PathOf(ModelId.Of(one.Model!), one.Version!) is not null || !MayTry(one.Model!, one.Version!)) continue;
            lock (_gate)
            {
                if (_running.Count >= options.FetchesAtOnce) return;
                if (_running.ContainsKey(key)) continue;
                var running = _running[key] = new Running(time.GetUtcNow());
                running.Task = Task.Run(() => FetchAsync(key, one, running), CancellationToken.None);
            }
        }
    }

    /// <summary>Notes that something else could not be done, to be tried again.</summary>
    public void Failed(string model, string version, string why)
    {
        lock (_gate)
        {
            var count = Math.Min((_failures.GetValueOrDefault((model, version))?.Count ?? 0) + 1, 1000);
            var pause = options.Retry * Math.Pow(2, Math.Min(count - 1, 10));
            if (_failures.Count < FailuresMax || count > 1)
                _failures[(model, version)] = new Failure(why, count, time.GetUtcNow() + (pause < LongestRetry ? pause : LongestRetry));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var one in Fetching.Values) await one.EndAsync().ConfigureAwait(false);
    }

    private async Task FetchAsync((string Model, string Version) key, NodeCacheArtifact wanted, Running running)
    {
        try
        {
            log($"fetching {key.Model}@{key.Version} from {wanted.Source}");
            var spec = Weigh(wanted, running.End);
            var result = await cache.FetchAsync(ModelId.Of(key.Model), key.Version, spec, running, running.End).ConfigureAwait(false);
            if (result.Why is { } why) throw new ArtifactException(why);
            lock (_gate)
            {
                _failures.Remove(key);
                _fetched[key] = result;
            }

            log($"fetched {key.Model}@{key.Version}: {result.Moved} in {Durations.Show(result.Took)}");
        }
        catch (ArtifactException failed)
        {
            Failed(key.Model, key.Version, failed.Message);
            log($"{key.Model}@{key.Version} could not be fetched: {failed.Message}");
        }
        catch (OperationCanceledException) when (running.End.IsCancellationRequested)
        {
            // What came is kept, to go on from.
        }
        finally
        {
            lock (_gate) _running.Remove(key);
            running.Dispose();
            changed();
        }
    }

    // Weighed again here: what is fetched must be what the plan has room for, under the version that names it.
    private FetchSpec Weigh(NodeCacheArtifact wanted, CancellationToken cancellationToken)
    {
        var address = SourceAddress.Parse(wanted.Source!);
        if (address is not (SourceAddress.Web or SourceAddress.Bucket or SourceAddress.Hub))
            throw new ArtifactException($"{address.Shown} is no address of https, s3, gs or hf");
        using var found = ArtifactSource.Open(address, options.Sources, time, cancellationToken);
        var weighed = ArtifactWeigher.Weigh(found);
        var version = Body.ModelResolver.VersionOf(weighed.Footprint);
        if (version != wanted.Version)
            throw new ArtifactException($"{found.Shown} is not what the operator weighed: its version is {version}, and {wanted.Version} is wanted; an address of one revision, or a new start of the operator, would do");
        var files = weighed.Files.IsDefault ? [] : weighed.Files;
        if (!weighed.IsFolder && !files.IsEmpty && address is SourceAddress.Web { Url: var url }) files = files.SetItem(0, files[0] with { Name = FetchSpec.FileNameOf(url) });
        return new FetchSpec
        {
            Source = wanted.Source!,
            IsFolder = weighed.IsFolder,
            Files = [.. files.Select(file => new FetchFile(file.Name, new Bytes(file.Bytes), file.Validator))],
            WhenChanged = "a new start of the operator takes the new version",
        };
    }
}
