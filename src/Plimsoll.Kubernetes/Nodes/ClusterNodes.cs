using System.Collections.Immutable;
using System.Net;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>
/// What the cluster's body does about nodes: it reads the pools, shows placeholders as requests for nodes and not as pods,
/// applies and deletes them as the plan says, and has pods protected. It makes no machine: whoever adds nodes to the
/// cluster does so for a placeholder as for any pod that finds no place.
/// </summary>
internal sealed class ClusterNodes(KubernetesFleetParts parts)
{
    // What we wrote is believed for so long while the watch has not shown it.
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(10);

    private readonly PodProtection _protection = new(parts);
    private readonly Dictionary<string, (NodeRequest Request, long At)> _written = new(StringComparer.Ordinal);
    private readonly HashSet<string> _met = new(StringComparer.Ordinal);
    private ImmutableHashSet<string>? _ready;
    private readonly HashSet<string> _said = new(StringComparer.Ordinal);
    private ImmutableArray<OfferedPool> _pools = [];
    private ImmutableArray<(PodView Pod, NodeRequest Request)> _placeholders = [];
    private FleetSettings _fleet = new();
    private FleetResource? _resource;
    private bool _unreadable;

    /// <summary>Reads the Fleet's pools.</summary>
    /// <returns>A node, empty, of each.</returns>
    public ImmutableArray<NodeView> Read(FleetSettings fleet, FleetResource? resource)
    {
        (_fleet, _resource) = (fleet, resource);
        _unreadable = resource is not null && !FleetSettings.Check(resource).IsEmpty;
        if (parts.Namespace.Length == 0 || fleet.NodePools.IsEmpty)
        {
            _pools = [];
            return [];
        }

        var reader = new PoolReader(
            [.. parts.Cluster.Nodes.Items.Values],
            parts.Cluster.KarpenterPools?.Items.Values.ToDictionary(pool => pool.Name, StringComparer.Ordinal) ?? [],
            [.. parts.Cluster.Pods.Items.Values], resource?.Spec?.Prices is null ? null : fleet.Prices);
        _pools = reader.Read(fleet);
        foreach (var problem in reader.Problems) SayOnce(problem);
        return [.. _pools.Select(pool => pool.Node)];
    }

    /// <summary>The pools for the planner; default where there are none.</summary>
    public ImmutableArray<NodePool> Pools(NodeGroups groups)
    {
        if (_pools.IsEmpty) return default;
        var nodes = new SnapshotBuilder(parts.Time.GetUtcNow(), groups, [], new Dictionary<string, Metrics.PodLoad>(), 1)
            .Build(_pools.Select(pool => pool.Node), [], new Dictionary<string, Promised>(), Capabilities.None).Nodes.ToDictionary(node => node.Id.Value, StringComparer.Ordinal);
        return
        [
            .. _pools.Select(pool => new NodePool
            {
                Name = pool.Name,
                Node = nodes[pool.Node.Name],
                PricePerHour = pool.PricePerHour,
                BootTime = pool.BootTime,
                Limit = pool.Limit,
            }),
        ];
    }

    /// <summary>All pods but our placeholders: the room those hold is room for ours.</summary>
    public PodView[] WithoutPlaceholders(IEnumerable<PodView> pods)
    {
        var placeholders = ImmutableArray.CreateBuilder<(PodView, NodeRequest)>();
        var others = new List<PodView>();
        foreach (var pod in pods)
        {
            // Anybody may write such an annotation; only what lies in our own namespace is ours.
            if (pod.NodeRequest is null || pod.Name.Namespace != parts.Namespace || PlaceholderManifest.RequestOf(pod) is not { } request) others.Add(pod);
            else placeholders.Add((pod, request));
        }

        _placeholders = placeholders.ToImmutable();
        return [.. others];
    }

