using System.Collections.Immutable;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Simulation.Tests.Runs.Tuning;

public sealed class KnobWalkTests
{
    private static readonly ImmutableArray<Func<(int A, int B), (int A, int B)>> A = [from => (1, from.B), from => (2, from.B)];
    private static readonly ImmutableArray<Func<(int A, int B), (int A, int B)>> B = [from => (from.A, 1), from => (from.A, 2)];

    [Fact]
    public void A_turn_that_pays_only_after_another_is_found_in_a_later_round_and_nothing_is_run_twice()
    {
        // Only where B is 2 does A at 2 pay.
        var walk = Walk(100);
        Assert.Equal((2, 2), walk.Best((0, 0), Forever(A, B)));
        // 00, 10, 20, 11, 12; from 12 on 22 and 21; a third round finds nothing new.
        Assert.Equal(7, walk.Tried);
    }

    [Fact]
    public void No_more_are_tried_than_may_be()
    {
        var walk = Walk(3);
        Assert.Equal((1, 0), walk.Best((0, 0), Forever(A, B)));
        Assert.Equal(3, walk.Tried);
    }

    [Fact]
    public void The_interval_of_a_mean_is_students()
    {
        // Deviation 2, three seeds: 4.303 * 2 / sqrt(3).
        var spread = SeedSpread.Of([8, 10, 12]);
        Assert.Equal((10, 8, 12), (spread.Mean, spread.Least, spread.Most));
        Assert.Equal(4.969, spread.HalfWidth, 3);
        Assert.Equal(double.PositiveInfinity, SeedSpread.Of([8]).HalfWidth);
    }

    private static KnobWalk<(int A, int B), int> Walk(int most) => new(
        at => at switch { (0, 0) => 10, (1, 0) => 9, (1, 2) => 8, (2, 2) => 1, _ => 20 }, (one, other) => one < other, most, null);

    private static IEnumerable<IEnumerable<ImmutableArray<T>>> Forever<T>(params ImmutableArray<T>[] knobs)
    {
        while (true) yield return knobs;
    }
}
