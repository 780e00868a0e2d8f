using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s.Models;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Writes how the whole is into the Fleet that is read: whether its spec could be, and how many models and nodes are planned
/// with. A write for each change of these and no more; nothing where there is no Fleet.
/// </summary>
public sealed class FleetStatusWriter(KubernetesFleetParts parts)
{
    private string? _written;

    public async Task WriteAsync(KubernetesFleet fleet, Tick tick, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        ArgumentNullException.ThrowIfNull(tick);
        if (parts.Cluster.Fleets.Items.GetValueOrDefault(new ObjectName("", parts.FleetName)) is not { Metadata.Uid: { } uid } resource) return;
        var status = Status(resource, fleet, tick);
        var essence = string.Create(CultureInfo.InvariantCulture, $"{uid}|{status.ObservedGeneration}|{status.Conditions![0].Status}|{status.Nodes}|{status.Reason}");
        if (essence == _written || !parts.MayWrite()) return;
        var body = new JsonObject
        {
            ["apiVersion"] = ResourceGroup.ApiVersion,
            ["kind"] = FleetResource.KubeKind,
            ["metadata"] = new JsonObject { ["name"] = parts.FleetName, ["uid"] = uid },
            ["status"] = JsonSerializer.SerializeToNode(status.Writable(), ResourceJson.Options),
        };
        try
        {
            using var written = await parts.Cluster.Api.PatchAsync(
                $"apis/{ResourceGroup.ApiVersion}/{FleetResource.KubePluralName}/{parts.FleetName}/status",
                JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
            _written = essence;
        }
        catch (ApiException refused)
        {
            if (refused.Status != System.Net.HttpStatusCode.NotFound) parts.Log($"Fleet {parts.FleetName}: its status could not be written: {refused.Message}");
        }
    }

    private FleetResourceStatus Status(FleetResource resource, KubernetesFleet fleet, Tick tick)
    {
        var problems = FleetSettings.Check(resource);
        var (planned, acting) = (fleet.Models.Count(model => model.Spec is not null), fleet.Models.Count(model => model.Acts));
        var word = problems.IsEmpty ? "True" : "False";
        var counts = string.Create(CultureInfo.InvariantCulture, $"{planned} of {fleet.Models.Length} models planned for, {acting} scaled");
        var reason = problems.IsEmpty ? counts
            : $"until it is right the defaults hold, and nothing is changed: {string.Join("; ", problems.Select(problem => problem.ToString()))}";
        var before = resource.Status?.Conditions?.FirstOrDefault(one => one?.Type == ConditionTypes.Ready);
        return new FleetResourceStatus
        {
            ObservedGeneration = resource.Metadata.Generation,
            Conditions =
            [
                new V1Condition
                {
                    Type = ConditionTypes.Ready,
                    Status = word,
                    Reason = problems.IsEmpty ? "Planned" : "Invalid",
                    Message = reason,
                    LastTransitionTime = before?.Status == word && before.LastTransitionTime is { } changed ? changed : parts.Time.GetUtcNow().UtcDateTime,
                    ObservedGeneration = resource.Metadata.Generation,
                },
            ],
            Models = planned,
            Nodes = tick.Snapshot.Nodes.Count(node => node.Condition == NodeCondition.Ready),
            Reason = reason,
        };
    }
}
