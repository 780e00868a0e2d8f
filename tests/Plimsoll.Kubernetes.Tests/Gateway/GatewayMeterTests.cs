using CsCheck;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>What several gateways counted, made into one row for each model.</summary>
public sealed class GatewayMeterTests
{
    private static readonly ModelId Model = new("prod/m");
    private static readonly DateTimeOffset Noon = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly GatewayMeter _meter = new(new ObjectName("home", "gateway"));

    private static GatewayReading Read(string uid, double uptime, GatewayCounts? counts, string instance = "first") => new(
        Endpoint(uid), new DemandSample
        {
            Instance = $"{uid}-{instance}",
            Uptime = TimeSpan.FromSeconds(uptime),
            Wakes = 0,
            Models = counts is null ? new Dictionary<ModelId, GatewayCounts>() : new() { [Model] = counts },
        }, null);

    private static GatewayReading Silent(string uid, bool ready = true) => new(Endpoint(uid, ready), null, $"{uid} hangs");

    private static GatewayEndpoint Endpoint(string uid, bool ready = true) => new(new ObjectName("home", uid), uid, ready, new Uri("http://nowhere.invalid/demand"));

    private static GatewayCounts Counts(long arrivals, long completed = 0, long held = 0) => new() { Arrivals = arrivals, Completed = completed, HeldNow = held };

    private GatewayTraffic Look(double at, params GatewayReading[] readings) => _meter.Advance([Model], readings, Noon.AddSeconds(at));

    private ModelTraffic Row(double at, params GatewayReading[] readings)
    {
        var look = Look(at, readings);
        Assert.Empty(look.Missing);
        return Assert.Single(look.Rows).Value;
    }

    [Fact]
    public void What_a_gateway_counted_before_the_first_look_is_not_counted_again_and_what_it_holds_is_known_at_once()
    {
        var first = Row(0, Read("a", 1000, Counts(500, 497, held: 3)));
        Assert.Equal((0, 3, TimeSpan.Zero), (first.Arrivals, first.HeldNow, first.To - first.From));
        var next = Row(5, Read("a", 1005, Counts(510, 510)));
        Assert.Equal((10, 13, 0, TimeSpan.FromSeconds(5)), (next.Arrivals, next.Completed, next.HeldNow, next.To - next.From));
    }

    [Fact]
    public void Gateways_add_up_and_one_that_began_under_our_eyes_counts_from_its_beginning()
    {
        Row(0, Read("a", 100, Counts(10, 10)));
        var row = Row(10, Read("a", 110, Counts(14, 13, held: 1)), Read("b", 4, Counts(5, 3, held: 2)));
        Assert.Equal((9, 6, 3, false), (row.Arrivals, row.Completed, row.HeldNow, row.Censored));
    }

    [Fact]
    public void One_that_started_again_lost_what_was_in_it_and_that_counts_as_abandoned_once()
    {
        Row(0, Read("a", 100, Counts(0)));
        Row(5, Read("a", 105, Counts(10, 6, held: 3)));
        var row = Row(10, Read("a", 2, Counts(1, 0, held: 1), "second"));
        Assert.Equal((1, 4, 1, true), (row.Arrivals, row.Abandoned, row.HeldNow, row.Censored));
        var next = Row(15, Read("a", 7, Counts(1, 1), "second"));
        Assert.Equal((0, 0, 0, false), (next.Arrivals, next.Abandoned, next.HeldNow, next.Censored));
    }

    [Fact]
    public void One_whose_pod_is_gone_is_buried_and_one_without_requests_leaves_no_trace()
    {
        Row(0, Read("a", 100, Counts(0)), Read("b", 100, Counts(0)), Read("c", 100, Counts(0)));
        Row(5, Read("a", 105, Counts(2, 2)), Read("b", 105, Counts(7, 5, held: 2)), Read("c", 105, Counts(0)));
        var row = Row(10, Read("c", 110, Counts(0)));
        Assert.Equal((2, 0, true), (row.Abandoned, row.HeldNow, row.Censored));
        Assert.Equal((0, 0, false), Row(15, Read("c", 115, Counts(0))) is var after ? (after.Abandoned, after.HeldNow, after.Censored) : default);
    }

