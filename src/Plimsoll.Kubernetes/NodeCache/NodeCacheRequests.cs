using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// What is asked of one agent: artefacts to have and to remove, by model and version, and of which agent removals are asked.
/// </summary>
internal sealed record NodeCacheRequest(
    ImmutableSortedDictionary<(string, string), NodeCacheArtifact> Wanted, ImmutableSortedSet<(string, string)> Evict, string? Agent)
{
    private static readonly IComparer<(string, string)> ByKey = Comparer<(string, string)>.Create((a, b) =>
        string.CompareOrdinal(a.Item1, b.Item1) is not 0 and var order ? order : string.CompareOrdinal(a.Item2, b.Item2));

    public static NodeCacheRequest Of(NodeCacheView view) => new(
        view.Wanted.GroupBy(one => (one.Model!, one.Version!)).ToImmutableSortedDictionary(group => group.Key, group => group.First(), ByKey),
        view.Evict.Select(one => (one.Model!, one.Version!)).ToImmutableSortedSet(ByKey), view.Agent);

    /// <summary>Asked of this agent; of none where nothing is to be removed.</summary>
    public NodeCacheRequest AskedOf(string? agent) => this with { Agent = Evict.IsEmpty ? null : agent };

    /// <summary>Without the removal of what is in use by now.</summary>
    public NodeCacheRequest Without(CacheUses uses, NodeCacheView view)
    {
        var sources = (view.Status?.Artifacts ?? []).ToDictionary(copy => (copy.Model!, copy.Version!), copy => copy.Source);
        return this with
        {
            Evict = Evict.Except(Evict.Where(key => uses.InUse(
                view.Node, ModelId.Of(key.Item1), key.Item2, Wanted.GetValueOrDefault(key)?.Source ?? sources.GetValueOrDefault(key)))),
        };
    }

    public bool Same(NodeCacheRequest other) => Agent == other.Agent && Evict.SetEquals(other.Evict) && Wanted.Count == other.Wanted.Count
        && Wanted.All(one => other.Wanted.TryGetValue(one.Key, out var there) && there == one.Value);
}

/// <summary>
/// Writes what is asked of agents into the spec of their NodeModelCaches. A spec is the whole of what is asked, so that one
/// that is written again, by this leader or the next, has nothing done twice.
/// </summary>
internal sealed class NodeCacheRequests(ClusterWatch cluster, TimeProvider time, Action<string> log)
{
    private const int WritesMax = 50;

    // What we wrote is believed for so long while the watch has not shown it.
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, (long Generation, NodeCacheRequest Request, long At)> _written = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _refused = new(StringComparer.Ordinal);

    /// <summary>What is asked of an agent, ours included that the watch has yet to show.</summary>
    public NodeCacheRequest SpecOf(NodeCacheView view)
    {
        if (!_written.TryGetValue(view.Uid, out var written)) return view.Request;
        if (view.Generation < written.Generation && time.GetElapsedTime(written.At) < Believed) return written.Request;
        _written.TryRemove(view.Uid, out _);
        return view.Request;
    }

    /// <param name="plan">What is to be done.</param>
    /// <param name="known">The caches that are known, by node.</param>
    /// <param name="silent">Those of agents that are not heard of: of them nothing is asked, but a removal is withdrawn.</param>
    /// <param name="uses">What pods use.</param>
    /// <param name="models">Whose plan is acted on, and where weights come from.</param>
    /// <param name="most">The most that may be done for any model.</param>
    /// <param name="mayWrite">False once another may lead.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The steps that an agent has been asked for.</returns>
    public async Task<IReadOnlyCollection<StepId>> ApplyAsync(
        Plan plan, ImmutableSortedDictionary<string, NodeCacheView> known, ImmutableArray<NodeCacheView> silent, CacheUses uses,
        ImmutableArray<ResolvedModel> models, FleetMode most, Func<bool> mayWrite, CancellationToken cancellationToken)
    {
        if ((known.IsEmpty && silent.IsEmpty) || most != FleetMode.Act) return [];
        var byId = models.ToDictionary(model => model.Id);
        var steps = plan.Steps.Where(step => step.After.IsEmpty && step is Step.Prefetch or Step.Evict).ToLookup(NodeOf);
        var begun = new ConcurrentBag<StepId>();
        var due = new List<(NodeCacheView View, NodeCacheRequest Request, StepId[] Steps)>();
        foreach (var view in silent)
        {
            var before = SpecOf(view);
            if (before.Without(uses, view) is var after && !after.Same(before)) due.Add((view, after, []));
        }

        foreach (var (node, view) in known)
        {
            if (steps[node].Any() || view.Owner is null || view.Evict.Length > 0 || view.Wanted.Length > 0)
            {
                var before = SpecOf(view);
                var (after, done) = Change(Settled(before, view, byId).Without(uses, view), steps[node], byId);
                after = after.AskedOf(view.Status!.StartedAt);
                if (!after.Same(before) || view.Owner is null && !_written.ContainsKey(view.Uid)) due.Add((view, after, done));
                else foreach (var step in done) begun.Add(step);
            }
        }

        await Parallel.ForEachAsync(
            due.Take(WritesMax), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (one, token) =>
            {
                if (mayWrite() && await WriteAsync(one.View, one.Request, token).ConfigureAwait(false))
                {
                    foreach (var step in one.Steps) begun.Add(step);
                }
            }).ConfigureAwait(false);
        return begun;
    }

