using System.Collections.Immutable;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>Nodes that come and go: asked for, taken back by their owner, lost, or empty for so long that they are let go.</summary>
internal sealed partial class SimulatedCluster
{
    // A cloud's notice of two minutes.
    private const double ReclaimNotice = 120;

    // Boots differ from one another about as much as loads of one model on one kind of node.
    private const double BootSpread = 0.15;

    private const double SlowDisk = 0.1;

    private readonly SortedDictionary<StepId, ComingNode> _coming = [];

    /// <summary>Nodes that were asked for and are not there yet.</summary>
    public IReadOnlyCollection<ComingNode> Coming => _coming.Values;

    /// <summary>Asks for a node. A sentence says why none will come; null where one does, or does already.</summary>
    public string? AddNode(string pool, int ordinal, ImmutableArray<ModelCount> needing)
    {
        if (_world.Nodes.FirstOrDefault(one => one.Name == pool) is not { IsElastic: true } group) return $"there is no pool {pool}";
        var step = Step.AddNode.IdOf(pool, ordinal);
        if (_coming.ContainsKey(step)) return null;
        // A lost node may be back.
        if (_nodes.Values.Count(node => node.Group == group) + _coming.Values.Count(one => one.Group == group) >= group.Most) return $"{pool} has no more than {group.Most} nodes";
        var index = 0;
        while (_nodes.ContainsKey(NodeOf(group, index)) || _coming.Values.Any(one => one.Node == NodeOf(group, index))) index++;
        var asked = new ComingNode(group, NodeOf(group, index), new NodeRequest(pool, ordinal, needing.IsDefault ? [] : needing) { At = Clock }, Now);
        _coming.Add(step, asked);
        // A cloud's meter runs from the order on.
        Use.NodeBegan(asked.Node, Now);
        _events.At(Now + BootOf(group), now => Joined(step, asked, now));
        return null;
    }

    /// <summary>Takes a request for a node back; whatever is there stays.</summary>
    public string? WithdrawNode(string pool, int ordinal)
    {
        if (_coming.Remove(Step.AddNode.IdOf(pool, ordinal), out var asked)) Use.NodeEnded(asked.Node, asked.Group, Now);
        return null;
    }

    private static NodeId NodeOf(NodeGroup group, int index) => NodeId.Of($"{group.Name}-{index}");

    private int There(NodeGroup group) => _nodes.Values.Count(node => node.Group == group && !node.IsLost);

    private double BootOf(NodeGroup group) => group.Boot.TotalSeconds * _loads.Factor(BootSpread);

    private void Joined(StepId step, ComingNode asked, double now)
    {
        if (_coming.GetValueOrDefault(step) != asked) return;
        _coming.Remove(step);
        var node = new SimulatedNode(asked.Node, asked.Group, _events);
        _nodes.Add(node.Id, node);
        _outcomes.Add(new Outcome.NodeAdded { At = At(now), Pool = asked.Group.Name, Node = node.Id, Took = TimeSpan.FromSeconds(now - asked.AskedAt) });
        Begins(node, now);
    }

    // Of a node that is there and empty.
    private void Begins(SimulatedNode node, double now)
    {
        Changed = true;
        LetOthersIn(now);
        WatchEmpty(node, now);
        if (node.Group.Spot is not { } spot) return;
        // What becomes of a node is not changed by what is done elsewhere.
        var random = Seeds.Of(_seed, $"life of {node.Id}, {_lives[node.Id] = _lives.GetValueOrDefault(node.Id) + 1}");
        var life = -Math.Log(1 - random.NextDouble()) * spot.MeanLife.TotalSeconds;
        var own = node.Life;
        _events.At(now + life, told =>
        {
            if (node.Life == own) Reclaim(node, spot.Notice.TotalSeconds, told);
        });
    }

    private void Reclaim(SimulatedNode node, double notice, double now)
    {
        if (!node.IsOpen) return;
        node.IsLeaving = true;
        Changed = true;
        var own = node.Life;
        _events.At(now + notice, gone =>
        {
            if (node.Life != own) return;
            Lose(node, gone);
            // Who keeps a number of nodes fills it up again; what was asked for beyond it is asked for again by who needs it.
            if (There(node.Group) < node.Group.Count) _events.At(gone + BootOf(node.Group), back => Return(node, back));
            else _nodes.Remove(node.Id);
        });
    }

    private void Lose(SimulatedNode node, double now)
    {
        (node.IsLost, node.IsLeaving, node.EmptySince) = (true, false, null);
        node.Life++;
        foreach (var cached in node.Cache.Values.Where(one => one.Fetching is not null)) node.Network.End(cached.Fetching!, now);
        node.Cache.Clear();
        foreach (var replica in _replicas.Values.Where(one => one.Node == node).ToList()) Dies(replica, $"its node {node.Id} is lost");
        LoseOthers(node, now);
        Use.NodeEnded(node.Id, node.Group, now);
        Changed = true;
    }

    private void Return(SimulatedNode node, double now)
    {
        if (!node.IsLost || _nodes.GetValueOrDefault(node.Id) != node) return;
        node.IsLost = false;
        node.Life++;
        Use.NodeBegan(node.Id, now);
        Begins(node, now);
    }

    private void WatchEmpty(SimulatedNode node, double now)
    {
        if (!node.Group.IsElastic || node.IsLost || IsInUse(node)) return;
        node.EmptySince = now;
        _events.At(now + node.Group.EmptyFor.TotalSeconds, time =>
        {
            if (node.EmptySince != now || _nodes.GetValueOrDefault(node.Id) != node || There(node.Group) <= node.Group.Count) return;
            if (IsInUse(node))
            {
                WatchEmpty(node, time);
                return;
            }

            _nodes.Remove(node.Id);
            node.Life++;
            Use.NodeEnded(node.Id, node.Group, time);
            Changed = true;
        });
    }

    private bool IsInUse(SimulatedNode node) =>
        _replicas.Values.Any(replica => replica.Node == node) || Bound.Waiting.Any(pod => pod.Placement.Node == node.Id) || OthersOn(node).Any() || node.Cache.Values.Any(one => one.Fetching is not null);
}

/// <summary>A node that was asked for.</summary>
internal sealed record ComingNode(NodeGroup Group, NodeId Node, NodeRequest Request, double AskedAt);
