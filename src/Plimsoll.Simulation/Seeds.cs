namespace Plimsoll.Simulation;

/// <summary>Random numbers of a run: each use has a generator of its own, so that one more draw here changes nothing there.</summary>
public static class Seeds
{
    /// <summary>The generator for a use of the run with this seed; the same on every machine.</summary>
    public static Random Of(int seed, string use)
    {
        ArgumentNullException.ThrowIfNull(use);
        // FNV-1a: string.GetHashCode differs from process to process.
        var hash = 2166136261u ^ unchecked((uint)seed);
        foreach (var letter in use) hash = unchecked((hash ^ letter) * 16777619u);
        return new Random((int)(hash & int.MaxValue));
    }

    /// <summary>A draw from the standard normal distribution (Box and Muller).</summary>
    public static double Normal(this Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
        return Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    /// <summary>A factor whose logarithm has the spread given, and which is 1 at the median.</summary>
    public static double Factor(this Random random, double spread) => Math.Exp(spread * random.Normal());
}
