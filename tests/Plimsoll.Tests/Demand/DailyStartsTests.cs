using System.Text;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;

namespace Plimsoll.Tests.Demand;

public class DailyStartsTests
{
    private static readonly DateTimeOffset Midnight = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);

    private static DailyStarts? On(params double[] hours)
    {
        DailyStarts? known = null;
        foreach (var hour in hours) known = DailyStarts.Learn(known, Midnight.AddHours(hour), started: true, TimeSpan.Zero);
        return known;
    }

    private static string Json(DailyStarts? daily) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(
        Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(new ModelId("m"), ModelKnowledge.Nothing with { Daily = daily }) }, PlimsollJson.Default.Knowledge));

    private static DailyStarts? Read(string json) => JsonSerializer.Deserialize(json, PlimsollJson.Default.Knowledge)!.Of(new ModelId("m")).Daily;

    [Fact]
    public void Starts_at_the_same_time_of_day_are_one_moment_and_surer_with_each_day()
    {
        // 9:00, 9:00 and 9:02; two days have passed by the third.
        var known = On(9, 33, 57 + (2.0 / 60))!;
        var moment = Assert.Single(known.Moments);
        Assert.InRange(moment.Second, 32_400, 32_450);
        // Of days: 1, then 13/14 and 1. Of times: 1, 13/14 + 1, 13/14 of that and 1.
        Assert.Equal(1.929, known.Days, 2);
        Assert.Equal(2.791, moment.Times, 2);
        Assert.Equal(0.710, known.Chance(moment), 2);
        Assert.True(known.Chance(moment) > On(9, 33)!.Chance(On(9, 33)!.Moments[0]));
    }

    [Fact]
    public void One_that_stays_away_is_forgotten()
    {
        var known = On(9, 33);
        for (var day = 2; day < 40; day++) known = DailyStarts.Learn(known, Midnight.AddHours((24 * day) + 12), started: false, TimeSpan.Zero);
        Assert.Null(known);
    }

    [Fact]
    public void Days_in_which_nobody_looked_say_nothing()
    {
        var looked = DailyStarts.Learn(On(9, 33), Midnight.AddHours(33 + 240), started: false, TimeSpan.FromDays(10));
        Assert.Equal(On(9, 33)!.Days, looked!.Days);
        Assert.Equal(On(9, 33)!.Moments, looked.Moments);
    }

    [Fact]
    public void A_day_that_lies_ahead_begins_now()
    {
        // However long nobody is said to have looked, and whatever a clock that was set back left.
        var known = On(9, 33);
        for (var i = 0; i < 1000; i++) known = DailyStarts.Learn(known, Midnight.AddHours(34 + (i / 60.0)), started: false, TimeSpan.FromDays(400));
        Assert.Equal(Midnight.AddHours(34 + (999 / 60.0)), known!.DayFrom);
        Assert.Equal(Midnight.AddHours(12), DailyStarts.Learn(On(9, 33), Midnight.AddHours(12), started: false, TimeSpan.Zero)!.DayFrom);
    }

    [Fact]
    public void Around_midnight_is_one_time_of_day()
    {
        var moment = Assert.Single(On(24 - 0.05, 48 + 0.05)!.Moments);
        Assert.True(moment.Second is > 86_200 or < 200);
        Assert.Equal(Midnight.AddDays(3), DailyStarts.Nearest(moment, Midnight.AddDays(3).AddHours(5)), TimeSpan.FromMinutes(4));
        Assert.Equal(Midnight.AddDays(3), DailyStarts.Nearest(moment, Midnight.AddDays(3).AddHours(-5)), TimeSpan.FromMinutes(4));
    }

    [Fact]
    public void It_is_bounded_and_reads_back_to_what_it_goes_on_from() =>
        Gen.Select(Gen.Double[0, 40], Gen.Bool, Gen.Double[0, 3]).List[1, 200].Sample(steps =>
        {
            DailyStarts? known = null, read = null;
            var at = Midnight;
            foreach (var (hours, started, unseen) in steps)
            {
                at = at.AddHours(hours);
                known = DailyStarts.Learn(known, at, started, TimeSpan.FromHours(unseen));
                read = Read(Json(DailyStarts.Learn(read, at, started, TimeSpan.FromHours(unseen))));
                if (Json(known) != Json(read)) return false;
                if (known is null) continue;
                if (known.Moments.Length > DailyStarts.MomentsMost) return false;
                if (known.Moments.Any(moment => moment.Second is < 0 or >= 86_400 || !(moment.Spread >= 0) || !(known.Chance(moment) is >= 0 and <= 1))) return false;
            }

            return true;
        });

    [Theory]
    [InlineData("AQ==")]
    [InlineData("Ag==")]
    [InlineData("AQAAAP////8=")]
    public void What_is_damaged_is_refused(string bytes) =>
        Assert.Throws<JsonException>(() => Read("""{"models":{"m":{"daily":"B"}}}""".Replace("B", bytes, StringComparison.Ordinal)));
}
