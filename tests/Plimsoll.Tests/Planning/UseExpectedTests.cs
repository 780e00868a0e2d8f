using System.Text;
using System.Text.Json;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>A model of 10,000 MiB, which loads in 67.6 s, asked for at nine each day.</summary>
public class UseExpectedTests
{
    private static readonly DateTimeOffset Midnight = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly ModelSpec Model = Model("m", 10_000);

    private static readonly FleetSpec Waking = Spec(Model) with
    {
        Settings = new PlannerSettings { ForecastDemand = true, WakeAhead = true },
        Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(1) },
    };

    // Four mornings at nine; the rate is what it met, and what a return costs follows from it.
    private static Knowledge Known(double perSecond = 2, int days = 4, DateTimeOffset? last = null)
    {
        DailyStarts? daily = null;
        for (var day = 0; day < days; day++) daily = DailyStarts.Learn(daily, Midnight.AddDays(day).AddHours(9), started: true, TimeSpan.Zero);
        return Knowledge.Empty with
        {
            Models = Knowledge.Empty.Models.SetItem(Model.Id, ModelKnowledge.Nothing with
            {
                Version = "v1",
                ActiveRate = perSecond,
                LastArrival = last ?? Midnight.AddDays(days - 1).AddHours(10),
                Daily = daily,
            }),
        };
    }

    private static Plan At(TimeSpan time, Knowledge? known = null, FleetSpec? spec = null, double memory = 40_000, params InferenceReplica[] replicas) =>
        new Planner(new WeightAllocator()).Decide(
            spec ?? Waking, Snapshot(spec ?? Waking, Node(memory), Midnight.AddDays(4) + time, replicas), known ?? Known());

    private static TimeSpan Clock(int hours, int minutes, int seconds = 0) => new(hours, minutes, seconds);

    [Fact]
    public void A_load_begins_in_time_to_be_over_when_it_is_usually_asked_for()
    {
        // The spread of four at the same second is 120 s · (1 − 1/1.93) · …, some ten seconds by the fourth.
        Assert.Equal([], At(Clock(8, 50)).StepIds());
        Assert.Equal(["start/m-1"], At(Clock(8, 58, 30)).StepIds());
        Assert.Equal([], At(Clock(9, 10)).StepIds());
        Assert.StartsWith("asked for at about 09:00 UTC on ", Assert.Single(At(Clock(8, 58, 30)).Steps).Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_waits_for_it_is_kept_until_it_is_late_and_then_let_go()
    {
        var replica = Replica(Model, 1, ReplicaState.Ready, Midnight.AddDays(4) + Clock(8, 59));
        Assert.Equal([], At(Clock(9, 0), replicas: replica).StepIds());
        Assert.Equal(Rule.HoldForUse, At(Clock(9, 0), replicas: replica).Models[0].Reason.Rule);
        Assert.Equal(["drain/m-1", "stop/m-1"], At(Clock(9, 10), replicas: replica).StepIds());
    }

    [Fact]
    public void Once_it_has_come_nobody_is_started_for_it_again() =>
        Assert.Equal([], At(Clock(8, 58, 50), Known(last: Midnight.AddDays(4) + Clock(8, 58, 40))).StepIds());

    [Fact]
    public void Where_a_cold_start_costs_little_it_is_not_worth_a_load()
    {
        // One late request, worth nine times its 10 ms: a cold start costs its load and no more, and that must be paid either way.
        var cheap = Waking with { Models = [Model with { Slo = new Slo(TimeSpan.FromMilliseconds(10), 0.9) }] };
        Assert.Equal([], At(Clock(8, 58, 30), Known(perSecond: 0), cheap).StepIds());
    }

    [Fact]
    public void Seen_on_one_day_it_is_an_anecdote() =>
        Assert.Equal([], new Planner(new WeightAllocator()).Decide(
            Waking, Snapshot(Waking, Node(40_000), Midnight.AddDays(1) + Clock(8, 58, 30)), Known(days: 1)).StepIds());

    [Fact]
    public void Nobody_is_pushed_out_for_it_and_the_setting_turns_it_off()
    {
        var other = Model("other", 30_000, priority: -5);
        var spec = Waking with { Models = [Model, other] };
        var there = Replica(other, 1, ReplicaState.Ready, Midnight);
        Assert.Equal([], At(Clock(8, 58, 30), spec: spec, memory: 35_000, replicas: there).StepIds().Where(id => id.Contains("m-1", StringComparison.Ordinal) || id.Contains("other", StringComparison.Ordinal)));
        Assert.Equal(["start/m-1"], At(Clock(8, 58, 30), spec: spec, memory: 45_000, replicas: there).StepIds().Where(id => !id.Contains("other", StringComparison.Ordinal)));
        Assert.Equal([], At(Clock(8, 58, 30), spec: Waking with { Settings = new PlannerSettings { ForecastDemand = true } }).StepIds());
    }

    [Fact]
    public void A_stated_idle_limit_wants_nothing_there_that_nobody_uses() =>
        Assert.Equal([], At(Clock(8, 58, 30), spec: Waking with { Models = [Model with { IdleLimit = TimeSpan.FromMinutes(5) }] }).StepIds());

    [Fact]
    public void What_counts_teach_is_journalled_and_read_back_the_same()
    {
        var (known, read) = (Knowledge.Empty, Knowledge.Empty);
        for (var minute = 0; minute < 3 * 1440; minute += 5)
        {
            var at = Midnight.AddMinutes(minute);
            var row = Traffic(Model.Id, at, minute % 1440 is >= 540 and < 560 ? 7 : 0) with { From = at.AddMinutes(-5) };
            var snapshot = Snapshot(Waking, Node(40_000), at).With(row);
            known = known.Fold(Waking, snapshot);
            read = JsonSerializer.Deserialize(PlimsollJson.ToBytes(read.Fold(Waking, snapshot), PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!;
        }

        var moment = Assert.Single(known.Of(Model.Id).Daily!.Moments);
        Assert.Equal(540 * 60, moment.Second);
        Assert.Equal(
            Encoding.UTF8.GetString(PlimsollJson.ToBytes(known, PlimsollJson.Default.Knowledge)),
            Encoding.UTF8.GetString(PlimsollJson.ToBytes(read, PlimsollJson.Default.Knowledge)));
        var off = Waking with { Settings = new PlannerSettings { ForecastDemand = true } };
        Assert.DoesNotContain("daily", Encoding.UTF8.GetString(PlimsollJson.ToBytes(
            known.Fold(off, Snapshot(off, Node(40_000), Midnight.AddDays(4)).With(Traffic(Model.Id, Midnight.AddDays(4), 1))), PlimsollJson.Default.Knowledge)), StringComparison.Ordinal);
    }
}
