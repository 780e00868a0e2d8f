using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Services that go by the leader's label reach the operator that leads, and no other.</summary>
public sealed class LeaderLabelTests : OperatorTest
{
    private const string Home = "plimsoll-system";

    [Fact]
    public async Task The_bridges_Services_pick_the_leaders_pod_alone_also_after_the_leader_went()
    {
        await Cluster.Nodes.CreateAsync("system", gpus: 0);
        var account = await ShippedRole.InstallAsync(Cluster.Plane, Home);
        var workload = Workloads.Deployment("plimsoll-operator", 2, 0, "64Mi");
        await Cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(workload, Home, cancellationToken: Cancel);
        var pods = await Patience.UntilAsync(
            "two operators' pods ready", async cancel => (await Cluster.Client.CoreV1.ListNamespacedPodAsync(Home, cancellationToken: cancel)).Items,
            items => items.Count == 2 && items.All(pod => pod.Status.Conditions?.Any(one => one is { Type: "Ready", Status: "True" }) == true), items => $"{items.Count} pods");
        // As if the last leader had hung and could not take its label off.
        await Cluster.Client.CoreV1.PatchNamespacedPodAsync(
            new V1Patch($$$$$"""{"metadata":{"labels":{"{{{{{LeaderLabel.Key}}}}}":"true"}}}""", V1Patch.PatchType.MergePatch), pods[1].Metadata.Name, Home, cancellationToken: Cancel);

        var first = await Cluster.OperateAsync(account, space: Home, pod: pods[0].Metadata.Name);
        await ReachesAsync(pods[0].Metadata.Name);
        await Cluster.OperateAsync(account, space: Home, pod: pods[1].Metadata.Name);
        await Cluster.EndAsync(first);
        await ReachesAsync(pods[1].Metadata.Name);

        Assert.DoesNotContain(Cluster.Log, line => line.Contains(LeaderLabel.Key, StringComparison.Ordinal));
    }

    // By the selector of the bridges' Services; endpoints on loopback, where the stand-in's pods are, no server takes.
    private async Task ReachesAsync(string pod)
    {
        var selector = BridgeServices.SelectMany(service => service.Spec.Selector).Distinct()
            .Select(label => label.Key == LeaderLabel.Key ? $"{label.Key}={label.Value}" : "app=plimsoll-operator").Distinct().ToArray();
        Assert.Equal(2, selector.Length);
        await Patience.UntilAsync(
            $"{pod} alone is reached", async cancel => (await Cluster.Client.CoreV1.ListNamespacedPodAsync(Home, labelSelector: string.Join(',', selector), cancellationToken: cancel)).Items,
            items => items.Select(item => item.Metadata.Name).SequenceEqual([pod]), items => string.Join(' ', items.Select(item => item.Metadata.Name)));
    }

    private static IEnumerable<V1Service> BridgeServices => ((string[])["keda", "external-metrics"]).Select(bridge =>
        KubernetesYaml.Deserialize<V1Service>(File.ReadAllText(ShippedRole.PathOf($"bridges/{bridge}/service.yaml"))));
}
