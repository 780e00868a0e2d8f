using System.Collections.Immutable;

namespace Plimsoll.Simulation.Fleet;

internal sealed partial class SimulatedCluster
{
    // What one fetch can take when nothing else uses the node's network.
    private const double FetchAlone = 2e9;

    /// <summary>Brings a model onto a node's disk. A sentence says why it could not be begun; null where it was, or is there.</summary>
    public string? Prefetch(ModelId model, string version, NodeId at, Bytes size)
    {
        if (_nodes.GetValueOrDefault(at) is not { IsOpen: true, Group.CacheSize: { } room } node) return $"{at} has no model cache";
        if (node.Cache.GetValueOrDefault(model) is { } old)
        {
            if (old.Version == version) return null;
            if (old.Fetching is not null || IsPinned(node, model)) return $"another version of {model} is in use on {at}";
            node.Cache.Remove(model);
        }

        if (node.Cache.Values.Sum(one => one.Size.Value) + size.Value > room.Value) return $"the disk of {at} is full";
        var cached = new CachedModel { Version = version, Size = size, BegunAt = Now };
        node.Cache.Add(model, cached);
        cached.Fetching = node.Network.Begin(size.Value, FetchAlone, Now, ended =>
        {
            (cached.Fetching, cached.CompleteAt, cached.LastUsed) = (null, ended, ended);
            _outcomes.Add(new Outcome.Fetched { At = At(ended), Model = model, Version = version, Node = at, Moved = size, Took = TimeSpan.FromSeconds(ended - cached.BegunAt) });
            Changed = true;
        });
        return null;
    }

    /// <summary>Removes a model from a node's disk.</summary>
    public string? Evict(ModelId model, NodeId at)
    {
        if (_nodes.GetValueOrDefault(at) is not { } node || node.Cache.GetValueOrDefault(model) is not { } cached) return null;
        if (IsPinned(node, model)) return $"{model} is in use on {at}";
        if (cached.Fetching is { } fetching) node.Network.End(fetching, Now);
        node.Cache.Remove(model);
        return null;
    }

    private bool IsPinned(SimulatedNode node, ModelId model) => _replicas.Values.Any(replica => replica.Node == node && replica.Model.Id == model);

    private ImmutableArray<CachedArtifact> Cached() =>
    [
        .. from node in _nodes.Values
           from one in node.Cache
           select new CachedArtifact
           {
               Node = node.Id,
               Model = one.Key,
               Version = one.Value.Version,
               Size = one.Value.There,
               Complete = one.Value.CompleteAt is not null,
               Pinned = one.Value.Fetching is not null || IsPinned(node, one.Key),
               LastUsed = one.Value.CompleteAt is null ? null : At(one.Value.LastUsed),
           },
    ];
}
