using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Demand;

public sealed class SurplusTimesTests
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Unseen = TimeSpan.FromSeconds(5);

    private static string Json(SurplusTimes? times) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(
        Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(new ModelId("m"), ModelKnowledge.Nothing with { Surplus = times }) }, PlimsollJson.Default.Knowledge));

    private static SurplusTimes? Read(string json) => JsonSerializer.Deserialize(json, PlimsollJson.Default.Knowledge)!.Of(new ModelId("m")).Surplus;

    // Wanted second by second, as the planner remembers when each rank was last wanted.
    private static SurplusTimes? Of(IEnumerable<int> wanted, Func<int, double>? share = null, SurplusTimes? from = null, int start = 0)
    {
        var (times, last, second) = (from, ImmutableArray<DateTimeOffset>.Empty, start);
        foreach (var now in wanted)
        {
            var at = Noon.AddSeconds(second++);
            times = SurplusTimes.Learn(times, at, now, last, Shortest, Unseen, share ?? (_ => 0.5));
            var before = last;
            last = [.. Enumerable.Range(0, Math.Max(now, before.Length)).Select(rank => rank < now || rank >= before.Length ? at : before[rank])];
        }

        return times;
    }

    private static IEnumerable<int> Wanted(params (int Count, int Seconds)[] stretches) => stretches.SelectMany(stretch => Enumerable.Repeat(stretch.Count, stretch.Seconds));

    [Fact]
    public void A_rank_that_is_wanted_again_teaches_how_long_it_was_not()
    {
        var times = Of(Wanted((5, 10), (1, 100), (5, 10)))!;
        Assert.Equal([1, 1, 0.25], times.Ranks.Select(group => Math.Round(group.Times.Weight, 2)));
        Assert.Equal(0.5f, times.Of(3).Share);
        Assert.Equal(0, times.Of(1).Times.Weight);
    }

    [Fact]
    public void A_dip_shorter_than_the_horizon_and_a_time_nobody_looked_are_none()
    {
        Assert.Empty(Of(Wanted((3, 10), (2, 15), (3, 10)))!.Ranks);
        var before = Of(Wanted((3, 10), (2, 30)));
        Assert.Empty(SurplusTimes.Learn(before, Noon.AddHours(1), 3, [Noon, Noon, Noon.AddSeconds(9)], Shortest, Unseen, _ => 1).Ranks);
    }

    [Fact]
    public void What_is_read_back_is_what_was_written_and_goes_on_the_same() =>
        Gen.Select(Gen.Int[0, 40], Gen.Int[1, 90], Gen.Double[0, 1]).List[1, 12].Sample(stretches =>
        {
            var (times, read, second) = ((SurplusTimes?)null, (SurplusTimes?)null, 0);
            foreach (var (count, seconds, share) in stretches)
            {
                int[] stretch = [.. Wanted((1, 1), (count, seconds))];
                times = Of(stretch, _ => share, times, second);
                read = Read(Json(Of(stretch, _ => share, read, second)));
                second += stretch.Length;
            }

            return Json(times) == Json(read);
        }, iter: 200);

    [Fact]
    public void What_is_no_record_is_an_error_of_JSON()
    {
        var whole = Json(Of(Wanted((3, 10), (1, 100), (3, 10))));
        var text = Json(null).Length;
        Assert.True(whole.Length - text < 100);
        foreach (var broken in new[] { "AA==", "AQ==", "!" })
            Assert.Throws<JsonException>(() => Read(whole.Replace(Convert.ToBase64String(Written(Read(whole)!)), broken, StringComparison.Ordinal)));
    }

    private static byte[] Written(SurplusTimes times)
    {
        var bytes = new byte[CompactForecast.MostSurplusBytes];
        return bytes[..CompactForecast.WriteSurplus(times, bytes)];
    }

    [Fact]
    public void It_stays_small_however_many_replicas_come_and_go()
    {
        var random = new Random(1);
        var times = Of(Enumerable.Range(0, 400).SelectMany(_ => Wanted((random.Next(1, 65), random.Next(1, 40)), (1, random.Next(20, 200)))))!;
        Assert.InRange(Written(times).Length, 100, 700);
    }

    [Theory]
    [InlineData(10, 19)]
    [InlineData(240, 456)]
    public void With_nothing_seen_a_replica_is_held_for_its_load_and_as_much_again_as_waits_for_it(double load, double held)
    {
        // T (1 + q / (1 − q) · (1 − q)) = T (1 + q).
        var hold = DemandOutlook.Surplus(ModelKnowledge.Nothing, TimeSpan.FromSeconds(load), 0.9, TimeSpan.FromSeconds(load + 1), 2);
        Assert.Equal(held, hold.Time.TotalSeconds, 6);
        Assert.Equal((0.1, 0), (Math.Round(hold.Share, 9), hold.Times));
    }

    [Fact]
    public void Of_many_short_times_it_is_held_through_them_and_of_long_ones_no_longer_than_its_horizon()
    {
        // It comes back at 10 + 9 · 0.5 · 10 = 55 s of its price.
        ModelKnowledge After(int pause) => ModelKnowledge.Nothing with { Surplus = Of(Wanted([.. Enumerable.Repeat(((3, 5), (1, pause)), 20).SelectMany(pair => new[] { pair.Item1, pair.Item2 })])) };
        DemandOutlook.Surplus(After(40), TimeSpan.FromSeconds(10), 0.9, TimeSpan.FromSeconds(11), 2).Deconstruct(out var held, out var share, out var times);
        Assert.InRange(held.TotalSeconds, 40, 55);
        Assert.Equal(0.5, share);
        Assert.InRange(times, 17, 19);
        Assert.Equal(11, DemandOutlook.Surplus(After(400), TimeSpan.FromSeconds(10), 0.9, TimeSpan.FromSeconds(11), 2).Time.TotalSeconds);
    }
}
