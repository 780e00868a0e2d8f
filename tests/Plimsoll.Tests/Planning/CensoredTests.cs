using System.Text;
using System.Text.Json;
using Plimsoll.Json;

namespace Plimsoll.Tests.Planning;

public class CensoredTests
{
    private static readonly ModelSpec Model = Fleets.Model("m", 100, sloSeconds: 1);

    private static readonly FleetSpec Spec = Fleets.Spec(Model);

    private static Knowledge Fold(Knowledge knowledge, ModelTraffic row) => knowledge.Fold(
        Spec, Fleets.Snapshot(Spec, Fleets.Node(1000), row.To) with { Traffic = [row] });

    private static ModelTraffic Row(int second, long arrivals, bool censored = false, ServiceSample? service = null) =>
        Fleets.Traffic(Model.Id, Fleets.Noon.AddSeconds(second), arrivals) with { Censored = censored, Service = service };

    private static double Rate(Knowledge knowledge)
    {
        Assert.True(knowledge.Of(Model.Id).Demand.MeanRate(TimeSpan.FromMinutes(1), Spec.Settings).TryGetKnown(out var rate));
        return rate;
    }

    /// <summary>Ten seconds of ten arrivals.</summary>
    private static Knowledge Busy() => Enumerable.Range(1, 10).Aggregate(Knowledge.Empty, (known, second) => Fold(known, Row(second, 10)));

    [Fact]
    public void A_censored_window_does_not_lower_the_demand_and_may_raise_it()
    {
        var lower = Enumerable.Range(11, 10).Aggregate(Busy(), (known, second) => Fold(known, Row(second, 1, censored: true)));
        Assert.Equal(10, Rate(lower), 6);
        var higher = Enumerable.Range(11, 10).Aggregate(Busy(), (known, second) => Fold(known, Row(second, 30, censored: true)));
        Assert.Equal(20, Rate(higher), 6);
    }

    [Fact]
    public void Censored_windows_that_vary_do_not_raise_the_floor_step_by_step()
    {
        // Every second one is at most what was seen before, the others twice as much: (10 + 20) / 2, however long.
        var known = Enumerable.Range(11, 600).Aggregate(Busy(),
            (known, second) => Fold(known, Row(second, second % 2 == 0 ? 0 : 20, censored: true)));
        Assert.Equal(15, Rate(known), 6);
    }

    [Fact]
    public void What_is_counted_whole_again_counts_as_it_is()
    {
        var censored = Fold(Busy(), Row(11, 0, censored: true));
        Assert.Equal(10, censored.Of(Model.Id).RateBeforeCensored);
        var known = Enumerable.Range(12, 60).Aggregate(censored, (known, second) => Fold(known, Row(second, 0)));
        Assert.Null(known.Of(Model.Id).RateBeforeCensored);
        Assert.Equal(0, Rate(known), 6);
    }

    [Fact]
    public void A_censored_silence_is_not_idleness()
    {
        var known = Fold(Busy(), Row(11, 0, censored: true));
        Assert.Equal(Fleets.Noon.AddSeconds(11), known.Of(Model.Id).LastArrival);
        Assert.Equal(Fleets.Noon.AddSeconds(11), Fold(known, Row(12, 0)).Of(Model.Id).LastArrival);
    }

    private static double? Capacity(Knowledge knowledge) => knowledge.Of(Model.Id).Service.CapacityPerSecond(Model.Slo, 8);

    private static ServiceSample Served(int n, double seconds) => new(1000, n * 1000, seconds * 1000, n * n * 1000, n * seconds * 1000, n, seconds);

    [Fact]
    public void A_censored_window_teaches_no_lower_capacity_and_may_teach_a_higher_one()
    {
        var known = Fold(Knowledge.Empty, Row(1, 10, service: Served(1, 0.1)));
        Assert.Equal(10, Capacity(known)!.Value, 6);
        Assert.Equal(10, Capacity(Fold(known, Row(2, 10, censored: true, Served(1, 0.4))))!.Value, 6);
        Assert.True(Capacity(Fold(known, Row(2, 10, censored: true, Served(8, 0.2)))) > 10);
        Assert.True(Capacity(Fold(known, Row(2, 10, censored: false, Served(1, 0.4)))) < 10);
    }

    [Fact]
    public void Where_nothing_is_known_a_censored_window_teaches_what_it_can() =>
        Assert.Equal(10, Capacity(Fold(Knowledge.Empty, Row(1, 10, censored: true, Served(1, 0.1))))!.Value, 6);

    [Fact]
    public void A_window_of_no_length_changes_neither_demand_nor_capacity()
    {
        var busy = Busy();
        var at = Fleets.Noon.AddSeconds(10);
        var same = Fold(busy, new ModelTraffic { Model = Model.Id, From = at, To = at, Arrivals = 0 });
        Assert.Equal(PlimsollJson.Hash(busy, PlimsollJson.Default.Knowledge), PlimsollJson.Hash(same, PlimsollJson.Default.Knowledge));
    }

    [Fact]
    public void Older_journals_read_and_hash_as_they_did()
    {
        var row = Row(1, 10);
        var snapshot = Fleets.Snapshot(Spec, Fleets.Node(1000), row.To) with { Traffic = [row] };
        var json = Encoding.UTF8.GetString(PlimsollJson.ToBytes(snapshot, PlimsollJson.Default.FleetSnapshot));
        Assert.DoesNotContain("ensored", json, StringComparison.Ordinal);
        Assert.DoesNotContain("sloUnknown", json, StringComparison.OrdinalIgnoreCase);
        Assert.False(JsonSerializer.Deserialize(json, PlimsollJson.Default.FleetSnapshot)!.Traffic[0].Censored);
        var knowledge = Encoding.UTF8.GetString(PlimsollJson.ToBytes(Busy(), PlimsollJson.Default.Knowledge));
        Assert.DoesNotContain("ensored", knowledge, StringComparison.Ordinal);

        var censored = snapshot with { Traffic = [row with { Censored = true, WithinSloUnknown = true }] };
        var read = JsonSerializer.Deserialize(PlimsollJson.ToBytes(censored, PlimsollJson.Default.FleetSnapshot), PlimsollJson.Default.FleetSnapshot)!;
        Assert.True(read.Traffic[0].Censored && read.Traffic[0].WithinSloUnknown);
    }
}
