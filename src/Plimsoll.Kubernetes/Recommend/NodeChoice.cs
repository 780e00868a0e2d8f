using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>A node's label; of several, a node needs one.</summary>
public sealed record NodeLabel(string Label, string Value);

/// <summary>Which nodes a pod should be kept to.</summary>
/// <param name="Labels">Ordered by label and value; empty where it may go to all that its selectors allow.</param>
/// <param name="Elsewhere">Kinds on which it does not fit and to which it could go now, ordered; "an unknown kind" where nobody knows.</param>
/// <param name="Indistinct">Whether nodes on which it fits are left out, as no label tells them from the others.</param>
public sealed record NodeChoice(ImmutableArray<NodeLabel> Labels, ImmutableArray<string> Elsewhere, bool Indistinct)
{
    private const int LabelsMax = 64;

    /// <summary>Chooses labels that all nodes it fits on have, as far as can be, and none of the others.</summary>
    /// <param name="nodes">Nodes with the resource that the pod may go to.</param>
    /// <param name="fits">The kinds on which it fits.</param>
    public static NodeChoice Of(IReadOnlyList<AlikeNodes> nodes, IReadOnlySet<string> fits)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentNullException.ThrowIfNull(fits);
        bool Fits(AlikeNodes row) => row.Kind is { } kind && fits.Contains(kind);
        var others = nodes.Where(row => !Fits(row)).ToArray();
        if (others.Length == 0) return new NodeChoice([], [], false);
        var chosen = new HashSet<NodeLabel>();
        var indistinct = false;
        foreach (var row in nodes.Where(Fits))
        {
            var key = LabelKeys.For(row.Resource).FirstOrDefault(key =>
                row.Labels.TryGetValue(key, out var value) && others.All(other => other.Labels.GetValueOrDefault(key) != value));
            if (key is null) indistinct = true;
            else chosen.Add(new NodeLabel(key, row.Labels[key]));
        }

        return new NodeChoice(
            [.. chosen.OrderBy(one => one.Label, StringComparer.Ordinal).ThenBy(one => one.Value, StringComparer.Ordinal).Take(LabelsMax)],
            [.. others.Select(row => row.Kind ?? "an unknown kind").Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            indistinct);
    }
}
