using System.Collections.Immutable;
using System.Globalization;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// The scheduler's filters that a pod's spec sets on nodes: node selector, required node affinity, tolerations. What pods
/// ask of one another (affinity between pods, topology spread) only narrows this, and is left out.
/// </summary>
public static class NodeEligibility
{
    // Nodes of GKE have it. Its API server is one with the admission plugin ExtendedResourceToleration, by which every pod tolerates taints
    // that are named like what it asks for, though its template says nothing of it.
    private const string OfGke = "cloud.google.com/gke-nodepool";

    /// <summary>Whether the scheduler may put a pod of this spec on the node, were there room.</summary>
    public static bool Allows(V1PodSpec pod, NodeView node) => WhyNot(pod, node) is null;

    /// <summary>What keeps pods of this spec from the node, as a clause; null where nothing does.</summary>
    public static string? WhyNot(V1PodSpec pod, NodeView node)
    {
        ArgumentNullException.ThrowIfNull(pod);
        ArgumentNullException.ThrowIfNull(node);
        if (pod.NodeName is { Length: > 0 } fixedNode && fixedNode != node.Name) return "their nodeName is another";
        if (pod.NodeSelector?.Any(want => node.Labels.GetValueOrDefault(want.Key) != want.Value) == true) return "their nodeSelector keeps them from it";
        var terms = pod.Affinity?.NodeAffinity?.RequiredDuringSchedulingIgnoredDuringExecution?.NodeSelectorTerms;
        if (terms is not null && !terms.Any(term => Matches(term, node))) return "their node affinity keeps them from it";
        foreach (var taint in node.Taints)
        {
            if (pod.Tolerations?.Any(toleration => Tolerates(toleration, taint)) == true) continue;
            if (node.Labels.ContainsKey(OfGke) && taint.Effect == "NoSchedule" && ExtendedResources(pod).Contains(taint.Key, StringComparer.Ordinal)) continue;
            return $"they do not tolerate its taint {Resources.Shown.Text(taint.Key)}{(taint.Value.Length > 0 ? "=" + Resources.Shown.Text(taint.Value) : "")}:{Resources.Shown.Text(taint.Effect)}";
        }

        return null;
    }

    // Devices and the like, as the plugin has them: with a domain that is none of Kubernetes' own.
    internal static IEnumerable<string> ExtendedResources(V1PodSpec pod) =>
        (pod.InitContainers ?? []).Concat(pod.Containers ?? []).SelectMany(container => container.Resources?.Requests?.Keys.Concat(container.Resources.Limits?.Keys ?? []) ?? container.Resources?.Limits?.Keys ?? [])
            .Where(name => name.Contains('/', StringComparison.Ordinal) && !name.Contains("kubernetes.io/", StringComparison.Ordinal)).Distinct(StringComparer.Ordinal);

    // A term without any expression matches nothing.
    private static bool Matches(V1NodeSelectorTerm term, NodeView node)
    {
        var (labels, fields) = (term.MatchExpressions ?? [], term.MatchFields ?? []);
        return labels.Count + fields.Count > 0
            && labels.All(one => Matches(one, node.Labels.GetValueOrDefault(one.Key)))
            && fields.All(one => one.Key == "metadata.name" && Matches(one, node.Name));
    }

    private static bool Matches(V1NodeSelectorRequirement want, string? value) => want.OperatorProperty switch
    {
        "In" => value is not null && want.Values?.Contains(value) == true,
        "NotIn" => value is null || want.Values?.Contains(value) != true,
        "Exists" => value is not null,
        "DoesNotExist" => value is null,
        "Gt" => Compare(value, want) is > 0,
        "Lt" => Compare(value, want) is < 0,
        _ => false,
    };

    private static int? Compare(string? value, V1NodeSelectorRequirement want) =>
        long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var have)
        && long.TryParse(want.Values?.FirstOrDefault(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var bound)
            ? have.CompareTo(bound) : null;

    private static bool Tolerates(V1Toleration toleration, Taint taint) =>
        (string.IsNullOrEmpty(toleration.Effect) || toleration.Effect == taint.Effect)
        && (string.IsNullOrEmpty(toleration.Key) ? toleration.OperatorProperty == "Exists" : toleration.Key == taint.Key)
        && (toleration.OperatorProperty == "Exists" || (toleration.Value ?? "") == taint.Value);
}

/// <summary>
/// Nodes grouped by which pod specs may go to them: few groups however many nodes, each with a name that models' requests
/// refer to (<see cref="SchedulerRequests.Pools"/>).
/// </summary>
public sealed class NodeGroups
{
    private readonly Dictionary<string, string> _groupOf = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ImmutableArray<string>> _groupsFor = new(StringComparer.Ordinal);
    private readonly string[] _keys;

    // By the node as it was read, where it may go; each group once, with those that may go there.
    private readonly Dictionary<NodeView, string> _placed = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int[]> _members = new(StringComparer.Ordinal);

    /// <param name="nodes">All nodes.</param>
    /// <param name="specs">One spec for each key; specs that ask the same of nodes share a key.</param>
    /// <param name="before">The groups of the look before: what has not changed since is not looked at again.</param>
    public NodeGroups(IReadOnlyCollection<NodeView> nodes, IReadOnlyDictionary<string, V1PodSpec> specs, NodeGroups? before = null)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        _keys = [.. specs.Keys.Order(StringComparer.Ordinal)];
        if (before is not null && !before._keys.SequenceEqual(_keys, StringComparer.Ordinal)) before = null;
        var ordered = _keys.Select(key => specs[key]).ToArray();
        foreach (var node in nodes)
        {
            if (before is null || !before._placed.TryGetValue(node, out var group))
            {
                var allowed = Enumerable.Range(0, ordered.Length).Where(at => NodeEligibility.Allows(ordered[at], node)).ToArray();
                group = allowed.Length == ordered.Length ? "every" : string.Join('|', allowed);
                _members.TryAdd(group, allowed);
            }
            else _members.TryAdd(group, before._members[group]);

            _placed[node] = _groupOf[node.Name] = group;
        }

        // A spec that may go nowhere must not read as one that may go everywhere.
        var groupsFor = _members.SelectMany(member => member.Value.Select(at => (Key: at, Group: member.Key))).ToLookup(one => one.Key, one => one.Group);
        for (var at = 0; at < _keys.Length; at++)
            _groupsFor[_keys[at]] = groupsFor[at].Any() ? [.. groupsFor[at].Order(StringComparer.Ordinal)] : ["nowhere"];
    }

    public string GroupOf(string node) => _groupOf.GetValueOrDefault(node, "");

    public ImmutableArray<string> GroupsFor(string key) => _groupsFor.GetValueOrDefault(key, ["nowhere"]);

    /// <summary>A key that is equal for specs that ask the same of nodes.</summary>
    public static string KeyOf(V1PodSpec pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return string.Join(',', NodeEligibility.ExtendedResources(pod).Order(StringComparer.Ordinal)) + k8s.KubernetesJson.Serialize(new V1PodSpec
        {
            Containers = [],
            NodeName = pod.NodeName,
            NodeSelector = pod.NodeSelector,
            Affinity = pod.Affinity?.NodeAffinity is { } node ? new V1Affinity { NodeAffinity = node } : null,
            Tolerations = pod.Tolerations,
        });
    }
}
