using System.Globalization;

namespace Plimsoll.Bench;

/// <summary>What the commands that time turns share: their options, and what they say of times.</summary>
internal static class Measured
{
    /// <summary>The least of the values that the share of them does not go over.</summary>
    public static double At(List<double> values, double quantile)
    {
        var sorted = values.Order().ToArray();
        return sorted[(int)Math.Ceiling(quantile * sorted.Length) - 1];
    }

    /// <summary>The number after an option.</summary>
    public static int Option(string[] args, string name, int otherwise) =>
        Array.IndexOf(args, name) is var at and >= 0 && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;
}
