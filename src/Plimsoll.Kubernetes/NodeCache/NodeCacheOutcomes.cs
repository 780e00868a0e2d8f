using System.Collections.Immutable;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>What was fetched since the last look: how fast fetches are is learned from it.</summary>
internal sealed class NodeCacheOutcomes
{
    private readonly Dictionary<string, HashSet<(string, string)>> _whole = new(StringComparer.Ordinal);

    /// <summary>Artefacts that turned whole between two looks at the same cache; of one seen for the first time, none.</summary>
    public ImmutableArray<Outcome> Advance(IEnumerable<NodeCacheView> views, DateTimeOffset at)
    {
        var outcomes = ImmutableArray.CreateBuilder<Outcome>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var view in views)
        {
            seen.Add(view.Uid);
            var now = (view.Status?.Artifacts ?? []).Where(copy => copy.Complete == "True").ToArray();
            if (_whole.TryGetValue(view.Uid, out var before))
                outcomes.AddRange(now.Where(copy => !before.Contains((copy.Model!, copy.Version!)) && copy is { FetchedBytes: > 0, FetchSeconds: > 0 }).Select(copy => Fetched(view, copy, at)));
            _whole[view.Uid] = [.. now.Select(copy => (copy.Model!, copy.Version!))];
        }

        foreach (var gone in _whole.Keys.Except(seen).ToArray()) _whole.Remove(gone);
        return outcomes.ToImmutable();
    }

    private static Outcome.Fetched Fetched(NodeCacheView view, NodeCacheCopy copy, DateTimeOffset at) => new()
    {
        At = at,
        Model = ModelId.Of(copy.Model!),
        Version = copy.Version!,
        Node = new NodeId(view.Node),
        Moved = new Bytes(copy.FetchedBytes!.Value),
        Took = TimeSpan.FromSeconds(copy.FetchSeconds!.Value),
    };
}
