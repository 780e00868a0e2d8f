namespace Plimsoll.EndToEnd.Tests;

public sealed class ReplicaDeathTests
{
    [Fact]
    public async Task A_replica_killed_under_load_costs_no_request_and_no_other_model_notices()
    {
        await using var scene = new Scene();
        var (left, right) = (await scene.ModelAsync("left", Bytes.MiB(4)), await scene.ModelAsync("right", Bytes.MiB(4)));
        scene.Fleet($"""
            gateway: {"{listen: 127.0.0.1:0}"}
            models:
            - {"{"}name: left, source: {left}, minReplicas: 1{"}"}
            - {"{"}name: right, source: {right}, minReplicas: 1{"}"}
            """);
        var up = scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("ready left-1");
        await up.LineAsync("ready right-1");
        var other = scene.PidOf("right-1");
        using var traffic = Traffic.Start(gateway, 100, "left", "right");
        await traffic.MoreAsync(100);

        foreach (var n in (int[])[1, 2])
        {
            Scene.Kill(scene.PidOf($"left-{n}"), "KILL");
            await up.LineAsync($"died left-{n}");
            await up.LineAsync($"ready left-{n + 1}");
            await traffic.MoreAsync(50);
        }

        var results = await traffic.StopAsync();
        Assert.Equal("", Traffic.Failures(results));
        // Those that came while it loaded again were held, not lost.
        Assert.Contains(results, result => result.Request.Model.Value == "left" && result.Held > TimeSpan.Zero);
        Assert.Equal(other, scene.PidOf("right-1"));
        var history = await scene.SaysAsync("history", "--model", "right", "--limit", "1000");
        Assert.Single(history.Split('\n'), line => line.Contains("right-1 was ready", StringComparison.Ordinal));
        Assert.DoesNotContain("exited", history, StringComparison.Ordinal);
        Assert.Contains("was ended by signal 9", await scene.SaysAsync("history", "--model", "left", "--limit", "1000"), StringComparison.Ordinal);
        await scene.EndAsync(up);
    }
}
