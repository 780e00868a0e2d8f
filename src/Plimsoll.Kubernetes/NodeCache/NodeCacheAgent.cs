using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Caching;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>The agent's object is gone, or another's: this one ends, and its pod with it when the node is gone.</summary>
public sealed class NodeCacheGoneException(string message) : Exception(message);

/// <summary>
/// Keeps the model cache of one node as its NodeModelCache asks, and tells there what it has. It knows of no pod and no plan:
/// it fetches what is wanted, removes what is to be evicted and leaves all else alone, so that the same request, or one
/// that comes late, does nothing twice.
/// </summary>
public sealed class NodeCacheAgent(NodeCacheAgentOptions options, KubernetesApi api, TimeProvider time, Action<string> log)
{
    private static readonly TimeSpan FolderRetry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WriteRetry = TimeSpan.FromSeconds(5);

    private readonly string _path = $"{NodeCacheWatch.Path}/{options.Node}";
    private readonly string _startedAt = NodeCacheReport.Time(time.GetUtcNow());
    private readonly CacheLinks _links = new(Path.GetFullPath(options.Folder));
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableDictionary<(string Model, string Version), string> _lost = ImmutableDictionary<(string, string), string>.Empty;
    private string _told = "", _said = "";
    private long _toldAt;
    private TimeSpan _beat;
    private (string Status, DateTimeOffset Since) _ready = ("", default);

