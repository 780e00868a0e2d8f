using k8s;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>An operator with a model and a planned job on one node, for which both together are too much by day.</summary>
public sealed class TrainingBesideModelsTests : OperatorTest
{
    [Fact]
    public async Task A_job_trains_in_what_a_model_leaves_gives_way_to_its_peak_and_goes_on_after_it()
    {
        await using var scene = await JobScene.StartAsync(Cluster);
        await Cluster.ServeAsync("llama", 1, 2, "24Gi", "--max-num-seqs", "8");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1,\"maxReplicas\":4,\"idleLimit\":\"2s\",\"slo\":{\"latency\":\"5s\"}");
        Cluster.Rate["llama"] = 2;
        await Cluster.OperateAsync();
        await Cluster.StatusAsync("llama", status => status is { ReadyReplicas: 1, DemandPerSecond: > 1 }, "two a second are seen");

        // Of eight devices the model has two, and the job takes five.
        await scene.CreateSetAsync("train", pods: 5);
        await scene.PlanAsync("train", "\"mode\":\"act\",\"checkpoint\":{\"size\":\"100MB\"}");
        await StateAsync("Running");
        await GuardedAsync("train", pods: 5);

        // Twelve a second take three replicas or more.
        Cluster.Rate["llama"] = 12;
        var suspended = await StateAsync("Suspended");
        Assert.NotNull(suspended.LaunchedAt);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas >= 3, "three replicas in what it left");
        var told = await Cluster.Client.CoreV1.ListNamespacedEventAsync(OperatedCluster.Space, cancellationToken: Cancel);
        Assert.Contains(told.Items, one => one is { Reason: "Suspended", InvolvedObject.Kind: PlannedJob.KubeKind } && one.Message.StartsWith("models/llama needs", StringComparison.Ordinal));

        Cluster.Rate["llama"] = 1;
        await StateAsync("Running");
        Assert.Equal(suspended.LaunchedAt, (await JobScene.StatusAsync(Cluster, "train", Cancel))!.LaunchedAt);

        // At no moment had two the same device, and the gang was whole or not there whenever it trained.
        foreach (var tick in Cluster.Ticks)
        {
            var held = tick.Snapshot.Replicas.Select(replica => replica.Placement).Concat(tick.Snapshot.Training.SelectMany(gang => gang.Members)).SelectMany(placed => placed.Devices).ToArray();
            Assert.Equal(held.Length, held.Distinct().Count());
            Assert.All(tick.Snapshot.Training.Where(gang => gang.State == GangState.Running), gang => Assert.Equal(5, gang.Members.Length));
        }
    }

    // An autoscaler of nodes leaves alone what trains.
    private Task<int> GuardedAsync(string set, int pods) => Patience.UntilAsync(
        $"the pods of {set} are guarded", async cancel => (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: $"{JobSetsStandIn.Label}={set}", cancellationToken: cancel)).Items
            .Count(pod => pod.Metadata.Annotations?.TryGetValue(PodGuards.KarpenterKey, out var now) == true && now == "true"), guarded => guarded == pods);

    private Task<PlannedJobStatus> StateAsync(string state) => Patience.UntilAsync(
        $"the job is {state}", async cancel => await JobScene.StatusAsync(Cluster, "train", cancel) ?? new PlannedJobStatus(), status => status.State == state,
        status => KubernetesJson.Serialize(status) + "\n" + string.Join('\n', Cluster.Log.TakeLast(15)) + "\n"
            + string.Join('\n', Cluster.Ticks.Last().Plan.Steps.Select(step => $"{step.Id} after {string.Join(' ', step.After)}: {step.Reason}")) + "\n" + string.Join('\n', Cluster.Ticks.Last().Plan.Models.Select(verdict => $"{verdict.Wanted} {verdict.Reason}")));
}
