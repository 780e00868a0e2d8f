using System.Text;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;

namespace Plimsoll.Tests.Planning;

public class ForecastPlanningTests
{
    private static readonly ModelSpec Model = Fleets.Model("m", 100, max: 100);
    private static readonly FleetSpec Spec = Fleets.Spec(Model) with { Settings = new PlannerSettings { ForecastDemand = true } };
    private static readonly FleetSpec FirstRule = Spec with { Settings = new PlannerSettings() };

    private static FleetSnapshot Second(int second, long arrivals, params InferenceReplica[] replicas) =>
        Fleets.Snapshot(Spec, Fleets.Node(1000), Fleets.Noon.AddSeconds(second), replicas)
            .With(Fleets.Traffic(Model.Id, Fleets.Noon.AddSeconds(second), arrivals));

    private static Knowledge Learn(IEnumerable<long> perSecond, FleetSpec? spec = null, Knowledge? from = null, int start = 0)
    {
        var (known, second) = (from ?? Knowledge.Empty, start);
        foreach (var arrivals in perSecond) known = known.Fold(spec ?? Spec, Second(++second, arrivals));
        return known;
    }

    private static ModelOutlook Outlook(Knowledge known, int second, FleetSpec? spec = null) =>
        Outlooks.Of(spec ?? Spec, Second(second, 0), known).Single();

