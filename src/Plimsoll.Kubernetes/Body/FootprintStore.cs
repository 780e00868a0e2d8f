using System.Collections.Concurrent;
using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.Body;

/// <summary>What is known of a source's weight.</summary>
/// <param name="Footprint">Null while nobody knows.</param>
/// <param name="Shown">The source as it may be shown.</param>
/// <param name="Problem">Why not, in a sentence; null while it is being read, and when it was.</param>
public sealed record WeighedSource(Footprint? Footprint, string Shown, string? Problem);

/// <summary>
/// Weighs sources by their headers, in the background: a hub that hangs must hold up neither the planning of others nor their reading,
/// so there is a bound for each host below that for all. What was read is kept; what failed is tried again, less and less often. What a leader before weighed is known at once, and read anew behind that.
/// </summary>
public sealed class FootprintStore(SourceSettings settings, TimeProvider time) : IDisposable
{
    private const int AtOnce = 16;
    private const int AtOnceOfHost = 4;
    private const int SourcesMax = 20_000;
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan ReadTimeMax = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _turn = new(AtOnce);

    // No more than there are sources.
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _turns = new(StringComparer.Ordinal);
    private static readonly TimeSpan KeptUnnamed = TimeSpan.FromHours(1);

    private long _weighed;
    private long _restored;
    private volatile Dictionary<string, KeptFootprint> _before = [];
    private readonly CancellationTokenSource _ending = new();

    /// <summary>Called when something became known.</summary>
    public Action? Changed { get; set; }

    /// <summary>Grows with each source that came out otherwise than it was known.</summary>
    public long Weighed => Interlocked.Read(ref _weighed);

    /// <summary>What was weighed and is named, ordered by key; for an hour what was taken over too, as models that cannot be looked at now may come back.</summary>
    public IEnumerable<KeptFootprint> Kept
    {
        get
        {
            var kept = new SortedDictionary<string, KeptFootprint>(StringComparer.Ordinal);
            foreach (var (source, entry) in _entries)
                if (entry.Result.Footprint is { } weighed) kept[KeptFootprint.KeyOf(source)] = new KeptFootprint(KeptFootprint.KeyOf(source), entry.Result.Shown, weighed);
            if (time.GetElapsedTime(Interlocked.Read(ref _restored)) < KeptUnnamed)
                foreach (var (key, before) in _before) kept.TryAdd(key, before);
            return kept.Values;
        }
    }

    /// <summary>Takes over what was weighed before, of what it does not know itself.</summary>
    public void Restore(IEnumerable<KeptFootprint> kept)
    {
        ArgumentNullException.ThrowIfNull(kept);
        Interlocked.Exchange(ref _restored, time.GetTimestamp());
        _before = kept.Take(SourcesMax).GroupBy(one => one.Key, StringComparer.Ordinal).ToDictionary(one => one.Key, one => one.First(), StringComparer.Ordinal);
    }

    /// <summary>What is known now; starts to read what is not.</summary>
    public WeighedSource Find(string source)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(source, out var known) && (known.Result is { Problem: null } || known.Reading || now < known.NotBefore))
            return known.Result;
        if (known is null && _before.Count > 0 && _before.GetValueOrDefault(KeptFootprint.KeyOf(source)) is { } kept)
            known = new Entry(new WeighedSource(kept.Footprint, kept.Shown, null), Reading: false, 0, 0);
        if (!_entries.ContainsKey(source) && _entries.Count >= SourcesMax)
            return new WeighedSource(null, "", $"more than {SourcesMax} sources are named; fewer would do");
        var entry = new Entry(known?.Result ?? new WeighedSource(null, SourceAddress.ShownOf(source), null), Reading: true, known?.Failures ?? 0, 0);
        _entries[source] = entry;
        _ = Task.Run(() => ReadAsync(source, entry, _ending.Token));
        return entry.Result;
    }

    public void Dispose()
    {
        _ending.Cancel();
        _ending.Dispose();
        _turn.Dispose();
        foreach (var turn in _turns.Values) turn.Dispose();
    }

    private async Task ReadAsync(string source, Entry before, CancellationToken ending)
    {
        try
        {
            // The host's first: whoever waits for one that hangs keeps no place of the others.
            var host = _turns.GetOrAdd(HostOf(source), _ => new SemaphoreSlim(AtOnceOfHost));
            var read = await InTurnAsync(host, () => InTurnAsync(_turn, () => LimitedAsync(source, ending), ending), ending).ConfigureAwait(false);
            _entries[source] = new Entry(read, Reading: false, 0, 0);
            if (!Equals(read.Footprint, before.Result.Footprint)) Interlocked.Increment(ref _weighed);
        }
        catch (Exception failed) when (failed is ArtifactException or OperationCanceledException && !ending.IsCancellationRequested)
        {
            var problem = failed is ArtifactException ? failed.Message : $"it could not be read in {Durations.Show(ReadTimeMax)}";
            var failures = Math.Min(before.Failures + 1, 16);
            var pause = TimeSpan.FromSeconds(5 * Math.Pow(2, failures - 1));
            pause = pause < LongestRetry ? pause : LongestRetry;
            _entries[source] = new Entry(
                before.Result with { Problem = problem }, Reading: false, failures, time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency));
        }
        catch (Exception ended) when (ended is OperationCanceledException or ObjectDisposedException)
        {
            return;
        }

        Changed?.Invoke();
    }

    private static async Task<WeighedSource> InTurnAsync(SemaphoreSlim turn, Func<Task<WeighedSource>> read, CancellationToken ending)
    {
        await turn.WaitAsync(ending).ConfigureAwait(false);
        try
        {
            return await read().ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    // Readers block while they wait: on threads of their own, that what else the operator does has the pool's.
    private async Task<WeighedSource> LimitedAsync(string source, CancellationToken ending)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ending);
        limit.CancelAfter(ReadTimeMax);
        return await Task.Factory.StartNew(() => Read(source, limit.Token), ending, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
    }

    // Of hubs and buckets the kind: the environment says where they are.
    private static string HostOf(string source)
    {
        try
        {
            return SourceAddress.Parse(source) switch
            {
                SourceAddress.Web web => web.Url.Authority,
                SourceAddress.Bucket bucket => bucket.Scheme,
                SourceAddress.Hub => "hf",
                _ => "",
            };
        }
        catch (ArtifactException)
        {
            return "";
        }
    }

    // A ScaledModel comes from a stranger: nothing of this machine is read for it.
    private WeighedSource Read(string source, CancellationToken cancellationToken)
    {
        if (!SourceAddress.IsAddress(source))
            throw new ArtifactException("the source is a path of some machine, which the operator does not read; an address such as hf://org/name, or weights, would do.");
        using var found = ArtifactSource.Open(SourceAddress.Parse(source), settings, time, cancellationToken);
        if (found.LocalPath is not null && !source.StartsWith("hf:", StringComparison.OrdinalIgnoreCase))
            throw new ArtifactException($"{found.Shown} lies on a volume, which the operator does not read; an address such as hf://org/name, or weights, would do.");
        return new WeighedSource(ArtifactWeigher.Weigh(found).Footprint, found.Shown, null);
    }

    private sealed record Entry(WeighedSource Result, bool Reading, int Failures, long NotBefore);
}
