using k8s;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.NodeCache;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>What the next leader knows of models that are weighed by their headers.</summary>
public sealed class HandoverTests : OperatorTest
{
    [Fact]
    public async Task The_next_leader_plans_at_once_with_what_was_weighed_and_learned_though_the_hub_is_gone()
    {
        var hub = await ModelHub.StartAsync();
        hub.Add("llama", 4 << 20);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"mode\":\"act\",\"maxReplicas\":4,\"minReplicas\":1");
        var first = await Cluster.OperateAsync(sources: hub.Sources);
        await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Weighed)?.Status == "True", "it is weighed");
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        await Patience.UntilAsync("the load that was seen is learned", _ => Task.FromResult(
            Cluster.Ticks.LastOrDefault()?.Plan.Next.Of(new ModelId("models/llama")).Loads.Samples.Length > 0));
        var second = await Cluster.OperateAsync(sources: hub.Sources);
        await hub.DisposeAsync();

        await Cluster.EndAsync(first);
        Cluster.Ticks.Clear();
        await Patience.UntilAsync("the second leads and plans", _ => Task.FromResult(second.Run.Health.Leads && Cluster.Ticks.Count > 2));

        Assert.All(Cluster.Ticks, tick =>
        {
            Assert.Equal(Bytes.MiB(4), Assert.Single(tick.Spec.Models).Footprint.Weights);
            Assert.True(tick.Plan.Next.Of(new ModelId("models/llama")).Loads.Samples.Length > 0, "the first one's load is forgotten");
            Assert.Empty(tick.Applied.Started);
        });

        // Each write takes the place of the one before the last; however many there were, no more is kept.
        var kept = (await Cluster.Client.CoreV1.ListNamespacedConfigMapAsync(OperatedCluster.Space, labelSelector: "app.kubernetes.io/part-of=plimsoll", cancellationToken: Cancel)).Items;
        Assert.Equal(4, kept.Count);
    }
}
