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
}
