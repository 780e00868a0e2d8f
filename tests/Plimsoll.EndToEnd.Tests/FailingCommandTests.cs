using System.Net;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>Servers that do not come up: what is told of them, and that the fleet goes on.</summary>
public sealed class FailingCommandTests
{
    [Fact]
    public async Task A_command_that_exits_at_once_is_told_with_the_end_of_its_output_and_tried_ever_more_rarely()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($$"""
            gateway: {listen: 127.0.0.1:0}
            models:
            - {name: tiny, source: {{model}}, minReplicas: 1, command: [sh, -c, "echo there is no option --prot >&2; exit 3", "{port}"]}
            """);
        var up = scene.Up();
        var died = await up.LineAsync("died tiny-2");

        Assert.EndsWith("died tiny-2: exited with code 3 while loading; the end of its output: | there is no option --prot", died, StringComparison.Ordinal);
        string explained;
        do
        {
            explained = Scene.Unfolded(await scene.SaysAsync("explain", "tiny"));
        }
        while (!explained.Contains("next try in", StringComparison.Ordinal));
        Assert.Matches(@"failed \d+ times, next try in .+: exited with code 3 while loading; the end of its output: there is no option --prot", explained);

        await scene.EndAsync(up, code: 1);
        Assert.Matches(@"^plimsoll: no replica ever became ready: \d+ died, 0 took too long; plimsoll history says how$", up.Error.TrimEnd().Split('\n')[^1]);
        Assert.DoesNotContain("   at ", up.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_asks_for_a_model_that_crashes_is_told_so_and_when_to_come_back()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($$"""
            gateway: {listen: 127.0.0.1:0, queue: {wait: 20s} }
            planner: {crashBackoff: 10min, crashBackoffMax: 10min}
            models:
            - {name: tiny, source: {{model}}, command: [sh, -c, "echo there is no option --prot >&2; exit 3", "{port}"]}
            """);
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        var infer = new Uri("/v2/models/tiny/infer", UriKind.Relative);

        // The one that has it started is held.
        using var first = await client.PostAsync(infer, new StringContent("{}"), Scene.Cancel);
        Assert.Contains("had room within 20 s: failed 1 time, next try in ", await first.Content.ReadAsStringAsync(Scene.Cancel), StringComparison.Ordinal);
        using var second = await client.PostAsync(infer, new StringContent("{}"), Scene.Cancel);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, second.StatusCode);
        Assert.InRange(second.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10));
        Assert.Matches(@"no replica of tiny serves within 20 s: failed 1 time, next try in .+: exited with code 3", await second.Content.ReadAsStringAsync(Scene.Cancel));
        await scene.EndAsync(up, code: 1);
    }

    [Fact]
    public async Task A_command_that_never_becomes_ready_is_ended_when_overdue()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($$"""
            gateway: {listen: 127.0.0.1:0}
            models:
            - {name: tiny, source: {{model}}, minReplicas: 1, command: [sh, -c, "echo warming up; sleep 1000", "{port}"]}
            """);
        var up = scene.Up();

        var stop = await up.LineAsync("stop tiny-1");
        Assert.Matches("stop tiny-1: loading for .+ times the .+ expected", stop);
        await up.LineAsync("start tiny-2");
        await up.LineAsync("ended tiny-1");
        var history = Scene.Unfolded(await scene.SaysAsync("history"));
        Assert.Contains("stop tiny-1: loading for", history, StringComparison.Ordinal);
        Assert.Matches(@"exited: tiny-1 ended as asked: .+ after it was told to end; the end of its output: \| warming up", history);

        await scene.EndAsync(up, code: 1);

        // A disk that is silent for seconds is said before, and is not what this is about.
        Assert.EndsWith("plimsoll: no replica ever became ready: 0 died, 1 took too long; plimsoll history says how\n", up.Error, StringComparison.Ordinal);
    }
}
