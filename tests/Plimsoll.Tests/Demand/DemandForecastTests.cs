using System.Text.Json;
using CsCheck;
using Plimsoll.Json;

namespace Plimsoll.Tests.Demand;

public class DemandForecastTests
{
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan TenSeconds = TimeSpan.FromSeconds(10);
    private static readonly DemandForecastSettings Short = new() { Windows = [TenSeconds, TimeSpan.FromMinutes(1)] };
    private static readonly double[] Asked = [0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1];

    private static DemandForecast Of(IEnumerable<double> perSecond, DemandForecastSettings? settings = null)
    {
        var (forecast, at) = (DemandForecast.Start(settings ?? Short), Monday);
        foreach (var arrivals in perSecond) forecast = forecast.Add(at, at = at.AddSeconds(1), arrivals);
        return forecast;
    }

    private static double Value(DemandForecast forecast, double quantile, TimeSpan? window = null)
    {
        Assert.True(forecast.Quantile(window ?? TenSeconds, quantile).TryGetKnown(out var value));
        return value;
    }

    [Theory]
    [InlineData(10)]
    [InlineData(60)]
    [InlineData(61)]
    [InlineData(200)]
    [InlineData(599)]
    [InlineData(600)]
    public void As_many_windows_count_as_long_as_one_as_fit_into_what_was_seen(double seconds)
    {
        var forecast = Of(Enumerable.Repeat(5.0, 1200), DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(1)));
        var grid = new double[WindowForecast.Grid.Length];

