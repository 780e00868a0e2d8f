using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>What breaks in a cluster, and what the operator makes of it.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private const string Act = "\"weights\":\"16GiB\",\"mode\":\"act\",\"maxReplicas\":4,\"minReplicas\":";
    private OperatedCluster _cluster = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        _cluster = await OperatedCluster.StartAsync();
        await _cluster.QuickFleetAsync();
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
    }

    public ValueTask DisposeAsync() => _cluster?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task The_API_server_is_killed_and_comes_back_and_the_operator_goes_on_without_a_restart()
    {
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", Act + "1");
        var host = await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");

        await _cluster.Plane.KillApiServerAsync();
        await Patience.UntilAsync("the operator stops leading", _ => Task.FromResult(!host.Run.Health.Leads));
        var before = _cluster.Ticks.Count;
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Cancel);
        Assert.InRange(_cluster.Ticks.Count, before, before + 1);

        await _cluster.Plane.StartApiServerAsync();
        await _cluster.ServeAsync("second", 0, 1, "24Gi");
        await _cluster.ModelAsync("second", Act + "2");
        await _cluster.ReplicasAsync("second", deployment => deployment.Status.ReadyReplicas == 2, "two of another ready");
        Assert.Equal(1, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task Two_operators_take_turns_and_what_the_first_learned_is_known_to_the_second()
    {
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", Act + "1");
        var first = await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var second = await _cluster.OperateAsync();
        await Patience.UntilAsync("the load that was seen is learned", _ => Task.FromResult(
            _cluster.Ticks.LastOrDefault()?.Plan.Next.Of(new ModelId("models/llama")).Loads.Samples.Length > 0));
        Assert.True(first.Run.Health.Leads);
        Assert.False(second.Run.Health.Leads);
        var generation = (await _cluster.DeploymentAsync("llama", Cancel)).Metadata.Generation;

        await _cluster.EndAsync(first);
        _cluster.Ticks.Clear();
        await Patience.UntilAsync("the second leads and plans", _ => Task.FromResult(second.Run.Health.Leads && _cluster.Ticks.Count > 2));

        Assert.True(_cluster.Ticks.First().Plan.Next.Of(new ModelId("models/llama")).Loads.Samples.Length > 0, "the first one's load is forgotten");
        Assert.All(_cluster.Ticks, tick => Assert.Empty(tick.Applied.Started));
        Assert.Equal(generation, (await _cluster.DeploymentAsync("llama", Cancel)).Metadata.Generation);
    }

    [Fact]
    public async Task A_leader_that_stands_still_writes_nothing_once_another_leads()
    {
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", Act + "1");

        // As of a process that is stopped: its lease runs out before everybody's eyes.
        var stopped = new StoppableTime();
        var first = await _cluster.OperateAsync(time: stopped);
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var second = await _cluster.OperateAsync();
        stopped.Stop();
        await Patience.UntilAsync("the second leads", _ => Task.FromResult(second.Run.Health.Leads));
        stopped.Continue();

        await Patience.UntilAsync("the first knows", _ => Task.FromResult(!first.Run.Health.Leads));
        Assert.True(second.Run.Health.Leads);
        Assert.Equal(1, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task Pods_that_crash_and_pods_whose_metrics_hang_are_no_reason_to_remove_the_others()
    {
        await _cluster.ServeAsync("llama", 2, 1, "24Gi");
        await _cluster.ModelAsync("llama", Act + "2");
        await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 2, "two ready");

        var pods = await _cluster.PodsAsync("llama");
        await _cluster.Kubelet.CrashAsync(pods[0]);
        await _cluster.StatusAsync("llama", status => status.ReadyReplicas == 1, "one ready of two");
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, Cancel);

        Assert.Equal(2, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
        await _cluster.Kubelet.RestartAsync(pods[0]);
        await _cluster.StatusAsync("llama", status => status.ReadyReplicas == 2, "two ready again");
    }

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
