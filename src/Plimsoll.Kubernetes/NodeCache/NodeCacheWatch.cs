using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>The watched NodeModelCaches. Heartbeats of thousands of nodes must not have the operator plan anew each time.</summary>
public sealed class NodeCacheWatch
{
    public static readonly string Path = $"apis/{ResourceGroup.ApiVersion}/{NodeModelCache.KubePluralName}";

    // Since the last change was told: an object was looked at, and it has something new.
    private bool _looked, _news;

    public NodeCacheWatch(KubernetesApi api, Action changed, TimeProvider time) => List = new WatchedList<NodeCacheView>(
        api, Path, item =>
        {
            var view = NodeCacheView.Of(item);
            _looked = true;
            _news |= view is null || List!.Items.GetValueOrDefault(new ObjectName("", view.Node))?.Essence != view.Essence;
            return view;
        },
        () =>
        {
            // A deletion looks at none.
            if (_news || !_looked) changed();
            (_looked, _news) = (false, false);
        }, time, removable: true);

    public WatchedList<NodeCacheView> List { get; }
}
