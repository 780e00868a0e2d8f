using System.Collections.Immutable;

namespace Plimsoll.Caching;

public sealed partial class ModelCache
{
    // Left free on the file system, so that a fetch never is what fills it: 64 MiB, or 2 % of a small one.
    private static readonly Bytes MostReserve = Bytes.MiB(64);

    /// <summary>
    /// Brings an artefact here, or goes on bringing it. Calls for the same artefact share one fetch, which ends early
    /// only when all of them are cancelled; what came until then is kept.
    /// </summary>
    /// <returns>How it ended; a failure is a result with a sentence.</returns>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public async Task<FetchResult> FetchAsync(
        ModelId model, string version, FetchSpec spec, IProgress<FetchProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(version);
        ArgumentNullException.ThrowIfNull(spec);
        while (true)
        {
            Fetch fetch;
            bool ending;
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                var name = CacheNames.Of(model, version);
                if (!_entries.TryGetValue(name, out var entry)) _entries[name] = entry = new Entry(name, model, version);
                if (PathOf(entry) is { } there) return new FetchResult(there, Bytes.Zero, TimeSpan.Zero, null);
                if (entry.Fetch is null)
                {
                    entry.Fetch = new Fetch();
                    var mine = entry.Fetch;
                    mine.Task = Task.Run(() => RunAsync(entry, mine, spec), CancellationToken.None);
                }

                fetch = entry.Fetch;
                ending = fetch.Ending || fetch.End.IsCancellationRequested;
                if (!ending)
                {
                    fetch.Callers++;
                    if (progress is not null) fetch.Listeners = fetch.Listeners.Add(progress);
                }
            }

            if (ending)
            {
                // Another caller gave it up just now; what it brought is gone on with.
                await ((Task)fetch.Task).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
                continue;
            }

