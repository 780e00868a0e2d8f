using System.Collections.Immutable;
using Google.OrTools.LinearSolver;

namespace Plimsoll.Simulation.Rivals.Melange;

/// <summary>A kind of GPU as the optimiser sees it.</summary>
/// <param name="Cost">An hour.</param>
/// <param name="PerSecond">Requests a second it carries within the objective, by cell, in the order of the shares; 0: none.</param>
public sealed record MelangeGpu(string Name, double Cost, ImmutableArray<double> PerSecond);

public sealed record MelangeAnswer(double Cost, ImmutableSortedDictionary<string, int> Counts);

/// <summary>
/// Mélange's integer programme: rivals-rules §6, after tyler-griggs/melange-release melange/solver.py, with the solver it uses.
/// Each cell of the grid of request sizes is cut in slices, each slice goes to one kind of GPU, and GPUs are bought whole. There
/// is no limit on memory or on supply.
/// </summary>
public static class MelangeOptimizer
{
    private const double ForbiddenFactor = 1e6;

    /// <param name="shares">Of all requests, by cell.</param>
    /// <param name="perSecond">Requests in all.</param>
    /// <returns>Null: no answer.</returns>
    public static MelangeAnswer? Solve(ImmutableArray<MelangeGpu> gpus, ImmutableArray<double> shares, double perSecond, int sliceFactor)
    {
        if (gpus.Length == 1 && Alone(gpus[0], shares, perSecond) is { } count)
            return new(gpus[0].Cost * count, ImmutableSortedDictionary.Create<string, int>(StringComparer.Ordinal).Add(gpus[0].Name, count));
        using var solver = Solver.CreateSolver("CBC_MIXED_INTEGER_PROGRAMMING")
            ?? throw new NotSupportedException("OR-tools was built without CBC");
        var bought = gpus.Select(gpu => solver.MakeIntVar(0, double.PositiveInfinity, gpu.Name)).ToArray();
        var capacity = gpus.Select(_ => solver.MakeConstraint(0, double.PositiveInfinity, "")).ToArray();
        for (var g = 0; g < gpus.Length; g++)
        {
            capacity[g].SetCoefficient(bought[g], 1);
            solver.Objective().SetCoefficient(bought[g], gpus[g].Cost);
        }

        for (var cell = 0; cell < shares.Length; cell++)
        {
            // A cell's slices are alike, so how many of them go where is counted and not which: the same programme, smaller.
            var assigned = solver.MakeConstraint(sliceFactor, sliceFactor, "");
            var slice = perSecond * shares[cell] / sliceFactor;
            var somebodyCan = gpus.Any(gpu => gpu.PerSecond[cell] > 0);
            for (var g = 0; g < gpus.Length; g++)
            {
                var carries = gpus[g].PerSecond[cell] > 0;
                // A load a million times too large would be lost in the solver's tolerances: the variable is fixed instead.
                var slices = solver.MakeIntVar(0, carries || slice == 0 || !somebodyCan ? sliceFactor : 0, "");
                assigned.SetCoefficient(slices, 1);
                capacity[g].SetCoefficient(slices, carries ? -slice / gpus[g].PerSecond[cell] : -slice * ForbiddenFactor);
            }
        }

        solver.Objective().SetMinimization();
        if (solver.Solve() != Solver.ResultStatus.OPTIMAL) return null;
        var counts = gpus.Select((gpu, g) => KeyValuePair.Create(gpu.Name, (int)Math.Round(bought[g].SolutionValue())))
            .ToImmutableSortedDictionary(StringComparer.Ordinal);
        return new(gpus.Sum(gpu => gpu.Cost * counts[gpu.Name]), counts);
    }

    /// <summary>With one kind of GPU everything goes there, and there is nothing to solve. Null where it carries some cell not at all.</summary>
    private static int? Alone(MelangeGpu gpu, ImmutableArray<double> shares, double perSecond)
    {
        // As much as the solver takes for whole.
        const double Tolerance = 1e-7;
        var load = 0.0;
        for (var cell = 0; cell < shares.Length; cell++)
        {
            if (shares[cell] == 0) continue;
            if (gpu.PerSecond[cell] <= 0) return null;
            load += perSecond * shares[cell] / gpu.PerSecond[cell];
        }

        return WholeReplicas.Ceiling(load - Tolerance);
    }
}
