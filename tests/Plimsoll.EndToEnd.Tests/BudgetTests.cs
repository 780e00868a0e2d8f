using System.Collections.Immutable;
using Plimsoll.Soak;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>A short soak of the same kind as <c>bench/soak/run</c>, on small models.</summary>
public sealed class BudgetTests
{
    private static readonly ImmutableArray<string> Models = ["one", "two", "three", "four"];
    private static readonly Bytes Budget = Bytes.MiB(400);

    [Fact]
    public async Task Models_that_do_not_fit_together_are_all_served_within_the_budget()
    {
        var (verdict, error) = await SoakAsync(Budget, turns: 2);

        Assert.True(verdict.IsGood, string.Join('\n', verdict.Lines()) + error);
        // They took turns, or the budget was none.
        Assert.True(verdict.Models.Sum(model => model.Stopped) > 0, string.Join('\n', verdict.Lines()));
    }

    [Fact]
    public async Task A_planner_that_passes_the_budget_is_found_out()
    {
        // The seeded bug: the planner counts with ten times the budget that it is judged by.
        var (verdict, error) = await SoakAsync(Budget.Scale(10), turns: 1);

        Assert.True(verdict is { IsSeen: true, AreAllServed: true }, string.Join('\n', verdict.Lines()) + error);
        Assert.False(verdict.IsBudgetHeld, string.Join('\n', verdict.Lines()));
        Assert.False(verdict.IsGood);
    }

    // Each model in turn has all the traffic until it has been answered, so that each must be loaded for its turn.
    private static async Task<(SoakVerdict Verdict, string Error)> SoakAsync(Bytes planned, int turns)
    {
        await using var scene = new Scene();
        foreach (var name in Models) await scene.ModelAsync(name, Bytes.MiB(8));
        scene.Fleet($"machine: {{memory: {planned.Value}B}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n"
            + string.Concat(Models.Select(name => $"- {{name: {name}, source: {scene.Folder}/{name}.onnx}}\n")));
        await using var memory = new OutsideMemory(scene.State, TimeProvider.System);
        var up = scene.Up();
        var gateway = await up.GatewayAsync();
        var inTurn = 0;
        using var traffic = Traffic.StartPhased(gateway, 50, Models, () => Models[Volatile.Read(ref inTurn) % Models.Length]);
        for (; inTurn < turns * Models.Length; Interlocked.Increment(ref inTurn))
        {
            var model = ModelId.Of(Models[inTurn % Models.Length]);
            var before = Answered(model);
            await Scene.UntilAsync(() => Answered(model) >= before + 100, () => $"{model} is not served: {up.Output}");
        }

        var results = await traffic.StopAsync();
        var use = memory.Read();
        await scene.EndAsync(up);
        Assert.Equal("", Traffic.Failures(results));
        return (new SoakVerdict(Budget, use,
        [
            .. Models.Select(name => new SoakedModel(
                name, results.Count(result => result.Request.Model.Value == name), Answered(ModelId.Of(name)),
                Lines($"ready {name}-"), Lines($"stop {name}-"), Lines($"died {name}-"))),
        ]), up.Error);

        int Answered(ModelId model) => traffic.Results.Count(result => result.Request.Model == model && result is { IsSent: true, Failure: null });

        int Lines(string part) => up.Output.Split('\n').Count(line => line.Contains(part, StringComparison.Ordinal));
    }
}
