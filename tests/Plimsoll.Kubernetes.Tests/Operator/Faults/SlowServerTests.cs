using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>A server that takes its time over one write, and what goes on meanwhile.</summary>
public sealed class SlowServerTests
{
    [Fact]
    public async Task A_write_that_takes_its_time_keeps_no_plan_waiting_and_only_the_newest_number_follows_it()
    {
        using var audit = new AuditLog();
        await using var cluster = await FaultGround.StartAsync(null, audit.Arguments);
        await cluster.ActAsync("held", 1, 1, 8);
        await cluster.ActAsync("other", 1, 1, 8);
        var (held, release) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        await using var gate = await AdmissionGate.OpenAsync(cluster.Plane, AdmissionGate.Scales, async request =>
        {
            if (request.Text("name") != "held") return true;
            held.TrySetResult();
            await release.Task;
            return true;
        });
        var host = await cluster.OperateAsync(cluster.Plane.ForUser("one", "system:masters"));
        await FaultGround.LeadsAsync(host);
        await cluster.WantAsync("held", 2);
        await held.Task.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);

        // Behind the write that is held: turns go on, others are scaled, and two more numbers come up, of which one is overtaken.
        var turns = host.Run.Health.Ticks;
        await cluster.WantAsync("other", 2);
        await cluster.ReplicasAsync("other", deployment => deployment.Spec.Replicas == 2, "two of the other asked");
        await Patience.UntilAsync("a turn goes on", _ => Task.FromResult(host.Run.Health.Ticks > turns));
        await cluster.WantAsync("held", 3);
        await Patience.UntilAsync("three are in a plan", async cancel => (await cluster.StatusAsync("held", cancel))?.DesiredReplicas == 3);
        await cluster.WantAsync("held", 5);
        await Patience.UntilAsync("five are in a plan", async cancel => (await cluster.StatusAsync("held", cancel))?.DesiredReplicas == 5);
        Assert.DoesNotContain(audit.Scales(), entry => entry.Name == "held");
        release.SetResult();
        await cluster.ReplicasAsync("held", deployment => deployment.Spec.Replicas == 5, "five asked");
        await FaultGround.PauseAsync(2);

        // Where a plan is made before the watch tells of a write the same number may be written again, but none that was overtaken.
        var asked = audit.Scales().Where(entry => entry.Name == "held").Select(entry => entry.Replicas ?? 0).ToArray();
        Assert.Equal([2, 5], asked.Where((replicas, i) => i == 0 || asked[i - 1] != replicas));
        Assert.Equal([2], audit.Scales().Where(entry => entry.Name == "other").Select(entry => entry.Replicas ?? 0));
    }
}
