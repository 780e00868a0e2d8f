using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.GroupChoiceTests;
using static Plimsoll.Tests.Planning.TrainingScene;

namespace Plimsoll.Tests.Planning;

/// <summary>Training gangs where another scheduler chooses the nodes: it counts what members ask, and nothing else.</summary>
public sealed partial class ScheduledGangTests
{
    private const string Gpu = "nvidia.com/gpu";

    [Fact]
    public void A_gang_is_launched_on_as_many_nodes_as_it_takes_and_carries_what_each_member_asks()
    {
        var job = Asking("train", members: 2, devices: 8);
        var plan = Decide(Fleet([], job), Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8)]));

        var launch = Assert.IsType<Step.Launch>(Assert.Single(plan.Steps));
        Assert.Equal([Placement.Pending, Placement.Pending], launch.Members);
        Assert.Equal(8, launch.Requests!.Devices);
        Assert.Equal("room for 2 × 8 nvidia.com/gpu, all at once; it was submitted 1 min ago", launch.Reason.ToString());

        // With one node too few all of it waits, and with less than all nodes could ever take it is refused.
        plan = Decide(Fleet([], job with { GangSize = 3 }), Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8), GroupChoiceTests.Node("c", 8, free: 4)]));
        Assert.Empty(plan.Steps);
        Assert.Equal("needs 3 × 8 nvidia.com/gpu at once, and there is room for 2; nobody may go for the rest; it has waited 1 min", Of(plan, "train").Reason.ToString());
        plan = Decide(Fleet([], job with { GangSize = 3 }), Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8)]));
        Assert.Equal("needs 3 × 8 nvidia.com/gpu, and all nodes empty would take 2", Of(plan, "train").Reason.ToString());
    }

    [Fact]
    public void Where_a_member_could_land_and_would_not_fit_nothing_is_launched()
    {
        var job = Asking("train", members: 2, devices: 4, memoryMiB: 60_000, askedMiB: 30_000);

        // Two of them fit by what they ask, and not by what they take.
        var plan = Decide(Fleet([], job), Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8)]));
        Assert.Empty(plan.Steps);
        Assert.Equal(
            "the scheduler could put it on a, where it does not fit: 117 GiB of memory against 97.7 GiB; a memory request of 58.6 GiB would do", Of(plan, "train").Reason.ToString());

        // On nodes that only take one of them, one is safe.
        Assert.Single(Decide(Fleet([], job), Here([GroupChoiceTests.Node("a", 4), GroupChoiceTests.Node("b", 4)])).Steps);
    }

    [Fact]
    public void Without_requests_nobody_launches_where_a_scheduler_places() => Assert.Equal(
        Rule.JobUnmanaged, Of(Decide(Fleet([], Asking("train", devices: 1) with { Requests = null }), Here([GroupChoiceTests.Node("a", 8)])), "train").Reason.Rule);

    [Fact]
    public void Members_that_have_no_node_yet_hold_the_room_that_they_may_get()
    {
        var job = Asking("train", members: 2, devices: 4);
        var chat = Single("chat", devices: 4, askedMiB: 32_000, min: 1);
        var gang = Begun(job, sinceSeconds: 5, GangState.Starting, At("a", 0, 4), Placement.Pending);
        var nodes = new[] { Full("a", 8, job, 1), GroupChoiceTests.Node("b", 8, free: 0) };
        Assert.Empty(Decide(Fleet([chat], job with { Preemptible = false }), Here(nodes, gang)).Steps);

        // On a node more there is room for both, wherever the scheduler puts the member.
        Assert.Equal(["start/chat-1"], Decide(Fleet([chat], job), Here([.. nodes, GroupChoiceTests.Node("c", 4)], gang)).StepIds());
    }

    [Fact]
    public void A_gang_gives_way_to_a_model_that_finds_no_room_and_the_start_waits_until_its_pods_are_gone()
    {
        var job = Asking("train", devices: 8);
        var chat = Single("chat", devices: 2, askedMiB: 32_000, min: 0) with { MaxReplicas = 1 };
        var spec = Fleet([chat], job);
        var gang = Begun(job, sinceSeconds: 900, GangState.Running, At("a", 0, 8));
        var (seen, knowledge) = Waits(Here([Full("a", 8, job, 1)], gang, spec), chat);

        var plan = Decide(spec, seen, knowledge);
        Assert.Equal(["start/chat-1", "suspend/train"], plan.StepIds());
        Assert.Equal(["suspend/train"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));
        Assert.StartsWith("chat needs", Of(plan, "train").Reason.ToString(), StringComparison.Ordinal);

        // While its pods end the same is planned; then the start waits for nothing.
        var stopping = seen with { At = Noon.AddSeconds(5), Training = [gang with { State = GangState.Stopping, StateSince = Noon }] };
        Assert.Equal(["start/chat-1", "suspend/train"], Decide(spec, stopping, plan.Next).StepIds());
        var gone = seen with { At = Noon.AddSeconds(9), Nodes = [GroupChoiceTests.Node("a", 8)], Training = [gang with { State = GangState.Suspended, StateSince = Noon.AddSeconds(8), Members = [] }] };
        plan = Decide(spec, gone, plan.Next);
        Assert.Empty(plan.Steps.OfType<Step.Start>().Single().After);
        Assert.DoesNotContain(plan.Steps, step => step is Step.Resume);

        // One of which all is only shown keeps what it has.
        spec = Fleet([chat], job with { OnlyShown = true });
        Assert.Empty(Decide(spec, seen, knowledge).Steps);
    }

    [Fact]
    public void Who_gave_way_goes_on_once_there_was_room_for_as_long_as_giving_way_costs()
    {
        var job = Asking("train", devices: 8);
        var chat = Single("chat", devices: 2, askedMiB: 32_000, min: 0) with { MaxReplicas = 1 };
        var spec = Fleet([chat], job);
        var seen = Here([GroupChoiceTests.Node("a", 8)], Begun(job, sinceSeconds: 900, GangState.Suspended), spec);
        var known = new JobKnowledge { GaveWay = true, RoomSince = Noon.AddSeconds(-1) };

        Assert.Equal(Rule.HoldJobRoom, Of(Decide(spec, seen, Known(job, known)), "train").Reason.Rule);
        var resume = Assert.IsType<Step.Resume>(Assert.Single(Decide(spec, seen, Known(job, known with { RoomSince = Noon.AddMinutes(-10) })).Steps));
        Assert.Equal(Gpu, resume.Requests!.Resource);
    }

    [Fact]
    public void A_model_of_several_pods_has_those_gangs_go_that_leave_room_for_all_of_it()
    {
        var large = Group("large", pods: 2, devices: 8, podMiB: 30_000, askedMiB: 32_000) with { MaxReplicas = 1 };
        var (one, two, third) = (Asking("one", devices: 8), Asking("two", devices: 8), Asking("whole", members: 2, devices: 8));
        NodeState[] nodes = [Full("a", 8, one, 1), Full("b", 8, two, 1)];

        // Of two that hold a node each neither alone will do.
        var spec = Fleet([large], one, two);
        var (seen, knowledge) = Waits(Here(nodes, spec, Begun(one, 900, GangState.Running, At("a", 0, 8)), Begun(two, 900, GangState.Running, At("b", 0, 8))), large);
        var plan = Decide(spec, seen, knowledge);
        Assert.Equal(["start/large-1", "suspend/one", "suspend/two"], plan.StepIds());
        Assert.Equal(["suspend/one", "suspend/two"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));

        // One that holds both goes by itself, and a third elsewhere stays.
        spec = Fleet([large], third, two);
        (seen, knowledge) = Waits(Here([.. nodes, Full("c", 4, two with { Requests = Asks(32_000, 4) }, 1)], spec,
            Begun(third, 900, GangState.Running, At("a", 0, 8), At("b", 0, 8)), Begun(two, 900, GangState.Running, At("c", 0, 4)) with { Requests = Asks(32_000, 4) }), large);
        Assert.Equal(["start/large-1", "suspend/whole"], Decide(spec, seen, knowledge).StepIds());
    }

    [Fact]
    public void Nobody_gives_way_for_what_then_still_has_no_sure_place()
    {
        // The devices that the gang leaves could go to what waits already, and the start would then wait for ever.
        var job = Asking("train", devices: 8);
        var (chat, other) = (Single("chat", devices: 8, askedMiB: 32_000, min: 0) with { MaxReplicas = 1 }, Single("other", devices: 8, askedMiB: 32_000, min: 1) with { Priority = -2 });
        var spec = Fleet([chat, other], job);
        var waiting = Replica(other, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = other.Requests };
        var seen = Here([Full("a", 8, job, 1)], Begun(job, 900, GangState.Running, At("a", 0, 8)), spec) with { Replicas = [waiting] };
        (seen, var knowledge) = Waits(seen, chat);

        var plan = Decide(spec, seen, knowledge);
        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.JobRuns, Of(plan, "train").Reason.Rule);
    }

    [Fact]
    public void A_job_that_comes_first_has_another_suspended_and_is_launched_after_it()
    {
        var (low, high) = (Asking("low", devices: 8, priority: -2), Asking("high", members: 2, devices: 4, secondsAgo: 10));
        var plan = Decide(Fleet([], low, high), Here([Full("a", 8, low, 1)], Begun(low, 900, GangState.Running, At("a", 0, 8))));
        Assert.Equal(["launch/high", "suspend/low"], plan.StepIds());
        Assert.Equal(["suspend/low"], plan.Steps.OfType<Step.Launch>().Single().After.Select(id => id.Value));
    }

    [Fact]
    public void A_job_takes_what_a_model_has_to_spare_where_its_victims_can_be_named()
    {
        var job = Asking("train", devices: 8, secondsAgo: 7200);
        var chat = Single("chat", devices: 8, askedMiB: 32_000, min: 0) with { MaxReplicas = 2 };
        var spec = Fleet([chat], job);
        var idle = Replica(chat, 1, ReplicaState.Ready, Noon.AddHours(-3)) with { Placement = At("a", 0, 8), Requests = chat.Requests };
        var seen = Here([GroupChoiceTests.Node("a", 8) is var node ? node with { Scheduler = node.Scheduler!.With(chat.Requests!) } : null!], spec) with { Replicas = [idle] };
        var known = Knowledge.Empty.Fold(spec, seen with { At = Noon.AddHours(-2), Traffic = [Traffic(chat.Id, Noon.AddHours(-2), 1)] });
        var knowledge = known.Fold(spec, seen);
        knowledge = knowledge with { Models = knowledge.Models.SetItem(chat.Id, knowledge.Of(chat.Id) with { LastWanted = [Noon.AddHours(-2)] }) };

        Assert.Equal(["drain/chat-1", "launch/train", "stop/chat-1"], new Planner(new WeightAllocator()).Decide(spec, seen with { Can = seen.Can | Capabilities.ChooseVictim }, knowledge).StepIds());
        Assert.DoesNotContain(new Planner(new WeightAllocator()).Decide(spec, seen, knowledge).Steps, step => step is Step.Launch);
    }

    [Fact]
    public void What_is_only_shown_is_launched_in_the_plan_and_takes_no_room()
    {
        var shown = Asking("shown", devices: 8, priority: 9) with { OnlyShown = true };
        var chat = Single("chat", devices: 8, askedMiB: 32_000, min: 1);
        Assert.Equal(["start/chat-1"], Decide(Fleet([chat], shown), Here([GroupChoiceTests.Node("a", 8)])).StepIds());
        var plan = Decide(Fleet([chat], shown), Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8)]));
        Assert.Equal(["launch/shown", "start/chat-1"], plan.StepIds());

        // Nor does anybody go for it.
        var low = Asking("low", devices: 8, priority: -2);
        plan = Decide(Fleet([], low, shown), Here([Full("a", 8, low, 1)], Begun(low, 900, GangState.Running, At("a", 0, 8))));
        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldJobScarce, Of(plan, "shown").Reason.Rule);
    }

    [Fact]
    public void A_gang_of_which_a_part_waits_in_vain_keeps_nobody_above_it_out()
    {
        var job = Asking("train", members: 2, devices: 8);
        var chat = Single("chat", devices: 8, askedMiB: 32_000, min: 0) with { MaxReplicas = 1 };
        var spec = Fleet([chat], job);

        // One member holds a node, the other would take that very node once it is free.
        var (seen, knowledge) = Waits(Here([Full("a", 8, job, 1)], Begun(job, 60, GangState.Starting, At("a", 0, 8), Placement.Pending), spec), chat);
        var plan = Decide(spec, seen, knowledge);
        Assert.Equal(["start/chat-1", "suspend/train"], plan.StepIds());
        Assert.Equal(["suspend/train"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));

        // Both wait for the one node that there is.
        (seen, knowledge) = Waits(Here([GroupChoiceTests.Node("a", 8)], Begun(job, 60, GangState.Starting, Placement.Pending, Placement.Pending), spec), chat);
        plan = Decide(spec, seen, knowledge);
        Assert.Equal(["start/chat-1", "suspend/train"], plan.StepIds());
        Assert.Equal(["suspend/train"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));
    }

    [Fact]
    public void A_gang_that_is_not_placed_whole_in_ten_minutes_gives_all_back_and_is_tried_again_later()
    {
        var job = Asking("train", members: 2, devices: 8);
        var spec = Fleet([], job);
        FleetSnapshot After(double seconds) => Here([Full("a", 8, job, 1)], Begun(job, seconds, GangState.Starting, At("a", 0, 8), Placement.Pending));

        Assert.Empty(Decide(spec, After(599)).Steps);
        var plan = Decide(spec, After(601));
        Assert.Equal(["suspend/train"], plan.StepIds());
        Assert.Equal("1 of 2 members found no node in 10 min 1 s, and the others hold theirs for nothing; it is tried again later", Of(plan, "train").Reason.ToString());
        Assert.Equal(1, plan.Next.Training!.Of(job.Id).Failures.Count);

        // Told again it is the same failure, and it waits before it is tried again.
        Assert.Equal(1, Decide(spec, After(603), plan.Next).Next.Training!.Of(job.Id).Failures.Count);
        var gone = Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8)], Begun(job, 1, GangState.Suspended));
        Assert.Equal(Rule.HoldBackoff, Of(Decide(spec, gone, plan.Next), "train").Reason.Rule);
        Assert.Equal(["resume/train"], Decide(spec, gone with { At = Noon.AddMinutes(10) }, plan.Next).StepIds());

        // Nothing of it trains, so that nothing is taken from one that gives way to nobody either.
        var stays = Fleet([], job with { Preemptible = false });
        Assert.Empty(Decide(stays, After(601)).Steps);
        Assert.Equal(["suspend/train"], Decide(stays with { Settings = new PlannerSettings { HeedsStuckGangs = true } }, After(601)).StepIds());

        // Who only loads slowly is placed, and is waited for.
        Assert.Empty(Decide(spec, Here([Full("a", 8, job, 1), Full("b", 8, job, 1)], Begun(job, 9000, GangState.Starting, At("a", 0, 8), At("b", 0, 8)))).Steps);
    }

    [Fact]
    public void A_node_whose_place_is_held_for_a_model_is_none_for_a_job()
    {
        var job = Asking("train", devices: 8);
        var held = GroupChoiceTests.Node("a", 8) with { Held = [new NodeRequest("l40", 1, [])] };
        Assert.Empty(Decide(Fleet([], job), Here([held])).Steps);
        Assert.Equal(["launch/train"], Decide(Fleet([], job), Here([held, GroupChoiceTests.Node("b", 8)])).StepIds());

        // It could be put there all the same, so that it must fit there.
        var small = held with { HostMemory = Bytes.MiB(40_000), HostMemoryBudget = Bytes.MiB(40_000) };
        var plan = Decide(Fleet([], Asking("train", devices: 8, memoryMiB: 60_000, askedMiB: 1000)), Here([small, GroupChoiceTests.Node("b", 8)]));
        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldUnsafeNode, Of(plan, "train").Reason.Rule);
    }

    [Fact]
    public void What_trains_stays_where_it_is_until_it_is_told_to_go()
    {
        var (job, chat) = (Asking("train", devices: 8), Single("chat", devices: 2, askedMiB: 32_000, min: 0) with { MaxReplicas = 1 });
        var spec = Fleet([chat], job);
        var seen = Here([Full("a", 8, job, 1)], Begun(job, 900, GangState.Running, At("a", 0, 8)), spec);
        FleetSnapshot Protecting(FleetSnapshot one) => one with { Can = one.Can | Capabilities.ProtectReplicas };

        var kept = Assert.Single(Decide(spec, Protecting(seen)).ProtectedJobs);
        Assert.Equal(job.Id, kept.Job);
        Assert.Matches(@"^moving it would cost \d+(\.\d)? device-seconds for a checkpoint and a new start$", kept.Reason.ToString());

        // Not where the body cannot, one that gives way, one that is only shown, nor one that is done.
        Assert.True(Decide(spec, seen).ProtectedJobs.IsDefault);
        var (asked, knowledge) = Waits(seen, chat);
        Assert.True(Decide(spec, Protecting(asked), knowledge).ProtectedJobs.IsDefault);
        Assert.True(Decide(Fleet([], job with { OnlyShown = true }), Protecting(seen)).ProtectedJobs.IsDefault);
        Assert.True(Decide(Fleet([], job), Protecting(Here([GroupChoiceTests.Node("a", 8)], Begun(job, 900, GangState.Ended)))).ProtectedJobs.IsDefault);
    }

    [Fact]
    public void A_cordon_has_no_gang_go()
    {
        var job = Asking("train", devices: 8);
        Assert.Empty(Decide(Fleet([], job), Here([Full("a", 8, job, 1) with { Condition = NodeCondition.Draining }], Begun(job, 900, GangState.Running, At("a", 0, 8)))).Steps);
    }

    [Fact]
    public void Of_gangs_that_go_for_several_pods_none_goes_that_is_of_no_use()
    {
        var large = Group("large", pods: 2, devices: 8, podMiB: 32_000, askedMiB: 32_000) with { MaxReplicas = 1 };
        TrainingSpec[] jobs = [Asking("cheap", devices: 4), Asking("one", devices: 8), Asking("two", devices: 8)];
        jobs[0] = jobs[0] with { CheckpointSize = Bytes.MiB(1) };
        var spec = Fleet([large], jobs);
        var (seen, knowledge) = Waits(Here([Full("a", 8, jobs[1], 1), Full("b", 8, jobs[2], 1), Full("c", 4, jobs[0], 1)], spec,
            Begun(jobs[0], 900, GangState.Running, At("c", 0, 4)), Begun(jobs[1], 900, GangState.Running, At("a", 0, 8)), Begun(jobs[2], 900, GangState.Running, At("b", 0, 8))), large);
        Assert.Equal(["start/large-1", "suspend/one", "suspend/two"], Decide(spec, seen, knowledge).StepIds());
    }

    [Fact]
    public void Room_that_was_made_for_a_job_is_nobody_elses_while_others_may_land_in_it()
    {
        // One that waits for a node may take a part of the room; the gang that went for the job finds as much as before.
        var (job, victim) = (Asking("train", members: 2, devices: 8), Asking("victim", devices: 8, priority: -2, memoryMiB: 31_000));
        var other = Single("other", devices: 2, askedMiB: 8_000, min: 0, weightMiB: 8_000);
        var spec = Fleet([other], job, victim);
        var waiting = Replica(other, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = other.Requests };
        var seen = Here([GroupChoiceTests.Node("a", 8), GroupChoiceTests.Node("b", 8)], spec, Begun(victim, 5, GangState.Suspended)) with { Replicas = [waiting] };

        var plan = Decide(spec, seen, Known(job, new JobKnowledge { RoomMade = true }));
        Assert.DoesNotContain(plan.Steps, step => step is Step.Resume or Step.Launch);
        Assert.Equal(Rule.HoldJobUnsure, Of(plan, "train").Reason.Rule);
        Assert.True(plan.Next.Training!.Of(job.Id).RoomMade);

        // Once that has its place elsewhere the job has the room.
        Assert.Equal(["launch/train"], Decide(spec, seen with { Replicas = [] }, plan.Next).StepIds());
    }

    [Fact]
    public void A_thousand_that_wait_are_launched_so_many_at_a_time()
    {
        var jobs = Enumerable.Range(0, 100).Select(i => Asking($"j{i:00}", members: 2, devices: 1, memoryMiB: 100)).ToArray();
        var plan = Decide(Fleet([], jobs), Here([.. Enumerable.Range(0, 40).Select(i => GroupChoiceTests.Node($"n{i:00}", 8))]));
        Assert.Equal(16, plan.Steps.OfType<Step.Launch>().Count());
        Assert.Equal(84, plan.Jobs.Count(verdict => verdict.Reason.Rule == Rule.HoldJobTurn));
    }

    [Fact]
    public void However_many_wait_in_vain_each_has_its_turn()
    {
        // A hundred unlike ones that find no room, and one behind them that does.
        TrainingSpec[] vain = [.. Enumerable.Range(0, 100).Select(i => Asking($"vain{i:00}", members: 2, devices: 8, memoryMiB: 1000 + i, secondsAgo: 1000 - i, pools: "small"))];
        var last = Asking("last", devices: 1, pools: "free");
        var spec = Fleet([], [.. vain, last]);
        var seen = Here([
            GroupChoiceTests.Node("a", 8, free: 7, pool: "small"), GroupChoiceTests.Node("b", 8, free: 7, pool: "small"), GroupChoiceTests.Node("c", 8, pool: "free")]);
        var (knowledge, launched, turns) = (Knowledge.Empty, 0, 0);
        for (; launched == 0 && turns < 5; turns++)
        {
            var plan = new Planner(new WeightAllocator()).Decide(spec, seen, knowledge);
            (knowledge, launched) = (plan.Next, plan.Steps.OfType<Step.Launch>().Count());
        }

        Assert.Equal((1, 3), (launched, turns));
    }

    [Fact]
    public void Those_that_are_alike_and_unsafe_are_looked_at_once()
    {
        TrainingSpec[] unsafely = [.. Enumerable.Range(0, 100).Select(i => Asking($"j{i:00}", devices: 4, memoryMiB: 60_000, askedMiB: 30_000, secondsAgo: 1000 - i, pools: "a"))];
        var last = Asking("last", devices: 1, pools: "free");
        var plan = Decide(Fleet([], [.. unsafely, last]), Here([GroupChoiceTests.Node("a", 4, memoryMiB: 50_000, pool: "a"), GroupChoiceTests.Node("b", 4, pool: "a"), GroupChoiceTests.Node("c", 8, pool: "free")]));
        Assert.Equal(["launch/last"], plan.StepIds());
        Assert.Equal(100, plan.Jobs.Count(verdict => verdict.Reason.Rule == Rule.HoldUnsafeNode));
    }

    [Fact]
    public void Of_a_job_that_cannot_be_planned_for_now_what_was_learned_stays()
    {
        var job = Asking("train", devices: 8);
        var known = Known(job, new JobKnowledge { GaveWay = true });
        var seen = Here([GroupChoiceTests.Node("a", 8)]);
        Assert.True(known.Fold(Fleet([]) with { UnplannedJobs = [job.Id] }, seen).Training!.Of(job.Id).GaveWay);
        Assert.False(known.Fold(Fleet([]), seen).Training!.Of(job.Id).GaveWay);
    }

    private static TrainingSpec Asking(
        string id, int members = 1, int devices = 0, double memoryMiB = 32_000, double? askedMiB = null, int priority = -1, double secondsAgo = 60, params string[] pools) => new()
        {
            Id = new JobId(id),
            GangSize = members,
            NeedsPerMember = Takes(memoryMiB, devices) with { PerDevice = null },
            Requests = Asks(askedMiB ?? memoryMiB, devices, pools),
            Priority = priority,
            Preemptible = true,
            SavesOnStop = true,
            CheckpointSize = Bytes.MiB(100),
            SubmittedAt = Noon.AddSeconds(-secondsAgo),
        };

    private static Placement At(string node, int first, int devices) => new(new NodeId(node), [.. Enumerable.Range(first, devices).Select(i => new DeviceId($"gpu{i:00}"))]);

    private static TrainingGang Begun(TrainingSpec job, double sinceSeconds, GangState state, params Placement[] members) => new()
    {
        Job = job.Id,
        State = state,
        StateSince = Noon.AddSeconds(-sinceSeconds),
        StartedAt = Noon.AddSeconds(-sinceSeconds),
        Members = [.. members],
        ReservedPerMember = job.NeedsPerMember,
        Requests = job.Requests,
    };

    // With members of a job on it.
    private static NodeState Full(string id, int devices, TrainingSpec job, int members) =>
        GroupChoiceTests.Node(id, devices) is var node ? node with { Scheduler = node.Scheduler!.With(job.Requests!, members) } : null!;

    private static FleetSnapshot Here(NodeState[] nodes, params TrainingGang[] gangs) => SchedulerChoiceTests.Cluster(nodes) with
    {
        Can = Capabilities.Train,
        Training = [.. gangs.OrderBy(gang => gang.Job)],
    };

    private static FleetSnapshot Here(NodeState[] nodes, FleetSpec spec, params TrainingGang[] gangs) =>
        Here(nodes, gangs) with { Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 0))] };

    private static FleetSnapshot Here(NodeState[] nodes, TrainingGang gang, FleetSpec spec) => Here(nodes, spec, gang);
}
