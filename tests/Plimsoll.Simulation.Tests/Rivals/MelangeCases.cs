using Plimsoll.Simulation.Rivals.Melange;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class MelangeCases
{
    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var gpus = inputs["gpus"].EnumerateObject().Select(gpu => new MelangeGpu(
            gpu.Name, gpu.Value.GetProperty("cost").GetDouble(),
            [.. gpu.Value.GetProperty("tputs").EnumerateArray().SelectMany(row => row.EnumerateArray()).Select(cell => cell.GetDouble())]));
        var shares = inputs.List("shares").SelectMany(row => row.EnumerateArray()).Select(cell => cell.GetDouble());
        var answer = MelangeOptimizer.Solve([.. gpus], [.. shares], inputs.Number("rate"), inputs.Count("sliceFactor"));
        Assert.NotNull(answer);
        vector.ExpectNear("cost", answer.Cost, 0, 1e-9);
        // No two answers of these rows tie, so the counts are compared too.
        foreach (var count in vector.Expected["counts"].EnumerateObject()) Assert.Equal(count.Value.GetInt32(), answer.Counts[count.Name]);
    }
}
