using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Plimsoll.Caching;

/// <summary>
/// Brings the files of one artefact into its unfinished folder. Every so many bytes it flushes what is here and marks it with
/// its hash; a fetch that was cut, killed or lost its machine goes on from the last mark, after reading that far again.
/// </summary>
/// <param name="folder">The unfinished folder.</param>
/// <param name="spec">What is asked for.</param>
/// <param name="state">How far an earlier fetch came.</param>
/// <param name="options">Bounds and paces.</param>
/// <param name="bucket">The rate limit shared by all fetches.</param>
/// <param name="time">The clock for pauses and stalls.</param>
/// <param name="reserve">Called with the bytes the artefact takes in all; throws when there is no room.</param>
/// <param name="report">Told how far it is.</param>
internal sealed class FetchRun(
    string folder, FetchSpec spec, PartialState state, ModelCacheOptions options, ByteBucket bucket, TimeProvider time,
    Action<long> reserve, Action<long, long?> report)
{
    private const int Piece = 64 * 1024;
    private const int MostTries = 1000;

    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(30);

    private readonly string _shown = FetchSource.Shown(spec.Source);
    private PartialState _state = state;
    private long _finished;
    private long? _total;
    private SourceFile? _last;
    private long _furthest;
    private long _unmarked;
    private long _lastMark = time.GetTimestamp();

    /// <summary>Bytes this run brought.</summary>
    public long Moved { get; private set; }

    public async Task<ImmutableArray<ManifestFile>> BringAsync(FetchSource source, CancellationToken cancellationToken)
    {
        foreach (var name in spec.Sha256.Keys)
        {
            if (!source.Files.Any(file => file.Name == name))
                throw new FetchFailedException(
                    $"a SHA-256 is given for {name}, which {_shown} does not have; its first file is {source.Files[0].Name}");
        }

        _total = source.Files.All(file => file.Length is not null) ? source.Files.Sum(file => file.Length!.Value) : null;
        if (_total is { } known) reserve(known);
        _last = source.Files[^1];
        RemoveStrangers(source);
        var files = ImmutableArray.CreateBuilder<ManifestFile>();
        try
        {
            foreach (var file in source.Files)
            {
                files.Add(await BringAsync(file, cancellationToken).ConfigureAwait(false));
                _finished += files[^1].Size;
            }
        }
        catch (IOException full) when (FileSystemFacts.IsFull(full))
        {
            throw new FetchFailedException(
                $"the disk under {options.Folder} is full after {new Bytes(_finished + _furthest)} of {_shown}; what was fetched "
                + "of it is removed, free some space", dropPartial: true);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new FetchFailedException($"{options.Folder} cannot be written: {e.Message}");
        }

        return files.ToImmutable();
    }

    private async Task<ManifestFile> BringAsync(SourceFile file, CancellationToken cancellationToken)
    {
        _furthest = 0;
        for (var (tries, fruitless) = (1, 0); ; tries++)
        {
            var (before, asked) = (_furthest, TimeSpan.Zero);
            try
            {
                return await TryAsync(file, cancellationToken).ConfigureAwait(false);
            }
            catch (FetchFailedException trouble) when (trouble.Transient)
            {
                asked = trouble.Pause;
                if (trouble.DropPartial) _state = _state with { Files = _state.Files.Remove(file.Name) };
                fruitless = _furthest > before ? 0 : fruitless + 1;
                if (fruitless >= options.FruitlessTries || tries >= MostTries)
                    throw new FetchFailedException($"{trouble.Message}; given up after {tries} tries");
            }

            var pause = options.Backoff * Math.Pow(2, Math.Min(fruitless, 10));
            if (asked > pause) pause = asked;
            await Task.Delay(pause < LongestBackoff ? pause : LongestBackoff, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<ManifestFile> TryAsync(SourceFile file, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, file.Name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var local = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 1);
        await using var closing = local.ConfigureAwait(false);
        var marked = _state.Files.GetValueOrDefault(file.Name);
        var offset = Resume(local, marked, hash, cancellationToken);
        var expected = spec.Sha256.GetValueOrDefault(file.Name) ?? file.Sha256;
        if (offset > 0 && marked!.Whole)
        {
            if (expected is not null) return Finish(file, path, local, hash, expected, marked.Validator, resumed: true);

            // Only its source knows whether it is still the same, and is asked for the last byte of it.
            offset--;
            Again(local, offset, hash, cancellationToken);
        }

        var source = await file.OpenAsync(offset, marked?.Validator, expected is not null, cancellationToken).ConfigureAwait(false);
        await using var closingSource = source.ConfigureAwait(false);
        CheckVersion(file, source);
        var resumed = offset > 0 && source.StartsAt == offset;
        if (!resumed)
        {
            offset = 0;
            _ = hash.GetHashAndReset();
        }

        local.SetLength(offset);
        local.Position = offset;
        if (_total is null && source.Length is { } length)
        {
            // Of several files only the last one's tells what all of them take.
            if (file == _last) _total = _finished + length;
            reserve(_finished + length);
        }

        try
        {
            await PourAsync(file, source, local, hash, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is FetchFailedException or OperationCanceledException)
        {
            if (e is not FetchFailedException { DropPartial: true }) Mark(file, local, hash, source.Validator, whole: false, save: true);
            throw;
        }

        return Finish(file, path, local, hash, expected ?? source.Sha256, source.Validator, resumed);
    }

    // What was weighed is what the plan has room for, and what the version names.
    private void CheckVersion(SourceFile file, SourceStream source)
    {
        var name = file.Name;
        if (file.Length is { } listed && source.Length is { } sent && listed != sent && spec.Files.IsEmpty)
            throw new FetchFailedException($"{name} from {_shown} has {sent} bytes where its listing says {listed}", dropPartial: true);
        if (spec.Files.FirstOrDefault(one => one.Name == name) is not { } weighed) return;
        var resized = weighed.Size is { } size && source.Length is { } length && length != size.Value;
        var changed = weighed.Validator is { } validator && (file.Validator ?? source.Validator) is { } now && now != validator;
        if (resized || changed)
            throw new FetchFailedException(
                $"{name} from {_shown} changed since it was weighed; {spec.WhenChanged}",
                dropPartial: true);
    }

    // Reads what was marked again: a file that changed on our disk must not become half of a whole one.
    private static long Resume(FileStream local, PartialFile? marked, IncrementalHash hash, CancellationToken cancellationToken)
    {
        if (marked is null || local.Length < marked.Marked || marked.Marked < 0) return 0;
        var buffer = new byte[Piece];
        for (var left = marked.Marked; left > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = local.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
            if (read == 0) break;
            hash.AppendData(buffer, 0, read);
            left -= read;
        }

        if (Convert.ToHexStringLower(hash.GetCurrentHash()) == marked.Sha256) return marked.Marked;
        _ = hash.GetHashAndReset();
        return 0;
    }

    // The hash of so many bytes from the first on.
    private static void Again(FileStream local, long bytes, IncrementalHash hash, CancellationToken cancellationToken)
    {
        _ = hash.GetHashAndReset();
        local.Position = 0;
        var buffer = new byte[Piece];
        for (var left = bytes; left > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = local.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
            if (read == 0) throw new IOException($"{local.Name} became shorter while it was read");
            hash.AppendData(buffer, 0, read);
            left -= read;
        }
    }

    private async Task PourAsync(
        SourceFile file, SourceStream source, FileStream local, IncrementalHash hash, CancellationToken cancellationToken)
    {
        // An answer that ends with its connection does not tell its length, nor that it was cut: what was listed or weighed does.
        var whole = source.Length ?? file.Length ?? spec.Files.FirstOrDefault(one => one.Name == file.Name)?.Size?.Value;
        var buffer = new byte[bucket.Piece(Piece)];
        using var patience = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        Report(local.Position);
        while (true)
        {
            int read;
            try
            {
                patience.CancelAfter(options.Stall);
                read = await source.Stream.ReadAsync(buffer, either.Token).ConfigureAwait(false);
                patience.CancelAfter(Timeout.InfiniteTimeSpan);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new FetchFailedException(
                    $"{file.Name} from {_shown} stalled for {Durations.Show(options.Stall)} at {new Bytes(local.Position)}", transient: true);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                throw new FetchFailedException(
                    $"{file.Name} from {_shown} was cut at {new Bytes(local.Position)}: {e.Message}", transient: true);
            }

            if (read == 0) break;
            if (whole is { } most && local.Position + read > most)
                throw new FetchFailedException($"{file.Name} from {_shown} is longer than the {most} bytes it was said to be", dropPartial: true);
            local.Write(buffer, 0, read);
            hash.AppendData(buffer, 0, read);
            Moved += read;
            _unmarked += read;
            Report(local.Position);
            if (_unmarked >= options.MarkEvery.Value || time.GetElapsedTime(_lastMark) >= options.MarkAfter)
            {
                Mark(file, local, hash, source.Validator, whole: false, save: true);
                reserve(Math.Max(_total ?? 0, _finished + Math.Max(local.Position, source.Length ?? local.Position + options.MarkEvery.Value)));
            }

            await bucket.TakeAsync(read, cancellationToken).ConfigureAwait(false);
        }

        if (whole is { } all && local.Position != all)
            throw new FetchFailedException($"{file.Name} from {_shown} ended after {local.Position} of {all} bytes", transient: true);
    }

    private ManifestFile Finish(
        SourceFile file, string path, FileStream local, IncrementalHash hash, string? expected, string? validator, bool resumed)
    {
        var sha = Convert.ToHexStringLower(hash.GetCurrentHash());
        if (expected is not null && !string.Equals(sha, expected, StringComparison.OrdinalIgnoreCase))
            throw new FetchFailedException(
                $"{file.Name} from {_shown} is corrupt and was refused: its SHA-256 is {sha}, expected is {expected}",
                // Two halves may not belong together; a whole that is wrong stays wrong.
                transient: resumed, dropPartial: true);
        Mark(file, local, hash, validator, whole: true, save: _unmarked >= options.MarkEvery.Value);
        return new ManifestFile(file.Name, local.Length, sha, File.GetLastWriteTimeUtc(path));
    }

    private void Mark(SourceFile file, FileStream local, IncrementalHash hash, string? validator, bool whole, bool save)
    {
        local.Flush(flushToDisk: true);
        _state = _state with
        {
            Files = _state.Files.SetItem(file.Name, new PartialFile(
                validator, local.Position, Convert.ToHexStringLower(hash.GetCurrentHash()), whole)),
        };
        if (!save) return;
        CacheJson.Write(Path.Combine(folder, PartialState.FileName), _state, CacheJson.Default.PartialState);
        (_unmarked, _lastMark) = (0, time.GetTimestamp());
    }

    private void Report(long position)
    {
        _furthest = Math.Max(_furthest, position);
        report(_finished + position, _total);
    }

    // Files of an earlier look at the source that are not of it any more would ride along.
    private void RemoveStrangers(FetchSource source)
    {
        var wanted = source.Files.Select(file => Path.Combine(folder, file.Name)).ToHashSet(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }))
        {
            if (!wanted.Contains(path) && Path.GetFileName(path) != PartialState.FileName) File.Delete(path);
        }
    }
}
