using CsCheck;

namespace Plimsoll.Tests.Demand;

public class ShortageCostTests
{
    [Fact]
    public void A_forecast_that_is_even_from_nought_to_one_needs_the_quantile_that_leaves_one_per_cent_of_its_mean() =>
        // Above q: (1 − q)² / 2; of the mean 1/2 one per cent is left at q = 0.9.
        Assert.Equal(0.9, ShortageCost.Uncorrected.Quantile(u => u, 0.99), 2);

    [Fact]
    public void A_stricter_target_covers_more()
    {
        var cost = ShortageCost.Uncorrected;
        Assert.True(cost.Quantile(u => u * u, 0.999) > cost.Quantile(u => u * u, 0.99));
    }

    [Fact]
    public void Misses_raise_it_and_attainment_lowers_it_within_bounds()
    {
        var (worse, better) = (ShortageCost.Uncorrected, ShortageCost.Uncorrected);
        for (var i = 0; i < 1000; i++) (worse, better) = (worse.Observe(0.5, 0.99, 1), better.Observe(1, 0.99, 1));
        Assert.Equal(3, worse.LogCorrection);
        Assert.Equal(-6, better.LogCorrection);
        Assert.True(worse.Quantile(u => u, 0.99) > 0.9);
        Assert.True(better.Quantile(u => u, 0.99) < 0.9);
    }

    [Fact]
    public void Requests_that_stay_in_time_take_it_below_the_median_and_never_to_nothing()
    {
        var cost = ShortageCost.Uncorrected;
        for (var i = 0; i < 1000; i++) cost = cost.Observe(1, 0.99, 1);
        Assert.True(cost.Quantile(u => u, 0.99) < 0.5);
        Assert.Equal(0.05, cost.Quantile(u => u, 0.5));
        Assert.Equal(0.5, ShortageCost.Uncorrected.Quantile(u => u, 0.1), 5);
    }

    [Fact]
    public void Asked_to_it_goes_down_to_a_hundredth_which_is_read_below_what_is_learned()
    {
        var cost = ShortageCost.Uncorrected;
        for (var i = 0; i < 1000; i++) cost = cost.Observe(1, 0.99, 1, further: true);
        ReadOnlySpan<double> grid = [9, 12, 16, 18, 22];

        Assert.Equal(-10, cost.LogCorrection);
        Assert.Equal((0.01, 0.05), (cost.Quantile(grid, 0.99, ShortageCost.LeastFor(TimeSpan.FromMinutes(4))), cost.Quantile(grid, 0.99)));
        Assert.Equal((0.05, 0.025), (ShortageCost.LeastFor(TimeSpan.FromSeconds(4)), ShortageCost.LeastFor(TimeSpan.FromMinutes(1))));

        // As steep as between the tenth and the median, 3 in 1.2816 standard deviations: 2.3263 of them below the median.
        Assert.Equal(12 - (3 * 2.3263 / 1.2816), WindowForecast.Between(grid, 0.01, below: true), 2);
        Assert.Equal(9, WindowForecast.Between(grid, 0.01));
        Assert.Equal(9, WindowForecast.Between(grid, 0.1, below: true), 9);
        Assert.Equal(4.5, WindowForecast.Between([9, 30, 40, 50, 60], 0.01, below: true));
        Assert.Equal(9, WindowForecast.Between(grid, 0, below: true));
    }

    [Fact]
    public void What_is_no_attainment_changes_nothing() =>
        Assert.Same(ShortageCost.Uncorrected, ShortageCost.Uncorrected.Observe(double.NaN, 0.99, 1));

    [Fact]
    public void At_a_quantile_of_ninety_per_cent_a_shortage_costs_nine_times_an_excess() =>
        Assert.Equal(18, ShortageCost.PerUnit(2, 0.9), 9);

    [Fact]
    public void The_closed_form_finds_what_the_sums_find() =>
        Gen.Select(Gen.Double[0, 20], Gen.Double[0, 20].Array[4], Gen.Double[0.9, 0.999], Gen.Double[-1, 2]).Sample((lowest, steps, attainment, correction) =>
        {
            var grid = new double[5];
            grid[0] = lowest;
            for (var i = 1; i < grid.Length; i++) grid[i] = grid[i - 1] + steps[i - 1];
            var cost = new ShortageCost(correction);
            var summed = cost.Quantile(quantile => WindowForecast.Between(grid, quantile), attainment);
            var solved = cost.Quantile(grid, attainment);

            // The sums take sixty-four slices for the tail. Where the forecast is flat any quantile is as good, and the correction carries
            // two that are as good as far apart as they were.
            var (first, same) = (ShortageCost.Uncorrected.Quantile(At, attainment), ShortageCost.Uncorrected.Quantile(grid, attainment));
            return Near(first, same) ? Near(summed, solved) || AsGood(summed, solved) : AsGood(first, same);

            static bool Near(double a, double b) => Math.Abs(Math.Log(a / (1 - a)) - Math.Log(b / (1 - b))) < 0.15;

            bool AsGood(double a, double b) => Math.Abs(At(a) - At(b)) < 0.02 * (1 + grid[^1]);

            double At(double quantile) => WindowForecast.Between(grid, quantile);
        }, iter: 500);
}
