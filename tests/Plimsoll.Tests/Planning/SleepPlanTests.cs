using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What is let go waits in host memory where its server can sleep and there is room; who is asked for again wakes.</summary>
public class SleepPlanTests
{
    private static readonly ModelSpec Large = Sleeper("large", 900);
    private static readonly ModelSpec Other = Sleeper("other", 800);

    [Fact]
    public void Who_must_make_room_on_the_device_sleeps_and_the_claimant_waits_for_that()
    {
        var plan = Decide(hostMiB: 4000, held: Other, OnGpu(Large, ReplicaState.Ready));

        Assert.Equal(["drain/large-1", "sleep/large-1", "start/other-1"], plan.StepIds());
        Assert.Contains(StepId.Of("sleep/large-1"), Find(plan, "start/other-1").After);
        Assert.StartsWith("its 900 MiB wait in here's memory: it wakes in ", Find(plan, "sleep/large-1").Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_room_for_its_weights_on_the_host_it_is_stopped()
    {
        var plan = Decide(hostMiB: 1750, held: Other, OnGpu(Large, ReplicaState.Ready));

        Assert.Equal(["drain/large-1", "start/other-1", "stop/large-1"], plan.StepIds());
    }

    [Fact]
    public void What_is_only_shown_does_not_count_on_the_memory_that_a_sleeper_keeps()
    {
        var waits = 0;
        for (var weight = 100; weight < 2600; weight += 100)
        {
            var shown = Model("shown", weight, min: 1) with { Acts = false };
            var spec = Spec(Large, Other, shown) with { Settings = new PlannerSettings { CountsOnlyActing = true } };
            var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(Large, ReplicaState.Ready)).With(Traffic(Other.Id, Noon, 0, 5)) with { Can = Local | Capabilities.Sleep };
            var plan = new Planner(new WeightAllocator()).Decide(spec, snapshot, Known(spec, snapshot, Other, null));

            Assert.Contains(StepId.Of("sleep/large-1"), plan.Steps.Select(step => step.Id));
            Assert.All(plan.Steps, step => Assert.All(step.After, after => Assert.Contains(plan.Steps, other => other.Id == after)));
            waits += plan.Steps.Any(step => step.Id == StepId.Of("start/shown-1")) ? 0 : 1;
        }

        Assert.InRange(waits, 1, 24);
    }

    [Fact]
    public void Who_sleeps_wakes_when_it_is_asked_for_where_its_device_is_free()
    {
        var plan = Decide(hostMiB: 4000, held: Large, OnGpu(Large, ReplicaState.Asleep));

        Assert.Equal(["wake/large-1"], plan.StepIds());
        Assert.Equal(Rule.WakeForDemand, Find(plan, "wake/large-1").Reason.Rule);
    }

    [Fact]
    public void Two_that_share_a_device_change_places_by_sleeping_and_waking()
    {
        var plan = Decide(hostMiB: 4000, held: Other, OnGpu(Large, ReplicaState.Ready), OnGpu(Other, ReplicaState.Asleep));

        Assert.Equal(["drain/large-1", "sleep/large-1", "wake/other-1"], plan.StepIds());
        Assert.Equal([StepId.Of("sleep/large-1")], Find(plan, "wake/other-1").After);
    }

    [Fact]
    public void While_it_is_on_the_way_it_is_waited_for_and_not_started_again()
    {
        var waking = Decide(hostMiB: 4000, held: Large, OnGpu(Large, ReplicaState.Asleep) with { Turning = true });
        var lyingDown = Decide(hostMiB: 4000, held: Other, OnGpu(Large, ReplicaState.Drained) with { Turning = true });

        Assert.Empty(waking.Steps);
        Assert.Equal(Rule.HoldLoading, waking.Models.Single(model => model.Model == Large.Id).Reason.Rule);
        Assert.Equal(["sleep/large-1", "start/other-1"], lyingDown.StepIds());
    }

    [Fact]
    public void Who_sleeps_goes_for_those_who_need_the_memory_of_the_host()
    {
        var onHost = Model("cpu", 2200, sloSeconds: 60);
        var plan = Decide(3000, onHost, [Large, onHost], null, new Prices(), OnGpu(Large, ReplicaState.Asleep));

        Assert.Equal(["start/cpu-1", "stop/large-1"], plan.StepIds());
    }

    [Fact]
    public void A_stated_idle_limit_has_it_leave_the_memory_too()
    {
        var limited = Large with { IdleLimit = TimeSpan.FromSeconds(30) };
        var idle = TimeSpan.FromMinutes(10);

        Assert.Equal(["drain/large-1", "stop/large-1"], Decide(4000, null, [limited], idle, new Prices(), OnGpu(limited, ReplicaState.Ready)).StepIds());
        Assert.Equal(["stop/large-1"], Decide(4000, null, [limited], idle, new Prices(), OnGpu(limited, ReplicaState.Asleep)).StepIds());
    }

    [Fact]
    public void On_devices_that_cost_it_sleeps_long_before_it_would_be_let_go()
    {
        var prices = new Prices { Devices = [new DevicePrice("gpu", UsdPerHour.Of(2))] };
        Plan After(double seconds) => Decide(4000, null, [Large], TimeSpan.FromSeconds(seconds), prices, OnGpu(Large, ReplicaState.Ready));
        var hold = After(1).Models.Single().Hold!.Value;

        Assert.Empty(After(1).Steps);
        Assert.Empty(After(50).Steps);
        Assert.Equal(["drain/large-1", "sleep/large-1"], After(hold.TotalSeconds / 2).StepIds());
        Assert.Equal(Rule.SleepIdle, Find(After(hold.TotalSeconds / 2), "drain/large-1").Reason.Rule);
        Assert.Equal(Rule.DrainIdleAtBreakEven, Find(After(hold.TotalSeconds + 1), "drain/large-1").Reason.Rule);
    }

    [Fact]
    public void One_that_failed_to_wake_twice_is_started_anew()
    {
        var spec = Spec(Large);
        var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(Large, ReplicaState.Asleep)) with { Can = Local | Capabilities.Sleep, Traffic = [Traffic(Large.Id, Noon, 0, 2)] };
        Plan After(params Outcome[] outcomes) => new Planner(new WeightAllocator()).Decide(spec, snapshot, outcomes.Aggregate(
            Knowledge.Empty, (known, outcome) => known.Fold(spec, snapshot with { At = Noon.AddHours(-1), Outcomes = [outcome] })));

        var plan = After(NotWoken, NotWoken);
        Assert.Equal(["start/large-2", "stop/large-1"], plan.StepIds());
        Assert.Equal("it sleeps and failed to wake, 2 times in a row, so the next one loads anew: it did not answer", Find(plan, "stop/large-1").Reason.ToString());

        Assert.Equal(["wake/large-1"], After(NotWoken, Woken, NotWoken).StepIds());
    }

