using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>The API server's storage stands still or dies, and the way to the server breaks.</summary>
public sealed class ServerFaultTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Storage_stands_still_for_half_a_minute_and_then_dies_and_nothing_is_decided_until_it_is_back()
    {
        await using var cluster = await FaultGround.StartAsync();
        // More than both serve: while its traffic is seen neither is surplus, however slow the machine is.
        cluster.Rate["llama"] = 20;
        await cluster.ActAsync("llama", 1, 1, 2);
        await cluster.ActAsync("other", 1, 1);
        var host = await cluster.OperateAsync();
        await cluster.ReadyAsync("llama", 2);
        await cluster.ReadyAsync("other", 1);
        await cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "demand seen");
        var other = (await cluster.DeploymentAsync("other", Cancel)).Metadata.Generation;

        await cluster.Plane.StopEtcdAsync();
        await FaultGround.LeadsAsync(host, leads: false);
        await FaultGround.PauseAsync(1);
        var (ticks, written) = (cluster.Ticks.Count, host.Api.Count("PATCH 200"));
        cluster.Rate["llama"] = 0;
        await FaultGround.PauseAsync(30);

        Assert.Equal(ticks, cluster.Ticks.Count);
        Assert.Equal(written, host.Api.Count("PATCH 200"));
        Assert.False(host.Run.Health.Leads);

        cluster.Rate["llama"] = 20;
        await cluster.Plane.ContinueEtcdAsync();
        await FaultGround.LeadsAsync(host);
        await Patience.UntilAsync("a write", async _ =>
        {
            await cluster.WantAsync("llama", 3);
            return true;
        });
        await cluster.ReadyAsync("llama", 3);

        await cluster.Plane.KillEtcdAsync();
        await FaultGround.LeadsAsync(host, leads: false);
        cluster.Plane.StartEtcd();
        await FaultGround.LeadsAsync(host);
        await Patience.UntilAsync("a write", async _ =>
        {
            await cluster.WantAsync("llama", 4);
            return true;
        });
        await cluster.ReadyAsync("llama", 4);
        Assert.Equal(other, (await cluster.DeploymentAsync("other", Cancel)).Metadata.Generation);
        Assert.Empty(cluster.Removals());
    }

    [Fact]
    public async Task Watches_that_are_cut_go_on_from_where_they_were_and_those_whose_place_is_compacted_away_list_anew()
    {
        // Without its cache the server's watches are storage's own, which forgets what was before the last compaction.
        await using var cluster = await FaultGround.StartAsync(null, "--watch-cache=false", "--etcd-compaction-interval=1s");
        await using var wire = Wire.To(cluster.Plane.Address);
        await cluster.ActAsync("llama", 0, 1);
        var who = cluster.Plane.Admin();
        who.Host = wire.Address.ToString();
        var host = await cluster.OperateAsync(who);
        await cluster.ReadyAsync("llama", 1);

        foreach (var replicas in (int[])[2, 3, 2, 4])
        {
            wire.Cut();
            await cluster.WantAsync("llama", replicas);
            wire.Cut();
            if (replicas > 2) await cluster.ReplicasAsync("llama", deployment => deployment.Spec.Replicas == replicas, $"{replicas} asked");
        }

        await FaultGround.LeadsAsync(host);
        wire.Refuses = true;
        wire.Cut();
        await FaultGround.LeadsAsync(host, leads: false);
        for (var i = 0; i < 8; i++)
        {
            await cluster.WantAsync("llama", i % 2 == 0 ? 4 : 5);
            await FaultGround.PauseAsync(0.5);
        }

        var gone = host.Api.Count("WATCH 410");
        wire.Refuses = false;
        await Patience.UntilAsync("a watch is told that its place is gone", _ => Task.FromResult(host.Api.Count("WATCH 410") > gone));
        await cluster.ReadyAsync("llama", 5);
        Assert.Empty(cluster.Removals());
    }

    [Fact]
    public async Task A_connection_that_goes_dead_without_a_word_is_noticed_and_another_is_made()
    {
        await using var cluster = await FaultGround.StartAsync();
        await using var wire = Wire.To(cluster.Plane.Address);
        await cluster.ActAsync("llama", 0, 1);
        var who = cluster.Plane.Admin();
        who.Host = wire.Address.ToString();
        var host = await cluster.OperateAsync(who);
        await cluster.ReadyAsync("llama", 1);

        wire.GoDead();
        await cluster.WantAsync("llama", 3);
        await FaultGround.LeadsAsync(host, leads: false);
        await FaultGround.LeadsAsync(host);
        await cluster.ReadyAsync("llama", 3);
        Assert.Empty(cluster.Removals());
    }
}