    [Fact]
    public void A_silent_one_is_believed_for_a_while_and_makes_the_others_counts_a_lower_bound()
    {
        Row(0, Read("a", 100, Counts(0)), Read("b", 100, Counts(0)));
        Row(5, Read("a", 105, Counts(1, 1)), Read("b", 105, Counts(3, 0, held: 3)));
        var soon = Row(10, Read("a", 110, Counts(2, 2)), Silent("b"));
        Assert.Equal((1, 3, 0, true), (soon.Arrivals, soon.HeldNow, soon.Abandoned, soon.Censored));
        var late = Row(30, Read("a", 130, Counts(2, 2)), Silent("b"));
        Assert.Equal((0, 3, true), (late.HeldNow, late.Abandoned, late.Censored));
        Assert.Equal((0, 0, true), Row(35, Read("a", 135, Counts(2, 2)), Silent("b")) is var still ? (still.HeldNow, still.Abandoned, still.Censored) : default);
        var back = Row(40, Read("a", 140, Counts(2, 2)), Read("b", 140, Counts(8, 8)));
        Assert.Equal((5, 8, false), (back.Arrivals, back.Completed, back.Censored));
    }

    [Fact]
    public void With_nobody_to_read_nothing_is_known_which_is_not_nothing()
    {
        Row(0, Read("a", 100, Counts(4, 2, held: 2)));
        Assert.Equal("no replica of the gateway home/gateway can be read: a hangs", Assert.Single(Look(5, Silent("a")).Missing).Value);
        Assert.Equal("no pod of the gateway home/gateway runs, through which its requests come", Assert.Single(Look(10).Missing).Value);
        Assert.Contains("older ScaledModel's", Assert.Single(Look(15, Read("a", 115, null)).Missing).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_only_starts_is_not_missed()
    {
        Row(0, Read("a", 100, Counts(0)));
        Assert.False(Row(5, Read("a", 105, Counts(1)), Silent("b", ready: false)).Censored);
    }

    [Fact]
    public void A_model_that_left_the_table_and_came_back_is_counted_from_zero_again()
    {
        Row(0, Read("a", 100, Counts(50, 50)));
        Assert.Equal(2, Row(5, Read("a", 105, Counts(2, 1))).Arrivals);
    }

    [Theory]
    [InlineData(4.5, 7, false)] // it came into the table between the looks, and all of its requests are new
    [InlineData(3600.0, 0, true)] // it had another owner under whom most of them came
    [InlineData(null, 0, true)] // a gateway that does not say
    public void Of_a_model_that_is_new_at_a_known_gateway_only_what_was_counted_since_the_last_look_is_growth(double? seconds, long arrivals, bool censored)
    {
        Row(0, Read("a", 100, Counts(1)), Read("b", 100, null));
        var row = Row(5, Read("a", 105, Counts(1)), Read("b", 105, Counts(seconds is 4.5 ? 7 : 1_000_000, held: 1) with { Seconds = seconds }));
        Assert.Equal((arrivals, 1, censored), (row.Arrivals, row.HeldNow, row.Censored));
        Assert.Equal((2, false), Row(10, Read("a", 110, Counts(1)), Read("b", 110, Counts(seconds is 4.5 ? 9 : 1_000_002))) is var next ? (next.Arrivals, next.Censored) : default);
    }

    [Fact]
    public void Whatever_happens_to_gateways_each_arrival_they_told_of_counts_once()
    {
        // Of three gateways: what each does between two looks.
        var step = Gen.Select(Gen.Int[0, 9], Gen.Int[0, 5], Gen.Int[0, 5], (fate, arrive, end) => (fate, arrive, end));
        step.Array[3].Array[1, 30].Sample(looks =>
        {
            var meter = new GatewayMeter(new ObjectName("home", "gateway"));
            var gateways = Enumerable.Range(0, 3).Select(i => new Simulated($"g{i}")).ToArray();
            var (arrivals, told, at) = (0L, 0L, 0);
            meter.Advance([Model], [.. gateways.Select(gateway => gateway.Read(0))], Noon);
            foreach (var look in looks)
            {
                at += 5;
                for (var i = 0; i < 3; i++) gateways[i].Live(look[i].fate == 0, look[i].arrive, look[i].end, at);
                var readings = gateways.Select((gateway, i) => look[i].fate == 1 ? Silent(gateway.Uid) : gateway.Read(at)).ToArray();
                told += gateways.Where((_, i) => look[i].fate != 1).Sum(gateway => gateway.Tell());
                var traffic = meter.Advance([Model], readings, Noon.AddSeconds(at));
                if (traffic.Rows.Count == 0) continue;
                var row = traffic.Rows[Model];
                Assert.True(row is { Arrivals: >= 0, Completed: >= 0, Abandoned: >= 0, HeldNow: >= 0 } && row.From <= row.To);
                if (look.All(one => one.fate != 1)) Assert.Equal(gateways.Sum(gateway => gateway.InFlight), row.HeldNow);
                arrivals += row.Arrivals;
            }

            Assert.Equal(told, arrivals);
        });
    }

    // All that is in it waits. A gateway that dies starts again at once, and nobody hears of what came in between.
    private sealed class Simulated(string uid)
    {
        private long _arrivals;
        private long _ended;
        private long _told;
        private int _born = -100;
        private int _starts;

        public string Uid => uid;

        public long InFlight => _arrivals - _ended;

        public void Live(bool dies, int arrive, int end, int at)
        {
            if (dies) (_arrivals, _ended, _told, _born, _starts) = (0, 0, 0, at - 1, _starts + 1);
            _arrivals += arrive;
            _ended += Math.Min(end, InFlight);
        }

        public long Tell() => -_told + (_told = _arrivals);

        public GatewayReading Read(int at) => GatewayMeterTests.Read(
            uid, at - _born, Counts(_arrivals, _ended, InFlight), string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{_starts}"));
    }

    [Fact]
    public void Pods_tell_how_fast_they_work_and_the_gateway_alone_what_arrived()
    {
        var service = new ServiceSample(4, 8, 4, 16, 8, 3, 2);
        var gateway = Look(0, Read("a", 100, Counts(0))) is var _ ? Look(5, Read("a", 105, Counts(10, 9, held: 1))) : null!;
        ModelTraffic Pods(long completed) => new() { Model = Model, From = Noon, To = Noon.AddSeconds(5), Arrivals = 77, Completed = completed, HeldNow = 5, Service = service };
        TrafficReading Told(long completed) => new()
        {
            Traffic = [Pods(completed)],
            Pods = System.Collections.Immutable.ImmutableSortedDictionary<string, PodLoad>.Empty,
            Unobserved = System.Collections.Immutable.ImmutableSortedDictionary<ModelId, string>.Empty.Add(new ModelId("prod/other"), "hangs"),
        };

        var (traffic, unobserved) = GatewayDemand.Merge(Told(9), gateway);
        Assert.Equal((10, 9, 1, service, false), Assert.Single(traffic) is var row ? (row.Arrivals, row.Completed, row.HeldNow, row.Service, row.Censored) : default);
        Assert.Equal("hangs", Assert.Single(unobserved).Value);

        // More than came through ended in the pods: others reach them too.
        Assert.True(Assert.Single(GatewayDemand.Merge(Told(40), gateway).Traffic).Censored);
        var missing = GatewayDemand.Merge(Told(9), Look(10));
        Assert.Empty(missing.Traffic);
        Assert.Equal(2, missing.Unobserved.Count);
    }
}
