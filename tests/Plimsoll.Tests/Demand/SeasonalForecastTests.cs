using System.Text.Json;
using CsCheck;
using Plimsoll.Json;

namespace Plimsoll.Tests.Demand;

public class SeasonalForecastTests
{
    private const int Day = SeasonalProfile.DaySlots;
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly double[] Quantiles = [0.1, 0.5, 0.9, 0.95, 0.99];

    private static SeasonalForecast Of(IEnumerable<double> perSlot)
    {
        var (forecast, at) = (SeasonalForecast.None, Monday);
        foreach (var rate in perSlot) forecast = forecast.Add(at, at += SeasonalProfile.Slot, rate);
        return forecast;
    }

    // Over a window, where the other forecast says so much.
    private static double[] Ahead(SeasonalForecast forecast, TimeSpan window, double other = 0)
    {
        var quantiles = Enumerable.Repeat(other, Quantiles.Length).ToArray();
        forecast.Distribution(window, quantiles);
        return quantiles;
    }

    // An office: hardly anything at night, a rise from eight to half past nine, on the weekend a seventh.
    private static double Office(int slot, Random random, bool weekends)
    {
        var (day, hour) = (slot / Day % 7, slot % Day / 6.0);
        var shape = hour is < 8 or > 19 ? 0.05 : hour < 9.5 ? 0.05 + (0.95 * (hour - 8) / 1.5) : hour < 17 ? 1 : 1 - (0.95 * (hour - 17) / 2);
        return 20 * (weekends && day >= 5 ? shape / 7 : shape) * (0.9 + (0.2 * random.NextDouble()));
    }

