using CsCheck;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Traces;

public sealed class SyntheticTrafficTests
{
    private static readonly TokenLengths Fixed = new TokenLengths.Fixed(100, 10);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(0.4)]
    public void Gaps_have_the_rate_and_the_variation_that_were_asked_for(double variation)
    {
        var trace = SyntheticTraffic.Of(RateCurve.Constant(5, 20_000), Fixed, variation, new Random(7));
        double[] gaps = [.. trace.Arrivals.Zip(trace.Arrivals.Skip(1), (a, b) => b - a)];
        var mean = gaps.Average();
        var deviation = Math.Sqrt(gaps.Average(gap => (gap - mean) * (gap - mean)));
        // Over 100,000 gaps the means scatter by half a percent at the most.
        Assert.InRange(mean, 0.2 * 0.97, 0.2 * 1.03);
        Assert.InRange(deviation / mean, variation * 0.95, variation * 1.05);
    }

    [Fact]
    public void A_wave_is_highest_half_a_period_after_its_trough()
    {
        var curve = RateCurve.Wave(1, 9, 100, 200, 0);
        Assert.InRange(curve.At(0.1), 1, 1.1);
        Assert.InRange(curve.At(50), 8.9, 9);
        Assert.InRange(curve.Expected, 999, 1001);
        var trace = SyntheticTraffic.Of(RateCurve.Wave(0, 10, 1000, 1000, 0), Fixed, 1, new Random(1));
        Assert.InRange(trace.Arrivals.Count(at => at is > 250 and < 750) / (double)trace.Count, 0.78, 0.86);
    }

    [Fact]
    public void A_wave_of_too_many_periods_is_refused() =>
        Assert.Contains("more than 10000 periods", Assert.Throws<ArgumentException>(() => RateCurve.Wave(0, 1, 1, 31_536_000)).Message, StringComparison.Ordinal);

    [Fact]
    public void Steps_without_requests_have_none()
    {
        var trace = SyntheticTraffic.Of(new RateCurve([0, 10, 20], [5, 0, 5], 30), Fixed, 1, new Random(3));
        Assert.DoesNotContain(trace.Arrivals, at => at is >= 10 and < 20);
        Assert.Contains(trace.Arrivals, at => at >= 20);
    }

    [Fact]
    public void A_part_begins_at_nought_and_a_scaled_trace_has_so_many_more()
    {
        var trace = SyntheticTraffic.Of(RateCurve.Constant(5, 2000), Fixed, 1, new Random(5));
        var part = trace.Part(500, 1000);
        Assert.Equal(trace.Arrivals.Count(at => at is >= 500 and < 1500), part.Count);
        Assert.Equal(trace.Arrivals.First(at => at >= 500) - 500, part.Arrivals[0]);
        Assert.InRange(trace.Scaled(2.5, new Random(1)).Count / (double)trace.Count, 2.4, 2.6);
        Assert.InRange(trace.Scaled(0.1, new Random(1)).Count / (double)trace.Count, 0.08, 0.12);
        Assert.Equal(trace.Arrivals, trace.Scaled(1, new Random(1)).Arrivals);
    }

    [Fact]
    public void When_so_many_have_come_is_the_inverse_of_how_many_have_come_by_then()
    {
        var gen = from rates in Gen.Double[0, 20].Array[1, 8] from share in Gen.Double[0, 0.999] select (rates, share);
        gen.Sample(one =>
        {
            var curve = new RateCurve([.. Enumerable.Range(0, one.rates.Length).Select(i => i * 10.0)], one.rates, one.rates.Length * 10);
            if (curve.Expected < 1e-6) return;
            var at = curve.TimeOf(one.share * curve.Expected);
            var come = one.rates.Select((rate, i) => rate * Math.Clamp(at - (i * 10), 0, 10)).Sum();
            Assert.Equal(one.share * curve.Expected, come, 6);
            Assert.Equal(double.PositiveInfinity, curve.TimeOf(curve.Expected));
        });
    }
}
