namespace Plimsoll.EndToEnd.Tests;

public sealed class EditedFleetFileTests
{
    [Fact]
    public async Task A_fleet_file_that_is_edited_takes_effect_and_one_with_mistakes_changes_nothing()
    {
        await using var scene = new Scene();
        const string Start = "gateway: {listen: 127.0.0.1:0}\nmodels:\n";
        var tiny = $"- {{name: tiny, source: {await scene.ModelAsync("tiny", Bytes.MiB(1))}, minReplicas: 1}}\n";
        var other = $"- {{name: other, source: {await scene.ModelAsync("other", Bytes.MiB(2))}, minReplicas: 1}}\n";
        scene.Fleet(Start + tiny);
        var up = scene.Up();
        await up.LineAsync("ready tiny-1");

        scene.Fleet(Start + tiny + other + "  nonsense: 1\n");
        await up.ErrorAsync("is not taken over: ");
        Assert.Single(scene.Replicas());

        scene.Fleet(Start + tiny + other);
        Assert.EndsWith("fleet.yaml was read again: added other", await up.ErrorAsync("added"), StringComparison.Ordinal);
        await up.LineAsync("ready other-1");

        scene.Fleet(Start + other);
        Assert.EndsWith("fleet.yaml was read again: removed tiny", await up.ErrorAsync("removed"), StringComparison.Ordinal);
        await up.LineAsync("ended tiny-1");
        Assert.Equal(["other-1"], scene.Replicas().Select(process => process.Replica));
        await scene.EndAsync(up);
    }

    [Fact]
    public async Task What_runs_in_a_model_that_is_removed_finishes_before_its_replica_is_stopped()
    {
        await using var scene = new Scene();
        await File.WriteAllTextAsync(Path.Combine(scene.Folder, "weights.bin"), "w", Scene.Cancel);
        string Model(string name) => $$"""
            - {name: {{name}}, source: weights.bin, weights: 1MB, command: ["{{GpuFleetTests.Host}}", serve, "{port}", answer=8], readyPath: /, minReplicas: 1}

            """;
        const string Start = "gateway: {listen: 127.0.0.1:0}\nmodels:\n";
        scene.Fleet(Start + Model("stays") + Model("goes"));
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        await up.LineAsync("ready goes-1");
        using var body = new StringContent("{}");
        var request = client.PostAsync(new Uri("/v2/models/goes/infer", UriKind.Relative), body, Scene.Cancel);

        scene.Fleet(Start + Model("stays"));
        await up.ErrorAsync("removed goes");
        using var answer = await request;
        Assert.Equal(System.Net.HttpStatusCode.OK, answer.StatusCode);
        await up.LineAsync("ended goes-1");
        await scene.EndAsync(up);
    }
}