        // Those that overlap are counted once, and the first ends with the first window.
        Assert.InRange(forecast.Distribution(TimeSpan.FromSeconds(seconds), grid, between: true), 1200 / seconds / 3, 1200 / seconds * 1.1);
        Assert.Equal(seconds is > 60 and < 600, forecast.Distribution(TimeSpan.FromSeconds(seconds), grid) < forecast.Distribution(TimeSpan.FromSeconds(seconds), grid, between: true));
    }

    [Fact]
    public void Nothing_observed_is_missing_and_not_zero() =>
        Assert.Equal(SignalState.Missing, DemandForecast.Start(Short).Quantile(TenSeconds, 0.95).State);

    [Fact]
    public void A_first_second_is_forecast_as_counts_vary() =>
        // The largest of ten Poisson counts of mean 4 is at most 9 with 0.9919^10 = 92 % and at most 10 with 97 %.
        Assert.Equal(10, Value(Of([4]), 0.95), 6);

    [Fact]
    public void Silence_is_forecast_as_silence() =>
        // To the width of a bin: half a per cent of half an arrival.
        Assert.InRange(Value(Of(Enumerable.Repeat(0.0, 300)), 0.95), 0, 0.005);

    [Fact]
    public void A_model_that_fell_silent_is_expected_to_stay_so_at_the_median_exactly() =>
        Assert.Equal(0, Value(Of([.. Enumerable.Repeat(5.0, 60), .. Enumerable.Repeat(0.0, 900)]), 0.5));

    [Fact]
    public void What_was_said_exactly_is_no_reason_to_say_less() =>
        Assert.All(Of(Enumerable.Repeat(0.0, 3000)).Windows, window => Assert.All(window.Corrections, correction => Assert.Equal(0, correction)));

    [Fact]
    public void A_peak_that_few_windows_saw_is_not_forgotten_by_the_next() =>
        // Of the last window's 4 and the most ever, 30, the mean and half as much again, less what the few windows since say.
        Assert.InRange(Value(Of([.. Enumerable.Repeat(4.0, 12), 30, .. Enumerable.Repeat(4.0, 27)]), 0.99), 20, 45);

    [Fact]
    public void A_steady_rate_is_forecast_as_itself() =>
        Assert.InRange(Value(Of(Enumerable.Repeat(50.0, 900)), 0.95), 49, 55);

    [Fact]
    public void Counting_an_interval_twice_changes_nothing()
    {
        var once = Of([3, 4, 5]);
        Assert.Same(once, once.Add(Monday.AddSeconds(1), Monday.AddSeconds(3), 900));
        Assert.Same(once, once.Add(Monday.AddSeconds(3), Monday.AddSeconds(3), 900));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-1)]
    public void What_is_no_count_changes_nothing(double arrivals)
    {
        var before = Of([3, 4, 5]);
        Assert.Same(before, before.Add(Monday.AddSeconds(3), Monday.AddSeconds(4), arrivals));
    }

    [Fact]
    public void A_counter_that_jumps_does_not_stay_in_the_forecast()
    {
        var steady = Enumerable.Repeat(5.0, 600).ToArray();
        var forecast = Of([.. steady, 1e12, .. steady]);
        Assert.InRange(Value(forecast, 0.95), 4, 60);
    }

    [Fact]
    public void Garbage_makes_no_forecast_negative_nor_infinite() =>
        Gen.Select(Gen.Double[-7200, 7200], Gen.Double[-1, 400], Gen.OneOf(Gen.Double, Gen.Double[0, 100])).List[1, 40].Sample(scrapes =>
        {
            var (forecast, at) = (DemandForecast.Start(Short), Monday);
            foreach (var (jump, length, arrivals) in scrapes)
            {
                at = at.AddSeconds(Math.Abs(jump) < 6000 ? 0 : jump);
                forecast = forecast.Add(at, at.AddSeconds(length), arrivals);
                at = at.AddSeconds(Math.Max(0, length));
            }

            foreach (var quantile in Asked)
                if (forecast.Quantile(TimeSpan.FromSeconds(30), quantile).TryGetKnown(out var value))
                    Assert.True(double.IsFinite(value) && value >= 0, $"{value} at {quantile}");
        }, iter: 200);

    [Fact]
    public void A_higher_quantile_is_never_lower() =>
        Gen.Double[0, 40].List[1, 200].Sample(rates =>
        {
            var forecast = Of(rates);
            var values = Asked.Select(quantile => Value(forecast, quantile)).ToArray();
            return values.Zip(values.Skip(1)).All(pair => pair.First <= pair.Second + 1e-9);
        }, iter: 100);

    [Fact]
    public void Ten_times_a_busy_models_demand_never_forecasts_less() =>
        // Not of any series: with a handful of windows scored, which rule is trusted turns on a hair.
        Gen.Int[20, 40].List[20, 200].Sample(rates =>
        {
            var (less, more) = (Of(rates.Select(rate => (double)rate)), Of(rates.Select(rate => 10.0 * rate)));
            return Value(more, 0.95) >= Value(less, 0.95) - 1e-6;
        }, iter: 100);

    [Fact]
    public void A_checkpoint_forecasts_the_same_and_goes_on_the_same() =>
        Gen.Double[0, 40].List[1, 150].Sample(rates =>
        {
            var forecast = Of(rates);
            var json = JsonSerializer.Serialize(forecast, PlimsollJson.Default.DemandForecast);
            var read = JsonSerializer.Deserialize(json, PlimsollJson.Default.DemandForecast)!;
            var until = forecast.Until!.Value;
            var (on, readOn) = (forecast.Add(until, until.AddSeconds(1), 7), read.Add(until, until.AddSeconds(1), 7));
            return Value(forecast, 0.95) == Value(read, 0.95)
                && JsonSerializer.Serialize(on, PlimsollJson.Default.DemandForecast)
                    == JsonSerializer.Serialize(readOn, PlimsollJson.Default.DemandForecast);
        }, iter: 20);

    [Fact]
    public void A_known_event_raises_the_forecast_and_is_not_learned()
    {
        var calendar = new DemandCalendar([new DemandEvent(Monday.AddSeconds(300), Monday.AddSeconds(400), Factor: 3)]);
        var (forecast, at) = (DemandForecast.Start(Short), Monday);
        double Ahead(DemandCalendar? known) => forecast.Quantile(TenSeconds, 0.5, known).TryGetKnown(out var value) ? value : -1;
        for (var second = 0; second < 395; second++)
        {
            if (second == 295) Assert.InRange(Ahead(calendar) / Ahead(null), 2.999, 3.001);
            forecast = forecast.Add(at, at.AddSeconds(1), second < 300 ? 10 : 30, calendar);
            at = at.AddSeconds(1);
        }

        Assert.InRange(Ahead(null), 9, 12);
    }

    [Fact]
    public void Duplicated_scrapes_change_nothing() =>
        Gen.Double[0, 40].List[1, 60].Sample(rates =>
        {
            var (once, twice, at) = (DemandForecast.Start(Short), DemandForecast.Start(Short), Monday);
            foreach (var rate in rates)
            {
                once = once.Add(at, at.AddSeconds(1), rate);
                twice = twice.Add(at, at.AddSeconds(1), rate).Add(at, at.AddSeconds(1), rate);
                at = at.AddSeconds(1);
            }

            return Json(once) == Json(twice);
        }, iter: 50);

    [Theory]
    [InlineData(30)]
    [InlineData(3600)]
    [InlineData(86400 * 400)]
    public void A_gap_or_a_clock_set_forward_is_not_silence(int seconds)
    {
        var forecast = Of(Enumerable.Repeat(50.0, 300));
        var at = Monday.AddSeconds(300 + seconds);
        for (var i = 0; i < 20; i++) forecast = forecast.Add(at.AddSeconds(i), at.AddSeconds(i + 1), 50);
        Assert.InRange(Value(forecast, 0.5), 45, 60);
        Assert.InRange(Value(forecast, 0.1), 40, 60);
    }

    [Fact]
    public void A_clock_set_back_keeps_what_was_learned()
    {
        var forecast = Of(Enumerable.Repeat(50.0, 300));
        var at = Monday.AddDays(-3);
        for (var i = 0; i < 20; i++) forecast = forecast.Add(at.AddSeconds(i), at.AddSeconds(i + 1), 50);
        Assert.Equal(at.AddSeconds(20), forecast.Until);
        Assert.InRange(Value(forecast, 0.95), 45, 70);
    }

    [Fact]
    public void A_checkpoint_of_days_forecasts_the_same_and_goes_on_the_same()
    {
        var settings = new DemandForecastSettings { Bucket = TimeSpan.FromMinutes(5), Windows = [TimeSpan.FromMinutes(10), TimeSpan.FromHours(4)] };
        var (forecast, at) = (DemandForecast.Start(settings), Monday);
        for (var i = 0; i < 12 * 24 * 9; i++) forecast = forecast.Add(at, at = at.AddMinutes(5), 300 * (2 + Math.Sin(i / 45.0)));
        var read = JsonSerializer.Deserialize(Json(forecast), PlimsollJson.Default.DemandForecast)!;
        Assert.Equal(Json(forecast), Json(read));
        Assert.Equal(Value(forecast, 0.95, TimeSpan.FromHours(4)), Value(read, 0.95, TimeSpan.FromHours(4)));
        Assert.Equal(Json(forecast.Add(at, at.AddMinutes(5), 900)), Json(read.Add(at, at.AddMinutes(5), 900)));
    }

    private static string Json(DemandForecast forecast) => JsonSerializer.Serialize(forecast, PlimsollJson.Default.DemandForecast);
}
