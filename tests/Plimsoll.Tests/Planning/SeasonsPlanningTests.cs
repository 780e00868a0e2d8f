namespace Plimsoll.Tests.Planning;

public class SeasonsPlanningTests
{
    private static readonly DateTimeOffset Midnight = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly ModelSpec Model = Fleets.Model("m", 100, max: 100);

    private static FleetSpec Spec(bool seasons) => Fleets.Spec(Model) with
    {
        Settings = new PlannerSettings
        {
            ForecastDemand = true,
            ForecastSeasons = seasons,
            DemandBucket = TimeSpan.FromSeconds(20),
            Review = TimeSpan.FromSeconds(20),
        },
    };

    // One a second at night and ten from nine to seventeen, counted each minute until so many hours after midnight.
    private static (Knowledge Known, FleetSnapshot Last) Until(double hours, TimeSpan load, bool seasons = true)
    {
        var spec = Spec(seasons);
        var known = Knowledge.Empty.Fold(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Midnight));
        known = known with
        {
            Models = known.Models.SetItem(Model.Id, known.Of(Model.Id) with { Loads = LoadStatistics.None.Add(new LoadSample(Bytes.MiB(100), load)) }),
        };
        FleetSnapshot? last = null;
        for (var minute = 1; minute <= hours * 60; minute++)
        {
            var at = Midnight.AddMinutes(minute);
            var busy = (minute - 1) % 1440 / 60 is >= 9 and < 17;
            last = Fleets.Snapshot(spec, Fleets.Node(1000), at)
                .With(Fleets.Traffic(Model.Id, at, busy ? 600 : 60) with { From = at.AddMinutes(-1) });
            known = known.Fold(spec, last);
        }

        return (known, last!);
    }

    private static ModelOutlook Outlook((Knowledge Known, FleetSnapshot Last) seen, bool seasons = true) =>
        Outlooks.Of(Spec(seasons), seen.Last, seen.Known).Single();

    [Fact]
    public void One_that_takes_a_quarter_of_an_hour_is_planned_for_by_what_nine_o_clock_asked_for_on_the_days_before()
    {
        var load = TimeSpan.FromMinutes(15);
        var ahead = Outlook(Until(72 + 8.9, load));
        Assert.True(ahead.Basis!.ByDays);
        Assert.True(ahead.Forecast.TryGetKnown(out var forecast));
        Assert.InRange(forecast, 8, 13);
        Assert.Contains("the days before among them", ahead.Basis.Shown, StringComparison.Ordinal);

        // Half a night before there is nothing to come for, though of the errors those of the first morning are among the largest.
        var night = Outlook(Until(72 + 4, load));
        Assert.InRange(night.Basis!.Median, 0.9, 2);
        Assert.True(night.Forecast.TryGetKnown(out var little));
        Assert.InRange(little, 0.9, 7);
        Assert.True(Outlook(Until(72 + 8.9, load, seasons: false), seasons: false).Forecast.TryGetKnown(out var without));
        Assert.InRange(without, 0.9, 5);
    }

    [Fact]
    public void A_light_model_keeps_none_and_neither_does_any_where_the_settings_do_not_ask_for_it()
    {
        Assert.Null(Until(2, TimeSpan.FromMinutes(1)).Known.Of(Model.Id).Seasons);
        Assert.Null(Until(2, TimeSpan.FromMinutes(15), seasons: false).Known.Of(Model.Id).Seasons);
        Assert.NotNull(Until(2, TimeSpan.FromMinutes(15)).Known.Of(Model.Id).Seasons);
    }

    [Fact]
    public void Under_a_day_it_changes_nothing()
    {
        var load = TimeSpan.FromMinutes(15);
        var (with, without) = (Outlook(Until(23.5, load)), Outlook(Until(23.5, load, seasons: false), seasons: false));
        Assert.Equal(without.Forecast, with.Forecast);
        Assert.Equal(without.Ahead.AsEnumerable(), with.Ahead);
    }
}
