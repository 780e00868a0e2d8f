using System.Text;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;

namespace Plimsoll.Tests.Demand;

public class CompactForecastTests
{
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
    private static readonly DemandForecastSettings Settings = DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(1));
    private static readonly double[] Asked = [0.01, 0.5, 0.9, 0.99, 0.999, 1];

    private static DemandForecast Of(IEnumerable<double> perSecond, DemandForecastSettings? settings = null)
    {
        var (forecast, at) = (DemandForecast.Start(settings ?? Settings), Monday);
        foreach (var arrivals in perSecond) forecast = forecast.Add(at, at = at.AddSeconds(1), arrivals);
        return forecast;
    }

    // As a model's knowledge is journalled.
    private static string Json(DemandForecast forecast) =>
        Encoding.UTF8.GetString(PlimsollJson.ToBytes(Knowing(ModelKnowledge.Nothing with { Forecast = forecast }), PlimsollJson.Default.Knowledge));

    private static DemandForecast Read(string json) =>
        JsonSerializer.Deserialize(json, PlimsollJson.Default.Knowledge)!.Of(new ModelId("m")).Forecast!;

    private static Knowledge Knowing(ModelKnowledge known) => Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(new ModelId("m"), known) };

    private static int Weight(DemandForecast forecast) => Json(forecast).Length - Json(DemandForecast.Start(Settings)).Length
        + Encoding.UTF8.GetByteCount(JsonSerializer.Serialize(Convert.ToBase64String(Bytes(DemandForecast.Start(Settings)))));

    private static byte[] Bytes(DemandForecast forecast)
    {
        var bytes = new byte[CompactForecast.MostBytes];
        return bytes[..CompactForecast.Write(forecast, bytes)];
    }

    private static double Value(DemandForecast forecast, double quantile, TimeSpan window)
    {
        Assert.True(forecast.Quantile(window, quantile).TryGetKnown(out var value));
        return value;
    }

    [Fact]
    public void What_is_read_back_is_what_was_written_and_goes_on_the_same() =>
        Gen.Select(Gen.Double[-200, 200], Gen.Double[-1, 70], Gen.OneOf(Gen.Double, Gen.Double[0, 100], Gen.Const(0.0))).List[1, 80].Sample(scrapes =>
        {
            var (forecast, read, at) = (DemandForecast.Start(Settings), DemandForecast.Start(Settings), Monday);
            foreach (var (jump, length, arrivals) in scrapes)
            {
                at = at.AddSeconds(Math.Abs(jump) < 150 ? 0 : jump);
                forecast = forecast.Add(at, at.AddSeconds(length), arrivals);
                read = Read(Json(read.Add(at, at.AddSeconds(length), arrivals)));
                at = at.AddSeconds(Math.Max(0, length));
                if (Json(forecast) != Json(read)) return false;
            }

            return Asked.All(quantile => !forecast.Quantile(TimeSpan.FromSeconds(30), quantile).TryGetKnown(out var value)
                || (double.IsFinite(value) && value >= 0 && value == Value(read, quantile, TimeSpan.FromSeconds(30))));
        }, iter: 60);

    [Fact]
    public void An_hour_that_is_read_back_every_second_forecasts_the_same_to_the_last_bit()
    {
        var random = new Random(7);
        var (forecast, read, at) = (DemandForecast.Start(Settings), DemandForecast.Start(Settings), Monday);
        for (var second = 0; second < 3600; second++)
        {
            var arrivals = random.Next(0, 2 + (second / 600 % 3 * 40));
            forecast = forecast.Add(at, at.AddSeconds(1), arrivals);
            var bytes = Bytes(read.Add(at, at.AddSeconds(1), arrivals));
            read = CompactForecast.Read(bytes);
            Assert.Equal(bytes, Bytes(forecast));
            at = at.AddSeconds(1);
        }

        foreach (var window in (TimeSpan[])[TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(42), TimeSpan.FromMinutes(10)])
            Assert.Equal(Value(forecast, 0.95, window), Value(read, 0.95, window));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void It_weighs_at_most_a_kilobyte_and_a_half_of_JSON_however_long_it_learned(int kind)
    {
        var random = new Random(11);
        var forecast = Of(Enumerable.Range(0, 4 * 3600).Select(second => kind switch
        {
            0 => 0.0,
            1 => random.Next(40) == 0 ? 1 + random.NextDouble() : 0,
            _ => random.NextDouble() * 300 * (1 + Math.Sin(second / 400.0)),
        }));
        Assert.InRange(Weight(forecast), 100, 1536);
        if (kind == 0) Assert.InRange(Weight(forecast), 100, 640);
    }

    [Fact]
    public void A_steady_rate_is_forecast_as_itself_and_silence_as_silence()
    {
        Assert.InRange(Value(Of(Enumerable.Repeat(50.0, 900)), 0.95, TimeSpan.FromSeconds(10)), 49, 55);
        Assert.InRange(Value(Of(Enumerable.Repeat(0.0, 300)), 0.95, TimeSpan.FromSeconds(10)), 0, 0.005);
    }

    [Fact]
    public void Its_95_per_cent_quantile_of_ten_seconds_is_exceeded_about_one_time_in_twenty()
    {
        var random = new Random(3);
        var rates = Enumerable.Range(0, 4000).Select(_ => (double)Poisson(random, 6)).ToArray();
        var (forecast, at, exceeded, origins) = (DemandForecast.Start(Settings), Monday, 0, 0);
        for (var i = 0; i < rates.Length; i++)
        {
            forecast = forecast.Add(at, at = at.AddSeconds(1), rates[i]);
            if (i < 600 || i + 10 >= rates.Length) continue;
            origins++;
            if (rates.AsSpan(i + 1, 10).ToArray().Max() > Value(forecast, 0.95, TimeSpan.FromSeconds(10))) exceeded++;
        }

        Assert.InRange((double)exceeded / origins, 0.02, 0.08);
    }

    [Fact]
    public void A_demand_of_another_size_leaves_no_forecast_out_of_bounds() =>
        Gen.Select(Gen.Double[-6, 8], Gen.Int[1, 120]).List[1, 12].Sample(levels =>
        {
            var forecast = Of(levels.SelectMany(level => Enumerable.Repeat(Math.Pow(10, level.Item1), level.Item2)));
            var values = Asked.Select(quantile => Value(forecast, quantile, TimeSpan.FromSeconds(25))).ToArray();
            return values.All(value => double.IsFinite(value) && value >= 0) && values.Zip(values.Skip(1)).All(pair => pair.First <= pair.Second * (1 + 1e-12))
                && Json(Read(Json(forecast))) == Json(forecast);
        }, iter: 60);

    [Theory]
    [InlineData("\"not base64!\"")]
    [InlineData("\"\"")]
    [InlineData("\"AQ==\"")]
    [InlineData("\"/////////////////////w==\"")]
    [InlineData("7")]
    public void What_is_no_forecast_is_refused_in_one_sentence(string json)
    {
        var text = """{"models":{"m":{"nextOrdinal":1,"forecast":""" + json + "}}}";
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(text, PlimsollJson.Default.Knowledge));
    }

    [Fact]
    public void Damage_never_reads_as_a_number_that_is_none() =>
        Gen.Select(Gen.Int[0, 2000], Gen.Byte).List[1, 6].Sample(damage =>
        {
            var bytes = Bytes(Of(Enumerable.Range(0, 200).Select(second => (double)(second % 9))));
            foreach (var (at, value) in damage) bytes[at % bytes.Length] = value;
            try
            {
                var read = CompactForecast.Read(bytes);
                return !read.Quantile(TimeSpan.FromSeconds(30), 0.9).TryGetKnown(out var value) || value >= 0;
            }
            catch (Exception refused) when (refused is FormatException or ArgumentOutOfRangeException)
            {
                return true;
            }
        }, iter: 300);

    [Theory]
    [InlineData(1, "10,60,600")]
    [InlineData(5, "10,60,600")]
    [InlineData(0.25, "10,60,600")]
    [InlineData(7, "14,63,602")]
    [InlineData(60, "60,600")]
    [InlineData(3600, "3600")]
    public void Windows_are_whole_buckets_whatever_their_width(double bucketSeconds, string windows)
    {
        var settings = DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(bucketSeconds));
        Assert.Equal(windows, string.Join(',', settings.Windows.Select(window => window.TotalSeconds)));
        Assert.Equal(settings.Windows.Length, DemandForecast.Start(settings).Windows.Length);
    }

    private static int Poisson(Random random, double mean)
    {
        var (limit, product, count) = (Math.Exp(-mean), random.NextDouble(), 0);
        for (; product > limit; product *= random.NextDouble()) count++;
        return count;
    }
}