    private static double[] Series(int days, int seed, Func<int, Random, double> rate)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, days * Day).Select(slot => rate(slot, random))];
    }

    /// <summary>Loss at a quantile of the next hour from the third day on, with the days and of the same windows without, and how often more came.</summary>
    private static (double With, double Without, double Exceeded, double ExceededMornings) Judge(double[] rates, int quantile)
    {
        var (with, at) = (SeasonalForecast.None, Monday);
        var without = DemandForecast.Start(new DemandForecastSettings { Bucket = SeasonalProfile.Slot, Windows = [SeasonalProfile.Slot, Hour, 4 * Hour], Compact = true });
        var (losses, exceeded, origins, mornings, exceededMornings) = (new double[2], 0, 0, 0, 0);
        for (var slot = 0; slot + 6 < rates.Length; slot++)
        {
            (with, without) = (with.Add(at, at + SeasonalProfile.Slot, rates[slot]), without.Add(at, at + SeasonalProfile.Slot, rates[slot] * 600));
            at += SeasonalProfile.Slot;
            if (slot < 2 * Day) continue;
            var came = rates[(slot + 1)..(slot + 7)].Max();
            Assert.True(without.Quantile(Hour, Quantiles[quantile]).TryGetKnown(out var other));
            var ours = Ahead(with, Hour)[quantile];
            losses[0] += Pinball(came, ours);
            losses[1] += Pinball(came, other);
            origins++;
            exceeded += came > ours ? 1 : 0;
            if (slot < 5 * Day || slot % Day is < 46 or > 56) continue;
            mornings++;
            exceededMornings += came > ours ? 1 : 0;
        }

        return (losses[0], losses[1], (double)exceeded / origins, (double)exceededMornings / mornings);

        double Pinball(double came, double given) => came > given ? Quantiles[quantile] * (came - given) : (1 - Quantiles[quantile]) * (given - came);
    }

    [Fact]
    public void Ten_days_alike_are_forecast_ahead_of_their_rise_and_the_quantile_covers_as_often_as_it_says()
    {
        foreach (var seed in (int[])[1, 2, 3])
        {
            var (with, without, exceeded, mornings) = Judge(Series(10, seed, (slot, random) => Office(slot, random, weekends: false)), quantile: 2);
            Assert.True(with < 0.6 * without, $"{with} with the days, {without} without");
            Assert.True(exceeded is > 0.04 and < 0.16 && mornings is >= 0 and < 0.2, $"exceeded {exceeded}, in the mornings {mornings}");
        }
    }

    [Fact]
    public void A_series_without_a_season_is_not_forecast_worse_for_it()
    {
        foreach (var seed in (int[])[1, 2, 3])
        {
            var level = 20.0;
            var wanders = Judge(Series(12, seed, (_, random) => level = Math.Clamp(level * Math.Exp(0.2 * (random.NextDouble() - 0.5)), 1, 400)), quantile: 2);
            var scatters = Judge(Series(12, seed, (_, random) => 10 * -Math.Log(1 - random.NextDouble())), quantile: 2);
            Assert.InRange(wanders.With / wanders.Without, 0, 1.06);
            Assert.InRange(scatters.With / scatters.Without, 0, 1.06);
        }
    }

    [Fact]
    public void After_some_weeks_a_Saturday_morning_is_not_taken_for_a_Friday_nor_a_Monday_for_a_Sunday()
    {
        var rates = Series(35, 7, (slot, random) => Office(slot, random, weekends: true));

        // At 8:40 the next hour comes to 18 to 22 on a workday, to 3 on the weekend.
        Assert.InRange(Ahead(Of(rates[..((33 * Day) + 52)]), Hour)[1], 2, 6);
        Assert.InRange(Ahead(Of(rates[..((28 * Day) + 52)]), Hour)[1], 15, 24);
    }

    [Fact]
    public void Of_less_than_a_day_and_of_no_more_than_a_minute_ahead_it_says_nothing()
    {
        var rates = Series(3, 1, (slot, random) => Office(slot, random, weekends: false));
        double[] said = [1, 2, 3, 4, 5];
        Assert.Equal(0, Of(rates[..Day]).Distribution(Hour, said));
        Assert.Equal(0, Of(rates).Distribution(TimeSpan.FromMinutes(1), said));
        Assert.Equal([1, 2, 3, 4, 5], said);
        Assert.True(Of(rates).Distribution(Hour, said) > 24);
    }

    [Fact]
    public void Days_in_which_nobody_looked_are_no_days_of_silence()
    {
        var rates = Series(4, 1, (slot, random) => Office(slot, random, weekends: false));
        var looked = Of(rates);
        var back = Monday.AddDays(8).AddHours(8);
        for (var slot = 0; slot < 4; slot++) looked = looked.Add(back, back += SeasonalProfile.Slot, 1 + slot);
        Assert.InRange(Ahead(looked, Hour)[2], 12, 40);
    }

    [Fact]
    public void Whatever_is_counted_it_says_no_less_than_the_other_forecast_and_only_numbers_and_reads_back_to_what_it_goes_on_from() =>
        Gen.Select(Gen.Double[-3000, 9000], Gen.Double[-10, 5000], Gen.OneOf(Gen.Double, Gen.Double[0, 100], Gen.Const(0.0)), Gen.Double[0, 50]).List[1, 60].Sample(scrapes =>
        {
            var days = Of(Series(2, 5, (slot, random) => Office(slot, random, weekends: false)));
            var (forecast, read, at) = (days, Read(Bytes(days)), Monday.AddDays(2));
            foreach (var (jump, length, rate, other) in scrapes)
            {
                at = at.AddSeconds(Math.Abs(jump) < 1500 ? 0 : jump);
                forecast = forecast.Add(at, at.AddSeconds(length), rate);
                read = Read(Bytes(read.Add(at, at.AddSeconds(length), rate)));
                at = at.AddSeconds(Math.Max(0, length));
                Assert.Equal(Convert.ToHexString(Bytes(forecast)), Convert.ToHexString(Bytes(read)));
                foreach (var window in (TimeSpan[])[TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(25), Hour, 9 * Hour])
                {
                    var said = Ahead(forecast, window, other);
                    Assert.Equal(said, Ahead(read, window, other));
                    Assert.All(said, value => Assert.True(double.IsFinite(value) && value >= other));
                    Assert.All(said.Zip(said.Skip(1)), pair => Assert.True(pair.First <= pair.Second * (1 + 1e-9)));
                }
            }

            return true;
        }, iter: 40);

    [Fact]
    public void Three_weeks_weigh_no_more_than_their_bytes_allow()
    {
        Assert.InRange(Bytes(Of(Series(22, 3, (slot, random) => Office(slot, random, weekends: true)))).Length, 1000, 2560);
        Assert.InRange(Bytes(Of(Series(1, 3, (_, _) => 0))).Length, 100, 1024);
    }

    [Theory]
    [InlineData("AQ==")]
    [InlineData("Ag==")]
    [InlineData("/////////////////////w==")]
    public void What_is_no_such_forecast_is_refused(string bytes) => Assert.Throws<JsonException>(() =>
        JsonSerializer.Deserialize("""{"models":{"m":{"seasons":"B"}}}""".Replace("B", bytes, StringComparison.Ordinal), PlimsollJson.Default.Knowledge));

    [Fact]
    public void Damage_never_reads_as_a_number_that_is_none()
    {
        var whole = Bytes(Of(Series(3, 2, (slot, random) => Office(slot, random, weekends: false))));
        Gen.Select(Gen.Int[0, 4000], Gen.Byte).List[1, 6].Sample(damage =>
        {
            byte[] bytes = [.. whole];
            foreach (var (at, value) in damage) bytes[at % bytes.Length] = value;
            SeasonalForecast forecast;
            try
            {
                forecast = CompactForecast.ReadSeasonal(bytes);
            }
            catch (Exception damaged) when (damaged is FormatException or ArgumentOutOfRangeException or OverflowException)
            {
                return true;
            }

            return Ahead(forecast, Hour).All(value => double.IsFinite(value) && value >= 0)
                && Ahead(forecast.Add(Monday.AddDays(3), Monday.AddDays(3).AddHours(1), 7), Hour).All(value => double.IsFinite(value) && value >= 0);
        }, iter: 2000);
    }

    // As a model's knowledge is journalled.
    private static byte[] Bytes(SeasonalForecast forecast)
    {
        var bytes = new byte[CompactForecast.MostSeasonalBytes];
        return bytes[..CompactForecast.WriteSeasonal(forecast, bytes)];
    }

    private static SeasonalForecast Read(byte[] bytes)
    {
        var known = Knowledge.Empty with
        {
            Models = Knowledge.Empty.Models.Add(new ModelId("m"), ModelKnowledge.Nothing with { Seasons = CompactForecast.ReadSeasonal(bytes) }),
        };
        return JsonSerializer.Deserialize(PlimsollJson.ToBytes(known, PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!.Of(new ModelId("m")).Seasons!;
    }
}