    // It was ended for what its neighbours did.
    [Fact]
    public void One_that_sleeps_is_woken_whatever_became_of_others_of_its_model()
    {
        var spec = Spec(Large);
        var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(Large, ReplicaState.Asleep)) with { Can = Local | Capabilities.Sleep, Traffic = [Traffic(Large.Id, Noon, 0, 2)] };
        var knowledge = Knowledge.Empty;
        foreach (var outcome in new Outcome[] { Crashed(2), NotWoken, Crashed(3) })
            knowledge = knowledge.Fold(spec, snapshot with { At = Noon.AddHours(-1), Outcomes = [outcome] });

        Assert.Equal((3, 1), (knowledge.Of(Large.Id).Failures.Count, knowledge.Of(Large.Id).Failures.Wakes));
        Assert.Equal(["wake/large-1"], new Planner(new WeightAllocator()).Decide(spec, snapshot, knowledge).StepIds());
    }

    private static Outcome NotWoken => new Outcome.StepFailed { At = Noon.AddHours(-1), Step = StepId.Of("wake/large-1"), Model = Large.Id, Why = "it did not answer" };

    private static Outcome Woken => new Outcome.Woken
    {
        At = Noon.AddHours(-1),
        Replica = ReplicaId.Of(Large.Id, 1),
        Model = Large.Id,
        Version = "v1",
        Size = Large.Footprint.Weights,
        Took = TimeSpan.FromSeconds(7),
    };

    private static Outcome.Exited Crashed(int ordinal) => new Outcome.Exited
    {
        At = Noon.AddHours(-1),
        Replica = ReplicaId.Of(Large.Id, ordinal),
        Model = Large.Id,
        Was = ReplicaState.Ready,
        Asked = false,
        Why = "it crashed",
    };

    [Fact]
    public void How_long_it_wakes_is_learned()
    {
        var spec = Spec(Large);
        var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(Large, ReplicaState.Asleep)) with { Can = Local | Capabilities.Sleep };
        var woken = new Outcome.Woken { At = Noon, Replica = ReplicaId.Of(Large.Id, 1), Model = Large.Id, Version = "v1", Size = Large.Footprint.Weights, Took = TimeSpan.FromSeconds(7) };
        var knowledge = Knowledge.Empty.Fold(spec, snapshot with { Outcomes = [woken, woken, woken] });

        var verdict = new Planner(new WeightAllocator()).Decide(spec, snapshot, knowledge).Models.Single();

        Assert.Equal(TimeSpan.FromSeconds(7), verdict.LoadExpected!.Median);
        Assert.Equal(Rule.IdleAsleep, verdict.Reason.Rule);
    }

    [Fact]
    public void Without_a_body_that_can_nobody_is_put_to_sleep()
    {
        var spec = Spec(Large, Other);
        var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(Large, ReplicaState.Ready)).With(Traffic(Other.Id, Noon, 0, 5));

        var plan = new Planner(new WeightAllocator()).Decide(spec, snapshot, Known(spec, snapshot, Other, null));

        Assert.Equal(["drain/large-1", "start/other-1", "stop/large-1"], plan.StepIds());
    }

    [Fact]
    public void What_somebody_else_put_to_sleep_where_no_plan_can_wake_it_does_not_go_for_an_equal_without_a_loss()
    {
        var spec = Spec(Large, Other);
        var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(Large, ReplicaState.Asleep) with { Reserved = Model("large", 900, devices: 1).Variants[0].Needs }).With(Traffic(Other.Id, Noon, 0, 5));

        Assert.Empty(new Planner(new WeightAllocator()).Decide(spec, snapshot, Known(spec, snapshot, Other, null)).Steps);
    }

    [Fact]
    public void Who_is_waking_does_not_go_for_an_equal()
    {
        var plan = Decide(hostMiB: 4000, held: Other, OnGpu(Large, ReplicaState.Asleep) with { Turning = true });

        Assert.Empty(plan.Steps);
    }

    [Fact]
    public void While_a_higher_priority_waits_to_wake_a_lower_one_does_not_buy_its_device()
    {
        // Both lost as much; the important one waits for its device a little longer, and the other would take the same from the same.
        var important = Large with { Priority = 1 };
        var holder = Model("holder", 800, priority: 1, sloSeconds: 60, devices: 1);
        var spec = Spec(important, holder, Other);
        var snapshot = Snapshot(spec, Host(4000), Noon, OnGpu(important, ReplicaState.Asleep), OnGpu(holder, ReplicaState.Ready)) with { Can = Local | Capabilities.Sleep };
        snapshot = snapshot.With(Traffic(important.Id, Noon, 0, 1)).With(Traffic(Other.Id, Noon, 0, 5));
        var known = Known(spec, snapshot, Other, null);

        var plan = new Planner(new WeightAllocator()).Decide(spec, snapshot, known);

        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldScarceEqual, plan.Models.Single(model => model.Model == important.Id).Reason.Rule);
    }

    // 900 MiB wake in about two seconds, and what hangs is given half a minute at the least; where they took twelve, three times as long.
    [Theory]
    [InlineData(29, 0, false)]
    [InlineData(31, 0, true)]
    [InlineData(31, 12, false)]
    public void Who_never_wakes_is_ended_and_another_loads(double seconds, double learnedSeconds, bool ends)
    {
        var waking = OnGpu(Large, ReplicaState.Asleep) with { Turning = true };
        var spec = Spec(Large) with { Settings = new PlannerSettings { EndsLateWakes = true } };
        var snapshot = Snapshot(spec, Host(4000), Noon, waking).With(Traffic(Large.Id, Noon, 0, 5)) with
        {
            Can = Local | Capabilities.Sleep,
            InFlight =
            [
                new WorkInFlight { Step = StepId.Of("wake/large-1"), Kind = WorkKind.Waking, StartedAt = Noon.AddSeconds(-seconds), Model = Large.Id, Replica = waking.Id },
            ],
        };
        var knowledge = Known(spec, snapshot, Large, null);
        if (learnedSeconds > 0)
        {
            var woken = ((Outcome.Woken)Woken) with { Took = TimeSpan.FromSeconds(learnedSeconds) };
            knowledge = knowledge.Fold(spec, snapshot with { At = Noon.AddHours(-1), Outcomes = [woken, woken, woken] });
        }

        var plan = new Planner(new WeightAllocator()).Decide(spec, snapshot, knowledge);
        var before = new Planner(new WeightAllocator()).Decide(spec with { Settings = new PlannerSettings() }, snapshot, knowledge);

        Assert.Equal(ends ? ["start/large-2", "stop/large-1"] : [], plan.StepIds());
        Assert.Empty(before.Steps);
        if (!ends) return;
        Assert.Equal(Rule.StopWakeOverdue, Find(plan, "stop/large-1").Reason.Rule);
        Assert.Equal("large-1 was still waking after 30 s", plan.Next.Of(Large.Id).Failures.Why);
    }

    // A model that takes one device, and may sleep.
    private static ModelSpec Sleeper(string id, double weightMiB)
    {
        var model = Model(id, weightMiB, sloSeconds: 60, devices: 1);
        return model with
        {
            Variants = [.. model.Variants.Select(variant => variant with { Needs = variant.Needs with { Asleep = new SleepNeed(Bytes.MiB(1.1 * weightMiB), Bytes.MiB(50)) } })],
        };
    }

    private static NodeState Host(double memoryMiB) => Node(memoryMiB, deviceMiB: [1100]);

    private static InferenceReplica OnGpu(ModelSpec model, ReplicaState state) =>
        Replica(model, 1, state, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0")]) };

    private static Plan Decide(double hostMiB, ModelSpec held, params InferenceReplica[] replicas) => Decide(hostMiB, held, [Large, Other], null, new Prices(), replicas);

    private static Plan Decide(double hostMiB, ModelSpec? held, ModelSpec[] models, TimeSpan? idle, Prices prices, params InferenceReplica[] replicas)
    {
        var spec = Spec(models) with { Prices = prices };
        var snapshot = Snapshot(spec, Host(hostMiB), Noon, replicas) with { Can = Local | Capabilities.Sleep };
        if (held is not null) snapshot = snapshot.With(Traffic(held.Id, Noon, 0, 5));
        return new Planner(new WeightAllocator()).Decide(spec, snapshot, Known(spec, snapshot, held, idle));
    }

    // Who waits has lost enough by it to take the place of an equal; the others were last asked for so long ago.
    private static Knowledge Known(FleetSpec spec, FleetSnapshot snapshot, ModelSpec? held, TimeSpan? idle)
    {
        var knowledge = Knowledge.Empty.Fold(spec, snapshot);
        var models = knowledge.Models.ToBuilder();
        foreach (var model in spec.Models)
            models[model.Id] = models[model.Id] with { HeldDebt = model.Id == held?.Id ? 1e6 : 0, LastArrival = Noon - (idle ?? TimeSpan.FromHours(1)), ActiveRate = 0.1 };
        return knowledge with { Models = models.ToImmutable() };
    }

    private static Step Find(Plan plan, string id) => plan.Steps.Single(step => step.Id == StepId.Of(id));
}
