using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.GroupChoiceTests;
using static Plimsoll.Tests.Planning.TrainingScene;

namespace Plimsoll.Tests.Planning;

// Random clusters with gangs and models against a scheduler that chooses as badly as it may.
public sealed partial class ScheduledGangTests
{
    [Fact]
    public void Whatever_the_scheduler_chooses_no_node_is_overfilled_and_all_members_of_a_gang_find_a_place() => Situations.Sample(
        pair => Place(pair.Situation, pair.Situation.Decide(), pair.Seed) is null, iter: RandomCases.Or(4000),
        print: pair => $"{Place(pair.Situation, pair.Situation.Decide(), pair.Seed)}\n{string.Join('\n', pair.Situation.Decide().Steps)}\n{pair.Situation}");

    [Theory]
    [InlineData(15_000, 0)]
    [InlineData(5_000, 2)]
    public void More_of_what_waits_in_one_group_may_come_together_to_a_node_that_others_leave(double takesMiB, int steps)
    {
        // Beside the members there is room for the leader or both workers; once those are gone, for all three, which take twice what they ask.
        var job = Asking("train", devices: 8, memoryMiB: 60_000);
        var (chat, group) = (Single("chat", devices: 2, takesMiB / 2, min: 0) with { MaxReplicas = 1 }, Group("group", pods: 3, devices: 0, podMiB: 30_000, askedMiB: 15_000, min: 1));
        chat = chat with { Variants = [chat.Variants[0] with { Needs = chat.Variants[0].Needs with { Host = new MemoryNeed(Bytes.MiB(takesMiB), Bytes.MiB(takesMiB)) } }] };
        var spec = Fleet([chat, group with { Priority = -2 }], job);
        var workers = group.Variants[0].Workers!;
        var waiting = Replica(group, 1, ReplicaState.Loading, Noon) with
        {
            Placement = Placement.Pending,
            Requests = group.Requests,
            Members = [.. Enumerable.Repeat(new ReplicaMember(Placement.Pending, workers.Needs, workers.Requests), workers.Count)],
        };
        var (seen, knowledge) = Waits(Here([Full("a", 8, job, 1)], Begun(job, 900, GangState.Running, At("a", 0, 8)), spec) with { Replicas = [waiting] }, chat);

        Assert.Equal(steps, Decide(spec, seen, knowledge).Steps.Length);
    }

    [Theory]
    [InlineData(40_000, new[] { "start/other-1" })]
    [InlineData(5_000, new[] { "start/chat-1", "start/other-1", "suspend/first", "suspend/second" })]
    public void Members_of_a_gang_that_is_told_to_go_may_land_before_they_are_gone_beside_who_does_not_wait_for_that(double memberMiB, string[] steps)
    {
        // Neither alone leaves a sure place for what needs all devices. Without the first the second's members may come to where the other is put at once.
        var (first, second) = (Asking("first", devices: 8, memoryMiB: 30_000), Asking("second", members: 2, devices: 1, memoryMiB: memberMiB, askedMiB: 0));
        var (chat, other) = (Single("chat", devices: 8, askedMiB: 10_000, min: 0) with { MaxReplicas = 1 }, Single("other", devices: 0, askedMiB: 0, min: 1) with { Priority = 1 });
        other = other with { Variants = [other.Variants[0] with { Needs = Takes(40_000, 0) }] };
        var spec = Fleet([chat, other], first, second);
        var seen = Here([Full("a", 8, first, 1)], spec, Begun(first, 900, GangState.Running, At("a", 0, 8)), Begun(second, 20, GangState.Starting, Placement.Pending, Placement.Pending));
        (seen, var knowledge) = Waits(seen, chat);

        Assert.Equal(steps, Decide(spec, seen, knowledge).StepIds());
    }

    [Theory]
    [InlineData(30_000, new string[0])]
    [InlineData(50_000, new[] { "suspend/heavy", "suspend/light" })]
    public void Of_two_that_stop_one_may_leave_its_devices_while_the_other_still_has_the_memory(double takesMiB, string[] after)
    {
        var (heavy, light) = (Asking("heavy", memoryMiB: 60_000, askedMiB: 10_000), Asking("light", devices: 8, memoryMiB: 1_000));
        var chat = Single("chat", devices: 2, askedMiB: 5_000, min: 1) with { MaxReplicas = 1 };
        chat = chat with { Variants = [chat.Variants[0] with { Needs = Takes(takesMiB, 2) }] };
        var a = GroupChoiceTests.Node("a", 8);
        a = a with { Scheduler = a.Scheduler!.With(heavy.Requests!).With(light.Requests!) };

        // It finds its place on b, but may be put on a in the moment in which only the light one is gone.
        var plan = Decide(Fleet([chat], heavy, light), Here([a, GroupChoiceTests.Node("b", 8)],
            Begun(heavy, 5, GangState.Stopping, At("a", 0, 0)), Begun(light, 5, GangState.Stopping, At("a", 0, 8))));
        Assert.Equal(after, plan.Steps.OfType<Step.Start>().Single().After.Select(step => step.Value));
    }