    private static string Json(Knowledge known) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(known, PlimsollJson.Default.Knowledge));

    private static long[] Varied(int seconds) => [.. Enumerable.Range(0, seconds).Select(second => (long)(20 + (second * 7 % 11)))];

    [Fact]
    public void With_little_history_the_most_of_the_recent_past_is_planned_for()
    {
        var outlook = Outlook(Learn(Varied(20)), 20);
        Assert.Null(outlook.Basis);
        Assert.Equal(0.99, outlook.Quantile);
        Assert.True(outlook.Forecast.TryGetKnown(out var forecast));
        Assert.Equal(30, forecast);
    }

    [Fact]
    public void With_enough_history_the_forecast_is_planned_for_at_the_quantile_of_the_shortage()
    {
        var outlook = Outlook(Learn(Varied(400)), 400);
        Assert.NotNull(outlook.Basis);
        Assert.InRange(outlook.Basis.Windows, 30, 80);
        Assert.Equal(outlook.Horizon, outlook.Basis.Window);
        Assert.InRange(outlook.Quantile, 0.5, 0.999);
        Assert.True(outlook.Forecast.TryGetKnown(out var forecast));

        // The busiest of any ten seconds in a row of these is 30.
        Assert.InRange(forecast, 28, 32);
        Assert.InRange(outlook.Basis.Median, 28, 31);
        Assert.True(outlook.Basis.Ninety9 >= outlook.Basis.Median);
    }

    [Fact]
    public void Never_less_is_planned_for_than_arrives_now()
    {
        var busy = Learn(Enumerable.Repeat(400L, 5), from: Learn(Enumerable.Repeat(2L, 600)), start: 600);
        var outlook = Outlook(busy, 605);
        Assert.NotNull(outlook.Basis);
        Assert.True(outlook.Forecast.TryGetKnown(out var forecast));
        Assert.InRange(forecast, 400, 4000);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(120, 0)]
    public void A_time_in_which_nobody_looked_is_no_time_of_surplus(int lookedSecondsAgo, int removed)
    {
        var spec = Spec with { Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(1) } };
        InferenceReplica[] two = [.. Enumerable.Range(1, 2).Select(number => Fleets.Replica(Model, number, ReplicaState.Ready, Fleets.Noon.AddHours(-1)))];
        var learned = Learn(Enumerable.Repeat(1L, 60), spec);
        var known = learned.Of(Model.Id) with
        {
            LastWanted = [Fleets.Noon.AddSeconds(60), Fleets.Noon.AddHours(-1)],
            Surplus = new SurplusTimes([], Fleets.Noon.AddHours(-2), Fleets.Noon.AddSeconds(61 - lookedSecondsAgo)),
        };
        var plan = new Planner(new WeightAllocator()).Decide(spec, Second(61, 1, two), learned with { Models = learned.Models.SetItem(Model.Id, known) });
        Assert.Equal(removed, plan.Steps.Count(step => step is Step.Drain));
    }

    [Theory]
    [InlineData(false, 10, 1)]
    [InlineData(true, 59, 0)]
    [InlineData(true, 61, 1)]
    public void A_surplus_replica_stays_twenty_loads_or_a_minute_if_that_is_less(bool startsMustPay, int unwantedSeconds, int removed)
    {
        var spec = Spec with
        {
            Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(1) },
            Settings = Spec.Settings with { StartsMustPay = startsMustPay },
        };
        InferenceReplica[] two = [.. Enumerable.Range(1, 2).Select(number => Fleets.Replica(Model, number, ReplicaState.Ready, Fleets.Noon.AddHours(-1)))];
        var learned = Learn(Enumerable.Repeat(1L, 60), spec);
        var known = learned.Of(Model.Id) with
        {
            LastWanted = [Fleets.Noon.AddSeconds(60), Fleets.Noon.AddSeconds(61 - unwantedSeconds)],
            Surplus = new SurplusTimes([], Fleets.Noon.AddHours(-2), Fleets.Noon.AddSeconds(60)),
        };
        var plan = new Planner(new WeightAllocator()).Decide(spec, Second(61, 1, two), learned with { Models = learned.Models.SetItem(Model.Id, known) });
        Assert.Equal(removed, plan.Steps.Count(step => step is Step.Drain));
    }

    [Fact]
    public void A_model_that_lies_idle_is_not_started_by_its_forecast()
    {
        var idle = Learn(Enumerable.Repeat(0L, 60), from: Learn(Varied(400)), start: 400);
        var outlook = Outlook(idle, 460);
        Assert.True(outlook.Forecast.TryGetKnown(out var forecast));
        Assert.Equal(0, forecast);
        Assert.Null(outlook.Basis);
    }

    [Fact]
    public void Without_the_setting_nothing_is_kept_and_journals_hash_as_they_did()
    {
        var known = Learn(Varied(300), FirstRule);
        Assert.DoesNotContain("forecast", Json(known), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("idleTimes", Json(known), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("forecastDemand", Encoding.UTF8.GetString(PlimsollJson.ToBytes(FirstRule, PlimsollJson.Default.FleetSpec)), StringComparison.Ordinal);
        var plan = Encoding.UTF8.GetString(PlimsollJson.ToBytes(Fleets.Decide(FirstRule, Second(301, 25), known), PlimsollJson.Default.Plan));
        foreach (var added in (string[])["forecastFrom", "holdGaps", "basis"]) Assert.DoesNotContain(added, plan, StringComparison.Ordinal);

        // What an older controller knew is read, and learned from on.
        var read = JsonSerializer.Deserialize(Json(known), PlimsollJson.Default.Knowledge)!;
        Assert.NotNull(Learn([7], Spec, read, 300).Of(Model.Id).Forecast);
        Assert.Equal(Json(known), Json(Learn([], Spec, read, 300)));
    }

    [Fact]
    public void A_setting_taken_back_forgets_the_forecast() =>
        Assert.DoesNotContain("forecast", Json(Learn([3], FirstRule, Learn(Varied(50)), 50)), StringComparison.OrdinalIgnoreCase);

    [Fact]
    public void What_is_journalled_and_read_back_each_second_plans_the_same() =>
        Gen.Select(Gen.Int[-3, 60], Gen.Int[0, 40], Gen.Bool).List[30, 160].Sample(rows =>
        {
            var (known, read, second) = (Knowledge.Empty, Knowledge.Empty, 0);
            foreach (var (jump, arrivals, censored) in rows)
            {
                // A pause, a clock set back, a row told twice: as bodies have them.
                second += jump is < 0 or > 57 ? jump : 1;
                var snapshot = Second(second, arrivals);
                snapshot = snapshot with { Traffic = [snapshot.Traffic[0] with { Censored = censored, Completed = arrivals, WithinSlo = arrivals / 2 }] };
                known = known.Fold(Spec, snapshot);
                read = JsonSerializer.Deserialize(Json(read.Fold(Spec, snapshot)), PlimsollJson.Default.Knowledge)!;
            }

            var last = Second(second + 1, 5);
            string Plan(Knowledge from) => Encoding.UTF8.GetString(
                PlimsollJson.ToBytes(new Planner(new WeightAllocator()).Decide(Spec, last, from.Fold(Spec, last)), PlimsollJson.Default.Plan));
            var outlook = Outlooks.Of(Spec, last, known.Fold(Spec, last)).Single();
            return Json(known) == Json(read) && Plan(known) == Plan(read)
                && outlook.Forecast.TryGetKnown(out var forecast) && double.IsFinite(forecast) && forecast >= 0;
        }, iter: 40);

    [Fact]
    public void A_row_told_twice_teaches_the_forecast_nothing_more()
    {
        var once = Learn(Varied(100));
        var twice = once.Fold(Spec, Second(100, 500));
        Assert.Equal(once.Of(Model.Id).Forecast!.Newest, twice.Of(Model.Id).Forecast!.Newest);
        Assert.Same(once.Of(Model.Id).Forecast, twice.Of(Model.Id).Forecast);
    }

    [Fact]
    public void A_censored_silence_is_taken_for_no_less_than_before_it()
    {
        var known = Learn(Varied(300));
        for (var second = 301; second <= 330; second++)
        {
            var snapshot = Second(second, 0);
            known = known.Fold(Spec, snapshot with { Traffic = [snapshot.Traffic[0] with { Censored = true }] });
        }

        Assert.InRange(known.Of(Model.Id).Forecast!.Newest, 20, 30);
    }

    private static Knowledge Gaps(int count, int seconds) => Learn(
        Enumerable.Range(0, count * (seconds + 1)).Select(second => second % (seconds + 1) == 0 ? 1L : 0L));

    [Fact]
    public void Ten_idle_gaps_of_a_minute_hold_a_replica_for_a_minute_where_coming_back_costs_more()
    {
        var known = Gaps(12, 60).Of(Model.Id);
        var (hold, gaps) = DemandOutlook.Hold(TimeSpan.FromSeconds(300), known, TimeSpan.FromSeconds(3));
        Assert.Equal(11, gaps, 1.0);

        // Gaps of 61 s lie in the bucket that ends at 2^6 = 64 s.
        Assert.InRange(hold!.Value.TotalSeconds, 60, 80);

        // Where coming back is cheap none is held longer than it looks ahead.
        Assert.Equal(3, DemandOutlook.Hold(TimeSpan.FromSeconds(5), known, TimeSpan.FromSeconds(3)).Hold!.Value.TotalSeconds);
    }

    [Fact]
    public void With_fewer_gaps_it_is_held_to_break_even_and_owned_hardware_until_claimed()
    {
        var known = Gaps(5, 60).Of(Model.Id);
        Assert.Equal((TimeSpan.FromSeconds(300), 0), DemandOutlook.Hold(TimeSpan.FromSeconds(300), known, TimeSpan.FromSeconds(3)));
        Assert.Null(DemandOutlook.Hold(null, Gaps(12, 60).Of(Model.Id), TimeSpan.FromSeconds(3)).Hold);
    }

    [Fact]
    public void The_heavier_the_model_the_longer_it_is_held_whatever_its_gaps() =>
        Gen.Select(Gen.Double[1, 4000].List[10, 40], Gen.Double[0, 2000], Gen.Double[0, 2000]).Sample((seconds, one, other) =>
        {
            var (times, at) = (IdleTimes.None, Fleets.Noon);
            foreach (var gap in seconds) times = times.Arrived(at = at.AddSeconds(gap));
            var known = ModelKnowledge.Nothing with { IdleTimes = times.Arrived(at.AddSeconds(9)) };
            TimeSpan Hold(double load) => DemandOutlook.Hold(TimeSpan.FromSeconds(load * 3), known, TimeSpan.FromSeconds(load + 1)).Hold!.Value;
            return Hold(Math.Min(one, other)) <= Hold(Math.Max(one, other));
        }, iter: 200);

    // A load takes ten seconds, which no request may wait.
    private static Knowledge Loaded(double seconds = 10) => Learn([1]) is var known
        ? known with { Models = known.Models.SetItem(Model.Id, known.Of(Model.Id) with { Loads = LoadStatistics.None.Add(new LoadSample(Bytes.MiB(100), TimeSpan.FromSeconds(seconds))) }) }
        : known;

    private static FleetSnapshot Asked(int second, long arrivals, bool ready) =>
        ready ? Second(second, arrivals, Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon)) : Second(second, arrivals);

    [Fact]
    public void Requests_that_a_load_made_late_are_owed_until_others_paid_them_back()
    {
        double Owed(Knowledge known) => known.Of(Model.Id).LoadDebt;
        var known = Loaded().Fold(Spec, Asked(2, 3, ready: false));
        Assert.Equal(3, Owed(known));

        // The target allows one of a hundred to be late.
        known = known.Fold(Spec, Asked(3, 100, ready: true));
        Assert.Equal(2, Owed(known));
        Assert.Equal(2, Owed(known.Fold(Spec, Asked(4, 0, ready: true))));
        Assert.Equal(0, Owed(known.Fold(Spec, Asked(4, 1000, ready: true))));
        Assert.Equal(DemandOutlook.LoadDebtMost, Owed(known.Fold(Spec, Asked(4, 1000, ready: false))));

        // Nothing is owed where a request may wait as long as a load takes, or where nobody knows how long it takes.
        Assert.Equal(0, Owed(Loaded(0.5).Fold(Spec, Asked(2, 3, ready: false))));
        Assert.Equal(0, Owed(Learn([1]).Fold(Spec, Asked(2, 3, ready: false))));
        Assert.Equal(0, Owed(known.Fold(FirstRule, Asked(4, 1000, ready: false))));
    }

    [Theory]
    [InlineData(0, 12)]
    [InlineData(4, 15.4)] // 10 + 2 e
    [InlineData(20, 306.8)] // 10 + 2 e^5
    public void What_is_owed_makes_late_requests_count_for_more(double debt, double held) =>
        Assert.Equal(held, DemandOutlook.ForTarget(TimeSpan.FromSeconds(12), TimeSpan.FromSeconds(10), debt).TotalSeconds, 0.1);

    [Fact]
    public void For_a_target_alone_nobody_is_held_longer_than_an_hour()
    {
        Assert.Equal(TimeSpan.FromHours(1), DemandOutlook.ForTarget(TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(1), 20));
        Assert.Equal(TimeSpan.FromHours(5), DemandOutlook.ForTarget(TimeSpan.FromHours(5), TimeSpan.FromMinutes(1), 20));
    }

    [Fact]
    public void What_waits_is_to_be_worked_off_within_a_load()
    {
        var known = Learn(Enumerable.Repeat(20L, 60));
        known = known with { Models = known.Models.SetItem(Model.Id, known.Of(Model.Id) with { Service = ServiceFit.None.Add(new ServiceSample(1000, 1000, 100, 1000, 100, 1, 0.1)) }) };
        int Wanted(int held)
        {
            var second = Second(61, 20, Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon));
            return WeightAllocator.Wanted(Outlooks.Of(Spec, second with { Traffic = [second.Traffic[0] with { HeldNow = held }] }, known).Single());
        }

        // A replica carries ten a second; a queue of 300 is to be gone in ten seconds.
        Assert.Equal((2, 3, 5), (Wanted(0), Wanted(1), Wanted(300)));
        Assert.Equal(100, Wanted(100_000));
    }

    // Two that carry ten a second each, beside five a second: they work off fifteen a second, 150 in the ten seconds that are the least.
    [Theory]
    [InlineData(150, true, 0)]
    [InlineData(151, true, 151)]
    [InlineData(150, false, 150)]
    [InlineData(1, true, 0)]
    public void A_queue_that_is_gone_before_another_could_have_loaded_asks_for_none(int held, bool startsMustPay, double waits)
    {
        var known = Learn(Enumerable.Repeat(5L, 60));
        known = known with { Models = known.Models.SetItem(Model.Id, known.Of(Model.Id) with { Service = ServiceFit.None.Add(new ServiceSample(1000, 1000, 100, 1000, 100, 1, 0.1)) }) };
        var second = Second(61, 5, Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon)) with { Replicas = [Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon), Fleets.Replica(Model, 2, ReplicaState.Ready, Fleets.Noon)] };
        var spec = Spec with { Settings = Spec.Settings with { StartsMustPay = startsMustPay } };
        var outlook = Outlooks.Of(spec, second with { Traffic = [second.Traffic[0] with { HeldNow = held }] }, known).Single();
        Assert.Equal(waits, outlook.Backlog);
        Assert.Equal(waits > 0, WeightAllocator.Wanted(outlook) > WeightAllocator.Wanted(outlook with { Backlog = 0 }));
    }

    // Else the numbers of the sentence would not come to the replicas that it says they take.
    [Theory]
    [InlineData(300, true, "), and 300 requests wait; that takes 5 of 10.0/s each, 1 there")]
    [InlineData(300, false, "); that takes 5 of 10.0/s each, 1 there")]
    [InlineData(0, true, "); that takes 2 of 10.0/s each, 1 there")]
    public void A_start_says_what_waits_beside_what_comes(int held, bool startsMustPay, string ends)
    {
        var known = Learn(Enumerable.Repeat(11L, 60));
        known = known with { Models = known.Models.SetItem(Model.Id, known.Of(Model.Id) with { Service = ServiceFit.None.Add(new ServiceSample(1000, 1000, 100, 1000, 100, 1, 0.1)) }) };
        var second = Second(61, 11, Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon));
        var spec = Spec with { Settings = Spec.Settings with { StartsMustPay = startsMustPay } };
        var plan = new Planner(new WeightAllocator()).Decide(spec, second with { Traffic = [second.Traffic[0] with { HeldNow = held }] }, known);
        Assert.EndsWith(ends, plan.Steps.OfType<Step.Start>().First().Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nobody_serves_yet_no_queue_is_gone_before()
    {
        var known = Learn(Enumerable.Repeat(5L, 60));
        var second = Second(61, 5, Fleets.Replica(Model, 1, ReplicaState.Loading, Fleets.Noon));
        var spec = Spec with { Settings = Spec.Settings with { StartsMustPay = true } };
        Assert.Equal(1, Outlooks.Of(spec, second with { Traffic = [second.Traffic[0] with { HeldNow = 1 }] }, known).Single().Backlog);
    }

    [Fact]
    public void A_time_nobody_looked_is_no_idle_gap()
    {
        var known = Learn([1], from: Learn([1]), start: 600);
        Assert.Equal(0, known.Of(Model.Id).IdleTimes!.Weight);
        Assert.Equal(1, Learn([.. Enumerable.Repeat(0L, 60), 1L], from: Learn([1]), start: 1).Of(Model.Id).IdleTimes!.Weight);
    }

    [Fact]
    public void Idle_times_are_read_back_as_they_were() =>
        Gen.Double[-100, 5000].List[0, 60].Sample(gaps =>
        {
            var (times, at) = (IdleTimes.None, Fleets.Noon);
            foreach (var gap in gaps) times = times.Arrived(at = at.AddSeconds(gap));
            var known = Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(Model.Id, ModelKnowledge.Nothing with { IdleTimes = times }) };
            var read = JsonSerializer.Deserialize(Json(known), PlimsollJson.Default.Knowledge)!.Of(Model.Id).IdleTimes!;
            return read.Gaps.SequenceEqual(times.Gaps) && read.LastArrival == times.LastArrival;
        }, iter: 100);

    [Fact]
    public void Late_requests_of_replicas_that_serve_raise_the_quantile_and_those_in_time_let_it_fall_back()
    {
        var ready = Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon);
        Knowledge Served(Knowledge known, int from, int to, long within, int held = 0)
        {
            for (var second = from; second <= to; second++)
            {
                var snapshot = Second(second, 20, ready);
                known = known.Fold(Spec, snapshot with { Traffic = [snapshot.Traffic[0] with { Completed = 20, WithinSlo = within, HeldNow = held }] });
            }

            return known;
        }

        var good = Served(Learn(Varied(300)), 301, 400, 20);
        Assert.Null(good.Of(Model.Id).Shortage);
        Assert.Null(Served(good, 401, 500, 10, held: 3).Of(Model.Id).Shortage);
        var late = Served(good, 401, 460, 18);
        Assert.True(late.Of(Model.Id).Shortage!.LogCorrection > 0.2);
        Assert.True(Outlook(late, 460).Quantile > Outlook(Served(good, 401, 460, 20), 460).Quantile);
        Assert.Null(Served(late, 461, 3000, 20).Of(Model.Id).Shortage);
    }

    [Fact]
    public void The_reason_says_the_quantile_the_error_bar_and_what_it_was_learned_from()
    {
        var known = Learn(Varied(400));
        var verdict = Fleets.Decide(Spec, Second(401, 22, Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon)), known).Models.Single();
        Assert.Equal(Rule.Met, verdict.Reason.Rule);
        Assert.Matches(@"^\d.*/s expected over \d+\.\d+ s \([\d.]+ % quantile; half such windows stay under [\d.]+/s, 1 in 100 goes over [\d.]+/s, by \d+ seen\), 1 of",
            verdict.Reason.ToString());
        Assert.NotNull(verdict.ForecastFrom);
        Assert.DoesNotContain("?>", verdict.Reason.ToString(), StringComparison.Ordinal);
        var before = Fleets.Decide(FirstRule, Second(401, 22, Fleets.Replica(Model, 1, ReplicaState.Ready, Fleets.Noon)), known).Models.Single();
        Assert.DoesNotContain("quantile", before.Reason.ToString(), StringComparison.Ordinal);
    }
}
