using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

public class PlannerTests
{
    private static readonly ModelSpec Small = Model("small", 100);
    private static readonly ModelSpec Large = Model("large", 1500, peakMiB: 1700);

    [Fact]
    public void A_held_request_starts_a_replica_of_a_model_nobody_serves()
    {
        var spec = Spec(Small);
        var plan = Decide(spec, Snapshot(spec, Node(4000), Noon).With(Traffic(Small.Id, Noon, 1, held: 1)));

        var start = Assert.IsType<Step.Start>(Assert.Single(plan.Steps));
        Assert.Equal("start/small-1", start.Id.Value);
        Assert.Equal(Rule.StartForHeldRequests, start.Reason.Rule);
        Assert.Empty(start.After);
        // 100 MiB at the assumed 200 MiB/s and 2 s fixed is 2.5 s; the p90 prior adds 30 %.
        Assert.Equal(3.25, start.ExpectedLoad.TotalSeconds, 3);
        Assert.Equal("1 request waits and no replica serves; loading takes 3.3 s", start.Reason.ToString());
    }

    [Fact]
    public void A_fleet_without_demand_and_without_a_minimum_gets_an_empty_plan()
    {
        var spec = Spec(Small, Large);
        Assert.Empty(Decide(spec, Snapshot(spec, Node(4000), Noon)).Steps);
    }

    [Fact]
    public void A_minimum_is_started_without_any_demand()
    {
        var spec = Spec(Small with { MinReplicas = 2, MaxReplicas = 2 });
        var plan = Decide(spec, Snapshot(spec, Node(4000), Noon));
        Assert.Equal(["start/small-1", "start/small-2"], plan.StepIds());
        Assert.All(plan.Steps, step => Assert.Equal(Rule.StartForMinimum, step.Reason.Rule));
    }

    [Fact]
    public void A_plan_that_was_not_applied_is_proposed_again_unchanged()
    {
        var spec = Spec(Small);
        var first = Decide(spec, Snapshot(spec, Node(4000), Noon).With(Traffic(Small.Id, Noon, 1, held: 1)));
        var later = Noon.AddSeconds(1);
        var second = Decide(spec, Snapshot(spec, Node(4000), later).With(Traffic(Small.Id, later, 0, held: 1)), first.Next);
        Assert.Equal(first.StepIds(), second.StepIds());
    }