            try
            {
                return await fetch.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                bool last;
                // Marked before the gate opens: one who joined between that and the cancellation would be cancelled along.
                lock (_gate) last = fetch.Ending = --fetch.Callers == 0 && !fetch.Task.IsCompleted;
                if (last)
                {
                    await fetch.End.CancelAsync().ConfigureAwait(false);
                    await ((Task)fetch.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private async Task<FetchResult> RunAsync(Entry entry, Fetch fetch, FetchSpec spec)
    {
        var begun = _time.GetTimestamp();
        var folder = Path.Combine(_options.Folder, entry.Name + Partial);
        FetchRun? run = null;
        try
        {
            var source = FetchSource.Of(spec, _options, new HttpFetch(_http, _options.Stall, _time), _time, fetch.End.Token);
            run = new FetchRun(
                folder, spec, Begin(entry, folder, spec), _options, _bucket, _time,
                total => Reserve(entry, fetch, total), (done, total) => Report(entry, fetch, done, total));
            var files = await run.BringAsync(source, fetch.End.Token).ConfigureAwait(false);
            var path = Complete(entry, folder, spec, source.SingleFile, files);
            return Result(path, null);
        }
        catch (FetchFailedException trouble)
        {
            if (trouble.DropPartial) Drop(folder);
            return Result(null, trouble.Message);
        }
        catch (IOException full) when (FileSystemFacts.IsFull(full))
        {
            Drop(folder);
            return Result(null, $"the disk under {_options.Folder} is full; free some space");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Result(null, $"{_options.Folder} cannot be used: {e.Message}");
        }
        finally
        {
            lock (_gate)
            {
                entry.Fetch = null;
                if (entry.Manifest is null)
                {
                    entry.Size = Directory.Exists(folder) ? SizeOf(new DirectoryInfo(folder)) : 0;
                    if (entry.Size == 0) _entries.Remove(entry.Name);
                }
            }
        }

        FetchResult Result(string? path, string? why) =>
            new(path, new Bytes(run?.Moved ?? 0), _time.GetElapsedTime(begun), why);
    }

    private PartialState Begin(Entry entry, string folder, FetchSpec spec)
    {
        // What lies where the whole is to lie, and is no artefact that the cache knows.
        var whole = Path.Combine(_options.Folder, entry.Name);
        if (Directory.Exists(whole))
        {
            if (!File.Exists(Path.Combine(whole, CacheManifest.FileName)))
                throw new FetchFailedException($"{whole} is there and was not made by the model cache; moving it away would do");
            lock (_gate) Remove(MoveAway(entry.Name));
        }

        var stateFile = Path.Combine(folder, PartialState.FileName);
        if (CacheJson.Read(stateFile, CacheJson.Default.PartialState) is { } state && state.Source == FetchSource.Shown(spec.Source)) return state;

        // Halves of different sources do not make a whole.
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        state = new PartialState { Model = entry.Model.Value, Version = entry.Version, Source = FetchSource.Shown(spec.Source) };
        CacheJson.Write(stateFile, state, CacheJson.Default.PartialState);
        return state;
    }

    private string Complete(Entry entry, string folder, FetchSpec spec, bool singleFile, ImmutableArray<ManifestFile> files)
    {
        var manifest = new CacheManifest
        {
            Model = entry.Model.Value,
            Version = entry.Version,
            Source = FetchSource.Shown(spec.Source),
            SingleFile = singleFile,
            CompletedAt = _time.GetUtcNow(),
            Files = files,
        };
        CacheJson.Write(Path.Combine(folder, CacheManifest.FileName), manifest, CacheJson.Default.CacheManifest);
        FileSystemFacts.FlushFolder(folder);
        var whole = Path.Combine(_options.Folder, entry.Name);
        Directory.Move(folder, whole);
        FileSystemFacts.FlushFolder(_options.Folder);
        try
        {
            File.Delete(Path.Combine(whole, PartialState.FileName));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start tries again.
            LogNotRemoved(Path.Combine(whole, PartialState.FileName), e.Message);
        }

        lock (_gate)
        {
            entry.Manifest = manifest;
            entry.Size = manifest.Size.Value;
            entry.LastUsed = manifest.CompletedAt;
            return PathOf(entry)!;
        }
    }

    // Asked when the size is known and again at every mark, since others use the same disk.
    private void Reserve(Entry entry, Fetch fetch, long total)
    {
        var (free, size) = FileSystemFacts.Space(_options.Folder);
        var reserve = ReserveOf(size);
        lock (_gate)
        {
            var others = Claimed_NeedsLock() - Math.Max(entry.Size, fetch.Reserved);
            if (total > Budget.Value - others)
                throw new FetchFailedException(
                    $"{entry.Model}@{entry.Version} takes {new Bytes(total)}; the model cache may hold {Budget} and {new Bytes(others)} of it are taken");
            var coming = _entries.Values.Where(other => other != entry && other.Fetch is not null)
                .Sum(other => Math.Max(0, other.Fetch!.Reserved - other.Size));
            var missing = Math.Max(0, total - entry.Size) + coming + reserve.Value - free.Value;
            if (missing > 0)
                throw new FetchFailedException(
                    $"{entry.Model}@{entry.Version} takes {new Bytes(total - entry.Size)} more and the disk under {_options.Folder} has {free} free, "
                    + $"{reserve} of it to stay free; free {new Bytes(missing)} or more");
            fetch.Reserved = total;
        }
    }

    private Bytes ReserveOf(Bytes fileSystem) => _options.KeepFree?.Invoke(fileSystem) ?? Bytes.Min(MostReserve, new Bytes(fileSystem.Value / 50));

    private void Report(Entry entry, Fetch fetch, long done, long? total)
    {
        ImmutableArray<IProgress<FetchProgress>> listeners;
        lock (_gate)
        {
            // A resumed file is read again from its start; what lies behind it is still on the disk until it is cut.
            entry.Size = done;
            listeners = fetch.Listeners;
        }

        foreach (var listener in listeners)
            listener.Report(new FetchProgress(new Bytes(done), total is { } known ? new Bytes(known) : null));
    }

    private void Drop(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(folder, e.Message);
        }
    }

    private sealed class Fetch
    {
        public CancellationTokenSource End { get; } = new();

        public Task<FetchResult> Task { get; set; } = null!;

        public int Callers { get; set; }

        /// <summary>Its last caller gave it up: nobody joins it any more.</summary>
        public bool Ending { get; set; }

        public long Reserved { get; set; }

        public ImmutableArray<IProgress<FetchProgress>> Listeners { get; set; } = [];
    }
}
