using Plimsoll.Simulation.Bounds;

namespace Plimsoll.Simulation.Tests.Plans;

/// <summary>Fleets that have run for a while beside the cheapest that hold the same demand.</summary>
public sealed class GrownFleetTests
{
    [Fact]
    public void What_was_dear_when_it_was_all_there_was_is_not_paid_for_ever()
    {
        var (least, moved, stayed, held) = (0.0, 0.0, 0.0, 0);
        foreach (var seed in Enumerable.Range(2001, 40))
        {
            var fleet = RandomFleets.Of(seed);
            if (CheapestFleet.Of(fleet) is not { Proven: true, Cost: { Micro: > 0 } cost }) continue;
            var with = GrownFleet.Of(fleet, seed, PlannerSettings.Latest);
            var without = GrownFleet.Of(fleet, seed, PlannerSettings.Latest with { MoveWhereCheaper = false });
            if (!with.Held || !without.Held) continue;
            Assert.True(with.Usd >= cost.Dollars * 0.9999, $"{seed}: nobody is cheaper than the cheapest");
            (least, moved, stayed, held) = (least + cost.Dollars, moved + with.Usd, stayed + without.Usd, held + 1);
        }

        Assert.True(held >= 30, $"{held} held");
        Assert.True(moved - least < 0.6 * (stayed - least), $"${moved:0.00} with moves, ${stayed:0.00} without, ${least:0.00} at the least");
    }
}
