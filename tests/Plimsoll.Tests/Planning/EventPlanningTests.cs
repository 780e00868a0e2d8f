using System.Text;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.NodeScenes;

namespace Plimsoll.Tests.Planning;

public class EventPlanningTests
{
    private static readonly Prices Priced = new() { HostMemoryPerGiB = UsdPerHour.Of(1) };

    private static ModelSpec With(ModelSpec model, params DemandEvent[] events) => model with { Events = [.. events] };

    private static DemandEvent In(double minutes, double forMinutes = 60, double factor = 1, double added = 0) =>
        new(Noon.AddMinutes(minutes), Noon.AddMinutes(minutes + forMinutes), factor, added);

    private static Knowledge Learn(FleetSpec spec, IEnumerable<long> perSecond, int start = 0)
    {
        var (known, second) = (Knowledge.Empty, start);
        foreach (var arrivals in perSecond)
        {
            var at = Noon.AddSeconds(++second);
            known = known.Fold(spec, Snapshot(spec, Node(1000), at).With(Traffic(spec.Models[0].Id, at, arrivals)));
        }

        return known;
    }

    private static double Planned(FleetSpec spec, Knowledge known, DateTimeOffset at) =>
        Outlooks.Of(spec, Snapshot(spec, Node(1000), at), known).Single().Forecast.TryGetLast(out var forecast) ? forecast : -1;

