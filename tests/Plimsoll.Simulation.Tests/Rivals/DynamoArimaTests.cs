using Plimsoll.Simulation.Rivals.Dynamo;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class DynamoArimaTests
{
    private static DynamoArima After(params IEnumerable<double> values) => values.Aggregate(DynamoArima.Fresh, (model, value) => model.Observe(value));

    [Fact]
    public void With_fewer_than_five_values_or_equal_ones_the_next_is_as_the_last()
    {
        Assert.Equal(7, After(1, 9, 2, 7).Next);
        Assert.Equal((5.0, null), (After(5, 5, 5, 5, 5, 5).Next, After(5, 5, 5, 5, 5, 5).Order));
    }

    [Fact]
    public void The_statistic_of_a_ramp_is_that_of_its_sums()
    {
        // Errors −2 to 2, sums −2, −3, −3, −2, 0: 26 / 25 over a variance of 2.
        Assert.Equal(0.52, ArimaSearch.Kpss([1, 2, 3, 4, 5]), 12);
        // Zeros and ones in turn, twenty: sums −½ and 0, so 2.5 / 400; one lag takes 0.2375 from a variance of 0.25.
        Assert.Equal(0.5, ArimaSearch.Kpss([.. Enumerable.Range(0, 20).Select(i => (double)(i % 2))]), 12);
    }

    [Fact]
    public void A_ramp_is_one_difference_and_a_drift()
    {
        var (order, fit) = ArimaSearch.Best([10, 20, 30, 40, 50]);
        Assert.Equal(new ArimaOrder(0, 1, 0, true), order);
        Assert.Equal(10, fit.Next, 9);
    }

    [Fact]
    public void Where_no_lag_is_found_logarithms_are_taken_and_a_doubling_goes_on()
    {
        var model = After(15, 31, 63, 127, 255);
        Assert.True(model.Log);
        Assert.InRange(model.Next, 500, 520);
    }

    [Fact]
    public void The_likelihood_of_white_noise_is_the_textbooks()
    {
        // n log(2πσ²) + n + 2 · 2, with a mean of 0 and σ² = 2.
        var fit = ArimaFit.At([-2, -1, 0, 1, 2], new(0, 0, 0, true), 0, 0);
        Assert.Equal(5 * Math.Log(4 * Math.PI) + 5 + 4, fit.Aic, 9);
    }

    [Fact]
    public void The_likelihood_of_one_lag_is_the_textbooks()
    {
        // AR(1) with φ = 0.5 on (1, 2): variances 4/3 and 1, errors 1 and 1.5, σ² = (3/4 + 9/4) / 2.
        var fit = ArimaFit.At([1, 2], new(1, 0, 0, false), 0.5, 0);
        Assert.Equal(2 * Math.Log(2 * Math.PI * 1.5) + Math.Log(4.0 / 3) + 2 + 4, fit.Aic, 9);
        Assert.Equal(1, fit.Next, 9);
    }

    [Fact]
    public void Coefficients_of_a_long_series_come_out_near_those_that_made_it()
    {
        // The errors are a fixed sequence that is spread evenly, and nothing random.
        var (series, last, error) = (new double[2000], 0.0, 0.0);
        for (var i = 0; i < series.Length; i++)
        {
            var fresh = (i * 0.6180339887498949 % 1 + i * 0.7548776662466927 % 1 + i * 0.5698402909980532 % 1) - 1.5;
            series[i] = last = 0.7 * last + fresh + 0.3 * error;
            error = fresh;
        }

        var fit = ArimaFit.Anywhere(series, new(1, 0, 1, true));
        Assert.True(fit.Aic <= ArimaFit.At(series, new(1, 0, 1, true), 0.7, 0.3).Aic);
        Assert.True(fit.Aic < ArimaFit.At(series, new(1, 0, 0, true), 0.7, 0).Aic);
    }

    [Fact]
    public void The_order_is_found_once_and_the_coefficients_follow()
    {
        var model = After(10, 30, 12, 28, 11);
        var order = model.Order;
        foreach (var value in new[] { 100, 200, 300, 400.0, 500, 600 }) model = model.Observe(value);
        Assert.Equal(order, model.Order);
        Assert.True(model.Next >= 0);
    }

    [Fact]
    public void A_forecast_is_never_below_zero() => Assert.All(
        Enumerable.Range(0, 40), shift => Assert.InRange(After(Enumerable.Range(0, 12).Select(i => (double)((i * 37 + shift * 11) % 50))).Next, 0, double.MaxValue));

    [Fact]
    public void A_model_on_the_edge_of_the_unit_circle_is_not_taken()
    {
        // Errors that cancel from one value to the next ask for a moving average of −1.
        var (order, fit) = ArimaSearch.Best([1, -1, 1, -1, 1.01]);
        Assert.True(Math.Abs(order.Ma > 0 ? fit.Ma : fit.Ar) <= 0.99);
        Assert.True(double.IsFinite(fit.Aic));
    }

    [Fact]
    public void Five_values_of_a_slow_wave_show_nothing_and_the_mean_is_forecast_from_there_on()
    {
        // A day of 180 s intervals: 500 requests, 300 up and down, and 20 of unrest.
        var (model, last, error, errorOfLast) = (DynamoArima.Fresh, 0.0, 0.0, 0.0);
        for (var i = 0; i < 480; i++)
        {
            var value = 500 + 300 * Math.Sin(i * 2 * Math.PI / 480) + 40 * (i * 0.6180339887 % 1 - 0.5);
            if (i > 10) (error, errorOfLast) = (error + Math.Abs(model.Next - value), errorOfLast + Math.Abs(last - value));
            (model, last) = (model.Observe(value), value);
        }

        Assert.Equal(new ArimaOrder(0, 0, 0, true), model.Order);
        Assert.InRange(error / errorOfLast, 5, 50);
    }
}
