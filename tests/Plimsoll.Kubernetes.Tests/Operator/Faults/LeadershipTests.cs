using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>Who leads, told by the API server's own record of who wrote what.</summary>
public sealed class LeadershipTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_leader_killed_between_two_writes_of_a_plan_leaves_the_rest_to_the_next_and_nothing_is_done_twice()
    {
        string[] models = ["first", "fourth", "second", "third"];
        using var audit = new AuditLog();
        await using var cluster = await FaultGround.StartAsync(null, audit.Arguments);
        await ModeAsync(cluster, "recommend");
        foreach (var model in models) await cluster.ActAsync(model, 1, 2);
        ServerChild? leader = null;
        var (written, killed) = (0, false);
        var killing = new Lazy<Task>(async () =>
        {
            await Patience.UntilAsync("the first write is done", _ => Task.FromResult(audit.Scales().Count == 1));
            await leader!.KillAsync();
        });
        await using var gate = await AdmissionGate.OpenAsync(cluster.Plane, AdmissionGate.Scales, async _ =>
        {
            // The others of its plan are on their way when the leader is killed; what is on its way is not done.
            if (Interlocked.Increment(ref written) == 1 || Volatile.Read(ref killed)) return true;
            await killing.Value;
            Volatile.Write(ref killed, true);
            return false;
        });
        leader = OperatorProcess.Start(cluster.Plane, OperatedCluster.Space);
        await using var process = leader;
        foreach (var model in models)
            await Patience.UntilAsync($"two of {model} are recommended", async cancel => (await cluster.StatusAsync(model, cancel))?.DesiredReplicas == 2, yes => yes, _ => process.LogEnd());
        Assert.Empty(audit.Scales());

        // From now on it acts, and its next plan has one more of each.
        await ModeAsync(cluster, "act");
        await Patience.UntilAsync("the leader is killed", _ => Task.FromResult(killed), yes => yes, _ => process.LogEnd());
        Assert.Single(audit.Scales());
        var next = await cluster.OperateAsync(cluster.Plane.ForUser("next", "system:masters"), lease: LeaseTimes.Default);
        foreach (var model in models) await cluster.ReplicasAsync(model, deployment => deployment.Spec.Replicas == 2, $"two of {model} asked");
        await FaultGround.PauseAsync(2);

        Assert.True(next.Run.Health.Leads);
        var scales = audit.Scales();
        Assert.Equal(models, scales.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        Assert.Equal(["admin", "next", "next", "next"], scales.Select(entry => entry.User));
        Assert.All(scales, entry => Assert.Equal(2, entry.Replicas));
        OneAtATime(audit);
    }

    [Fact]
    public async Task Clocks_that_are_minutes_apart_and_jump_by_hours_make_neither_two_leaders_nor_none()
    {
        using var audit = new AuditLog();
        // By a clock that is hours ahead of the server's they would load too long from the moment that they are made.
        await using var cluster = await FaultGround.StartAsync(_ => TimeSpan.FromSeconds(3), audit.Arguments);
        await cluster.ActAsync("llama", 1, 1, 8);
        var (slow, fast) = (new SkewedTime(TimeSpan.FromMinutes(-7)), new SkewedTime(TimeSpan.FromMinutes(5)));
        var first = await cluster.OperateAsync(cluster.Plane.ForUser("slow", "system:masters"), slow);
        await FaultGround.LeadsAsync(first);
        var second = await cluster.OperateAsync(cluster.Plane.ForUser("fast", "system:masters"), fast);

        foreach (var (replicas, slower, faster) in ((int, double, double)[])[(2, 0, 60), (3, -30, 0), (4, 120, -600), (5, -1, 1)])
        {
            slow.Jump(TimeSpan.FromMinutes(slower));
            fast.Jump(TimeSpan.FromMinutes(faster));
            await cluster.WantAsync("llama", replicas);
            await cluster.ReplicasAsync("llama", deployment => deployment.Spec.Replicas == replicas, $"{replicas} asked");
            slow.Jump(TimeSpan.FromMinutes(slower));
            // Longer than a lease lasts here: whoever judged it by the times in it would take it.
            await FaultGround.PauseAsync(4);
            Assert.True(first.Run.Health.Leads);
            Assert.False(second.Run.Health.Leads);
        }

        await cluster.EndAsync(first);
        await FaultGround.LeadsAsync(second);
        var third = await cluster.OperateAsync(cluster.Plane.ForUser("late", "system:masters"), new SkewedTime(TimeSpan.FromDays(-400)));
        await cluster.WantAsync("llama", 6);
        await cluster.ReadyAsync("llama", 6);
        await cluster.EndAsync(second);
        await FaultGround.LeadsAsync(third);
        await cluster.WantAsync("llama", 7);
        await cluster.ReadyAsync("llama", 7);

        Assert.Equal([("slow", 2), ("slow", 3), ("slow", 4), ("slow", 5), ("fast", 6), ("late", 7)], audit.Scales().Select(entry => (entry.User, entry.Replicas ?? 0)));
        OneAtATime(audit);
    }

    // Of what operators alone write, every write is by who held the lease when it came in, by the server's own order.
    private static void OneAtATime(AuditLog audit)
    {
        var entries = audit.Read();
        var leases = entries.Where(entry => entry is { Resource: "leases", Code: 200 or 201, Holder: not null }).ToArray();
        var written = entries.Where(entry => entry.Resource is "deployments/scale" or "scaledmodels/status" && entry.Code == 200).ToArray();
        Assert.NotEmpty(written);
        Assert.All(written, entry =>
        {
            var last = leases.LastOrDefault(lease => lease.Answered <= entry.Asked);
            Assert.True(last is { Holder.Length: > 0 } && last.User == entry.User, $"{entry} while {last?.User} held the lease");
        });
    }

    private static Task<object> ModeAsync(OperatedCluster cluster, string mode) => cluster.Client.CustomObjects.PatchClusterCustomObjectAsync(
        new V1Patch($$$"""{"spec":{"mode":"{{{mode}}}"}}""", V1Patch.PatchType.MergePatch), "plimsoll.dev", "v1alpha1", "fleets", "default", cancellationToken: Cancel);

    /// <summary>A clock that is wrong, and jumps. Time passes on it as it does.</summary>
    private sealed class SkewedTime(TimeSpan skew) : TimeProvider
    {
        private long _skew = skew.Ticks;

        public void Jump(TimeSpan by) => Interlocked.Add(ref _skew, by.Ticks);

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + new TimeSpan(Interlocked.Read(ref _skew));
    }
}
