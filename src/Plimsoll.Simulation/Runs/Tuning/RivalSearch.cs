using System.Collections.Immutable;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>What was chosen for a rival, on which traffic, and what it came to there.</summary>
/// <param name="Rival">Its name.</param>
/// <param name="Tuning">What was chosen.</param>
/// <param name="Chosen">The same in words.</param>
/// <param name="Seeds">Of the traffic it was chosen on; none of those that are reported.</param>
/// <param name="Candidates">Settings that were tried, its defaults among them.</param>
/// <param name="Goal">The attainment that was asked for.</param>
/// <param name="Attainment">Reached on that traffic.</param>
/// <param name="Cost">Paid on that traffic, in the unit of its world.</param>
public sealed record TunedRival(
    string Rival, RivalTuning Tuning, string Chosen, ImmutableArray<int> Seeds, int Candidates, double Goal, double Attainment, double Cost)
{
    public bool ReachedGoal => Attainment >= Goal;
}

/// <summary>
/// Looks for a rival's cheapest settings that reach an attainment, one knob at a time: first its target for all classes of weight
/// together, then the others, for all together and for each class, in an order that the seed draws (<see cref="KnobWalk{TSettings,TCame}"/>).
/// Where none reaches the attainment, the one that comes nearest is taken.
/// </summary>
public static class RivalSearch
{
    /// <summary>Settings tried for a rival; as many runs for each seed.</summary>
    public const int CandidatesMax = 30;

    /// <param name="rival">One of <see cref="SimulationRun.Rivals"/>.</param>
    /// <param name="parts">Traffic to choose on, with its seeds.</param>
    /// <param name="goal">Share of requests within their objectives.</param>
    /// <param name="candidatesMax">Settings tried at the most.</param>
    /// <param name="progress">Called with the share of that which was tried.</param>
    public static TunedRival Tune(string rival, ImmutableArray<(int Seed, World World)> parts, double goal, int candidatesMax = CandidatesMax, Action<double>? progress = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(parts.Length);
        var classes = parts[0].World.Models.Where(model => RivalRules.Manages(rival, model))
            .Select(model => RivalTuning.ClassOf(model.Spec.Footprint.Weights)).Distinct().Order().ToImmutableArray();
        ImmutableArray<Func<RivalTuning, RivalTuning>> TurnsOf(Knob knob, WeightClass? of) => [.. knob.Tries.Select(turn => (Func<RivalTuning, RivalTuning>)(from =>
            of is { } one ? from.With(one, turn(from[one])) : classes.Aggregate(from, (tuning, each) => tuning.With(each, turn(tuning[each])))))];

        var walk = new KnobWalk<RivalTuning, Came>(
            tuning =>
            {
                var runs = parts.AsParallel().AsOrdered().Select(part => SimulationRun.Rival(part.World, part.Seed, rival, tuning)).ToList();
                return new Came(runs.Average(run => run.Attainment), runs.Average(run => run.Cost));
            },
            (one, other) => one.IsBetterThan(other, goal), candidatesMax, progress);
        var best = walk.Best(RivalTuning.Defaults, Rounds(KnobSpace.Of(rival), classes, parts[0].Seed, rival).Select(round => round.Select(one => TurnsOf(one.Knob, one.Of))));
        return new TunedRival(rival, best, best.Show(classes), [.. parts.Select(part => part.Seed)], walk.Tried, goal, walk[best].Attainment, walk[best].Cost);
    }

    private static IEnumerable<List<(Knob Knob, WeightClass? Of)>> Rounds(ImmutableArray<Knob> knobs, ImmutableArray<WeightClass> classes, int seed, string rival)
    {
        if (knobs.IsEmpty || classes.IsEmpty) yield break;
        var random = Seeds.Of(seed, $"tuning of {rival}");
        List<(Knob, WeightClass?)> all = [.. knobs.Skip(1).Select(knob => (knob, (WeightClass?)null))];
        if (classes.Length > 1) all.AddRange(knobs.SelectMany(knob => classes.Select(of => (knob, (WeightClass?)of))));
        while (true)
        {
            List<(Knob, WeightClass?)> round = [.. all];
            for (var i = round.Count - 1; i > 0; i--)
            {
                var j = (int)(random.NextDouble() * (i + 1));
                (round[i], round[j]) = (round[j], round[i]);
            }

            yield return [(knobs[0], null), .. round];
        }
    }

    private sealed record Came(double Attainment, double Cost)
    {
        public bool IsBetterThan(Came other, double goal)
        {
            var (reaches, otherReaches) = (Attainment >= goal, other.Attainment >= goal);
            if (reaches != otherReaches) return reaches;
            if (!reaches && Attainment != other.Attainment) return Attainment > other.Attainment;
            return Cost < other.Cost;
        }
    }
}
