using System.Collections.Immutable;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// Which artefacts pods use on each node, those that start or end counted. A pod that names a path uses that artefact; one
/// that does not is taken to use every version of its model, and of no known model, everything. What belongs to a
/// ScaledModel that cannot be planned just now is in use too: nothing is removed on missing data.
/// </summary>
internal sealed class CacheUses
{
    private readonly ILookup<string, (CacheUse Use, ModelId? Model)> _byNode;
    private readonly HashSet<ModelId> _unplanned;

    public CacheUses(IEnumerable<PodView> pods, ImmutableArray<ResolvedModel> models)
    {
        _unplanned = [.. models.Where(model => model.Spec is null).Select(model => model.Id)];
        var owners = models.Where(model => model.Workload is not null)
            .GroupBy(model => SnapshotBuilder.KeyOf(model.Workload!), StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        _byNode = pods.Where(pod => pod is { Node: not null, IsOver: false })
            .Select(pod => (Pod: pod, Owner: pod.Workload is { } workload ? owners.GetValueOrDefault($"{pod.Name.Namespace}/{workload}") : null))
            // Pods of a model that is cached by its annotation reach the cache in a way of their own.
            .Where(one => one.Pod.Cache is not null || one.Owner?.CacheSource is not null)
            .ToLookup(one => one.Pod.Node!, one => (one.Pod.Cache ?? new CacheUse([""]), one.Owner?.Id), StringComparer.Ordinal);
    }

    /// <param name="node">Where the copy is.</param>
    /// <param name="model">Whose it is.</param>
    /// <param name="version">Its version.</param>
    /// <param name="source">Where it came from; null when nobody knows.</param>
    public bool InUse(string node, ModelId model, string version, string? source)
    {
        if (_unplanned.Contains(model)) return true;
        if (!_byNode.Contains(node)) return false;
        // Where nobody knows from where it came, nobody knows its path.
        var path = source is null ? null : CacheLinks.PathOf(source, version, out _);
        return _byNode[node].Any(one => path is null || one.Use.Uses(path, one.Model is null || one.Model == model));
    }
}
