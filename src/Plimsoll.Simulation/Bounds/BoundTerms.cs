using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// A model's replicas as the bound counts them, of however many variants: in units that cost <see cref="Price"/>, the least that a replica of any
/// variant does. One that costs twice that counts as two units, and does in a second what any variant does at best for as much money.
/// So no mix of variants is cheaper than these, and of one variant a unit is a replica.
/// </summary>
/// <param name="Price">Of a unit for an hour, in dollars or devices.</param>
/// <param name="Least">Units that are kept whatever comes.</param>
/// <param name="Most">Units at the most.</param>
/// <param name="Load">Seconds of a unit from its start to ready.</param>
/// <param name="Again">The same of one that starts where another ended: the end of the other too.</param>
/// <param name="Labours">By request, the seconds of a unit that it takes at the least.</param>
/// <param name="Alone">By request, the seconds for which a replica is there for it at the least, from its first token on.</param>
internal readonly record struct BoundTerms(double Price, double Least, double Most, double Load, double Again, double[] Labours, double[] Alone)
{
    /// <param name="world">What there is.</param>
    /// <param name="model">Whose.</param>
    /// <param name="prices">Of a replica of each variant for an hour, in their order.</param>
    /// <param name="works">Of each, likewise.</param>
    public static BoundTerms Of(World world, SimulatedModel model, double[] prices, IReadOnlyList<ReplicaWork> works)
    {
        var variants = model.Spec.Variants;
        var least = prices.Min();
        if (least <= 0) return new BoundTerms(0, 0, 0, 0, 0, [], []);
        var (labours, alone) = (new double[model.Trace.Count], new double[model.Trace.Count]);
        for (var i = 0; i < labours.Length; i++)
        {
            (labours[i], alone[i]) = (double.PositiveInfinity, double.PositiveInfinity);
            for (var v = 0; v < variants.Length; v++)
            {
                labours[i] = Math.Min(labours[i], works[v].Labours[i] * prices[v] / least);
                alone[i] = Math.Min(alone[i], works[v].Alone[i]);
            }
        }

        return new BoundTerms(
            least, model.Spec.MinReplicas, model.Spec.MaxReplicas * prices.Max() / least,
            variants.Min(variant => LoadOf(world, model, variant)), variants.Min(variant => LoadOf(world, model, variant) + EndOf(world, model, variant)), labours, alone);
    }

    /// <summary>Whether its requests take as many units as another's, and so its replicas count alike.</summary>
    public bool IsOfTheSame(BoundTerms other) => Most == other.Most && Labours.AsSpan().SequenceEqual(other.Labours);

    // Who may sleep comes back by waking, and what it keeps of a device meanwhile is left out.
    private static double LoadOf(World world, SimulatedModel model, VariantSpec variant)
    {
        var truth = model.Truth[variant.Id];
        var load = truth.Load.Stages.Sum(stage => stage.Seconds());
        return Sleeps(world, model, variant) ? Math.Min(load, truth.Wake!.Seconds()) : load;
    }

    private static double EndOf(World world, SimulatedModel model, VariantSpec variant)
    {
        var truth = model.Truth[variant.Id];
        return Sleeps(world, model, variant) ? Math.Min(truth.Unload.Seconds(), truth.Sleep?.Seconds() ?? 0) : truth.Unload.Seconds();
    }

    private static bool Sleeps(World world, SimulatedModel model, VariantSpec variant) =>
        !world.IsScheduled && variant.Needs.Asleep is not null && model.Truth[variant.Id].Wake is not null;
}
