using Microsoft.Data.Sqlite;
using Plimsoll.Local;

namespace Plimsoll.EndToEnd.Tests;

public sealed class ControllerDeathTests
{
    [Fact]
    public async Task A_controller_killed_under_load_finds_its_replicas_and_its_knowledge_again()
    {
        await using var scene = new Scene();
        var (left, right) = (await scene.ModelAsync("left", Bytes.MiB(4)), await scene.ModelAsync("right", Bytes.MiB(4)));
        scene.Fleet($"""
            gateway: {"{"}listen: 127.0.0.1:{Scene.FreePort()}{"}"}
            models:
            - {"{"}name: left, source: {left}, minReplicas: 1{"}"}
            - {"{"}name: right, source: {right}, minReplicas: 1{"}"}
            """);
        var first = scene.Up();
        var gateway = await first.GatewayAsync();
        await first.LineAsync("ready left-1");
        await first.LineAsync("ready right-1");
        using var traffic = Traffic.Start(gateway, 100, "left", "right");
        await traffic.MoreAsync(100);
        // What was measured at ready is in the tick after it; what is charged is that once they have worked.
        await Scene.UntilAsync(() => Known(scene).All(model => model is { Samples: > 0, Worked: true }), () => "no memory was measured at work");
        var (before, known, replicas) = (await scene.StatusAsync(), Known(scene), scene.Replicas());

        var killed = traffic.Now;
        Scene.Kill(first.Pid, "KILL");
        await first.ExitAsync();
        var downFrom = traffic.Now;
        await Scene.UntilAsync(() => traffic.Results.Count(result => result.Request.At > downFrom) >= 50, () => "no request while it was down");
        var downTo = traffic.Now;
        Assert.Equal(replicas, scene.Replicas());

        var second = scene.Up();
        await second.GatewayAsync();
        var backFrom = traffic.Now;
        await traffic.MoreAsync(200);
        var results = await traffic.StopAsync();

        // While it was down nobody listened; what was under way at the kill broke, and nothing else.
        Assert.Equal("", Traffic.Failures(results.Where(result => result.Request.At + result.Latency < killed)));
        Assert.All(results.Where(result => result.Request.At > downFrom && result.Request.At < downTo),
            result => Assert.Equal("connection refused", result.Failure));
        Assert.Equal("", Traffic.Failures(results.Where(result => result.Request.At > backFrom)));

        Assert.Equal(replicas, scene.Replicas());
        Assert.DoesNotContain("start ", second.Output, StringComparison.Ordinal);
        var after = await scene.StatusAsync();
        while (after.Tick <= before.Tick)
        {
            // Its first tick may still be on its way to the disk.
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Scene.Cancel);
            after = await scene.StatusAsync();
        }

        foreach (var (was, now) in before.Models.Zip(after.Models))
        {
            Assert.Equal(was.Replicas.Single().Id, now.Replicas.Single().Id);
            Assert.Equal(was.LoadSeconds, now.LoadSeconds);
            Assert.True(now.ChargedSteadyBytes >= was.ChargedSteadyBytes && now.ChargedLoadPeakBytes >= was.ChargedLoadPeakBytes);
        }

        foreach (var (was, now) in known.Zip(Known(scene)))
        {
            Assert.Equal((was.Loads, was.LoadPeak), (now.Loads, now.LoadPeak));
            Assert.True(now.Steady >= was.Steady && now.Samples >= was.Samples);
        }

        await scene.EndAsync(second);
        var replay = await scene.ReplayAsync();
        Assert.True(replay.Compared > 0);

        // On a machine this busy the disk may be too slow for a tick, which then is not recorded; all that are must be the same.
        Assert.Equal((0, 0), (replay.Differing, replay.Unreachable));
        Assert.Equal("ok", Integrity(scene));
    }

    [Fact]
    public async Task A_restart_that_fails_leaves_what_serves_to_the_next_one()
    {
        await using var scene = new Scene();
        var fleet = $"models:\n- {{name: tiny, source: {await scene.ModelAsync("tiny", Bytes.MiB(1))}, minReplicas: 1}}\n";
        scene.Fleet("gateway: {listen: 127.0.0.1:0}\n" + fleet);
        var first = scene.Up();
        await first.LineAsync("ready tiny-1");
        first.Signal("KILL");
        await first.ExitAsync();
        var replicas = scene.Replicas();

        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        scene.Fleet($"gateway: {{listen: '{taken.LocalEndpoint}'}}\n" + fleet);
        var second = scene.Up();
        Assert.Equal(69, await second.ExitAsync());
        Assert.Equal(replicas, scene.Replicas());

        taken.Stop();
        var third = scene.Up();
        await third.LineAsync("requests to ");
        Assert.Equal(replicas, scene.Replicas());
        await scene.EndAsync(third);
    }

    [Fact]
    public async Task A_replica_that_died_with_its_controller_is_reported_and_replaced()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var first = scene.Up();
        await first.LineAsync("ready tiny-1");
        Scene.Kill(first.Pid, "KILL");
        await first.ExitAsync();
        Scene.Kill(scene.PidOf("tiny-1"), "KILL");
        await Scene.UntilAsync(() => scene.Replicas().IsEmpty, () => "the killed replica is still there");

        var second = scene.Up();
        await second.LineAsync("died tiny-1");
        await second.LineAsync("ready tiny-2");

        Assert.Contains("exited: tiny-1 ended: ended, and nobody was there to see how", Scene.Unfolded(await scene.SaysAsync("history")), StringComparison.Ordinal);
        await scene.EndAsync(second);
    }

    // What the last recorded plan says is known of each model, in the order of their names.
    private static IEnumerable<(int Loads, Bytes? LoadPeak, Bytes Steady, int Samples, bool Worked)> Known(Scene scene)
    {
        using var journal = JournalReader.Open(Journal.PathIn(scene.State));
        var knowledge = journal.Latest()?.Knowledge ?? Knowledge.Empty;
        return [.. knowledge.Models.Values.Select(model =>
        {
            var memory = model.Memory.Values.SingleOrDefault();
            return (model.Loads.Samples.Length, memory?.LoadPeak, memory?.Steady ?? Bytes.Zero, memory?.Samples ?? 0, memory is { Unworked: false });
        })];
    }

    private static string Integrity(Scene scene)
    {
        using var connection = new SqliteConnection($"Data Source={Journal.PathIn(scene.State)};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check";
        return (string)command.ExecuteScalar()!;
    }
}
