using System.Globalization;
using System.Net;
using System.Text;
using Plimsoll.Cli.Commands;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>A machine too small for its model and a training job at once: the job has it while the model is idle.</summary>
public sealed class TrainingFleetTests
{
    [Fact]
    public async Task A_job_trains_while_the_model_is_idle_gives_way_to_requests_and_goes_on_from_its_checkpoint()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("small", Bytes.MiB(60));
        await File.WriteAllTextAsync(Path.Combine(scene.Folder, "train.sh"), """
            trap 'echo saved >> checkpoint; exit 0' TERM
            echo "$$ resume=$PLIMSOLL_RESUME" >> starts
            while :; do sleep 0.05; done
            """, Scene.Cancel);
        scene.Fleet($"""
            machine: {"{"}memory: 1GiB{"}"}
            gateway: {"{"}listen: "127.0.0.1:0"{"}"}
            models:
            - name: small
              source: {model}
              idleLimit: 4s
            training:
            - name: tune
              command: [sh, train.sh]
              memory: 950MiB
              checkpoint: 1MiB
            """);
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        await up.LineAsync("launch tune");
        await Scene.UntilAsync(() => Starts(scene).Length == 1, () => up.Output);

        // What the request needs the job gives back, checkpoint first.
        using var body = new StringContent(
            """{"inputs": [{"name": "input_ids", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]}]}""", Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri("/v2/models/small/infer", UriKind.Relative), body, Scene.Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Scene.Cancel));
        Assert.Single(Saved(scene));
        await up.LineAsync("suspend tune: small needs ");
        await up.LineAsync("saved tune: 1.00 MiB in ");

        // Once the model is let go it goes on, and says so everywhere.
        await up.LineAsync("ended small-1");
        await up.LineAsync("resume tune");
        await Scene.UntilAsync(() => Starts(scene).Length == 2, () => up.Output);
        Assert.EndsWith("resume=1", Starts(scene)[1], StringComparison.Ordinal);
        JobStatus? job = null;
        await Scene.UntilAsync(
            () => (job = scene.StatusAsync().GetAwaiter().GetResult().Training!.Value.Single()) is { State: "running" }, () => $"{job}");
        Assert.NotNull(job!.LastCheckpoint);
        var why = Scene.Unfolded(await scene.SaysAsync("explain", "tune"));
        Assert.True(why.Contains("suspend tune: small needs", StringComparison.Ordinal) && why.Contains("tune wrote its checkpoint of 1.00 MiB", StringComparison.Ordinal), why);
        Assert.Contains("JOB", await scene.SaysAsync("status"), StringComparison.Ordinal);

        // A controller that dies costs it nothing: the next takes over the process that there is.
        up.Signal("KILL");
        await up.ExitAsync();
        var pid = int.Parse(Starts(scene)[1].Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.Contains(scene.Replicas(), process => process.Pid == pid);
        var next = scene.Up();
        await next.GatewayAsync();
        await Scene.UntilAsync(
            () => (job = scene.StatusAsync().GetAwaiter().GetResult().Training!.Value.Single()) is { State: "running" }, () => $"{job}");
        Assert.Contains(scene.Replicas(), process => process.Pid == pid);
        var replayed = await scene.ReplayAsync();
        Assert.True(replayed is { Differing: 0, Compared: > 0 }, $"{replayed}");

        // And in order it ends with another checkpoint.
        await scene.EndAsync(next);
        Assert.Equal(2, Saved(scene).Length);
        Assert.Equal(2, Starts(scene).Length);
    }

    private static string[] Starts(Scene scene) => Lines(scene, "starts");

    private static string[] Saved(Scene scene) => Lines(scene, "checkpoint");

    private static string[] Lines(Scene scene, string file) =>
        Path.Combine(scene.Folder, file) is var path && File.Exists(path) ? File.ReadAllLines(path) : [];
}
