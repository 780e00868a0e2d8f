using System.Collections.Immutable;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Whether a replica fits on one kind of device of a cluster's nodes.</summary>
/// <param name="Kind">The kind, as plimsoll devices lists it; "cpu" of a model that asks for no device.</param>
/// <param name="Nodes">Nodes that have it.</param>
/// <param name="Allowed">How many of them its selectors, affinities and tolerations allow.</param>
/// <param name="Needs">What it takes there; null when it does not fit.</param>
/// <param name="Why">Why not; null when it fits.</param>
public sealed record KindFit(string Kind, int Nodes, int Allowed, ReplicaNeeds? Needs, string? Why)
{
    /// <summary>All kinds that nodes have of the resource that its pods ask for, ordered by kind.</summary>
    public static ImmutableArray<KindFit> Of(
        ScaledModelSettings settings, V1PodSpec pod, ServedModel served, Footprint footprint, IReadOnlyCollection<NodeView> nodes)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(served);
        var (cores, engine) = (new Cores(served.Requests.CpuMilli), settings.Server ?? served.Server ?? "unknown");
        if (served.DeviceResource is not { } resource)
        {
            var needs = EngineProfile.Named(engine).Needs(footprint, 0, cores, cached: false);
            var largest = nodes.Select(node => node.Memory).DefaultIfEmpty(Bytes.Zero).Max();
            return
            [
                new KindFit("cpu", nodes.Count, nodes.Count(node => NodeEligibility.Allows(pod, node)), needs.Host.Highest <= largest ? needs : null,
                    needs.Host.Highest <= largest ? null : $"{needs.Host.Highest} of memory against {largest} of the largest node"),
            ];
        }

        return
        [
            .. nodes.SelectMany(node => node.Devices.Groups.Where(group => group.Resource == resource).Select(group => (Node: node, Group: group)))
                .GroupBy(one => NodeLayout.KindOf(one.Group), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group =>
                {
                    var (needs, _, why) = ModelResolver.OnDevice(footprint, group.First().Group, settings, served, engine, cores);
                    return new KindFit(group.Key, group.Count(), group.Count(one => NodeEligibility.Allows(pod, one.Node)), needs, why);
                }),
        ];
    }
}
