using System.Net;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>Gateways and an operator on a real control plane: a held request is demand, and demand is replicas.</summary>
public sealed class GatewayDemandTests : OperatorTest
{
    private static readonly ModelId Llama = new("models/llama");

    [Fact]
    public async Task A_request_for_a_model_at_zero_is_held_starts_a_replica_and_is_answered_by_it_and_the_model_goes_back_to_zero()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"idleLimit\":\"3s\",\"gateway\":{\"wait\":\"90s\"}");
        var gateway = await ground.RunAsync((await ground.DeployAsync(1))[0], await ground.AccountAsync());
        await Cluster.OperateAsync(gateway: ground.Asked);
        var idle = await Cluster.StatusAsync("llama", status => status.DesiredReplicas == 0, "zero is enough");
        Assert.Equal("the gateway counts its requests", OperatedCluster.Condition(idle, ConditionTypes.MetricsSeen)?.Message);
        Assert.Equal(0, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);

        using var answer = await ground.ChatAsync(gateway, "llama");

        Assert.Contains(GatewayGround.PodOf(answer), await Cluster.PodsAsync("llama"));
        Assert.True(int.Parse(answer.Headers.GetValues("x-plimsoll-held-ms").Single(), System.Globalization.CultureInfo.InvariantCulture) > 0);
        Assert.Contains(Cluster.Ticks, tick => tick.Snapshot.Traffic.Any(row => row is { HeldNow: 1, Arrivals: 1 } && row.Model == Llama));
        await Cluster.ReplicasAsync("llama", deployment => deployment.Spec.Replicas == 0, "back at zero");
        Assert.Equal(1, Traffic().Sum(row => row.Arrivals));
        Assert.Equal(1, Traffic().Sum(row => row.Completed));
        Assert.Equal(0, Traffic()[^1].HeldNow);
        Assert.DoesNotContain(Cluster.Log, line => line.Contains("lacks the permission", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_two_gateways_hold_adds_up_and_what_a_killed_one_held_is_abandoned_once()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"gateway\":{\"wait\":\"30min\"}");
        var pods = await ground.DeployAsync(2);
        var (first, second) = (await ground.RunAsync(pods[0]), await ground.RunAsync(pods[1]));
        await Cluster.OperateAsync(gateway: ground.Asked);
        await Patience.UntilAsync("both are read", _ => Task.FromResult(Traffic().Any(row => row is { From: var from, To: var to } && to > from)));
        Task<HttpResponseMessage>[] asked = [ground.ChatAsync(first, "llama"), ground.ChatAsync(first, "llama"), ground.InferAsync(second, "llama")];

        await Patience.UntilAsync("three are held", _ => Task.FromResult(Traffic()[^1].HeldNow), held => held == 3);
        Assert.Equal(3, Traffic().Sum(row => row.Arrivals));

        // The container is killed and starts again in its pod.
        await ground.KillAsync(first);
        await ground.RunAsync(pods[0]);
        await Patience.UntilAsync("one is held", _ => Task.FromResult(Traffic()[^1].HeldNow), held => held == 1);
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("it is looked at some more times", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 3));

        Assert.Equal(2, Traffic().Sum(row => row.Abandoned));
        Assert.Equal(3, Traffic().Sum(row => row.Arrivals));
        Assert.Equal(1, Traffic()[^1].HeldNow);
        Assert.False(Traffic()[^1].Censored);
        await ground.KillAsync(second);
        foreach (var answer in await Task.WhenAll(asked)) Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
    }

    [Fact]
    public async Task Without_a_gateway_that_can_be_read_nothing_is_known_and_nothing_is_let_go()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 2, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"idleLimit\":\"1s\",\"gateway\":{}");
        await Cluster.OperateAsync(gateway: ground.Asked);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 2, "two ready");

        var none = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.MetricsSeen) is { Status: "False" }, "not seen");
        Assert.Equal("no pod of the gateway plimsoll-system/plimsoll-gateway runs, through which its requests come", OperatedCluster.Condition(none, ConditionTypes.MetricsSeen)?.Message);

        // Its pods run, and nothing answers in them.
        await ground.DeployAsync(1);
        await Patience.UntilAsync("it is asked in vain some times", _ => Task.FromResult(Cluster.Ticks.Count(tick => tick.Snapshot.Traffic.IsEmpty) > 10));
        Assert.All(Cluster.Ticks, tick => Assert.DoesNotContain(tick.Snapshot.Traffic, row => row.Model == Llama));
        Assert.Equal(2, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task A_held_request_ends_the_operators_wait_at_once()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"gateway\":{}");
        var gateway = await ground.RunAsync((await ground.DeployAsync(1))[0]);
        using var source = new GatewaySource(ground.Asked);
        var endpoint = new GatewayEndpoint(new ObjectName("a", "b"), "uid", true, new Uri(gateway.AdminAddress, "demand"));
        Assert.NotNull(Assert.Single(await source.ReadAsync([endpoint], Cancel)).Sample);
        var waiting = source.WaitForHeldAsync(Cancel);
        Assert.False(waiting.IsCompleted);

        var asked = ground.ChatAsync(gateway, "llama");

        await waiting.WaitAsync(Patience.Limit, TimeProvider.System, Cancel);
        Assert.Equal(1, Assert.Single(await source.ReadAsync([endpoint], Cancel)).Sample!.Models[Llama].HeldNow);
        await ground.KillAsync(gateway);
        using var refused = await asked;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
    }

    // Of the model, in the order of the ticks.
    private ModelTraffic[] Traffic() => [.. Cluster.Ticks.SelectMany(tick => tick.Snapshot.Traffic).Where(row => row.Model == Llama)];
}
