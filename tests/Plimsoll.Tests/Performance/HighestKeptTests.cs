using CsCheck;

namespace Plimsoll.Tests.Performance;

public sealed class HighestKeptTests
{
    /// <summary>A curve that never falls: its first value, and by what it grows from each of equal steps of the rate's logarithm to the next.</summary>
    private static readonly Gen<(double First, double[] Rises)> Rising = Gen.Select(
        Gen.Double[-6, -0.01],
        Gen.Select(Gen.Int[0, 3], Gen.Double[0, 1]).Select((kind, size) => kind switch { 0 => 0, 1 => 5 * size, _ => 0.2 * size }).Array[40]);

    [Fact]
    public void Of_a_curve_that_never_falls_it_is_the_only_limit_whatever_jumps_and_plateaus_there_are() =>
        Gen.Select(Rising, Gen.Bool).Sample((rising, jumps) =>
        {
            double Miss(double rate)
            {
                var at = (Math.Log(rate) + 10) * 4;
                var miss = rising.First;
                for (var i = 0; i < rising.Rises.Length; i++) miss += rising.Rises[i] * (jumps ? at >= i + 1 ? 1 : 0 : Math.Clamp(at - i, 0, 1));
                return miss > 6 ? double.PositiveInfinity : miss;
            }

            var most = Math.Exp(0);
            var highest = HighestKept.Of(Math.Exp(-10), most, Miss);

            Assert.True(highest > 0 && Miss(highest) <= 0, $"{highest} is not kept");
            Assert.True(highest * 1.0011 > most || Miss(highest * 1.0011) > 0, $"{highest * 1.0011} is kept too");
        }, iter: 20_000);

    [Fact]
    public void Where_nothing_is_kept_it_is_none() => Assert.Equal(0, HighestKept.Of(1, 100, _ => 0.1));

    [Fact]
    public void Where_all_is_kept_it_is_the_most() => Assert.InRange(HighestKept.Of(1, 100, _ => -1), 99.9, 100);

    [Fact]
    public void A_limit_far_above_a_long_plateau_of_none_late_is_found()
    {
        // As of requests all alike: none late up to 13, a tenth too many at once from there on.
        static double Miss(double rate) => rate <= 13 ? -4.7 : rate < 50 ? 1.5 : 3;

        Assert.InRange(HighestKept.Of(0.01, 100, Miss), 13 * 0.999, 13);
    }
}
