using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Demo.Traffic;

/// <summary>
/// A distribution of positive numbers by eleven of its quantiles; between two of them it is geometric, which suits
/// lengths and silences that spread over several orders of magnitude.
/// </summary>
/// <param name="Values">At <see cref="Levels"/>, not falling, above zero.</param>
public sealed record QuantileTable(ImmutableArray<double> Values)
{
    [JsonIgnore]
    public static ImmutableArray<double> Levels { get; } = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1];

    public static QuantileTable Of(IEnumerable<double> numbers)
    {
        var sorted = numbers.Order().ToList();
        if (sorted.Count == 0) throw new ArgumentException("quantiles of no number", nameof(numbers));
        return new QuantileTable([.. Levels.Select(level => Math.Round(QuantileOf(sorted, level), 4))]);
    }

    /// <summary>The smallest of the sorted numbers that at least this share does not exceed.</summary>
    public static double QuantileOf(IReadOnlyList<double> sorted, double level) =>
        sorted[Math.Clamp((int)Math.Ceiling(level * sorted.Count) - 1, 0, sorted.Count - 1)];

    /// <summary>The value at a level from 0 to 1.</summary>
    public double At(double level)
    {
        for (var i = 1; i < Levels.Length && level < 1; i++)
        {
            if (level > Levels[i]) continue;
            var share = (level - Levels[i - 1]) / (Levels[i] - Levels[i - 1]);
            return Values[i - 1] * Math.Pow(Values[i] / Values[i - 1], share);
        }

        return Values[^1];
    }

    public double Draw(SeededRandom random)
    {
        ArgumentNullException.ThrowIfNull(random);
        return At(random.NextUnit());
    }
}
