using System.Net;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>A value to be written into one object; absolute, so that a second write of the same changes nothing more.</summary>
internal abstract record WriteRequest
{
    /// <summary>Whose value it is: of several writes to one only the newest counts.</summary>
    public abstract string Key { get; }

    /// <summary>The version of the object that it was asked for over.</summary>
    public abstract string Over { get; }
}

/// <summary>
/// Writes beside the turns, so many at a time and each object's one after the other, the newest only. A slow server keeps no plan
/// waiting: what is asked for counts as asked from then on, until the watch shows it or it should have.
/// </summary>
/// <param name="parts">What a fleet has.</param>
/// <param name="write">Writes one; tried again where the server says that somebody wrote meanwhile.</param>
internal sealed class WriteQueue<T>(KubernetesFleetParts parts, Func<T, CancellationToken, Task> write) where T : WriteRequest
{
    // What we wrote is believed for so long while the watch has not shown it; of a watch from which nothing came since then until its picture
    // is too old to decide on.
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BelievedUnheard = ClusterWatch.OutdatedAfter;

    // A server that is not slow has answered by then, and the turn can tell what came of it.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private const int WaitingMax = 100;
    private const int AtOnce = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, T> _waiting = new(StringComparer.Ordinal);
    private readonly Dictionary<string, T> _writing = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (T Request, long At)> _written = new(StringComparer.Ordinal);
    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private readonly List<(T Request, string Why, DateTimeOffset At)> _refused = [];
    private readonly List<Task> _writers = [];

    /// <summary>What was asked last and the watch does not show yet; null where what it shows is all there is.</summary>
    /// <param name="key">Whose value.</param>
    /// <param name="version">The object's version, as the watch shows it.</param>
    /// <param name="shows">What shows it; null where nobody tells whether anything came of it.</param>
    public T? Asked(string key, string version, IWatched? shows = null)
    {
        lock (_lock)
        {
            if (_waiting.TryGetValue(key, out var asked) || _writing.TryGetValue(key, out asked)) return asked;
            if (!_written.TryGetValue(key, out var written)) return null;
            var believed = shows is not null && !shows.HasHeardSince(written.At) ? BelievedUnheard : Believed;
            if (version == written.Request.Over && parts.Time.GetElapsedTime(written.At) < believed) return written.Request;
            _written.Remove(key);
            return null;
        }
    }

    /// <summary>What the server refused since the call before.</summary>
    public IReadOnlyList<(T Request, string Why, DateTimeOffset At)> TakeRefused()
    {
        lock (_lock)
        {
            var refused = _refused.ToArray();
            _refused.Clear();
            return refused;
        }
    }

    /// <summary>
    /// Has values written, and waits a moment for it. What is not begun of earlier requests is withdrawn where its object is
    /// not ours to write to any more.
    /// </summary>
    /// <param name="due">Requests of this turn.</param>
    /// <param name="ours">Keys of all that are ours to write to.</param>
    /// <param name="cancellationToken">Ends the writing, not only the wait.</param>
    /// <returns>Keys of those that are written or under way; what is left over is in the next plan too.</returns>
    public async Task<IReadOnlySet<string>> WriteAsync(IReadOnlyList<T> due, IReadOnlySet<string> ours, CancellationToken cancellationToken)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        Task[] ended, writers;
        lock (_lock)
        {
            foreach (var gone in _waiting.Keys.Where(key => !ours.Contains(key)).ToArray()) _waiting.Remove(gone);
            _failed.Clear();
            foreach (var request in due)
            {
                if (_waiting.Count >= WaitingMax && !_waiting.ContainsKey(request.Key)) continue;
                _waiting[request.Key] = request;
                taken.Add(request.Key);
            }

            ended = [.. _writers.Where(writer => writer.IsCompleted)];
            _writers.RemoveAll(writer => writer.IsCompleted);
            for (var missing = Math.Min(AtOnce - _writers.Count, _waiting.Count); missing > 0; missing--)
                _writers.Add(Task.Run(() => WriteAsync(cancellationToken), cancellationToken));
            writers = [.. _writers];
        }

        // A mistake of ours in an earlier one comes out here.
        await Task.WhenAll(ended).ConfigureAwait(false);
        if (taken.Count == 0) return taken;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(Task.WhenAll(writers), Task.Delay(Patience, parts.Time, enough.Token)).ConfigureAwait(false);
        await enough.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) taken.ExceptWith(_failed);
        return taken;
    }

    /// <summary>Waits until nothing is written any more; what it is written under is to be cancelled before.</summary>
    public async Task EndAsync()
    {
        Task[] writers;
        lock (_lock) writers = [.. _writers];
        await Task.WhenAll(writers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        while (Next() is { } request)
        {
            try
            {
                if (await TryAsync(request, cancellationToken).ConfigureAwait(false))
                {
                    lock (_lock) _written[request.Key] = (request, parts.Time.GetTimestamp());
                }
                else Fail(request, null);
            }
            catch (ApiException refused)
            {
                Fail(request, refused.Message);
            }
            finally
            {
                lock (_lock) _writing.Remove(request.Key);
            }
        }
    }

    // False where it may not be written any more.
    private async Task<bool> TryAsync(T request, CancellationToken cancellationToken)
    {
        for (var attempt = 0; parts.MayWrite(); attempt++)
        {
            try
            {
                await write(request, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (ApiException raced) when (raced.Status == HttpStatusCode.Conflict && attempt < 5)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20 << attempt), parts.Time, cancellationToken).ConfigureAwait(false);
            }
        }

        return false;
    }

    private T? Next()
    {
        lock (_lock)
        {
            var next = _waiting.Values.FirstOrDefault(request => !_writing.ContainsKey(request.Key));
            if (next is null) return null;
            _waiting.Remove(next.Key);
            _writing[next.Key] = next;
            return next;
        }
    }

    private void Fail(T request, string? why)
    {
        lock (_lock)
        {
            _failed.Add(request.Key);
            if (why is not null) _refused.Add((request, why, parts.Time.GetUtcNow()));
        }
    }
}
