using System.Collections.Immutable;
using CsCheck;
using Plimsoll.Simulation.Rivals.Melange;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class MelangeTests
{
    private static readonly Gen<double> Throughput = Gen.OneOf(Gen.Const(0.0), Gen.Double[0.5, 20]);

    [Fact]
    public void Its_answer_is_the_cheapest_of_all_assignments() => Gen.Select(
            Gen.Double[0.5, 2], Gen.Double[2, 8], Throughput.Array[2], Gen.Double[1, 20].Array[2], Gen.Double[0.05, 0.95], Gen.Double[0.5, 40])
        .Sample((cheap, dear, small, large, share, rate) =>
        {
            ImmutableArray<MelangeGpu> gpus = [new("small", cheap, [.. small]), new("large", dear, [.. large])];
            double[] shares = [share, 1 - share];
            var answer = MelangeOptimizer.Solve(gpus, [.. shares], rate, 3)!;
            RivalVector.Near(Cheapest(gpus, shares, rate, 3), answer.Cost, 1e-9);
        }, iter: 200, threads: 1);

    [Fact]
    public void Without_any_load_nothing_is_bought() =>
        Assert.Equal(0, MelangeOptimizer.Solve([new("a", 1, [2, 0])], [1, 0], 0, 4)!.Cost);

    /// <summary>Every split of two cells' slices, GPUs bought whole; a kind that carries none of a cell gets none of it.</summary>
    private static double Cheapest(ImmutableArray<MelangeGpu> gpus, double[] shares, double rate, int slices)
    {
        var best = double.PositiveInfinity;
        for (var first = 0; first <= slices; first++)
            for (var second = 0; second <= slices; second++)
            {
                int[][] split = [[first, slices - first], [second, slices - second]];
                var loads = gpus.Select((gpu, g) => Enumerable.Range(0, 2).Sum(cell => split[cell][g] == 0 ? 0
                    : split[cell][g] * rate * shares[cell] / slices / gpu.PerSecond[cell])).ToArray();
                if (!loads.Any(double.IsInfinity)) best = Math.Min(best, gpus.Select((gpu, g) => gpu.Cost * Math.Ceiling(loads[g] - 1e-9)).Sum());
            }

        return best;
    }
}