    [Fact]
    public void A_planner_that_believes_members_to_take_nothing_is_caught() => Assert.NotEqual(0, Caught(job => job with
    {
        NeedsPerMember = job.NeedsPerMember with { Host = new MemoryNeed(Bytes.Zero, Bytes.Zero) },
    }));

    [Fact]
    public void A_planner_that_asks_places_for_one_member_of_several_is_caught() => Assert.NotEqual(0, Caught(job => job with { GangSize = 1 }));

    [Fact]
    public void Gangs_give_way_and_are_launched_after_others_in_what_is_drawn()
    {
        var (suspends, after, resumes) = (0, 0, 0);
        Situations.Sample(pair =>
        {
            var plan = pair.Situation.Decide();
            if (plan.Steps.Any(step => step is Step.Suspend { Reason.Rule: Rule.SuspendForClaimant or Rule.SuspendForJob })) Interlocked.Increment(ref suspends);
            if (plan.Steps.Any(step => step is Step.Launch { After.IsEmpty: false })) Interlocked.Increment(ref after);
            if (plan.Steps.Any(step => step is Step.Resume)) Interlocked.Increment(ref resumes);
            Assert.Null(Whole(pair.Situation, plan));
        }, iter: 2000);
        Assert.True(suspends > 20 && after > 5 && resumes > 20, $"{suspends} {after} {resumes}");
    }

    // All members or none, each job once, and nothing but what may.
    private static string? Whole(Situation situation, Plan plan)
    {
        foreach (var step in plan.Steps)
        {
            if (Step.GangOf(step) is { } gang)
            {
                var job = situation.Spec.Training.Single(job => step.Id.Value.EndsWith("/" + job.Id, StringComparison.Ordinal));
                if (gang.Members.Length != job.GangSize || gang.Requests != job.Requests) return $"{step.Id} with {gang.Members.Length} members";
            }

            if (step is Step.Suspend { Reason.Rule: Rule.SuspendForClaimant or Rule.SuspendForJob } suspend
                && situation.Spec.Training.Single(job => job.Id == suspend.Job) is { Preemptible: false } or { OnlyShown: true }) return $"{step.Id}, which may not";
        }

        return null;
    }

    private static int Caught(Func<TrainingSpec, TrainingSpec> wrong)
    {
        var caught = 0;
        Situations.Sample(pair =>
        {
            var spec = pair.Situation.Spec with { Training = [.. pair.Situation.Spec.Training.Select(wrong)] };
            if (Place(pair.Situation, (pair.Situation with { Spec = spec }).Decide(), pair.Seed) is not null) Interlocked.Increment(ref caught);
        }, iter: 2000);
        return caught;
    }

    private static string? Place(Situation situation, Plan plan, int seed) => SchedulerAdversary.Place(situation.Spec, situation.Snapshot, plan, seed);

    private static readonly Gen<(Situation Situation, int Seed)> Situations =
        from nodes in Gen.Select(Gen.Int[30_000, 160_000], Gen.Int[0, 8], Gen.Int[0, 1]).Array[1, 6]
        from models in Gen.Select(Gen.Int[0, 2], Gen.Int[1_000, 40_000], Gen.Int[0, 4], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[0, 1], Gen.Int[0, 9]).Array[0, 3]
        from jobs in Gen.Select(Gen.Int[1, 4], Gen.Int[1_000, 50_000], Gen.Int[0, 4], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[-2, 2], Gen.Int[0, 9], Gen.Int[0, 6]).Array[1, 4]
        from replicas in Gen.Select(Gen.Int[0, 2], Gen.Int[0, 6], Gen.Int[0, 3]).Array[0, 3]
        from seed in Gen.Int
        from victims in Gen.Bool
        select (Build(nodes, models, jobs, replicas, victims), seed);

