using System.Collections.Immutable;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Each invariant on random fleets, and beside it the bug that must make it fail.</summary>
public class InvariantTests
{
    private static readonly int Cases = RandomCases.Or(10_000);

    // A seeded bug shows in many fleets of a few.
    private static readonly int CasesWithBug = Math.Min(Cases, 2000);

    private static void Holds(Func<Situation, Plan, string?> invariant) => RandomFleets.Situations.Sample(situation =>
    {
        var broken = invariant(situation, situation.Decide());
        return broken is null ? true : throw new InvalidOperationException(broken);
    }, iter: Cases);

    /// <summary>How many of the random fleets show the bug; a check that finds none could not have failed.</summary>
    private static int Caught(Func<Situation, string?> check)
    {
        var caught = 0;
        RandomFleets.Situations.Sample(situation =>
        {
            if (check(situation) is not null) Interlocked.Increment(ref caught);
        }, iter: CasesWithBug);
        return caught;
    }

    private static Plan Without(Plan plan, Func<Step, bool> forgets) =>
        plan with { Steps = [.. plan.Steps.Select(step => forgets(step) ? step with { After = [] } : step)] };

    [Fact]
    public void No_reachable_state_overfills_a_node() => Holds(Invariants.NoReachableStateOverfills);

    [Fact]
    public void A_start_that_does_not_wait_for_the_stop_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.NoReachableStateOverfills(
            situation, Without(situation.Decide(), step => step is Step.Start))));

    [Fact]
    public void A_gang_that_does_not_wait_for_what_stops_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.NoReachableStateOverfills(
            situation, Without(situation.Decide(), step => step is Step.Launch or Step.Resume))));

    [Fact]
    public void Gangs_run_whole_or_not_at_all() => Holds(Invariants.GangsRunWholeOrNotAtAll);

    [Fact]
    public void A_gang_without_one_of_its_members_is_caught() =>
        Assert.NotEqual(0, Caught(situation =>
        {
            var plan = situation.Decide();
            return Invariants.GangsRunWholeOrNotAtAll(situation, plan with { Steps = [.. plan.Steps.Select(step => step is Step.Launch launch ? launch with { Members = launch.Members[1..] } : step)] });
        }));

    [Fact]
    public void Training_gives_way_only_as_it_may() => Holds(Invariants.TrainingGivesWayAsItMay);

    [Fact]
    public void A_gang_that_ends_without_its_checkpoint_and_one_that_may_not_give_way_are_caught()
    {
        Assert.NotEqual(0, Caught(situation => Invariants.TrainingGivesWayAsItMay(situation, Without(situation.Decide(), step => step is Step.Suspend))));
        Assert.NotEqual(0, Caught(situation => Invariants.TrainingGivesWayAsItMay(
            situation with { Spec = situation.Spec with { Training = [.. situation.Spec.Training.Select(job => job with { Preemptible = false })] } }, situation.Decide())));
    }

    [Fact]
    public void A_fetch_that_does_not_wait_for_the_eviction_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.NoReachableStateOverfills(
            situation, Without(situation.Decide(), step => step is Step.Prefetch))));

    [Fact]
    public void A_gang_on_devices_that_are_taken_is_caught() =>
        Assert.NotEqual(0, Caught(situation =>
        {
            var plan = situation.Decide();
            return Invariants.NoReachableStateOverfills(situation, plan with { Steps = [.. plan.Steps.Select(OnTheFirstDevices)] });

            Step OnTheFirstDevices(Step step) => step is not Step.Start { Needs.Devices: > 0 } start ? step : start with
            {
                Placement = start.Placement! with
                {
                    Devices = [.. situation.Snapshot.Nodes.Single(node => node.Id == start.Placement.Node).Devices
                        .Take(start.Needs.Devices).Select(device => device.Id)],
                },
            };
        }));

    [Fact]
    public void A_wake_that_does_not_wait_for_room_and_a_sleep_where_there_is_none_are_caught()
    {
        Assert.NotEqual(0, Caught(situation => Invariants.NoReachableStateOverfills(situation, Without(situation.Decide(), step => step is Step.Wake))));
        Assert.NotEqual(0, Caught(situation => Invariants.NoReachableStateOverfills(situation, AllSleep(situation))));
        Assert.NotEqual(0, Caught(situation => ReachableStates.FindViolation(situation.Snapshot, situation.Knowledge, AllSleep(situation).Steps)));
        Assert.NotEqual(0, Caught(situation => Invariants.NothingServingIsStoppedBeforeItDrained(situation, Without(situation.Decide(), step => step is Step.Sleep))));
    }

    // Whoever can sleep does, whether there is room or not.
    private static Plan AllSleep(Situation situation)
    {
        var plan = situation.Decide();
        return plan with { Steps = [.. plan.Steps.Select(step => step is Step.Stop stop && MaySleep(stop.Replica) ? new Step.Sleep(stop.Replica, stop.Model) { Reason = stop.Reason, After = stop.After } : step)] };

        bool MaySleep(ReplicaId id) => situation.Snapshot.Replicas.Single(replica => replica.Id == id) is { State: not ReplicaState.Asleep, Reserved.Asleep: not null };
    }

    [Fact]
    public void Nothing_in_use_is_evicted_from_the_disk() => Holds(Invariants.NothingInUseIsEvicted);

    [Fact]
    public void An_eviction_under_a_replica_and_a_start_without_weights_are_caught()
    {
        Assert.NotEqual(0, Caught(situation => Invariants.NothingInUseIsEvicted(
            situation, Without(situation.Decide(), step => step is Step.Evict))));
        Assert.NotEqual(0, Caught(situation => Invariants.NothingInUseIsEvicted(
            situation, Without(situation.Decide(), step => step is Step.Start))));
    }

    [Fact]
    public void The_run_time_check_finds_what_the_exhaustive_one_finds() => RandomFleets.Situations.Sample(situation =>
    {
        var bug = Without(situation.Decide(), step => step is Step.Start or Step.Prefetch or Step.Sleep or Step.Wake);
        var exhaustive = Invariants.NoReachableStateOverfills(situation, bug);
        var fast = ReachableStates.FindViolation(situation.Snapshot, situation.Knowledge, bug.Steps);
        return exhaustive is null || fast is not null;
    }, iter: Cases);

    [Fact]
    public void Every_plan_is_closed_and_can_be_carried_out() => Holds(Invariants.IsClosedAndAcyclic);

    [Fact]
    public void A_step_that_waits_for_nothing_known_is_caught() =>
        Assert.NotEqual(0, Caught(situation =>
        {
            var plan = situation.Decide();
            return Invariants.IsClosedAndAcyclic(situation, plan with { Steps = [.. plan.Steps.Where(step => step is not Step.Drain)] });
        }));

    [Fact]
    public void Nothing_that_serves_is_stopped_before_it_drained() => Holds(Invariants.NothingServingIsStoppedBeforeItDrained);

    [Fact]
    public void A_stop_without_a_drain_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.NothingServingIsStoppedBeforeItDrained(
            situation, Without(situation.Decide(), step => step is Step.Stop))));

    [Fact]
    public void Nothing_is_removed_on_missing_data() => Holds(Invariants.NothingIsRemovedOnMissingData);

    [Fact]
    public void An_allocator_that_reads_no_data_as_no_demand_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.NothingIsRemovedOnMissingData(
            situation, situation.Decide(new Twisted(allocation => allocation.Why.Rule == Rule.HoldMissingData
                ? allocation with { Keep = allocation.Wanted } : allocation)))));

    [Fact]
    public void A_higher_priority_is_not_refused_what_a_lower_one_holds() => Holds(Invariants.HigherPriorityIsNotRefusedWhatLowerHolds);

    [Fact]
    public void An_allocator_that_never_claims_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.HigherPriorityIsNotRefusedWhatLowerHolds(
            situation, situation.Decide(new Twisted(allocation => allocation with { MayClaim = false })))));

    [Fact]
    public void The_same_inputs_give_the_same_plan_byte_for_byte() => RandomFleets.Situations.Sample(
        situation => Invariants.SamePlanForSameInputs(situation, () => new WeightAllocator()) is null, iter: 500);

    [Fact]
    public void An_allocator_that_remembers_between_calls_is_caught()
    {
        var calls = 0;
        Assert.NotEqual(0, Caught(situation => Invariants.SamePlanForSameInputs(situation, () => new Twisted(allocation =>
            allocation with { Keep = allocation.Keep + Interlocked.Increment(ref calls) % 2, Mix = [new VariantCount(new VariantId("cpu"), calls % 3)] }))));
    }

    [Fact]
    public void A_restart_loses_nothing_and_causes_nothing()
    {
        RandomFleets.Situations.Sample(situation => Invariants.ARestartLosesNothing(situation, knowledge =>
            JsonSerializer.Deserialize(
                PlimsollJson.ToBytes(knowledge, PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!) is null, iter: 500);
    }

    [Fact]
    public void A_restart_that_forgets_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Invariants.ARestartLosesNothing(situation, _ => Knowledge.Empty)));

    [Fact]
    public void A_fleet_that_meets_its_demand_and_does_not_change_gets_an_empty_plan()
    {
        RandomFleets.Situations.Sample(situation => Settled(situation, new WeightAllocator()) is { IsEmpty: true }, iter: 1000);
    }

    [Fact]
    public void An_allocator_that_always_wants_one_more_is_caught() =>
        Assert.NotEqual(0, Caught(situation => Settled(situation, new Twisted(allocation =>
            allocation with { Mix = [new VariantCount(new VariantId("cpu"), allocation.Wanted + 1)] })).IsEmpty ? null : "it starts more"));

    [Fact]
    public void A_body_that_cannot_choose_victims_or_fetch_gets_no_such_steps() => RandomFleets.Situations.Sample(situation =>
    {
        var plan = (situation with { Snapshot = situation.Snapshot with { Can = Capabilities.ChooseNode } }).Decide();
        return plan.Steps.All(step => step is not (Step.Prefetch or Step.Evict or Step.Wake or Step.Sleep)
            && step.Reason.Rule is not (Rule.DrainForClaimant or Rule.StopLoadForClaimant));
    }, iter: 1000);

    [Fact]
    public void Where_another_scheduler_chooses_a_start_waits_until_every_node_is_safe() => RandomFleets.Situations.Sample(situation =>
    {
        var blind = situation with { Snapshot = situation.Snapshot with { Can = Capabilities.None } };
        var plan = blind.Decide();
        foreach (var start in plan.Steps.OfType<Step.Start>())
        {
            if (start.Placement is not null) return false;
            foreach (var node in blind.Snapshot.Nodes)
            {
                var onThisNode = plan with { Steps = [start with { Placement = new Placement(node.Id, []) }, .. plan.Steps.Where(step => step is Step.Stop or Step.Drain or Step.Suspend)] };
                var devices = node.Devices.Count(device => device.MemoryBudget >= (start.Needs.PerDevice?.Highest ?? Bytes.Zero));
                if (start.Needs.Host.Highest <= node.HostMemoryBudget && start.Needs.Devices <= devices && ReachableStates.FindViolation(blind.Snapshot, blind.Knowledge, onThisNode.Steps) is not null)
                    return false;
            }
        }

        return true;
    }, iter: 1000);

    // Every model has exactly the replicas it wants, all ready, and one request a second that it can carry.
    private static ImmutableArray<Step> Settled(Situation situation, IAllocator allocator)
    {
        var spec = situation.Spec with
        {
            Models = [.. situation.Spec.Models.Select(model => model with { MinReplicas = 1, IdleLimit = null })],
            Training = [.. situation.Spec.Training.Select(job => job with { SubmittedAt = Noon.AddHours(-1) })],
        };
        var replicas = spec.Models.Select(model => Replica(model, 1, ReplicaState.Ready, Noon.AddMinutes(-5)) with
        {
            Placement = new Placement(new NodeId("n0"), []),
        });
        var snapshot = situation.Snapshot with
        {
            Nodes = [Node(100_000, id: "n0", cacheMiB: 100_000)],
            Foreign = [],
            Training =
            [
                .. spec.Training.Select(job => new TrainingGang
                {
                    Job = job.Id, ReservedPerMember = job.NeedsPerMember, StartedAt = Noon.AddMinutes(-30),
                    Members = [.. Enumerable.Repeat(new Placement(new NodeId("n0"), []), job.GangSize)],
                }),
            ],
            Replicas = [.. replicas],
            Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 1))],
            Cache =
            [
                .. spec.Models.Where(model => model.Cached).Select(model => new CachedArtifact
                {
                    Node = new NodeId("n0"), Model = model.Id, Version = model.Version, Size = model.Footprint.OnDisk, Complete = true, Pinned = true,
                }),
            ],
        };
        return new Planner(allocator).Decide(spec, snapshot, Knowledge.Empty.Fold(spec, snapshot)).Steps;
    }

    /// <summary>Our allocator with a mistake in it.</summary>
    private sealed class Twisted(Func<Allocation, Allocation> mistake) : IAllocator
    {
        public string Name => "twisted";

        public ImmutableArray<Allocation> Allocate(
            FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ImmutableArray<ModelOutlook> outlooks) =>
            [.. new WeightAllocator().Allocate(spec, observed, knowledge, outlooks).Select(mistake)];
    }
}