    /// <summary>Adds to a snapshot what is known of nodes: of which pool they are, what is asked for, what came.</summary>
    public FleetSnapshot Complete(FleetSnapshot snapshot)
    {
        var can = snapshot.Can | Capabilities.ProtectReplicas;
        var live = _placeholders.Where(one => one.Pod is { IsOver: false, DeletedAt: null }).ToArray();
        Forget(live);
        // A Fleet with a mistake in it says nothing about what was asked for by the one before.
        if (!_unreadable && (!_pools.IsEmpty || live.Length > 0)) can |= Capabilities.AddNodes;
        var held = live.Where(one => one.Pod.Node is not null).ToLookup(one => one.Pod.Node!, one => one.Request, StringComparer.Ordinal);
        var asked = live.Where(one => one.Pod.Node is null).Select(one => one.Request).Concat(_written.Values.Select(one => one.Request));
        return snapshot with
        {
            Can = can,
            Nodes = _pools.IsEmpty && held.Count == 0 ? snapshot.Nodes : [.. snapshot.Nodes.Select(node => WithPool(node, held[node.Id.Value]))],
            InFlight = [.. snapshot.InFlight.Concat(asked.Select(Work)).OrderBy(work => work.Step)],
            Outcomes = [.. snapshot.Outcomes, .. Came(live, snapshot.At)],
        };
    }

    /// <summary>Starts what the plan says of nodes; what was started.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="gangs">Workloads of the jobs whose gangs the plan protects.</param>
    /// <param name="unplanned">Workloads of models that are named and not planned for now.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<ImmutableArray<StepId>> ApplyAsync(Plan plan, IReadOnlySet<string> gangs, IReadOnlySet<string> unplanned, CancellationToken cancellationToken)
    {
        var started = ImmutableArray.CreateBuilder<StepId>();
        foreach (var step in plan.Steps)
        {
            var done = step switch
            {
                Step.AddNode add => await AddAsync(add, cancellationToken).ConfigureAwait(false),
                Step.WithdrawNode gone => await DeleteAsync(PlaceholderManifest.NameOf(gone.Pool, gone.Ordinal), step.Reason.ToString(), cancellationToken).ConfigureAwait(false),
                _ => false,
            };
            if (done) started.Add(step.Id);
        }

        // One that its node has ended (evicted, out of disk) holds nothing and keeps the name.
        foreach (var (pod, _) in _placeholders.Where(one => one.Pod is { IsOver: true, DeletedAt: null }))
            await DeleteAsync(pod.Name.Name, "it has ended", cancellationToken).ConfigureAwait(false);
        await _protection.WriteAsync(plan.Protected, gangs, unplanned, cancellationToken).ConfigureAwait(false);
        return started.ToImmutable();
    }

    private NodeState WithPool(NodeState node, IEnumerable<NodeRequest> held)
    {
        var requests = held.OrderBy(one => one.Pool, StringComparer.Ordinal).ThenBy(one => one.Ordinal).ToImmutableArray();
        var pool = parts.Cluster.Nodes.Items.GetValueOrDefault(new ObjectName("", node.Id.Value)) is { } view ? _pools.FirstOrDefault(one => one.Has(view)) : null;
        return node with { NodePool = pool?.Name, Held = requests.IsEmpty ? default : requests };
    }

    private WorkInFlight Work(NodeRequest request) => new()
    {
        Step = Step.AddNode.IdOf(request.Pool, request.Ordinal),
        Kind = WorkKind.AddingNode,
        StartedAt = request.At,
        ExpectedEnd = request.At + (_pools.FirstOrDefault(pool => pool.Name == request.Pool)?.BootTime ?? NodePool.BootTimeAssumed),
        Adding = request,
    };

    private void Forget((PodView Pod, NodeRequest Request)[] live)
    {
        var seen = live.Select(one => one.Pod.Name.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in _written.Where(one => seen.Contains(one.Key) || parts.Time.GetElapsedTime(one.Value.At) > Believed).Select(one => one.Key).ToArray())
            _written.Remove(name);
    }