    private static Situation Build(
        (int Memory, int Devices, int Pool)[] nodes, (int Workers, int Pod, int Devices, int Request, int Pool, int Min, int Held)[] models,
        (int Members, int Pod, int Devices, int Request, int Pool, int Priority, int State, int Node)[] jobs, (int Model, int Node, int State)[] replicas, bool victims)
    {
        var specs = models.Select((draw, i) => Group(
            $"m{i}", 1 + draw.Workers, draw.Devices, draw.Pod, draw.Pod * draw.Request / 2, draw.Min, draw.Min + 1, pools: draw.Pool < 2 ? [$"p{draw.Pool}"] : [], priority: i % 3 - 1)).ToArray();
        var trains = jobs.Select((draw, i) => Asking(
            $"j{i}", draw.Members, draw.Devices, draw.Pod, draw.Pod * draw.Request / 2, draw.Priority, pools: draw.Pool < 2 ? [$"p{draw.Pool}"] : []) with
        {
            Preemptible = draw.Pod % 5 != 0,
            OnlyShown = draw.Pod % 7 == 0,
            CheckpointSize = Bytes.MiB(draw.Pod / 20.0),
        }).ToArray();
        var states = nodes.Select((draw, i) => GroupChoiceTests.Node($"n{i}", draw.Devices, draw.Memory, pool: $"p{draw.Pool}")).ToArray();
        var host = states.ToDictionary(node => node.Id, node => node.HostMemoryBudget);
        Placement? Put(int at, ReplicaNeeds needs, SchedulerRequests requests)
        {
            if (at >= states.Length) return Placement.Pending;
            var node = states[at];
            if (!node.Scheduler!.Takes(requests) || needs.Host.Highest > host[node.Id] || !requests.Pools.IsEmpty && !requests.Pools.Contains(node.Pool)) return null;
            var used = node.Devices.Length - (int)node.Scheduler.Resources[0].Count;
            states[at] = node with { Scheduler = node.Scheduler.With(requests) };
            host[node.Id] -= needs.Host.Highest;
            return new Placement(node.Id, [.. node.Devices.Skip(used).Take(needs.Devices).Select(device => device.Id)]);
        }

        // On the first node that takes it; of those that begin one has none yet.
        Placement Anywhere(int from, TrainingSpec job) => from >= 10 ? Placement.Pending
            : Enumerable.Range(0, states.Length).Select(i => Put((from + i) % states.Length, job.NeedsPerMember, job.Requests!)).FirstOrDefault(placed => placed is not null) ?? Placement.Pending;

        var gangs = new List<TrainingGang>();
        foreach (var (draw, job) in jobs.Zip(trains))
        {
            if (draw.State > 6) continue;
            Placement[] members = draw.State == 6 ? [] : [.. Enumerable.Range(0, job.GangSize).Select(i => Anywhere(draw.Node + (draw.State == 4 ? 10 : 0), job))];
            var state = draw.State == 6 ? GangState.Suspended : draw.State == 5 ? GangState.Stopping : members.Contains(Placement.Pending) ? GangState.Starting : GangState.Running;
            gangs.Add(Begun(job, 20 * draw.Node, state, members));
        }

        var placed = new List<InferenceReplica>();
        foreach (var (draw, k) in replicas.Select((draw, k) => (draw, k)).Where(_ => specs.Length > 0))
        {
            var model = specs[draw.Model % specs.Length];
            var variant = model.Variants[0];
            if (Put(draw.Node, variant.Needs, model.Requests!) is not { } leader) continue;
            ReplicaMember[] members = [.. Enumerable.Range(0, variant.Workers?.Count ?? 0).Select(w => new ReplicaMember(Put(draw.Node + w, variant.Workers!.Needs, variant.Workers.Requests) ?? Placement.Pending, variant.Workers.Needs, variant.Workers.Requests))];
            var waits = leader == Placement.Pending || members.Any(member => member.Placement == Placement.Pending);
            placed.Add(Replica(model, 10 + k, waits ? ReplicaState.Loading : draw.State == 0 ? ReplicaState.Draining : ReplicaState.Ready, Noon.AddMinutes(waits ? 0 : -60)) with
            {
                Placement = leader,
                Requests = model.Requests,
                Members = members.Length > 0 ? [.. members] : default,
            });
        }

        var spec = Fleets.Spec(specs) with { Training = [.. trains.OrderBy(job => job.Id)], Settings = specs.Length % 2 == 0 ? PlannerSettings.Latest : new PlannerSettings() };
        var snapshot = Here(states, spec, [.. gangs]) with { Replicas = [.. placed.OrderBy(replica => replica.Id)] };
        snapshot = snapshot with
        {
            Can = snapshot.Can | (victims ? Capabilities.ChooseVictim : Capabilities.None),
            Traffic = [.. spec.Models.Select((model, i) => Traffic(model.Id, Noon, 0, models[i].Held % 4, models[i].Held * 200.0))],
        };
        return new Situation(spec, snapshot, Knowledge.Empty.Fold(spec, snapshot));
    }
}
