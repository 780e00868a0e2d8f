using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// Stands in for the LeaderWorkerSet's controller: makes a leader and its workers for each group that is asked for, with the
/// labels and names that the controller gives them, ends the highest groups first, and makes a group anew when one of its pods
/// goes. It knows no rolling update and no start policy.
/// </summary>
public sealed class GroupsStandIn : ControllerStandIn
{
    private const string Label = "leaderworkerset.sigs.k8s.io/";

    private readonly HashSet<string> _begun = []; // groups whose pods all were there once

    private GroupsStandIn(k8s.Kubernetes client, string space)
        : base(client, space)
    {
    }

    public static GroupsStandIn Start(k8s.Kubernetes client, string space)
    {
        var made = new GroupsStandIn(client, space);
        made.Run(TimeSpan.FromMilliseconds(200));
        return made;
    }

    private protected override async Task LookAsync()
    {
        var sets = await Client.CustomObjects.ListNamespacedCustomObjectAsync<JsonElement>(
            "leaderworkerset.x-k8s.io", "v1", Space, "leaderworkersets", cancellationToken: Stop);
        var pods = await Client.CoreV1.ListNamespacedPodAsync(Space, labelSelector: Label + "name", cancellationToken: Stop);
        foreach (var set in sets.GetProperty("items").EnumerateArray()) await LookAsync(JsonNode.Parse(set.GetRawText())!, pods.Items);
        var names = sets.GetProperty("items").EnumerateArray().Select(set => set.GetProperty("metadata").GetProperty("name").GetString()).ToHashSet();
        foreach (var pod in pods.Items.Where(pod => !names.Contains(pod.Metadata.Labels[Label + "name"]))) await EndAsync(pod);
    }

    private async Task LookAsync(JsonNode set, IList<V1Pod> all)
    {
        var name = set["metadata"]!["name"]!.GetValue<string>();
        var groups = set["spec"]!["replicas"]!.GetValue<int>();
        var template = set["spec"]!["leaderWorkerTemplate"]!;
        var size = template["size"]!.GetValue<int>();
        var pods = all.Where(pod => pod.Metadata.Labels[Label + "name"] == name).ToLookup(pod => int.Parse(pod.Metadata.Labels[Label + "group-index"], CultureInfo.InvariantCulture));
        foreach (var above in pods.Where(group => group.Key >= groups).SelectMany(group => group)) await EndAsync(above);
        for (var group = 0; group < groups; group++)
        {
            var here = pods[group].ToDictionary(pod => int.Parse(pod.Metadata.Labels[Label + "worker-index"], CultureInfo.InvariantCulture));
            var leader = $"{name}-{group}";
            var broken = _begun.Contains(leader) && here.Count < size || here.Values.Any(pod => pod.Metadata.DeletionTimestamp is not null);
            if (broken)
            {
                foreach (var pod in here.Values) await EndAsync(pod);
                if (here.Count > 0) continue;
                _begun.Remove(leader);
            }

            for (var number = 0; number < size; number++)
            {
                if (here.ContainsKey(number)) continue;
                var from = (number == 0 ? template["leaderTemplate"] : null) ?? template["workerTemplate"]!;
                await Client.CoreV1.CreateNamespacedPodAsync(Pod(from, name, group, number, set["metadata"]!["uid"]!.GetValue<string>()), Space, cancellationToken: Stop);
            }

            _begun.Add(leader);
        }
    }

    private static V1Pod Pod(JsonNode template, string set, int group, int number, string uid)
    {
        var pod = KubernetesJson.Deserialize<V1Pod>(template.ToJsonString());
        pod.ApiVersion = "v1";
        pod.Kind = "Pod";
        pod.Metadata ??= new();
        pod.Metadata.Name = number == 0 ? $"{set}-{group}" : $"{set}-{group}-{number}";
        pod.Metadata.Labels = new Dictionary<string, string>(pod.Metadata.Labels ?? new Dictionary<string, string>())
        {
            [Label + "name"] = set,
            [Label + "group-index"] = group.ToString(CultureInfo.InvariantCulture),
            [Label + "group-key"] = $"{set}-{group}",
            [Label + "worker-index"] = number.ToString(CultureInfo.InvariantCulture),
        };
        pod.Metadata.OwnerReferences = [new V1OwnerReference { ApiVersion = "leaderworkerset.x-k8s.io/v1", Kind = "LeaderWorkerSet", Name = set, Uid = uid, Controller = true }];
        return pod;
    }

    private async Task EndAsync(V1Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is null)
            await Client.CoreV1.DeleteNamespacedPodAsync(pod.Metadata.Name, Space, cancellationToken: Stop);
    }
}