    // A node of a pool that is ready for the first time and no older than a request came for the one that has waited longest.
    private List<Outcome> Came((PodView Pod, NodeRequest Request)[] live, DateTimeOffset at)
    {
        var came = new List<Outcome>();
        var ready = parts.Cluster.Nodes.Items.Values
            .Select(node => (Node: node, Pool: _pools.FirstOrDefault(pool => pool.Has(node)))).Where(one => one.Pool is not null && IsWhole(one.Node, one.Pool)).ToArray();
        _met.IntersectWith(live.Select(one => one.Pod.Uid));
        foreach (var (node, pool) in ready.Where(one => _ready is not null && !_ready.Contains(one.Node.Name)))
        {
            var (pod, _) = live.Where(one => one.Request.Pool == pool!.Name && one.Pod.CreatedAt <= node.CreatedAt && !_met.Contains(one.Pod.Uid))
                .OrderBy(one => one.Pod.CreatedAt).ThenBy(one => one.Request.Ordinal).FirstOrDefault();
            if (pod is null) continue;
            _met.Add(pod.Uid);
            came.Add(new Outcome.NodeAdded { At = at, Pool = pool!.Name, Node = new NodeId(node.Name), Took = at - pod.CreatedAt });
        }

        _ready = [.. ready.Select(one => one.Node.Name)];
        return came;
    }

    // Devices are told of some time after the node itself.
    private static bool IsWhole(NodeView node, OfferedPool pool) => node is { Ready: true, Unschedulable: false }
        && pool.Node.Extended.All(one => node.Extended.Any(there => there.Resource == one.Resource && there.Count > 0));

    private async Task<bool> AddAsync(Step.AddNode step, CancellationToken cancellationToken)
    {
        var name = PlaceholderManifest.NameOf(step.Pool, step.Ordinal);
        if (!parts.MayWrite() || _pools.FirstOrDefault(pool => pool.Name == step.Pool) is not { } pool) return false;
        // The one before it is still going: a pod of this name is applied to it and gone with it.
        if (_placeholders.Any(one => one.Pod.Name.Name == name)) return false;
        try
        {
            using var written = await parts.Cluster.Api.PatchAsync(
                $"api/v1/namespaces/{parts.Namespace}/pods/{name}", PlaceholderManifest.Write(step, pool, _fleet.PlaceholderImage, parts.Namespace, _resource),
                PatchKind.Apply, cancellationToken).ConfigureAwait(false);
            _written[name] = (new NodeRequest(step.Pool, step.Ordinal, step.For) { At = parts.Time.GetUtcNow() }, parts.Time.GetTimestamp());
            parts.Log($"{step.Pool}: a node is asked for by pod {parts.Namespace}/{name}: {step.Reason}");
            return true;
        }
        catch (ApiException refused)
        {
            SayOnce($"{step.Pool}: a node could not be asked for: {refused.Message}");
            return false;
        }
    }

    private async Task<bool> DeleteAsync(string name, string why, CancellationToken cancellationToken)
    {
        if (!parts.MayWrite()) return false;
        _written.Remove(name);
        if (!_placeholders.Any(one => one.Pod.Name.Name == name && one.Pod.DeletedAt is null)) return false;
        try
        {
            using var gone = await parts.Cluster.Api.DeleteAsync($"api/v1/namespaces/{parts.Namespace}/pods/{name}?gracePeriodSeconds=0", cancellationToken).ConfigureAwait(false);
            parts.Log($"pod {parts.Namespace}/{name} is let go: {why}");
            return true;
        }
        catch (ApiException none) when (none.Status == HttpStatusCode.NotFound)
        {
            return true;
        }
        catch (ApiException refused)
        {
            SayOnce($"{name}: it could not be let go: {refused.Message}");
            return false;
        }
    }

    private void SayOnce(string problem)
    {
        if (_said.Count > 1000) _said.Clear();
        if (_said.Add(problem)) parts.Log(problem);
    }
}
