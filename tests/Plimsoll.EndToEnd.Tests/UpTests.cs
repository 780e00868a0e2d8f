using System.Net;
using System.Text;

namespace Plimsoll.EndToEnd.Tests;

public sealed class UpTests
{
    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    public async Task Up_serves_a_model_explains_itself_and_leaves_nothing_behind(string signal)
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        await up.LineAsync("ready tiny-1");
        using var body = new StringContent(
            """{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}""", Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri("/v2/models/tiny/infer", UriKind.Relative), body, Scene.Cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

        // Said as soon as it is ready, and of status with the next tick that is kept.
        await Scene.UntilAsync(() => scene.StatusAsync().GetAwaiter().GetResult().Models.Single() is { Model: "tiny", Tier: "memory" }, () => up.Error);
        Assert.Matches(
            "9 in 10 loads are faster, half are faster than .*; from (bytes and bandwidth, as none was seen yet|the one load seen)",
            Scene.Unfolded(await scene.SaysAsync("explain", "tiny")));
        Assert.Contains("start tiny-1: at least 1 wanted", await scene.SaysAsync("history"), StringComparison.Ordinal);
        Assert.Equal(0, (await scene.ReplayAsync()).Differing);
        Assert.Single(scene.Replicas());

        up.Signal(signal);
        Assert.Equal(0, await up.ExitAsync());
        Assert.Empty(scene.Replicas());
        Assert.DoesNotContain("   at ", up.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "30 s", HttpStatusCode.OK)]
    [InlineData("planner: {drainDeadline: 2s}\n", "2 s", null)]
    public async Task Requests_under_way_have_at_the_end_what_a_draining_replica_has(string planner, string told, HttpStatusCode? answered)
    {
        await using var scene = new Scene();
        await File.WriteAllTextAsync(Path.Combine(scene.Folder, "weights.bin"), "w", Scene.Cancel);
        scene.Fleet($$"""
            {{planner}}gateway: {listen: 127.0.0.1:0}
            models:
            - name: slow
              source: weights.bin
              weights: 1MB
              command: ["{{GpuFleetTests.Host}}", serve, "{port}", answer=14]
              readyPath: /
              minReplicas: 1
            """);
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        using var body = new StringContent("{}");
        await up.LineAsync("ready slow-1");
        var request = client.PostAsync(Slow, body, Scene.Cancel);
        await IsAnsweringAsync(scene, up);

        up.Signal("TERM");
        await up.LineAsync($"ending: requests under way have {told} to finish, then the replicas are stopped; another Ctrl-C waits no longer");
        if (answered is { } status)
        {
            using var answer = await request;
            Assert.Equal(status, answer.StatusCode);
        }
        else
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => request);
        }

        Assert.Equal(0, await up.ExitAsync());
        Assert.Empty(scene.Replicas());
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_second_signal_cuts_requests_and_kills_replicas_that_will_not_go(string second)
    {
        await using var scene = new Scene();
        await File.WriteAllTextAsync(Path.Combine(scene.Folder, "weights.bin"), "w", Scene.Cancel);
        // A shell that ignores TERM, and the server that it waits for inherits that.
        scene.Fleet($$"""
            machine: {stopGrace: 600s}
            planner: {drainDeadline: 100s}
            gateway: {listen: 127.0.0.1:0}
            models:
            - name: slow
              source: weights.bin
              weights: 1MB
              command: [env, --ignore-signal=TERM, "{{GpuFleetTests.Host}}", serve, "{port}", answer=100]
              readyPath: /
              minReplicas: 1
            """);
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        using var body = new StringContent("{}");
        await up.LineAsync("ready slow-1");
        var request = client.PostAsync(Slow, body, Scene.Cancel);
        await IsAnsweringAsync(scene, up);

        up.Signal("INT");
        await up.LineAsync("another Ctrl-C waits no longer");
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Scene.Cancel);
        Assert.False(request.IsCompleted);
        Assert.Single(scene.Replicas());
        up.Signal(second);

        // Well within what a single signal gives each of the two.
        Assert.Equal(0, await up.ExitAsync());
        await Assert.ThrowsAsync<HttpRequestException>(() => request);
        Assert.Empty(scene.Replicas());
        Assert.Contains("ended; nothing is left running", up.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hang_up_that_was_ignored_from_the_start_stays_ignored()
    {
        await using var scene = new Scene();
        var up = await scene.TinyAsync(starter: ["env", "--ignore-signal=HUP"]);

        up.Signal("HUP");
        using var traffic = Traffic.Start(await up.GatewayAsync(), 50, "tiny");
        await traffic.MoreAsync(50);

        Assert.Equal("", Traffic.Failures(await traffic.StopAsync()));
        await scene.EndAsync(up);
    }

    [Fact]
    public async Task What_still_loads_is_ended_with_the_fleet_and_what_was_taken_is_answered()
    {
        await using var scene = new Scene();
        var tiny = await scene.ModelAsync("tiny", Bytes.MiB(1));
        var heavy = await scene.ModelAsync("heavy", Bytes.MiB(32));
        scene.Fleet($"""
            gateway: {"{listen: 127.0.0.1:0}"}
            models:
            - {"{"}name: tiny, source: {tiny}, minReplicas: 1{"}"}
            - {"{"}name: heavy, source: {heavy}, minReplicas: 1, loadBandwidth: 100KB/s{"}"}
            """);
        var up = scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("ready tiny-1");
        await up.LineAsync("start heavy-1");
        Assert.Equal(2, scene.Replicas().Length);
        using var traffic = Traffic.Start(gateway, 50, "tiny");
        await traffic.MoreAsync(100);

        var signalled = traffic.Now;
        await scene.EndAsync(up);
        // What was sent on a connection that was just being closed breaks, as with any HTTP server: only what came well
        // before is certain to have been taken.
        var results = await traffic.StopAsync();
        Assert.Equal("", Traffic.Failures(results.Where(result => result.Request.At + result.Lag < signalled - TimeSpan.FromSeconds(0.5))));
    }

    [Fact]
    public async Task Two_fleets_on_one_machine_do_not_collide_and_one_state_folder_has_one_controller()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        var other = Path.Combine(scene.Folder, "other");
        var file = scene.Fleet($"name: one\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var second = Path.Combine(scene.Folder, "second.yaml");
        File.WriteAllText(second, File.ReadAllText(file).Replace("name: one", "name: two", StringComparison.Ordinal));
        var (one, two) = (scene.Up(file), scene.Up(second, other));
        await one.LineAsync("ready tiny-1");
        await two.LineAsync("ready tiny-1");
        Assert.NotEqual(await one.GatewayAsync(), await two.GatewayAsync());
        var before = scene.Replicas(other);

        var third = scene.Up(second);
        Assert.Equal(69, await third.ExitAsync());
        Assert.Equal(
            $"plimsoll: another controller (process {one.Pid}) runs fleet 'two' from {scene.State}; "
            + "end it first, or give this one a state folder of its own\n", third.Error);

        await scene.EndAsync(one);
        Assert.Equal(before, scene.Replicas(other));
        using var traffic = Traffic.Start(await two.GatewayAsync(), 50, "tiny");
        await traffic.MoreAsync(20);
        Assert.Equal("", Traffic.Failures(await traffic.StopAsync()));
        await scene.EndAsync(two, state: other);
    }

    [Fact]
    public async Task A_model_heavier_than_the_budget_is_refused_before_anything_starts()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"machine: {{memory: 16MiB}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = scene.Up();

        Assert.Equal(3, await up.ExitAsync());

        Assert.Matches(
            @"^plimsoll: model 'tiny' is refused: too heavy: \S+ MiB while loading against a budget of 16\.0 MiB on the largest node; "
            + @"it takes \S+ MiB more, or weights of at most nothing, as the server alone takes \S+ MiB\n$", up.Error);
        Assert.Equal("", up.Output);
        Assert.False(Directory.Exists(Path.Combine(scene.State, "logs")) && Directory.EnumerateFiles(Path.Combine(scene.State, "logs")).Any());
    }

    private static readonly Uri Slow = new("/v2/models/slow/infer", UriKind.Relative);

    // The only request has come to the only replica.
    private static Task IsAnsweringAsync(Scene scene, UpProcess up) =>
        Scene.UntilAsync(() => scene.StatusAsync().GetAwaiter().GetResult().Models.Single().Replicas is [{ Outstanding: 1 }], () => up.Error);
}
