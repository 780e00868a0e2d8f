using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs;

/// <summary>A number over several seeds.</summary>
/// <param name="Mean">Over them.</param>
/// <param name="Least">Of them.</param>
/// <param name="Most">Of them.</param>
/// <param name="HalfWidth">Of the 95 % interval of the mean, by Student's t; infinite with a single seed, of which nothing is known.</param>
public sealed record SeedSpread(double Mean, double Least, double Most, double HalfWidth)
{
    // Two-sided 95 %, by degrees of freedom from 1; beyond the last it is a little too wide.
    private static readonly ImmutableArray<double> Student = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

    /// <param name="values">One a seed, at least one.</param>
    public static SeedSpread Of(IReadOnlyCollection<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var (n, mean) = (values.Count, values.Average());
        var deviation = n < 2 ? double.PositiveInfinity : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (n - 1));
        return new SeedSpread(mean, values.Min(), values.Max(), n < 2 ? deviation : Student[Math.Min(n - 2, Student.Length - 1)] * deviation / Math.Sqrt(n));
    }
}