    // What is over is asked for no more: removals that have happened, and fetches that nobody wants any longer.
    private static NodeCacheRequest Settled(NodeCacheRequest before, NodeCacheView view, Dictionary<ModelId, ResolvedModel> models)
    {
        var copies = (view.Status!.Artifacts ?? []).ToDictionary(copy => (copy.Model!, copy.Version!));
        var seen = view.Status.ObservedGeneration >= view.Generation;
        return new NodeCacheRequest(
            before.Wanted.RemoveRange(before.Wanted.Keys.Where(key => copies.GetValueOrDefault(key)?.Complete != "True" && Unwanted(key, models))),
            before.Evict.Except(before.Evict.Where(key => seen && !copies.ContainsKey(key))), before.Agent);
    }

    // A model that cannot be planned just now may be again in a moment.
    private static bool Unwanted((string Model, string Version) key, Dictionary<ModelId, ResolvedModel> models) =>
        !models.TryGetValue(ModelId.Of(key.Model), out var model) || model.Spec is { } spec && (spec.Version != key.Version || !spec.Cached);

    private static (NodeCacheRequest After, StepId[] Done) Change(NodeCacheRequest before, IEnumerable<Step> steps, Dictionary<ModelId, ResolvedModel> models)
    {
        var (wanted, evict, done) = (before.Wanted, before.Evict, new List<StepId>());
        foreach (var step in steps)
        {
            if (step is Step.Prefetch fetch && models.TryGetValue(fetch.Model, out var model) && model is { Spec.Acts: true, CacheSource: { } source }
                && (wanted.Count < NodeModelCache.ArtifactsMax || wanted.ContainsKey((fetch.Model.Value, fetch.Version))))
            {
                (string, string) key = (fetch.Model.Value, fetch.Version);
                wanted = wanted.SetItem(key, new NodeCacheArtifact { Model = key.Item1, Version = key.Item2, Source = source, SizeBytes = fetch.Size.Value });
                evict = evict.Remove(key);
                done.Add(step.Id);
            }
            else if (step is Step.Evict remove && (!models.TryGetValue(remove.Model, out var owner) || owner.Spec is { Acts: true }) && evict.Count < NodeModelCache.ArtifactsMax)
            {
                wanted = wanted.Remove((remove.Model.Value, remove.Version));
                evict = evict.Add((remove.Model.Value, remove.Version));
                done.Add(step.Id);
            }
        }

        return (new NodeCacheRequest(wanted, evict, before.Agent), [.. done]);
    }

    private async Task<bool> WriteAsync(NodeCacheView view, NodeCacheRequest request, CancellationToken cancellationToken)
    {
        var node = cluster.Nodes.Items.GetValueOrDefault(new ObjectName("", view.Node));
        var body = new JsonObject
        {
            ["apiVersion"] = ResourceGroup.ApiVersion,
            ["kind"] = NodeModelCache.KubeKind,
            ["metadata"] = new JsonObject
            {
                // Of another uid is another cache, of which nothing is known yet.
                ["name"] = view.Node,
                ["uid"] = view.Uid,
                // It goes with its node.
                ["ownerReferences"] = node is null ? new JsonArray()
                    : new JsonArray(new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Node", ["name"] = node.Name, ["uid"] = node.Uid }),
            },
            ["spec"] = JsonSerializer.SerializeToNode(new NodeModelCacheSpec
            {
                Artifacts = [.. request.Wanted.Values],
                Evict = [.. request.Evict.Select(key => new NodeCacheKey { Model = key.Item1, Version = key.Item2 })],
                Agent = request.Agent,
            }, ResourceJson.Options),
        };
        try
        {
            using var written = await cluster.Api.PatchAsync(
                $"{NodeCacheWatch.Path}/{view.Node}", JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
            var generation = written.RootElement.At("metadata")?.At("generation") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var now) ? now : view.Generation;
            _written[view.Uid] = (generation, request, time.GetTimestamp());
            _refused.TryRemove(view.Node, out _);
            return true;
        }
        catch (ApiException refused)
        {
            if (!_refused.TryGetValue(view.Node, out var before) || before != refused.Message) log($"the model cache of {view.Node} could not be asked: {refused.Message}");
            _refused[view.Node] = refused.Message;
            return false;
        }
    }

    private static string NodeOf(Step step) => step switch
    {
        Step.Prefetch fetch => fetch.Node.Value,
        Step.Evict evict => evict.Node.Value,
        _ => "",
    };
}
