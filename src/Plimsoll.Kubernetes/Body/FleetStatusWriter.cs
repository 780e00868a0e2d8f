using System.Globalization;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Writes how the whole is into the Fleet that is read: whether its spec could be, and how many models and nodes are planned
/// with. A write for each change of these and no more; nothing where there is no Fleet.
/// </summary>
internal sealed class FleetStatusWriter(KubernetesFleetParts parts)
{
    public async Task WriteAsync(ToldTurn told, CancellationToken cancellationToken)
    {
        if (parts.Cluster.Fleets.Items.GetValueOrDefault(new ObjectName("", parts.FleetName)) is not { Metadata.Uid: { } uid } resource) return;
        var status = Status(resource, told).Writable();
        if (Says(resource.Status, status) || !parts.MayWrite()) return;
        try
        {
            await StatusPatch.ApplyAsync(
                parts.Cluster.Api, FleetResource.KubeKind, FleetResource.KubePluralName, new ObjectName("", parts.FleetName), uid, status,
                cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException refused)
        {
            if (refused.Status != System.Net.HttpStatusCode.NotFound) parts.Log($"Fleet {parts.FleetName}: its status could not be written: {refused.Message}");
        }
    }

    // By what stands there, as an operator that led meanwhile may have written something else.
    private static bool Says(FleetResourceStatus? stands, FleetResourceStatus wanted) =>
        stands is { Conditions: [{ } ready, ..] } && (stands.ObservedGeneration, stands.Models, stands.Nodes, stands.Reason, ready.Status)
            == (wanted.ObservedGeneration, wanted.Models, wanted.Nodes, wanted.Reason, wanted.Conditions![0].Status);

    private FleetResourceStatus Status(FleetResource resource, ToldTurn told)
    {
        var problems = FleetSettings.Check(resource);
        var (planned, acting) = (told.Models.Count(model => model.Spec is not null), told.Models.Count(model => model.Acts));
        var counts = string.Create(CultureInfo.InvariantCulture, $"{planned} of {told.Models.Length} models planned for, {acting} scaled");
        var reason = problems.IsEmpty ? counts
            : $"until it is right the defaults hold, and nothing is changed: {string.Join("; ", problems.Select(problem => problem.ToString()))}";
        var ready = new Finding(ConditionTypes.Ready, problems.IsEmpty, problems.IsEmpty ? "Planned" : "Invalid", reason);
        return new FleetResourceStatus
        {
            ObservedGeneration = resource.Metadata.Generation,
            Conditions = [StatusPatch.Condition(ready, resource.Status?.Conditions, resource.Metadata.Generation ?? 0, parts.Time.GetUtcNow())],
            Models = planned,
            Nodes = told.Tick.Snapshot.Nodes.Count(node => node.Condition == NodeCondition.Ready),
            Reason = reason,
        };
    }
}
