using System.Collections.Immutable;
using Plimsoll.Soak;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>A soak of the same kind as <c>bench/soak/run</c>: short, on small models of which two or three fit.</summary>
internal static class ShortSoak
{
    public static readonly Bytes Budget = Bytes.MiB(400);

    private static readonly ImmutableArray<string> Models = ["one", "two", "three", "four"];

    // Each model in turn has all the traffic until it has been answered, so that each must be loaded for its turn.
    public static async Task<(SoakVerdict Verdict, string Error)> RunAsync(Bytes planned, int turns)
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
            await Scene.UntilAsync(() => Answered(model) >= before + 50, () => $"{model} is not served: {up.Output}");
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
