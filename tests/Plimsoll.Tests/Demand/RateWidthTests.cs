using CsCheck;
using Plimsoll.Tests.Planning;

namespace Plimsoll.Tests.Demand;

public class RateWidthTests
{
    private static readonly PlannerSettings Settings = new() { ForecastDemand = true };

    private static ModelKnowledge Stays(double seconds, double requests = 1000, double? kept = null) => ModelKnowledge.Nothing with
    {
        Service = ServiceFit.None.Add(new ServiceSample((long)requests, requests, requests * seconds, requests, requests * seconds, 1, seconds)),
        Forecast = kept is { } width ? DemandForecast.Start(DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(width))) : null,
    };

    private static double Of(ModelKnowledge known) => RateWidth.Of(known, Fleets.Model("m", 100), Settings).TotalSeconds;

    [Theory]
    [InlineData(0.03, 1)]
    [InlineData(1.9, 1)]
    [InlineData(2, 2)]
    [InlineData(7, 5)]
    [InlineData(16, 10)]
    [InlineData(500, 20)]
    public void A_rate_is_of_about_as_long_as_a_request_stays(double seconds, double width) => Assert.Equal(width, Of(Stays(seconds)));

    [Fact]
    public void One_is_kept_until_a_new_version_has_served_some()
    {
        var sober = Settings with { LearnsSoberly = true };
        Assert.Equal(10, RateWidth.Of(Stays(0.1, requests: 99, kept: 10), Fleets.Model("m", 100), sober).TotalSeconds);
        Assert.Equal(1, RateWidth.Of(Stays(0.1, requests: 100, kept: 10), Fleets.Model("m", 100), sober).TotalSeconds);
    }

    [Fact]
    public void With_few_requests_and_no_prediction_it_is_the_narrowest() => Assert.Equal(1, Of(Stays(60, requests: 99)));

    [Theory]
    [InlineData(10, 10, 10)]
    [InlineData(10, 8, 10)] // a little shorter than when it was chosen
    [InlineData(10, 7.9, 5)]
    [InlineData(5, 10.9, 5)] // a little longer than the next one
    [InlineData(5, 11, 10)]
    [InlineData(1, 0.01, 1)]
    [InlineData(7, 7, 5)] // of other settings
    public void One_that_is_about_right_is_kept(double kept, double seconds, double width) => Assert.Equal(width, Of(Stays(seconds, kept: kept)));

    [Fact]
    public void Once_chosen_it_stays_for_the_same_requests() =>
        Gen.Double[0.001, 100].Sample(seconds => Of(Stays(seconds)) is var chosen && Of(Stays(seconds, kept: chosen)) == chosen);

    [Fact]
    public void A_mean_rate_of_the_past_is_no_more_than_its_busiest_bucket()
    {
        // One request every ten seconds: a second holds one, ten seconds hold one too.
        var demand = Enumerable.Range(0, 60).Aggregate(DemandHistory.None, (history, second) =>
            history.Add(Fleets.Noon.AddSeconds(second), Fleets.Noon.AddSeconds(second + 1), second % 10 == 0 ? 1 : 0, Settings));
        double Most(int averaged) => demand.Quantile(TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(1), 0.99, Settings, TimeSpan.FromSeconds(averaged)).TryGetKnown(out var rate) ? rate : -1;
        Assert.Equal((1, 1), (Most(0), Most(1)));

        // The first seconds have no ten behind them; after those it is a tenth.
        Assert.Equal(1, Most(10));
        var later = demand.Quantile(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(40), 0.5, Settings, TimeSpan.FromSeconds(10));
        Assert.True(later.TryGetKnown(out var median));
        Assert.Equal(0.1, median, 9);
    }
}