    [Fact]
    public void A_replica_that_failed_leaves_its_ordinal_behind_and_its_model_waits()
    {
        var spec = Spec(Small);
        var died = Snapshot(spec, Node(4000), Noon).With(Traffic(Small.Id, Noon, 1, held: 1)) with
        {
            Outcomes =
            [
                new Outcome.Exited
                {
                    At = Noon, Replica = ReplicaId.Of(Small.Id, 4), Model = Small.Id, Was = ReplicaState.Loading, Asked = false,
                    Why = "exit code 1",
                },
            ],
        };
        var plan = Decide(spec, died);
        Assert.Empty(plan.Steps);
        Assert.Equal("failed 1 time, next try in 1 s: exit code 1", plan.Models[0].Reason.ToString());

        var later = Noon.AddSeconds(1.5);
        var retry = Decide(spec, Snapshot(spec, Node(4000), later).With(Traffic(Small.Id, later, 0, held: 1)), plan.Next);
        Assert.Equal(["start/small-5"], retry.StepIds());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 4)]
    [InlineData(9, 256)]
    [InlineData(10, 300)]
    [InlineData(40, 300)]
    public void Each_failure_in_a_row_doubles_the_wait_up_to_five_minutes(int failures, double seconds)
    {
        var known = ModelKnowledge.Nothing;
        for (var i = 0; i < failures; i++) known = Knowledge.Failed(known, Noon, "boom", new PlannerSettings());
        Assert.Equal(seconds, (known.Failures.NotBefore!.Value - Noon).TotalSeconds);
    }

    [Fact]
    public void A_model_heavier_than_the_budget_is_refused_with_what_would_make_it_fit()
    {
        var spec = Spec(Model("giant", 4000, peakMiB: 4400));
        var snapshot = Snapshot(spec, Node(2000), Noon).With(Traffic(new ModelId("giant"), Noon, 1, held: 1));
        var plan = Decide(spec, snapshot);
        Assert.Empty(plan.Steps);
        var verdict = Assert.Single(plan.Models);
        Assert.True(verdict.Refused);
        // Overhead is 160 MiB, so the peak grows as (4400 − 160) / 4000 per weight byte: (2000 − 160) / 1.06 = 1736 MiB.
        Assert.Equal(
            "too heavy: 4.30 GiB while loading against a budget of 1.95 GiB on the largest node; it takes 2.34 GiB more, or "
            + "weights of at most 1.70 GiB", verdict.Reason.ToString());
        Assert.Single(Planner.Admit(spec, snapshot, Knowledge.Empty));
    }

    [Fact]
    public void Nothing_is_started_beside_foreign_use_that_nobody_can_weigh()
    {
        var spec = Spec(Small);
        var snapshot = Snapshot(spec, Node(4000), Noon).With(Traffic(Small.Id, Noon, 1, held: 1)) with
        {
            Foreign = [new ForeignUse { Node = new NodeId("here"), Memory = Signal.Missing<Bytes>("/proc/meminfo: no such file") }],
        };
        Assert.Empty(Decide(spec, snapshot).Steps);
    }

    [Fact]
    public void Foreign_memory_is_never_counted_free()
    {
        // Physical 8000, budget 4000; foreign 6350 leaves 1650 of the machine, less than the budget and the peak of 1700.
        var spec = Spec(Large);
        var snapshot = Snapshot(spec, Node(4000), Noon).With(Traffic(Large.Id, Noon, 1, held: 1));
        var foreign = new ForeignUse { Node = new NodeId("here"), Memory = Signal.Known(Bytes.MiB(6350), Noon) };
        Assert.Empty(Decide(spec, snapshot with { Foreign = [foreign] }).Steps);
        Assert.Single(Decide(spec, snapshot with { Foreign = [foreign with { Memory = Signal.Known(Bytes.MiB(6250), Noon) }] }).Steps);
    }

    [Fact]
    public void Requests_whose_time_ran_out_leave_what_they_lost_behind_until_their_model_serves()
    {
        var spec = Spec(Small);
        var waited = Decide(spec, Snapshot(spec, Node(50), Noon).With(Traffic(Small.Id, Noon, 1, held: 1, heldSeconds: 7)));
        Assert.Equal(7, waited.Next.Of(Small.Id).HeldDebt);
        var gone = Decide(spec, Snapshot(spec, Node(50), Noon.AddSeconds(1)), waited.Next);
        Assert.Equal(7, gone.Next.Of(Small.Id).HeldDebt);
        var again = Decide(
            spec, Snapshot(spec, Node(50), Noon.AddSeconds(2)).With(Traffic(Small.Id, Noon.AddSeconds(2), 1, held: 1, heldSeconds: 2)), gone.Next);
        Assert.Equal(9, again.Next.Of(Small.Id).HeldDebt);
        var served = Decide(
            spec, Snapshot(spec, Node(4000), Noon.AddSeconds(3), Replica(Small, 1, ReplicaState.Ready, Noon)), again.Next);
        Assert.Equal(0, served.Next.Of(Small.Id).HeldDebt);
    }

    [Theory]
    [InlineData(12, false)]
    [InlineData(13, true)]
    public void An_equal_is_not_pushed_out_before_it_served_as_long_as_the_longer_load_takes(double servedSeconds, bool goes)
    {
        // Large reloads in 12.35 s. The rival has lost far more than the price already.
        var rival = Model("rival", 1000);
        var spec = Spec(Large, rival);
        var snapshot = Snapshot(spec, Node(2000), Noon, Replica(Large, 1, ReplicaState.Ready, Noon.AddSeconds(-servedSeconds)))
            .With(Traffic(Large.Id, Noon, 2)).With(Traffic(rival.Id, Noon, 1, held: 5, heldSeconds: 10_000));
        Assert.Equal(goes, Decide(spec, snapshot).Steps.Length > 0);
    }

    [Fact]
    public void Of_two_idle_models_the_light_one_goes()
    {
        var medium = Model("medium", 300);
        var claimant = Model("claimant", 250);
        var spec = Spec(Large, medium, claimant);
        var knowledge = Knowledge.Empty;
        Plan plan = null!;
        for (var second = 0; second < 200; second++)
        {
            var at = Noon.AddSeconds(second);
            var busy = second < 20 ? 2 : 0;
            plan = Decide(spec, Snapshot(spec, Node(2000), at,
                    Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-5)), Replica(medium, 1, ReplicaState.Ready, Noon.AddMinutes(-5)))
                .With(Traffic(Large.Id, at, busy)).With(Traffic(medium.Id, at, busy))
                .With(Traffic(claimant.Id, at, second >= 190 ? 1 : 0, held: second >= 190 ? 1 : 0, heldSeconds: second >= 190 ? 1 : 0)), knowledge);
            knowledge = plan.Next;
            if (plan.Steps.Length > 0) break;
        }

        Assert.Equal(["drain/medium-1", "start/claimant-1", "stop/medium-1"], plan.StepIds());
    }

    [Fact]
    public void Owned_hardware_is_held_until_somebody_claims_it_and_priced_hardware_until_break_even()
    {
        Plan IdleFor(double seconds, Prices prices)
        {
            var spec = Spec(Large) with { Prices = prices };
            var used = Decide(spec, Snapshot(spec, Node(2000), Noon, Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-5)))
                .With(Traffic(Large.Id, Noon, 1)));
            var at = Noon.AddSeconds(seconds);
            return Decide(spec, Snapshot(spec, Node(2000), at, Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-5))), used.Next);
        }

        var priced = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.01) };
        Assert.Empty(IdleFor(100_000, new Prices()).Steps);

        // Hold = 12.35 s + 99 × misses × 1 s of SLO (no capacity seen): misses = 1 + 1/s × 12.35, so 1,334 s.
        Assert.Empty(IdleFor(1300, priced).Steps);
        var gone = IdleFor(1350, priced);
        Assert.Equal(["drain/large-1", "stop/large-1"], gone.StepIds());
        Assert.Equal(Rule.DrainIdleAtBreakEven, gone.Steps[0].Reason.Rule);
    }

    [Fact]
    public void The_heavier_the_model_the_longer_it_is_held_and_the_further_it_looks()
    {
        var models = new[] { Model("w0100", 100), Model("w15000", 15_000), Model("w400000", 400_000) };
        var spec = Spec(models) with { Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.01) } };
        var verdicts = Decide(spec, Snapshot(spec, Node(1_000_000), Noon)).Models;
        Assert.True(verdicts[0].LoadTime < verdicts[1].LoadTime && verdicts[1].LoadTime < verdicts[2].LoadTime);
        Assert.True(verdicts[0].Hold < verdicts[1].Hold && verdicts[1].Hold < verdicts[2].Hold);
    }

    [Fact]
    public void Nothing_is_drained_when_the_gateway_did_not_report()
    {
        var spec = Spec(Small with { IdleLimit = TimeSpan.FromSeconds(10) });
        var replica = Replica(Small, 1, ReplicaState.Ready, Noon.AddMinutes(-5));
        var used = Decide(spec, Snapshot(spec, Node(4000), Noon, replica).With(Traffic(Small.Id, Noon, 1)));
        var later = Snapshot(spec, Node(4000), Noon.AddSeconds(60), replica);
        Assert.Equal(["drain/small-1", "stop/small-1"], Decide(spec, later, used.Next).StepIds());
        var blind = Decide(spec, later with { Traffic = [] }, used.Next);
        Assert.Empty(blind.Steps);
        Assert.Equal(Rule.HoldMissingData, blind.Models[0].Reason.Rule);
    }

    [Fact]
    public void A_draining_replica_is_stopped_when_empty_or_past_its_deadline_and_not_before()
    {
        var spec = Spec(Small);
        string[] At(ReplicaState state, double seconds) =>
            Decide(spec, Snapshot(spec, Node(4000), Noon, Replica(Small, 1, state, Noon.AddSeconds(-seconds), outstanding: 1))).StepIds();
        Assert.Equal(["drain/small-1", "stop/small-1"], At(ReplicaState.Draining, 29));
        Assert.Equal(["stop/small-1"], At(ReplicaState.Draining, 31));
        Assert.Equal(["stop/small-1"], At(ReplicaState.Drained, 1));
    }

    [Fact]
    public void A_load_that_never_ends_is_stopped_and_counts_as_a_failure()
    {
        var spec = Spec(Small);
        var stuck = Replica(Small, 1, ReplicaState.Loading, Noon.AddSeconds(-31));
        var plan = Decide(spec, Snapshot(spec, Node(4000), Noon, stuck).With(Traffic(Small.Id, Noon, 0, held: 1)));
        Assert.Equal(Rule.StopLoadOverdue, plan.Steps.Single(step => step is Step.Stop).Reason.Rule);
        Assert.Equal(1, plan.Next.Of(Small.Id).Failures.Count);
    }

    [Fact]
    public void Measured_memory_replaces_the_prior_with_a_margin_of_a_twentieth()
    {
        var spec = Spec(Small);
        var measured = Snapshot(spec, Node(4000), Noon).With(Traffic(Small.Id, Noon, 1, held: 1)) with
        {
            Outcomes =
            [
                new Outcome.MemoryMeasured
                {
                    At = Noon, Replica = ReplicaId.Of(Small.Id, 1), Model = Small.Id, Version = "v1", Variant = new VariantId("cpu"),
                    LoadPeak = Bytes.MiB(200), Steady = Bytes.MiB(180),
                },
            ],
        };
        var needs = Decide(spec, measured).Models[0].Needs.Host;
        Assert.Equal(Bytes.MiB(210), needs.LoadPeak);
        Assert.Equal(Bytes.MiB(189), needs.Steady);
    }

    [Fact]
    public void A_server_that_takes_more_of_its_device_than_was_reserved_is_charged_what_it_took()
    {
        // 10,000 MiB each: two of 1,100 reserved would fit; the first was seen to take 9,000.
        var (first, second) = (Model("first", 1000, devices: 1), Model("second", 1000, devices: 1));
        var spec = Spec(first, second);
        var running = Replica(first, 1, ReplicaState.Ready, Noon.AddMinutes(-5)) with
        {
            Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0")]),
        };
        var asked = Snapshot(spec, Node(9000, deviceMiB: [10_000]), Noon, running).With(Traffic(first.Id, Noon, 1))
            .With(Traffic(second.Id, Noon, 1, held: 1));
        Assert.Equal(["start/second-1"], Decide(spec, asked).StepIds());

        var greedy = running with { DeviceMemory = Signal.Known(Bytes.MiB(9000), Noon) };
        var measured = Decide(spec, asked with
        {
            Replicas = [greedy],
            Outcomes =
            [
                new Outcome.MemoryMeasured
                {
                    At = Noon, Replica = running.Id, Model = first.Id, Version = "v1", Variant = running.Variant, Steady = Bytes.MiB(500),
                },
            ],
        });
        Assert.Empty(measured.Steps);

        // Its next replica needs as much, once that was seen while it served.
        var later = Decide(spec, asked with { At = Noon.AddSeconds(1), Replicas = [greedy] }, measured.Next);
        Assert.Equal(Bytes.MiB(9000), later.Models[0].Needs.PerDevice!.Highest);
        Assert.Equal(Bytes.MiB(1100), later.Models[1].Needs.PerDevice!.Highest);
    }

    [Fact]
    public void A_new_version_comes_up_beside_the_old_one_which_then_drains()
    {
        var newer = Model("small", 100, version: "v2");
        var spec = Spec(newer with { MinReplicas = 1 });
        var old = Replica(Small, 1, ReplicaState.Ready, Noon.AddMinutes(-5));
        var first = Decide(spec, Snapshot(spec, Node(4000), Noon, old));
        Assert.Equal(["start/small-2"], first.StepIds());
        Assert.Equal(Rule.StartNewVersion, first.Steps[0].Reason.Rule);
        var second = Decide(spec, Snapshot(spec, Node(4000), Noon, old, Replica(newer, 2, ReplicaState.Ready, Noon)), first.Next);
        Assert.Equal(["drain/small-1", "stop/small-1"], second.StepIds());
    }

    [Fact]
    public void A_model_that_must_be_fetched_is_fetched_first_and_something_idle_is_evicted_for_it()
    {
        var remote = Model("remote", 600, cached: true);
        var other = Model("other", 500, cached: true);
        var spec = Spec(remote, other);
        var snapshot = Snapshot(spec, Node(4000, cacheMiB: 1000), Noon).With(Traffic(remote.Id, Noon, 1, held: 1)) with
        {
            Cache = [new CachedArtifact { Node = new NodeId("here"), Model = other.Id, Version = "v1", Size = Bytes.MiB(500), Complete = true }],
        };
        var plan = Decide(spec, snapshot);
        Assert.Equal(["evict/other@v1/here", "prefetch/remote@v1/here", "start/remote-1"], plan.StepIds());
        Assert.Equal(["evict/other@v1/here"], plan.Steps[1].After.Select(id => id.Value));
        Assert.Equal(["prefetch/remote@v1/here"], plan.Steps[2].After.Select(id => id.Value));
    }
}
