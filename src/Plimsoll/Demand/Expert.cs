namespace Plimsoll;

/// <summary>
/// A rule with a model of its errors: as differences, which suit bursts out of nothing, or as differences of roots, which
/// make counts of any mean vary alike (Anscombe 1948) and suit a level that moves.
/// </summary>
/// <param name="Rule">The rule's place among the rules.</param>
/// <param name="OfRoots">Differences of roots; else of rates.</param>
/// <param name="AsItIs">Says the rule as it is, up to the median, and nothing of what lies above.</param>
internal readonly record struct Expert(int Rule, bool OfRoots, bool AsItIs = false)
{
    /// <summary>What came against what was predicted; without unit.</summary>
    /// <param name="predicted">Arrivals a second.</param>
    /// <param name="came">Arrivals a second.</param>
    /// <param name="half">Half an arrival in a bucket, arrivals a second.</param>
    /// <param name="unit">Arrivals a second that count as 1; positive.</param>
    public double Error(double predicted, double came, double half, double unit) => !OfRoots
        ? (came - predicted) / unit
        : Math.Sqrt((came + half) / unit) - Math.Sqrt((predicted + half) / unit);

    /// <summary>What an error as large would make of a prediction: arrivals a second, never negative.</summary>
    public double Given(double predicted, double error, double half, double unit)
    {
        if (!OfRoots) return Math.Max(0, predicted + (error * unit));
        var root = Math.Max(0, Math.Sqrt((predicted + half) / unit) + error);
        return Math.Max(0, (root * root * unit) - half);
    }

    /// <summary>What errors are multiplied by where the old unit is as many new ones.</summary>
    public double Resized(double unitRatio) => OfRoots ? Math.Sqrt(unitRatio) : unitRatio;
}
