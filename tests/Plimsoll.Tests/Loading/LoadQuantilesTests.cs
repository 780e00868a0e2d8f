namespace Plimsoll.Tests.Loading;

public class LoadQuantilesTests
{
    [Theory]
    [InlineData(2, 1.886)]
    [InlineData(3, 1.638)]
    [InlineData(5, 1.476)]
    [InlineData(10, 1.372)]
    [InlineData(1e9, 1.282)]
    public void Students_quantile_is_the_tables(double freedom, double expected) =>
        Assert.Equal(expected, LoadQuantiles.StudentP90(freedom), expected * 0.005);

    [Fact]
    public void One_load_has_the_prior_spread()
    {
        // Two loads' worth of a spread of 0.17, and one more for not knowing the mean: 1.8799 × 0.17 × √2.
        var one = LoadQuantiles.Of([3], 1);
        Assert.Equal(3, one.Median);
        Assert.Equal(3.4520, one.P90, 0.0005);
    }

    [Fact]
    public void Two_loads_have_their_own_spread_mostly()
    {
        // Mean 1; (2 × 0.0289 + 2) / 3 × 1.5 = 1.0289, its root 1.01434, times 1.6368 of three degrees of freedom.
        var two = LoadQuantiles.Of([0, 2], 1);
        Assert.Equal(1, two.Median, 1e-9);
        Assert.Equal(2.6603, two.P90, 0.0005);
    }

    [Fact]
    public void Nothing_is_said_beyond_twice_the_longest()
    {
        // Student's t would say 2 + 3.285 here; the longest is 4, and ln 2 is 0.6931.
        Assert.Equal(4.6931, LoadQuantiles.Of([0, 4], 1).P90, 0.0001);
    }

    [Fact]
    public void Nineteen_loads_are_ranked()
    {
        // The 18th of 19 is 0.9 × (19 + 1), the 10th the median; their order is no matter.
        double[] logs = [7, 19, 3, 1, 10, 12, 5, 18, 2, 16, 4, 14, 6, 17, 8, 15, 9, 13, 11];
        var all = LoadQuantiles.Of(logs, 1);
        Assert.Equal(10, all.Median, 1e-9);
        Assert.Equal(18, all.P90, 1e-9);
    }

    [Fact]
    public void What_is_forgotten_counts_less()
    {
        double[] logs = [.. Enumerable.Repeat(0.0, 10), .. Enumerable.Repeat(1.0, 5)];
        Assert.Equal(0, LoadQuantiles.Of(logs, 1).Median, 1e-9);
        Assert.InRange(LoadQuantiles.Of(logs, 0.5).Median, 0.9, 1);
    }

    [Fact]
    public void Of_nothing_nothing_is_said() => Assert.Throws<ArgumentException>(() => LoadQuantiles.Of([], 1));
}
