using CsCheck;

namespace Plimsoll.Tests.Demand;

public class DemandCalendarTests
{
    private static readonly DateTimeOffset Midnight = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);

    private static DateTimeOffset Hour(double hour) => Midnight.AddHours(hour);

    private static DemandEvent From(double from, double to, double factor = 1, double added = 0, double? everyHours = null) =>
        new(Hour(from), Hour(to), factor, added) { Every = everyHours is { } hours ? TimeSpan.FromHours(hours) : null };

    [Theory]
    // A window that ends as the event begins, one that reaches into it, one within it, one that begins as it ends.
    [InlineData(11, 12, 10)]
    [InlineData(11.5, 12.1, 30)]
    [InlineData(12.5, 13, 30)]
    [InlineData(14, 15, 10)]
    public void A_window_holds_the_most_that_is_in_force_within_it(double from, double to, double most) =>
        Assert.Equal(most, new DemandCalendar([From(12, 14, factor: 3)]).WithEvents(Hour(from), Hour(to), 10));

    [Fact]
    public void Where_events_overlap_factors_multiply_and_what_they_add_adds_up()
    {
        var calendar = new DemandCalendar([From(10, 14, factor: 2), From(12, 16, factor: 1.5, added: 4), From(13, 13.5, added: 1)]);
        Assert.Equal(20, calendar.WithEvents(Hour(10), Hour(11), 10));
        Assert.Equal(34, calendar.WithEvents(Hour(12), Hour(12.5), 10));
        Assert.Equal(35, calendar.WithEvents(Hour(9), Hour(20), 10));
        Assert.Equal(Hour(13), DemandCalendar.Most(calendar.Within(Hour(9), Hour(20)), 10).At);
        Assert.Equal(19, calendar.WithEvents(Hour(15), Hour(20), 10));
    }

    [Fact]
    public void Less_is_planned_for_only_where_the_whole_window_lies_in_an_event_of_less()
    {
        var calendar = new DemandCalendar([From(10, 14, factor: 0.5)]);
        Assert.Equal(5, calendar.WithEvents(Hour(11), Hour(12), 10));
        Assert.Equal(10, calendar.WithEvents(Hour(13), Hour(14.5), 10));
    }

    [Theory]
    [InlineData(-1, -0.5, 0)]
    [InlineData(9, 9.5, 5)]
    [InlineData(10, 11, 0)]
    [InlineData(24 + 8.5, 24 + 9.5, 5)]
    [InlineData((24 * 365) + 9.5, (24 * 365) + 9.6, 5)]
    [InlineData((24 * 365) + 10.5, (24 * 365) + 10.6, 0)]
    public void One_that_repeats_comes_each_day_from_its_first(double from, double to, double most) =>
        Assert.Equal(most, new DemandCalendar([From(9, 10, added: 5, everyHours: 24)]).WithEvents(Hour(from), Hour(to), 0));

    [Fact]
    public void What_is_learned_is_what_would_have_come_without()
    {
        var calendar = new DemandCalendar([From(12, 14, factor: 3), From(13, 14, added: 0.01)]);
        Assert.Equal(30, calendar.WithoutEvents(Hour(12), Hour(13), 90));
        // 36 of the 126 are added: 0.01/s for an hour.
        Assert.Equal(30, calendar.WithoutEvents(Hour(13), Hour(14), 126)!.Value, 9);
        // Half of the hour is in the event: twice the usual on the whole.
        Assert.Equal(30, calendar.WithoutEvents(Hour(11.5), Hour(12.5), 60)!.Value, 9);
        Assert.Null(new DemandCalendar([From(0, 24, factor: 0.01)]).WithoutEvents(Hour(1), Hour(2), 1));
    }

    [Fact]
    public void The_next_is_the_one_under_way_or_the_first_to_come()
    {
        var calendar = new DemandCalendar([From(30, 31, factor: 2), From(9, 10, added: 5, everyHours: 24)]);
        Assert.Equal(Hour(9), calendar.Next(Hour(0))!.Value.From);
        Assert.Equal(Hour(9), calendar.Next(Hour(9.5))!.Value.From);
        Assert.Equal(Hour(30), calendar.Next(Hour(10))!.Value.From);
        Assert.Equal(Hour(33), calendar.Next(Hour(31))!.Value.From);
        Assert.Null(new DemandCalendar([From(9, 10, added: 5)]).Next(Hour(10)));
    }

    [Theory]
    [InlineData(12, 12, 2, 0, null, "to")]
    [InlineData(12, 13, 1, 0, null, "factor")]
    [InlineData(12, 13, -1, 0, null, "factor")]
    [InlineData(12, 13, double.NaN, 0, null, "factor")]
    [InlineData(12, 13, 1, double.PositiveInfinity, null, "addedPerSecond")]
    [InlineData(12, 13, 2, 0, 0.01, "every")]
    [InlineData(12, 14, 2, 0, 1.0, "every")]
    [InlineData(12, 13, 2, 0, 1.0, null)]
    [InlineData(12, 13, 0, 0, null, null)]
    public void One_that_makes_no_sense_is_told_and_counts_for_nothing(double from, double to, double factor, double added, double? every, string? field)
    {
        var one = From(from, to, factor, added, every);
        Assert.Equal(field, one.Problem()?.Field);
        if (field is not null) Assert.Equal(10, new DemandCalendar([one]).WithEvents(Hour(0), Hour(24), 10));
    }

    [Fact]
    public void More_demand_never_makes_less_and_a_longer_window_never_holds_less() =>
        Gen.Select(
            Gen.Select(Gen.Double[0, 40], Gen.Double[0.1, 10], Gen.Double[0, 5], Gen.Double[0, 20], Gen.Bool).Array[0, 6],
            Gen.Double[0, 60], Gen.Double[0.01, 10], Gen.Double[0, 100]).Sample((events, at, length, rate) =>
        {
            var calendar = new DemandCalendar([.. events.Select(one => From(one.Item1, one.Item1 + one.Item2, one.Item3, one.Item4, one.Item5 ? 24 : null))]);
            var most = calendar.WithEvents(Hour(at), Hour(at + length), rate);
            return double.IsFinite(most) && most >= 0
                && calendar.WithEvents(Hour(at), Hour(at + length), rate + 1) >= most
                && calendar.WithEvents(Hour(at), Hour(at + length + 1), rate) >= most
                && calendar.WithEvents(Hour(at), Hour(at + (length / 2)), rate) <= most;
        });
}
