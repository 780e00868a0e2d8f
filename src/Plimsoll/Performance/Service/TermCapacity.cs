using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>Requests a second that one replica carries within one term of an objective.</summary>
/// <param name="Metric">What the term limits.</param>
/// <param name="PerSecond">At each of <see cref="Paces"/>; without those at each of <see cref="ServicePrior.Paces"/>, and 0 where requests that are alone miss it.</param>
public sealed record TermCapacity(LatencyMetric Metric, ImmutableArray<double> PerSecond)
{
    /// <summary>
    /// How many times as long as predicted steps take, rising, up to just below <see cref="KeptUpTo"/>. Left out where the paces are those
    /// of older journals, which are read as they were.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<double> Paces { get; init; }

    /// <summary>The slowest pace at which a request that is alone keeps it; 0 where none does that an engine could have.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double KeptUpTo { get; init; }

    /// <summary>
    /// Logarithms of <see cref="KeptUpTo"/> over <see cref="Paces"/>. At the very edge one carries next to nothing, and the pace is not known
    /// as well as that: the first is what counts up to there.
    /// </summary>
    internal static readonly ImmutableArray<double> BelowEdge = [1.8, 1.1, 0.65, 0.35, 0.18, 0.08, 0.03];

    /// <summary>Whether requests that are alone keep it.</summary>
    internal bool Keeps(double pace) => Paces.IsDefault ? At(pace) > 0 : pace <= KeptUpTo;

    /// <summary>The logarithm of a pace over the slowest that keeps it; 0 where it is kept.</summary>
    internal double Beyond(double pace) => Paces.IsDefault || pace <= KeptUpTo ? 0 : KeptUpTo > 0 ? Math.Log(pace / KeptUpTo) : double.PositiveInfinity;

    /// <summary>At any pace, and never below 0.</summary>
    internal double At(double pace) => Paces.IsDefault ? AtOlder(pace) : Paces.IsEmpty ? 0 : Between(pace);

    // Its part of what could be got through at all, by the pace's logarithm between those computed, and no more where it is faster.
    private double Between(double pace)
    {
        var wanted = Math.Clamp(pace, Paces[0], Paces[^1]);
        var at = 0;
        while (at < Paces.Length - 2 && Paces[at + 1] < wanted) at++;
        var part = Math.Log(wanted / Paces[at]) / Math.Log(Paces[at + 1] / Paces[at]);
        var (from, to) = (PerSecond[at] * Paces[at], PerSecond[at + 1] * Paces[at + 1]);
        return Interpolated(from, to, part) / pace;
    }

    // Where it falls by more than half lies a cliff somewhere between, and half of what is above it is far more than what is below it.
    internal static double Interpolated(double from, double to, double part) =>
        from <= 2 * to ? from + (part * (to - from)) : to > 0 ? from * Math.Pow(to / from, part) : 0;

    private double AtOlder(double pace)
    {
        var paces = ServicePrior.Paces;
        var log = Math.Log(Math.Clamp(pace, 1e-3, 1e3));
        var at = 0;
        while (at < paces.Length - 2 && Math.Log(paces[at + 1]) < log) at++;
        var (from, to) = (Math.Log(paces[at]), Math.Log(paces[at + 1]));

        // Faster than any computed: at least as much more as all is faster. Slower: no more than in proportion.
        if (log <= from) return PerSecond[at] * Math.Exp(from - log);
        if (log > to) return PerSecond[at + 1] <= 0 ? 0 : Math.Max(0, PerSecond[at + 1] + ((PerSecond[at + 1] - PerSecond[at]) * (log - to) / (to - from)));
        return PerSecond[at] + ((PerSecond[at + 1] - PerSecond[at]) * (log - from) / (to - from));
    }
}

/// <summary>How full each of several replicas may be within the whole objective.</summary>
/// <param name="Pace">How many times as long as predicted all steps take.</param>
/// <param name="Parts">Of what each gets through at all at that pace, with so many as each of <see cref="ServicePrior.Together"/>.</param>
public sealed record SharedCapacity(double Pace, ImmutableArray<double> Parts)
{
    /// <summary>Logarithms of the slowest pace that keeps the objective over each pace that is computed.</summary>
    internal static readonly ImmutableArray<double> BelowEdge = [1.6, 0.8, 0.4, 0.15, 0.03];

    /// <summary>The parts at any pace, by its logarithm between those computed.</summary>
    /// <param name="of">By pace, rising; not empty.</param>
    /// <param name="pace">Any.</param>
    /// <param name="parts">Out: with so many as each of <see cref="ServicePrior.Together"/>.</param>
    internal static void At(ImmutableArray<SharedCapacity> of, double pace, Span<double> parts)
    {
        var at = 0;
        while (at < of.Length - 1 && of[at + 1].Pace < pace) at++;
        var (slower, faster) = (of[Math.Min(at + 1, of.Length - 1)], of[at]);
        var part = pace <= faster.Pace ? 0 : pace >= slower.Pace ? 1 : Math.Log(pace / faster.Pace) / Math.Log(slower.Pace / faster.Pace);
        for (var k = 0; k < parts.Length; k++) parts[k] = part <= 0 ? faster.Parts[k] : TermCapacity.Interpolated(faster.Parts[k], slower.Parts[k], part);
    }
}
