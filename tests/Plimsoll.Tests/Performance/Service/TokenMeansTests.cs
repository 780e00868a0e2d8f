using CsCheck;

namespace Plimsoll.Tests.Performance;

public sealed class TokenMeansTests
{
    [Fact]
    public void Too_few_requests_leave_what_is_assumed_and_enough_are_believed()
    {
        var few = TokenMeans.None.Add(new TokenSample(10, 1000, 100));
        Assert.Equal((760, 151), few.Or(760, 151));
        Assert.Equal((100, 10), few.Add(new TokenSample(10, 1000, 100)).Or(760, 151));
    }

    [Fact]
    public void Older_requests_fade()
    {
        var before = TokenMeans.None.Add(new TokenSample(2000, 2000 * 100, 2000 * 10));
        var after = before.Add(new TokenSample(1000, 1000 * 400, 1000 * 40));
        Assert.Equal(2000, after.Requests);
        Assert.Equal(250, after.Or(0, 0).Prompt, 6);
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.9)]
    public void The_spread_of_lognormal_lengths_is_found_from_their_squares(double spread)
    {
        var lengths = Enumerable.Range(0, 4000).Select(i => 300 * Math.Exp(spread * Quantile((i + 0.5) / 4000))).ToArray();
        var means = TokenMeans.None.Add(new TokenSample(4000, lengths.Sum(), 4000, lengths.Sum(one => one * one), null));
        Assert.Equal(spread, means.PromptSpread!.Value, 0.05);
        Assert.Null(means.AnswerSpread);
    }

    [Fact]
    public void Garbage_leaves_means_and_spreads_finite()
    {
        var number = Gen.OneOf(Gen.Double, Gen.Double[0, 1e6], Gen.Const(double.NaN), Gen.Const(0.0));
        Gen.Select(number, number, number, number, number).Array[1, 40].Sample(rows =>
        {
            var means = rows.Aggregate(TokenMeans.None, (known, row) => known.Add(new TokenSample(row.Item1, row.Item2, row.Item3, row.Item4, row.Item5)));
            var (prompt, answer) = means.Or(760, 151);
            Assert.True(prompt >= 1 && answer >= 1 && double.IsFinite(prompt + answer), $"{means}");
            Assert.InRange(means.PromptSpread ?? 0, 0, 2);
            var lengths = TypicalLengths.Of(means, null, null).Sample(100_000);
            Assert.All(lengths.Sample, one => Assert.InRange(one.Prompt + one.Answer, 2, 100_000));
        });
    }

    [Fact]
    public void Lengths_nobody_knows_are_those_of_the_public_trace_and_stated_means_are_kept()
    {
        // Its means are 1155 and 211; the eighths of a long tail come to somewhat less.
        var trace = default(TypicalLengths).Sample();
        Assert.InRange(trace.Prompt, 1000, 1250);
        Assert.InRange(trace.Steps + 1, 180, 230);
        var stated = TypicalLengths.Of(null, 300, 40).Sample();
        Assert.Equal(300, stated.Prompt, 1.0);
        Assert.Equal(40, stated.Steps + 1, 1.0);
    }

    private static double Quantile(double p)
    {
        // Halving is slow and sure.
        var (low, high) = (-8.0, 8.0);
        for (var i = 0; i < 60; i++)
        {
            var middle = (low + high) / 2;
            if (Below(middle) < p) low = middle;
            else high = middle;
        }

        return low;
    }

    // The sum of the density over a fine grid.
    private static double Below(double z)
    {
        double sum = 0;
        for (var x = -8.0; x < z; x += 0.01) sum += Math.Exp(-(x + 0.005) * (x + 0.005) / 2) * 0.01;
        return sum / Math.Sqrt(2 * Math.PI);
    }
}