    private static string Json(Plan plan) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(plan, PlimsollJson.Default.Plan));

    // Nothing is learned of the usual while an event takes all of it; that nobody looked it is not.
    [Fact]
    public void A_time_in_which_a_model_is_closed_counts_among_its_days()
    {
        var model = With(Model("m", 100), In(1, forMinutes: 30, factor: 0));
        var spec = Spec(model) with { Settings = PlannerSettings.Latest with { Review = TimeSpan.FromSeconds(1), DemandBucket = TimeSpan.FromSeconds(1) } };
        var known = Learn(spec, Enumerable.Range(0, 40 * 60).Select(second => second == 0 ? 1L : 0L)).Of(model.Id);
        Assert.Equal(Noon.AddSeconds(1), known.Daily!.DayFrom);
    }

    [Fact]
    public void A_model_at_zero_begins_to_load_as_long_before_an_event_as_its_load_takes()
    {
        // 100 MiB loads in 3.25 s at the p90 of what is assumed, 10,000 MiB in 67.6 s; both look a review of 1 s further.
        var event12 = In(2, added: 5);
        var spec = Spec(With(Model("heavy", 10_000), event12), With(Model("light", 100), event12));
        string[] Started(double secondsBefore) =>
            Decide(spec, Snapshot(spec, Node(40_000), event12.From.AddSeconds(-secondsBefore))).StepIds();

        Assert.Equal([], Started(75));
        Assert.Equal(["start/heavy-1"], Started(60));
        Assert.Equal(["start/heavy-1"], Started(5));
        Assert.Equal(["start/heavy-1", "start/light-1"], Started(3));
    }

    [Fact]
    public void The_reason_says_when_the_event_is_and_of_what()
    {
        var spec = Spec(With(Model("m", 100), In(0.05, added: 5)));
        var start = Assert.Single(Decide(spec, Snapshot(spec, Node(1000), Noon)).Steps);
        Assert.Equal(
            "5/s is the 99 % quantile of demand over the 4.3 s it looks ahead (loading takes 3.3 s; from 12:00:03 UTC an event of 5/s more); "
            + "that takes 1 of unknown capacity each, 0 there", start.Reason.ToString());
    }

    [Fact]
    public void What_is_there_for_an_event_is_not_let_go_however_long_nobody_asked()
    {
        var model = With(Model("m", 100), In(-5, added: 5));
        var (spec, without) = (Spec(model) with { Prices = Priced }, Spec(model with { Events = default }) with { Prices = Priced });
        var snapshot = Snapshot(spec, Node(1000), Noon, Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-2)));
        var known = Knowledge.Empty with
        {
            Models = Knowledge.Empty.Models.SetItem(model.Id, ModelKnowledge.Nothing with { Version = "v1", LastArrival = Noon.AddHours(-2), NextOrdinal = 2 }),
        };
        Assert.Equal(["drain/m-1", "stop/m-1"], Decide(without, snapshot, known).StepIds());
        Assert.Equal([], Decide(spec, snapshot, known).StepIds());
    }

    [Fact]
    public void Nor_for_an_equal_that_waits()
    {
        // The rival has waited long enough to push out a model that nobody asks for.
        var (guest, rival) = (Model("guest", 700), Model("rival", 700));
        Plan Decided(ModelSpec guest)
        {
            var spec = Spec(guest, rival);
            var snapshot = Snapshot(spec, Node(1000), Noon, Replica(guest, 1, ReplicaState.Ready, Noon.AddHours(-2)))
                .With(Traffic(rival.Id, Noon, 1, held: 2, heldSeconds: 20));
            var known = Knowledge.Empty with
            {
                Models = Knowledge.Empty.Models.SetItem(guest.Id, ModelKnowledge.Nothing with { Version = "v1", LastArrival = Noon.AddHours(-2), NextOrdinal = 2 }),
            };
            return Decide(spec, snapshot, known);
        }

        Assert.Contains("drain/guest-1", Decided(guest).StepIds());
        Assert.DoesNotContain("drain/guest-1", Decided(With(guest, In(0.05, added: 30))).StepIds());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_factor_multiplies_what_is_usual_and_what_comes_in_the_event_is_learned_without_it(bool forecast)
    {
        var settings = new PlannerSettings { ForecastDemand = forecast };
        var model = With(Model("m", 100, max: 100), new DemandEvent(Noon.AddSeconds(600), Noon.AddSeconds(900), 3));
        var spec = Spec(model) with { Settings = settings };
        long[] arrivals = [.. Enumerable.Range(1, 960).Select(second => second is > 600 and <= 900 ? 30L : 10L)];

        Assert.InRange(Planned(spec, Learn(spec, arrivals.Take(500)), Noon.AddSeconds(500)), 9.9, 10.5);
        Assert.InRange(Planned(spec, Learn(spec, arrivals.Take(598)), Noon.AddSeconds(598)), 29.7, 31.5);
        Assert.InRange(Planned(spec, Learn(spec, arrivals.Take(800)), Noon.AddSeconds(800)), 29.7, 31.5);
        Assert.InRange(Planned(spec, Learn(spec, arrivals.Take(912)), Noon.AddSeconds(912)), 9.9, 10.5);

        // Without the calendar the same arrivals are still in mind.
        var untold = Spec(model with { Events = default }) with { Settings = settings };
        Assert.InRange(Planned(untold, Learn(untold, arrivals.Take(912)), Noon.AddSeconds(912)), 11, 40);
    }

    [Fact]
    public void A_node_is_asked_for_ahead_by_its_boot_and_the_load()
    {
        // 30,000 MiB load in 198 s at the p90, and a node takes 4 minutes: 7 min 18 s and a review.
        string[] Asked(double minutes) => Ahead(minutes).StepIds();
        Plan Ahead(double minutes)
        {
            var spec = Spec(With(Asking(Model("m", 30_000, devices: 1), memoryMiB: 40_000), In(minutes, added: 5))).With(Pool("a100", 3, 1));
            return Decide(spec, Seen(spec, Gpus("full", 1, free: 0)));
        }

        Assert.Equal([], Asked(8));
        Assert.Equal(["addNode/a100/1"], Asked(7));
        Assert.Contains("from 12:07 UTC an event of 5/s more", Assert.Single(Ahead(7).Steps).Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_event_never_lowers_what_is_planned_for_where_its_factor_is_one_or_more() =>
        Gen.Select(
            Gen.Int[0, 40].Array[20, 200], Gen.Bool,
            Gen.Select(Gen.Int[-200, 300], Gen.Int[1, 400], Gen.Double[1, 5], Gen.Double[0, 30]).Array[1, 5]).Sample((arrivals, forecast, events) =>
        {
            // Events that lie ahead: one in the past takes its part out of what is learned, which is meant to lower it.
            var end = arrivals.Length;
            var ahead = events.Select(one => Math.Max(one.Item1, 0) + end is var from
                ? new DemandEvent(Noon.AddSeconds(from), Noon.AddSeconds(from + one.Item2), one.Item3, one.Item4) : null!).ToArray();
            var model = Model("m", 100, max: 100);
            var (usual, told) = (Spec(model), Spec(With(model, ahead)));
            (usual, told) = (usual with { Settings = new PlannerSettings { ForecastDemand = forecast } }, told with { Settings = new PlannerSettings { ForecastDemand = forecast } });
            var (known, at) = (Learn(usual, arrivals.Select(count => (long)count)), Noon.AddSeconds(end));
            return Planned(told, known, at) >= Planned(usual, known, at) - 1e-9;
        }, iter: 60);

    [Fact]
    public void A_spec_with_events_reads_back_and_plans_the_same()
    {
        var spec = Spec(With(Model("m", 100, max: 9), In(0.05, factor: 2, added: 5), In(-600, forMinutes: 30, factor: 2) with { Every = TimeSpan.FromDays(1) }));
        var read = JsonSerializer.Deserialize(PlimsollJson.ToBytes(spec, PlimsollJson.Default.FleetSpec), PlimsollJson.Default.FleetSpec)!;
        Assert.Equal(spec.Models[0].Events, read.Models[0].Events);
        var (known, snapshot) = (Learn(spec, [3, 4, 5]), Snapshot(spec, Node(1000), Noon.AddSeconds(4)));
        var plan = Decide(spec, snapshot, known);
        Assert.NotNull(plan.Models[0].Event);
        Assert.Equal(Json(plan), Json(Decide(read, snapshot, known)));
    }

    [Fact]
    public void Without_events_nothing_of_them_is_written()
    {
        var spec = Spec(Model("m", 100));
        Assert.DoesNotContain("event", Encoding.UTF8.GetString(PlimsollJson.ToBytes(spec, PlimsollJson.Default.FleetSpec)), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("event", Json(Decide(spec, Snapshot(spec, Node(1000), Noon), Learn(spec, [3, 4, 5]))), StringComparison.OrdinalIgnoreCase);
    }
}
