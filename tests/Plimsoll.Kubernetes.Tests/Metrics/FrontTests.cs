using System.Collections.Immutable;
using Plimsoll.Kubernetes.Metrics;
using static Plimsoll.Kubernetes.Tests.Metrics.MeterScene;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>What stands in front of the pods: the only thing that sees requests when there are none.</summary>
public sealed class FrontTests
{
    private readonly MeterScene _scene = new();

    private void Told(double at, double? queued = null, params (string Series, double Value)[] arrived) =>
        _scene.Front = Signal.Known(
            new FrontSample(At(at), arrived.Length == 0 ? null
                : arrived.ToImmutableSortedDictionary(series => series.Series, series => series.Value), queued), At(at));

    [Fact]
    public void At_zero_pods_an_ingress_counts_the_arrivals()
    {
        Told(0, null, ("x", 100));
        Assert.Equal("the query for arrivals was read once so far; they are counted between two looks", _scene.Why(0));
        Told(5, null, ("x", 107));
        var row = _scene.Row(5);
        Assert.Equal((7, At(0), At(5), 0, false), (row.Arrivals, row.From, row.To, row.HeldNow, row.Censored));
    }

    [Fact]
    public void At_zero_pods_a_queue_holds_requests_and_its_growth_is_arrivals()
    {
        Told(0, 0);
        _scene.Look(0);
        Told(5, 3);
        var row = _scene.Row(5);
        Assert.Equal((3, 3), (row.Arrivals, row.HeldNow));
    }

    [Fact]
    public void A_request_that_goes_from_the_queue_into_a_pod_arrived_once()
    {
        Told(0, 2);
        _scene.Look(0, Read("a", Sample(0)));
        Told(5, 0);
        Assert.Equal(0, _scene.Row(5, Read("a", Sample(5, 1, 1))).Arrivals);
    }

    [Fact]
    public void Each_series_is_counted_for_itself_and_one_that_is_new_from_its_first_value()
    {
        Told(0, null, ("gone", 50), ("reset", 1000), ("same", 5));
        _scene.Look(0);
        Told(5, null, ("new", 9_000_000), ("reset", 2), ("same", 9));
        Assert.Equal(6, _scene.Row(5).Arrivals);
    }

    [Fact]
    public void A_counter_that_stepped_back_is_an_older_reading_and_waited_for()
    {
        Told(0, null, ("x", 999_000));
        _scene.Look(0);
        Told(5, null, ("x", 1_000_000));
        Assert.Equal(1000, _scene.Row(5).Arrivals);
        Told(10, null, ("x", 999_990));
        Assert.Equal((0, At(5), At(5)), _scene.Row(10) is var back ? (back.Arrivals, back.From, back.To) : default);
        Told(15, null, ("x", 1_000_010));
        Assert.Equal((10, At(5), At(15), false), _scene.Row(15) is var on ? (on.Arrivals, on.From, on.To, on.Censored) : default);

        // A sum that lost one of its parts stays below: from where it is now, once that is sure.
        Told(70, null, ("x", 700_000));
        _scene.Look(70);
        Told(75, null, ("x", 700_020));
        Assert.Equal((0, true), _scene.Row(75) is var less ? (less.Arrivals, less.Censored) : default);
        Told(80, null, ("x", 700_027));
        Assert.Equal((7, false), _scene.Row(80) is var rest ? (rest.Arrivals, rest.Censored) : default);
    }

    [Fact]
    public void Between_two_scrapes_nothing_is_told_so_that_what_came_meanwhile_is_no_burst_and_silence_takes_a_minute()
    {
        Told(0, null, ("x", 0));
        _scene.Look(0);
        Told(5, null, ("x", 10));
        Assert.Equal(10, _scene.Row(5).Arrivals);
        for (var at = 10; at < 35; at += 5)
        {
            Told(at, null, ("x", 10));
            Assert.Equal(At(5), _scene.Row(at).To);
        }

        Told(35, null, ("x", 70));
        Assert.Equal((60, At(5), At(35)), _scene.Row(35) is var scraped ? (scraped.Arrivals, scraped.From, scraped.To) : default);
        Told(94, null, ("x", 70));
        Assert.Equal(At(35), _scene.Row(94).To);
        Told(95, null, ("x", 70));
        Assert.Equal((0, At(35), At(95)), _scene.Row(95) is var silent ? (silent.Arrivals, silent.From, silent.To) : default);
    }

    [Fact]
    public void While_the_front_cannot_be_read_the_pods_stand_in_and_nothing_is_counted_twice()
    {
        Told(0, null, ("x", 100));
        _scene.Look(0, Read("a", Sample(0, 10)));
        _scene.Front = Signal.Missing<FrontSample>("the query failed");
        var blind = _scene.Row(5, Read("a", Sample(5, 14)));
        Assert.Equal((4, true), (blind.Arrivals, blind.Censored));
        Told(10, null, ("x", 110));
        Assert.Equal(5, _scene.Row(10, Read("a", Sample(10, 19))).Arrivals);
        Told(15, null, ("x", 118));
        Assert.Equal(8, _scene.Row(15, Read("a", Sample(15, 20))).Arrivals);
    }

    [Fact]
    public void Without_pods_a_front_that_cannot_be_read_leaves_the_model_unobserved()
    {
        _scene.Front = Signal.Missing<FrontSample>("the query failed");
        Assert.Equal("the query failed", _scene.Why(0));
    }
}
