using System.Globalization;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.Metrics;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>Demand that stands in front of pods at zero, read from a real Prometheus by the queries of a ScaledModel.</summary>
public sealed class FrontDemandTests : OperatorTest
{
    [Fact]
    public async Task An_ingress_counter_or_a_queue_wakes_a_model_at_zero()
    {
        var (arrived, waiting) = (1000L, 0L);
        await using var front = new Endpoint(() => string.Create(CultureInfo.InvariantCulture, $$"""
            ingress_requests_total{service="llama"} {{Interlocked.Read(ref arrived)}}
            picker_queue{model="queued"} {{Interlocked.Read(ref waiting)}}

            """));
        await using var prometheus = await PrometheusServer.StartAsync(("infra", "front", front));
        const string Act = "\"weights\":\"16GiB\",\"mode\":\"act\",\"idleLimit\":\"5s\",\"metrics\":";
        foreach (var name in (string[])["llama", "queued", "blind"]) await Cluster.ServeAsync(name, 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", Act + "{\"arrivals\":\"ingress_requests_total{service=\\\"llama\\\"}\"}");
        await Cluster.ModelAsync("queued", Act + "{\"queue\":\"sum(picker_queue{model=\\\"queued\\\"})\"}");
        await Cluster.ModelAsync("blind", Act + "{\"arrivals\":\"nothing_of_the_kind\"}");
        await Cluster.OperateAsync(prometheus: prometheus.Uri);
        foreach (var name in (string[])["llama", "queued"])
        {
            var idle = await Cluster.StatusAsync(name, status => OperatedCluster.Condition(status, ConditionTypes.MetricsSeen) is { Status: "True" }, "seen");
            Assert.Equal(0, idle!.DesiredReplicas);
        }

        var blind = await Cluster.StatusAsync("blind", status => OperatedCluster.Condition(status, ConditionTypes.MetricsSeen) is { Status: "False" }, "not seen");
        Assert.Equal("models/blind: the query for arrivals finds no series", OperatedCluster.Condition(blind, ConditionTypes.MetricsSeen)?.Message);

        Interlocked.Increment(ref arrived);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Spec.Replicas == 1, "one for what arrived");
        Interlocked.Exchange(ref waiting, 3);
        await Cluster.ReplicasAsync("queued", deployment => deployment.Spec.Replicas == 1, "one for what waits");

        // The ingress counts all there is, so that its silence is known; of the other's pods this Prometheus knows nothing.
        await Cluster.ReplicasAsync("llama", deployment => deployment.Spec.Replicas == 0, "none when nothing arrives");
        Assert.Equal(1, (await Cluster.DeploymentAsync("queued", Cancel)).Spec.Replicas);
        Assert.Equal(0, (await Cluster.DeploymentAsync("blind", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task Without_a_Prometheus_to_ask_one_replica_is_kept_and_status_says_why()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"metrics\":{\"arrivals\":\"ingress_requests_total\"}");
        await Cluster.OperateAsync();
        var status = await Cluster.StatusAsync("llama", status => status.DesiredReplicas == 1, "one recommended");
        Assert.Contains("--prometheus would do", OperatedCluster.Condition(status, ConditionTypes.MetricsSeen)!.Message, StringComparison.Ordinal);
    }
}
