using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Replicas to be written for one target.</summary>
/// <param name="Target">What is scaled.</param>
/// <param name="Replicas">As many as there are to be; absolute, so that a second write of the same changes nothing more.</param>
internal sealed record ScaleRequest(ResolvedModel Target, int Replicas)
{
    public string Key { get; } = SnapshotBuilder.KeyOf(Target.Workload!);
}

/// <summary>
/// Writes replicas into scale subresources, so many at a time and each target's one after the other, the newest number only.
/// A slow server keeps no plan waiting: what is asked for counts as asked from then on, and is written beside the turns.
/// </summary>
internal sealed class ScaleWriter(KubernetesFleetParts parts)
{
    // What we wrote is believed for so long while the watch has not shown it.
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(10);

    // A server that is not slow has answered by then, and the turn can tell what came of it.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private const int WaitingMax = 100;
    private const int AtOnce = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ScaleRequest> _waiting = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ScaleRequest> _writing = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Replicas, string Over, long At)> _written = new(StringComparer.Ordinal);
    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private readonly List<(ModelId Model, string Why, DateTimeOffset At)> _refused = [];
    private readonly List<Task> _writers = [];

    /// <summary>Replicas the target is asked for: what we ask, until the watch shows it or it should have.</summary>
    public int Asked(ResolvedModel target)
    {
        var workload = target.Workload!;
        var key = SnapshotBuilder.KeyOf(workload);
        lock (_lock)
        {
            if (_waiting.TryGetValue(key, out var asked) || _writing.TryGetValue(key, out asked)) return asked.Replicas;
            if (!_written.TryGetValue(key, out var written)) return workload.Replicas;
            if (workload.ResourceVersion == written.Over && parts.Time.GetElapsedTime(written.At) < Believed) return written.Replicas;
            _written.Remove(key);
            return workload.Replicas;
        }
    }

    /// <summary>What the server refused since the call before.</summary>
    public IReadOnlyList<(ModelId Model, string Why, DateTimeOffset At)> TakeRefused()
    {
        lock (_lock)
        {
            var refused = _refused.ToArray();
            _refused.Clear();
            return refused;
        }
    }

    /// <summary>
    /// Has replicas written, and waits a moment for it. What is not begun of earlier requests is withdrawn where its target is
    /// not ours to scale any more.
    /// </summary>
    /// <param name="due">Requests of this turn.</param>
    /// <param name="ours">Keys of all targets that are ours to scale.</param>
    /// <param name="cancellationToken">Ends the writing, not only the wait.</param>
    /// <returns>Keys of those that are written or under way; what is left over is in the next plan too.</returns>
    public async Task<IReadOnlySet<string>> WriteAsync(
        IReadOnlyList<ScaleRequest> due, IReadOnlySet<string> ours, CancellationToken cancellationToken)
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
                var done = await PatchAsync(request, cancellationToken).ConfigureAwait(false);
                if (!done) Fail(request, null);
            }
            catch (ApiException refused)
            {
                parts.Log($"{request.Target.Id}: {refused.Message}");
                Fail(request, refused.Message);
            }
            finally
            {
                lock (_lock) _writing.Remove(request.Key);
            }
        }
    }

    private ScaleRequest? Next()
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

    private void Fail(ScaleRequest request, string? why)
    {
        lock (_lock)
        {
            _failed.Add(request.Key);
            if (why is not null) _refused.Add((request.Target.Id, why, parts.Time.GetUtcNow()));
        }
    }

    // False where it may not be written any more.
    private async Task<bool> PatchAsync(ScaleRequest request, CancellationToken cancellationToken)
    {
        var workload = request.Target.Workload!;
        var body = Encoding.UTF8.GetBytes(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = request.Replicas } }.ToJsonString());
        for (var attempt = 0; parts.MayWrite(); attempt++)
        {
            try
            {
                using var written = await parts.Cluster.Api.PatchAsync(request.Target.ScalePath!, body, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
                lock (_lock) _written[request.Key] = (request.Replicas, workload.ResourceVersion, parts.Time.GetTimestamp());
                parts.Log($"{request.Target.Id}: {workload.Kind} {workload.Name.Name} is asked for {request.Replicas} replicas");
                return true;
            }
            catch (ApiException raced) when (raced.Status == HttpStatusCode.Conflict && attempt < 5)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20 << attempt), parts.Time, cancellationToken).ConfigureAwait(false);
            }
        }

        return false;
    }
}
