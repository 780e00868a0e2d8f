using k8s;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>What kubectl plimsoll reads of a real server.</summary>
public sealed class ClusterReaderTests : OperatorTest
{
    [Fact]
    public async Task Models_their_targets_events_and_nodes_are_read_and_each_kind_of_device_is_judged()
    {
        await Cluster.Nodes.CreateAsync("t4", gpus: 4, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        await Cluster.ServeAsync("llama", 1, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\"");
        await Cluster.ModelAsync("other", "\"weights\":\"1GiB\"");
        using var api = new KubernetesApi(Cluster.Plane.Admin(), TimeProvider.System);
        var reader = new ClusterReader(api);

        var models = await reader.ModelsAsync(OperatedCluster.Space, Cancel);
        Assert.Equal(["models/llama", "models/other"], models.Select(model => ClusterReader.NameOf(model).ToString()));
        Assert.Equal(2, (await reader.ModelsAsync(null, Cancel)).Length);
        Assert.Empty(await reader.ModelsAsync("elsewhere", Cancel));
        Assert.Null(await reader.ModelAsync(new ObjectName(OperatedCluster.Space, "none"), Cancel));

        var settings = ScaledModelSettings.Of(models[0]);
        var workload = (await reader.WorkloadAsync(OperatedCluster.Space, settings.Variants[0].Target, Cancel))!;
        var nodes = await reader.NodesAsync(Cancel);
        var pod = workload.PodSpec!;
        var footprint = Footprint.Declared(Bytes.GiB(16), "weights");
        var kinds = KindFit.Of(settings, pod, ServedModel.Of(pod), footprint, nodes);
        Assert.Equal(["h100-80gb", "t4-16gb"], kinds.Select(kind => kind.Kind));
        Assert.True(kinds[0] is { Needs: not null, Nodes: 1, Allowed: 1 }, kinds[0].ToString());
        Assert.Contains("per device against", kinds[1].Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_are_those_of_the_ScaledModel_the_newest_first()
    {
        await Cluster.ModelAsync("llama", "\"weights\":\"1GiB\"");
        async Task EventAsync(string name, string kind, string about, int minute) => await Cluster.Client.CoreV1.CreateNamespacedEventAsync(
            new k8s.Models.Corev1Event
            {
                Metadata = new() { Name = name },
                InvolvedObject = new() { Kind = kind, Name = about, NamespaceProperty = OperatedCluster.Space },
                Reason = name,
                Message = "so it is",
                Type = "Normal",
                LastTimestamp = new DateTime(2026, 11, 26, 9, minute, 0, DateTimeKind.Utc),
            }, OperatedCluster.Space, cancellationToken: Cancel);
        await EventAsync("first", "ScaledModel", "llama", 1);
        await EventAsync("second", "ScaledModel", "llama", 2);
        await EventAsync("another", "ScaledModel", "mistral", 3);
        await EventAsync("pods", "Pod", "llama", 4);
        await EventAsync("job", "PlannedJob", "llama", 5);
        using var api = new KubernetesApi(Cluster.Plane.Admin(), TimeProvider.System);

        var events = await new ClusterReader(api).EventsAsync(new ObjectName(OperatedCluster.Space, "llama"), Cancel);

        Assert.Equal(["second", "first"], events.Select(one => one.Reason));
        Assert.Equal("job", Assert.Single(await new ClusterReader(api).EventsAsync(new ObjectName(OperatedCluster.Space, "llama"), Cancel, "PlannedJob")).Reason);
    }

    [Fact]
    public async Task Planned_jobs_are_read_and_none_where_the_kind_is_not_known()
    {
        using var api = new KubernetesApi(Cluster.Plane.Admin(), TimeProvider.System);
        var reader = new ClusterReader(api);
        foreach (var name in (string[])["tune", "pretrain"])
            await Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
                new PlannedJob { Metadata = new() { Name = name }, Spec = new PlannedJobSpec { TargetRef = new JobReference { Name = name } } },
                ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, PlannedJob.KubePluralName, cancellationToken: Cancel);

        Assert.Equal(["models/pretrain", "models/tune"], (await reader.JobsAsync(null, Cancel)).Select(job => ClusterReader.NameOf(job).ToString()));
        Assert.Empty(await reader.JobsAsync("elsewhere", Cancel));
        Assert.Equal("tune", (await reader.JobAsync(new ObjectName(OperatedCluster.Space, "tune"), Cancel))!.Spec!.TargetRef!.Name);
        Assert.Null(await reader.JobAsync(new ObjectName(OperatedCluster.Space, "none"), Cancel));
    }
}
