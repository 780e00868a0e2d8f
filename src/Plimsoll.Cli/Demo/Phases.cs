using System.Collections.Immutable;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Demo;

/// <summary>Stretches in which a model is in use.</summary>
/// <param name="Busy">Not overlapping, in the order of time.</param>
public sealed record Phases(ImmutableArray<(TimeSpan From, TimeSpan To)> Busy)
{
    /// <summary>A cycle of busy and idle, before the speed-up; 80 s at 15 times.</summary>
    private static readonly TimeSpan Cycle = TimeSpan.FromMinutes(20);

    // Busy for 45 of 80 seconds; with three models a third of a cycle apart, mostly two are wanted at once.
    private const double BusyShare = 45.0 / 80;

    private const double Jitter = 0.06;

    /// <summary>
    /// The demo's construction, and no property of the traces: each model is in use for a bit more than half of every
    /// cycle and idle for the rest, the models a third of a cycle apart, each edge moved at random by up to 6 % of a
    /// cycle. At least two cycles, so that every model is let go and comes back twice. The idle stretches are
    /// at least 25 of 80 seconds, longer than the 20 s that HPA's and KEDA's 300 s are at a speed-up of 15.
    /// </summary>
    /// <param name="place">The model's place among <paramref name="models"/>.</param>
    /// <param name="models">How many take turns.</param>
    /// <param name="duration">Of the demo.</param>
    /// <param name="speedUp">Trace seconds per second.</param>
    /// <param name="seed">Moves the edges.</param>
    public static Phases Of(int place, int models, TimeSpan duration, double speedUp, ulong seed)
    {
        var cycles = Math.Max(2, (int)Math.Round(duration * speedUp / Cycle));
        var cycle = duration / cycles;
        var random = new SeededRandom(SeededRandom.Derive(seed, "phases/" + place));
        var busy = ImmutableArray.CreateBuilder<(TimeSpan, TimeSpan)>();
        // One cycle before the start, so that a model whose turn began earlier is busy from the first moment.
        for (var n = -1; n < cycles; n++)
        {
            var from = cycle * (n + (double)place / models + Jitter * (2 * random.NextUnit() - 1));
            var to = cycle * (n + (double)place / models + BusyShare + Jitter * (2 * random.NextUnit() - 1));
            from = from < TimeSpan.Zero ? TimeSpan.Zero : from;
            to = to > duration ? duration : to;
            if (to > from) busy.Add((from, to));
        }

        return new Phases(busy.ToImmutable());
    }

    public bool Contains(TimeSpan at)
    {
        foreach (var (from, to) in Busy)
        {
            if (at >= from && at < to) return true;
        }

        return false;
    }
}
