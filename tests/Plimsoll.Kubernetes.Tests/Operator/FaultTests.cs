using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>What breaks in a cluster, and what the operator makes of it.</summary>
public sealed class FaultTests : OperatorTest
{
    private const string Act = "\"weights\":\"16GiB\",\"mode\":\"act\",\"maxReplicas\":4,\"minReplicas\":";
    [Fact]
    public async Task The_API_server_is_killed_and_comes_back_and_the_operator_goes_on_without_a_restart()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", Act + "1");
        var host = await Cluster.OperateAsync();
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");

        await Cluster.Plane.KillApiServerAsync();
        await Patience.UntilAsync("the operator stops leading", _ => Task.FromResult(!host.Run.Health.Leads));
        var before = Cluster.Ticks.Count;
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Cancel);
        Assert.InRange(Cluster.Ticks.Count, before, before + 1);

        await Cluster.Plane.StartApiServerAsync();
        await Cluster.ServeAsync("second", 0, 1, "24Gi");
        await Cluster.ModelAsync("second", Act + "2");
        await Cluster.ReplicasAsync("second", deployment => deployment.Status.ReadyReplicas == 2, "two of another ready");
        Assert.Equal(1, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task Two_operators_take_turns_and_what_the_first_learned_is_known_to_the_second()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", Act + "1");
        var first = await Cluster.OperateAsync();
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var second = await Cluster.OperateAsync();
        await Patience.UntilAsync("the load that was seen is learned", _ => Task.FromResult(
            Cluster.Ticks.LastOrDefault()?.Plan.Next.Of(new ModelId("models/llama")).Loads.Samples.Length > 0));
        Assert.True(first.Run.Health.Leads);
        Assert.False(second.Run.Health.Leads);
        var generation = (await Cluster.DeploymentAsync("llama", Cancel)).Metadata.Generation;

        await Cluster.EndAsync(first);
        Cluster.Ticks.Clear();
        await Patience.UntilAsync("the second leads and plans", _ => Task.FromResult(second.Run.Health.Leads && Cluster.Ticks.Count > 2));

        Assert.True(Cluster.Ticks.First().Plan.Next.Of(new ModelId("models/llama")).Loads.Samples.Length > 0, "the first one's load is forgotten");
        Assert.All(Cluster.Ticks, tick => Assert.Empty(tick.Applied.Started));
        Assert.Equal(generation, (await Cluster.DeploymentAsync("llama", Cancel)).Metadata.Generation);
    }

    [Fact]
    public async Task A_leader_that_stands_still_writes_nothing_once_another_leads()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", Act + "1");

        // As of a process that is stopped: its lease runs out before everybody's eyes.
        var stopped = new StoppableTime();
        var first = await Cluster.OperateAsync(time: stopped);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var second = await Cluster.OperateAsync();
        stopped.Stop();
        await Patience.UntilAsync("the second leads", _ => Task.FromResult(second.Run.Health.Leads));

        // More is wanted now than the first ever saw; it wakes up and must leave that to the second.
        var written = Writes(first);
        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"minReplicas":3}}""", V1Patch.PatchType.MergePatch), "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
        stopped.Continue();
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 3, "three ready");
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Cancel);

        Assert.False(first.Run.Health.Leads);
        Assert.True(second.Run.Health.Leads);
        Assert.Equal(written, Writes(first));

        // KEDA and the HPA, which may still be connected to it, get no number of its.
        Assert.Empty(first.Desired.Current);
        Assert.NotEmpty(second.Desired.Current);
    }

    [Fact]
    public async Task A_pod_that_crashes_is_no_reason_to_remove_the_others()
    {
        await Cluster.ServeAsync("llama", 2, 1, "24Gi");
        await Cluster.ModelAsync("llama", Act + "2");
        await Cluster.OperateAsync();
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 2, "two ready");

        var pods = await Cluster.PodsAsync("llama");
        await Cluster.Kubelet.CrashAsync(pods[0]);
        await Cluster.StatusAsync("llama", status => status.ReadyReplicas == 1, "one ready of two");
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, Cancel);

        Assert.Equal(2, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
        await Cluster.Kubelet.RestartAsync(pods[0]);
        await Cluster.StatusAsync("llama", status => status.ReadyReplicas == 2, "two ready again");
    }

    // Of an operator: what it patched, whatever was answered.
    private static long Writes(OperatorHost host) =>
        host.Api.Requests.Where(one => one.Key.StartsWith("PATCH", StringComparison.Ordinal)).Sum(one => one.Value);

    /// <summary>The clock of a process that can be stopped: what it waits for then does not come.</summary>
    private sealed class StoppableTime : TimeProvider
    {
        private readonly Lock _gate = new();
        private readonly List<Held> _held = [];
        private bool _stopped;

        public void Stop()
        {
            lock (_gate) _stopped = true;
        }

        public void Continue()
        {
            lock (_gate)
            {
                // Clocks go on while a process is stopped: only its timers fire late.
                _stopped = false;
                foreach (var held in _held) held.Fire();
                _held.Clear();
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(inner =>
            {
                lock (_gate)
                {
                    if (_stopped)
                    {
                        _held.Add(new Held(callback, inner));
                        return;
                    }
                }

                callback(inner);
            }, state, dueTime, period);

        private sealed record Held(TimerCallback Callback, object? State)
        {
            public void Fire() => ThreadPool.QueueUserWorkItem(_ => Callback(State));
        }
    }
}