    /// <summary>Keeps the cache until cancelled.</summary>
    /// <exception cref="ApiException">Its object cannot be made or watched.</exception>
    /// <exception cref="NodeCacheGoneException">Its object was deleted.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var uid = await EnsureAsync(cancellationToken).ConfigureAwait(false);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var list = new WatchedList<NodeModelCache>(
            api, NodeCacheWatch.Path, item => k8s.KubernetesJson.Deserialize<NodeModelCache>(item), Changed, time, $"metadata.name={options.Node}");
        var watching = Task.Run(() => list.RunAsync(ending.Token), CancellationToken.None);
        try
        {
            while (!list.Synced)
            {
                await Task.WhenAny(Volatile.Read(ref _changed).Task, Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken)).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                if (!list.Synced && list.Problem is { } problem && list.SinceHeard > ClusterWatch.OutdatedAfter) throw new ApiException($"{list.Path} could not be listed: {problem}");
            }

            await KeepAsync(list, uid, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task KeepAsync(WatchedList<NodeModelCache> list, string uid, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (cache, problem) = Open();
            if (cache is not null)
            {
                await using (cache.ConfigureAwait(false))
                {
                    var fetcher = new NodeCacheFetcher(cache, options, time, Changed, log);
                    await using (fetcher.ConfigureAwait(false)) await FollowAsync(list, uid, cache, fetcher, cancellationToken).ConfigureAwait(false);
                }
            }

            var asked = Current(list, uid);
            await TellAsync(NodeCacheReport.Of(problem!, options, asked.Metadata.Generation ?? 0, time.GetUtcNow()), uid, cancellationToken).ConfigureAwait(false);
            await Task.Delay(FolderRetry, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task FollowAsync(WatchedList<NodeModelCache> list, string uid, ModelCache cache, NodeCacheFetcher fetcher, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = Volatile.Read(ref _changed).Task;
            var asked = Current(list, uid);
            // What is out of bounds is not what an operator writes, and nothing of it is done.
            var check = new FieldCheck();
            if (asked.Spec is { } spec) check.Group(spec, "spec");
            var problem = check.Any ? $"nothing of what is asked is done: {check.Problems[0]}"
                : await ReconcileAsync(asked.Spec ?? new NodeModelCacheSpec(), cache, fetcher).ConfigureAwait(false);
            if (problem is not null) Say(problem);
            var status = NodeCacheReport.Of(cache, fetcher, options, problem, _lost, asked.Metadata.Generation ?? 0, time.GetUtcNow());
            var wait = await TellAsync(status, uid, cancellationToken).ConfigureAwait(false);
            if (fetcher.NextRetry is { } retry && retry - time.GetUtcNow() is var left && left < wait) wait = left;
            if (wait < options.Pace) wait = options.Pace;
            await Task.Delay(options.Pace, time, cancellationToken).ConfigureAwait(false);
            if (wait > options.Pace)
                await Task.WhenAny(changed, Task.Delay(wait - options.Pace, time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    // Says what keeps pods from finding what is there; null when nothing does.
    private async Task<string?> ReconcileAsync(NodeModelCacheSpec asked, ModelCache cache, NodeCacheFetcher fetcher)
    {
        var wanted = asked.Artifacts ?? [];
        // What an earlier agent was asked to remove may be in use by now; the operator asks again once it knows of this one.
        var evict = (asked.Agent == _startedAt ? asked.Evict ?? [] : []).Select(key => (Model: key.Model!, Version: key.Version!)).ToHashSet();
        // Named in both lists it is wanted: to keep too much is the lesser mistake.
        evict.ExceptWith(wanted.Select(one => (one.Model!, one.Version!)));
        await fetcher.EndOthersAsync(wanted, evict).ConfigureAwait(false);
        (var unlinked, _lost) = _links.Follow(cache.Folders().Where(one => !evict.Contains((one.Model.Value, one.Version))));
        foreach (var row in cache.List().Where(row => evict.Contains((row.Model.Value, row.Version)) && fetcher.MayTry(row.Model.Value, row.Version)))
        {
            if (cache.Evict(row.Model, row.Version) is { } why) fetcher.Failed(row.Model.Value, row.Version, why);
            else log($"evicted {row.Model}@{row.Version} ({row.Size})");
        }

        fetcher.Begin(wanted);
        return unlinked;
    }

    // Tells what a person or a plan must learn of at once; of bytes and the time that passes, only now and then.
    private async Task<TimeSpan> TellAsync(NodeModelCacheStatus status, string uid, CancellationToken cancellationToken)
    {
        status = status with { StartedAt = _startedAt };
        var essence = Essence(status);
        var due = status.Fetches is { Count: > 0 } ? Min(options.Progress, _beat) : _beat;
        var since = time.GetElapsedTime(_toldAt);
        if (_told == essence && since < due) return Min(due - since, options.Progress);
        var ready = status.Conditions![0];
        if (_ready.Status != ready.Status) _ready = (ready.Status, time.GetUtcNow());
        ready.LastTransitionTime = _ready.Since.UtcDateTime;
        try
        {
            using var written = await api.PatchAsync(_path + "/status", Body(status, uid), PatchKind.Merge, cancellationToken).ConfigureAwait(false);
            (_told, _toldAt, _beat) = (essence, time.GetTimestamp(), Jitter.Around(options.Heartbeat * 0.85, 0.15));
            return Min(due, options.Progress);
        }
        catch (ApiException gone) when (gone.Status is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
        {
            throw new NodeCacheGoneException("the node's NodeModelCache was deleted; a new start makes it anew");
        }
        catch (ApiException refused)
        {
            Say($"its status could not be written: {Own(refused.Message)}");
            return Min(WriteRetry, options.Progress);
        }
    }

    // All fields, absent ones as null: a merge leaves alone what it does not name.
    private static byte[] Body(NodeModelCacheStatus status, string uid)
    {
        var written = JsonSerializer.SerializeToNode(status, ResourceJson.Options)!.AsObject();
        foreach (var field in Field.Of(typeof(NodeModelCacheStatus)).Where(field => !written.ContainsKey(field.Name))) written[field.Name] = null;
        var body = new JsonObject { ["metadata"] = new JsonObject { ["uid"] = uid }, ["status"] = written };
        return JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject);
    }

    private static string Essence(NodeModelCacheStatus status) => string.Join('\n',
    [
        string.Create(CultureInfo.InvariantCulture, $"{status.ObservedGeneration} {status.BudgetBytes} {status.ShortBytes > 0} {status.FreeBytes / Math.Max(1, (status.BudgetBytes ?? 0) / 20)}"),
        status.Conditions![0].Status + status.Conditions[0].Message,
        .. (status.Artifacts ?? []).Select(copy => $"{copy.Model}@{copy.Version} {copy.Complete} {copy.Pinned} {copy.Problem}"),
        .. (status.Fetches ?? []).Select(fetch => $"{fetch.Model}@{fetch.Version}"),
        .. (status.Failures ?? []).Select(failure => $"{failure.Model}@{failure.Version} {failure.Message}"),
    ]);

    private async Task<string> EnsureAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var there = await api.FindAsync(_path, cancellationToken).ConfigureAwait(false);
            if (there?.RootElement.At("metadata")?.Text("uid") is { } uid) return uid;
            var made = new JsonObject
            {
                ["apiVersion"] = ResourceGroup.ApiVersion,
                ["kind"] = NodeModelCache.KubeKind,
                ["metadata"] = new JsonObject { ["name"] = options.Node, ["labels"] = new JsonObject { ["app.kubernetes.io/name"] = "plimsoll" } },
                ["spec"] = new JsonObject(),
            };
            try
            {
                using var created = await api.CreateAsync(NodeCacheWatch.Path, JsonSerializer.SerializeToUtf8Bytes(made, BodyJson.Default.JsonObject), cancellationToken).ConfigureAwait(false);
                if (created.RootElement.At("metadata")?.Text("uid") is { } fresh) return fresh;
            }
            catch (ApiException raced) when (raced.Status == HttpStatusCode.Conflict && attempt < 5)
            {
                // It is there now.
            }
        }
    }

    private void Changed() =>
        Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private void Say(string line)
    {
        if (_said != line) log(line);
        _said = line;
    }

    /// <summary>What the API server refuses is said of the operator's role, which is not this one's.</summary>
    public static string Own(string message) => message.Replace("the operator's role", "the node cache's role", StringComparison.Ordinal);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private (ModelCache? Cache, string? Problem) Open()
    {
        try
        {
            return (ModelCache.Open(
                new ModelCacheOptions
                {
                    Folder = Path.Combine(Path.GetFullPath(options.Folder), CachePaths.Artifacts),
                    Node = new NodeId(options.Node),
                    Budget = options.Budget,
                    KeepFree = options.KeepFree,
                    Bandwidth = options.Bandwidth,
                    Sources = options.Sources,
                }, time, NullLogger.Instance), null);
        }
        catch (ModelCacheException unusable)
        {
            return (null, unusable.Message);
        }
    }

    private static NodeModelCache Current(WatchedList<NodeModelCache> list, string uid) =>
        list.Items.Values.FirstOrDefault() is { } asked && asked.Metadata.Uid == uid ? asked
            : throw new NodeCacheGoneException("the node's NodeModelCache was deleted; a new start makes it anew");
}
