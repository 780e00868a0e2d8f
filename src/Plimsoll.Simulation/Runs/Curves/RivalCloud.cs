using System.Collections.Immutable;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Simulation.Runs.Curves;

/// <summary>
/// Settings of a rival all over what its users set, the same for all models: its defaults, each value of each knob of its tuned search
/// alone, and pairs of a target with a value of another knob, in an order that is drawn once and for all.
/// </summary>
public static class RivalCloud
{
    /// <param name="rival">One of <see cref="SimulationRun.Rivals"/>.</param>
    /// <param name="most">Settings at the most.</param>
    public static ImmutableArray<RivalTuning> Of(string rival, int most)
    {
        var knobs = KnobSpace.Of(rival);
        var alone = knobs.SelectMany(knob => knob.Tries).Select(turn => turn(RivalKnobs.Defaults));
        List<RivalKnobs> pairs = knobs.IsEmpty ? [] : [.. knobs[0].Tries.SelectMany(target => knobs.Skip(1).SelectMany(knob => knob.Tries).Select(turn => turn(target(RivalKnobs.Defaults))))];
        var random = Seeds.Of(1, $"cloud of {rival}");
        for (var i = pairs.Count - 1; i > 0; i--)
        {
            var j = (int)(random.NextDouble() * (i + 1));
            (pairs[i], pairs[j]) = (pairs[j], pairs[i]);
        }

        return [.. alone.Prepend(RivalKnobs.Defaults).Concat(pairs).Distinct().Take(most).Select(RivalTuning.Same)];
    }
}
