using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning.Reference;

/// <summary>
/// The planner keeps sums where it once went over lists. What was written plainly first is kept here, and both must answer
/// the same, word for word, over random clusters.
/// </summary>
public sealed class ReferenceTests
{
    private const string Gpu = "nvidia.com/gpu";

    [Fact]
    public void A_ledger_that_keeps_sums_answers_as_one_that_adds_up_lists() => Gen.Int.Sample(seed =>
    {
        var random = new Random(seed);
        var cluster = Cluster(random);
        var node = cluster.Snapshot.Nodes[0];
        var replicas = cluster.Snapshot.Replicas.Where(replica => replica.Placement.Node == node.Id).ToArray();
        var foreign = cluster.Snapshot.Foreign.Where(use => use.Node == node.Id).ToArray();
        var sums = new NodeLedger(node, cluster.Snapshot, cluster.Knowledge, replicas, foreign);
        var lists = new PlainLedger(node, cluster.Snapshot, cluster.Knowledge, replicas, foreign);
        for (var step = 0; step < 30; step++)
        {
            var needs = Needs(random);
            var kind = random.Next(3) switch { 0 => null, 1 => "a", _ => "b" };
            var more = replicas.Where(_ => random.Next(2) == 0).Select(replica => NodeLedger.Release.Of(replica, ModelKnowledge.Nothing)).ToArray();
            switch (random.Next(4))
            {
                case 0 when replicas.Length > 0:
                    var stop = replicas[random.Next(replicas.Length)];
                    sums.WillStop(StepId.Of($"stop/{step}"), NodeLedger.Release.Of(stop, ModelKnowledge.Nothing));
                    lists.WillStop(StepId.Of($"stop/{step}"), NodeLedger.Release.Of(stop, ModelKnowledge.Nothing));

                    // One that is taken back at once has changed nothing.
                    sums.WillStop(StepId.Of("stop/taken-back"), NodeLedger.Release.Of(stop, ModelKnowledge.Nothing));
                    sums.WillNotStop(StepId.Of("stop/taken-back"));
                    break;
                case 1:
                    sums.ReserveNow(needs, kind);
                    lists.TryReserve(needs, kind, now: true);
                    break;
                default:
                    var (a, b) = (sums.TryReserve(needs, kind), lists.TryReserve(needs, kind));
                    Assert.Equal(b is { } there ? $"{string.Join(',', there.After)} {string.Join(',', there.Devices)}" : "nowhere",
                        a is { } here ? $"{string.Join(',', here.After)} {string.Join(',', here.Devices)}" : "nowhere");
                    break;
            }

            // A copy does not remember who found no room.
            Assert.Equal(sums.Copy().RoomFor(needs, kind, 3), sums.RoomFor(needs, kind, 3));
            var requests = cluster.Spec.Models[random.Next(cluster.Spec.Models.Length)].Requests;
            Assert.Equal(
                (lists.HostUsable, lists.HostFree, lists.HostFreeBefore, lists.HostFreeAfter, lists.LeastDeviceFree(Gpu), lists.DeviceFree(kind, needs.Devices), lists.FitsAfter(needs, kind, more), lists.FitsAfter(needs, kind, more, requests)),
                (sums.HostUsable, sums.HostFree, sums.HostFreeBefore, sums.HostFreeAfter, sums.LeastDeviceFree(Gpu), sums.DeviceFree(kind, needs.Devices), sums.FitsAfter(needs, kind, more), sums.FitsAfter(needs, kind, more, requests)));
            Assert.Equal(lists.Stops, sums.Stops);
            Assert.Equal(Shown(lists.SchedulerAfter), Shown(sums.SchedulerAfter));
        }
    }, iter: 500);

    [Fact]
    public void A_choice_that_keeps_sums_allows_the_starts_that_one_over_all_promises_allows()
    {
        var (placed, refused, after) = (0, 0, 0);
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var cluster = Cluster(random);
            var byNode = cluster.Snapshot.Replicas.ToLookup(replica => replica.Placement.Node);
            var foreign = cluster.Snapshot.Foreign.ToLookup(use => use.Node);
            var sums = new SortedDictionary<NodeId, NodeLedger>();
            var lists = new SortedDictionary<NodeId, PlainLedger>();
            foreach (var node in cluster.Snapshot.Nodes)
            {
                sums[node.Id] = new NodeLedger(node, cluster.Snapshot, cluster.Knowledge, byNode[node.Id], foreign[node.Id]);
                lists[node.Id] = new PlainLedger(node, cluster.Snapshot, cluster.Knowledge, byNode[node.Id], foreign[node.Id]);
            }

            var (fast, plain) = (new SchedulerChoice(sums, [], (_, variant) => variant.Needs), new PlainChoice(lists, (_, variant) => variant.Needs));
            var outlooks = Outlooks.Of(cluster.Spec, cluster.Snapshot, cluster.Knowledge);
            for (var step = 0; step < 25; step++)
            {
                var outlook = outlooks[random.Next(outlooks.Length)];
                switch (random.Next(6))
                {
                    case 0:
                        fast.Await(outlook.Model);
                        plain.Await(outlook.Model);
                        break;
                    case 1 when cluster.Snapshot.Replicas is { Length: > 0 } replicas && replicas[random.Next(replicas.Length)] is var stop:
                        sums[stop.Placement.Node].WillStop(StepId.Of($"stop/{step}"), NodeLedger.Release.Of(stop, ModelKnowledge.Nothing));
                        lists[stop.Placement.Node].WillStop(StepId.Of($"stop/{step}"), NodeLedger.Release.Of(stop, ModelKnowledge.Nothing));
                        break;
                    default:
                        var (a, b) = (fast.Place(outlook), plain.Place(outlook));
                        Assert.Equal(Shown(b), Shown(a));
                        if (a.After is not { } waits) Interlocked.Increment(ref refused);
                        else if (waits.IsEmpty) Interlocked.Increment(ref placed);
                        else Interlocked.Increment(ref after);
                        break;
                }

                Assert.Equal(plain.Eligible(outlook).Select(ledger => ledger.Node.Id), fast.Eligible(outlook).Select(ledger => ledger.Node.Id));
            }
        }, iter: 1000);

        // A comparison of refusals alone would show little.
        Assert.True(placed > 300 && refused > 300 && after > 30, $"{placed} placed, {refused} refused, {after} placed after stops");
    }

    [Fact]
    public void States_by_shapes_of_requests_are_the_states_of_each_start()
    {
        var (found, safe) = (0, 0);
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            var cluster = Cluster(random);
            var stops = cluster.Snapshot.Replicas.Where(_ => random.Next(2) == 0).Select(replica =>
                new Step.Stop(replica.Id, replica.Model) { Reason = new Reason(Rule.StopDrained, []) }).ToArray();
            var starts = Enumerable.Range(0, random.Next(8)).Select(i =>
            {
                var model = cluster.Spec.Models[random.Next(cluster.Spec.Models.Length)];
                return new Step.Start(ReplicaId.Of(model.Id, 100 + i), model.Id, "v1", model.Variants[0].Id, null, random.Next(4) == 0 ? Needs(random) : model.Variants[0].Needs, TimeSpan.Zero)
                {
                    Reason = new Reason(Rule.StopDrained, []),
                    Requests = model.Requests,
                    After = [.. stops.Where(_ => random.Next(4) == 0).Select(stop => stop.Id).Order()],
                };
            }).OrderBy(step => step.Id).ToArray();
            var replicas = cluster.Snapshot.Replicas.ToDictionary(replica => replica.Id);
            var releases = stops.Select(stop => (stop.Id, Replica: replicas[stop.Replica]))
                .ToLookup(one => one.Id, one => (one.Replica.Placement.Node, NodeLedger.Release.Of(one.Replica, ModelKnowledge.Nothing)));
            var node = cluster.Snapshot.Nodes[random.Next(cluster.Snapshot.Nodes.Length)];
            var (limit, used) = (node.HostMemoryBudget.Value, random.NextInt64(node.HostMemoryBudget.Value));

            var (a, b) = (new SchedulerStates(starts, releases).FindViolation(node, limit, used), PlainStates.FindViolation(node, starts, releases, limit, used));
            Assert.True(a is null == b is null, $"{a ?? "safe"} and not {b ?? "safe"}");
            Interlocked.Increment(ref a is null ? ref safe : ref found);
        }, iter: 1000);
        Assert.True(found > 60 && safe > 60, $"{found} violations, {safe} safe");
    }

    [Fact]
    public void Nodes_of_one_shape_refuse_alike() => Gen.Int.Sample(seed =>
    {
        var random = new Random(seed);
        var cluster = Cluster(random);
        foreach (var outlook in Outlooks.Of(cluster.Spec, cluster.Snapshot, cluster.Knowledge))
            Assert.Equal(Admission.Refuse(outlook, cluster.Snapshot.Nodes)?.ToString(), Admission.Refuse(outlook, Admission.Shapes(cluster.Snapshot.Nodes))?.ToString());
    }, iter: 500);

    private static string Shown(SchedulerChoice.Answer answer) =>
        $"{(answer.After is { } after ? string.Join(',', after) : "no")} {answer.Needs.Host.Highest.Value} {answer.Why?.Rule} {answer.Why}";

    private static string Shown(SchedulerRoom? room) =>
        room is null ? "none" : $"{room.Memory.Value} {room.Cores.Milli} {room.EphemeralStorage.Value} {room.Pods} {string.Join(',', room.Resources)}";

    private static ReplicaNeeds Needs(Random random)
    {
        var devices = random.Next(4);
        return new ReplicaNeeds
        {
            Host = new MemoryNeed(Bytes.MiB(random.Next(1, 8) * 1000), Bytes.MiB(random.Next(1, 6) * 1000)),
            Devices = devices,
            PerDevice = devices > 0 ? new MemoryNeed(Bytes.MiB(random.Next(1, 30) * 1000), Bytes.MiB(4000)) : null,
            Cores = Cores.Of(random.Next(3)),
            Disk = Bytes.Zero,
        };
    }

    private sealed record World(FleetSpec Spec, FleetSnapshot Snapshot, Knowledge Knowledge);

    // Few sizes, so that much is equal and ties are common.
    private static World Cluster(Random random)
    {
        var models = Enumerable.Range(0, random.Next(1, 6)).Select(i =>
        {
            var needs = Needs(random);
            var model = Model($"m{i}", 1000, min: 1, max: 5);
            string[] kinds = needs.Devices == 0 ? [""] : random.Next(3) == 0 ? ["a", "b"] : ["a"];
            return model with
            {
                Variants = [.. kinds.Select(kind => model.Variants[0] with { Id = new VariantId(kind), DeviceKind = kind.Length > 0 ? kind : null, Needs = needs })],
                Requests = new SchedulerRequests
                {
                    Memory = random.Next(3) == 0 ? Bytes.Zero : needs.Host.Highest,
                    Cores = needs.Cores,
                    EphemeralStorage = Bytes.MiB(random.Next(2) * 1000),
                    Resource = needs.Devices > 0 ? Gpu : null,
                    Devices = needs.Devices,
                    Pools = random.Next(3) == 0 ? [] : ["p0", .. random.Next(2) == 0 ? ["p1"] : Array.Empty<string>()],
                },
            };
        }).ToArray();
        var (nodes, replicas, foreign) = (new List<NodeState>(), new List<InferenceReplica>(), new List<ForeignUse>());
        for (var n = 0; n < random.Next(1, 6); n++)
        {
            var id = new NodeId($"n{n}");
            var kind = random.Next(4) == 0 ? "b" : "a";
            var shared = random.Next(5) == 0;
            var devices = Enumerable.Range(0, random.Next(9)).Select(i => new DeviceState
            {
                Id = new DeviceId(random.Next(6) == 0 ? $"gpu{20 - i:00}" : $"gpu{i:00}"),
                Kind = kind,
                Memory = Bytes.MiB(24_000),
                MemoryBudget = Bytes.MiB(24_000),
                Resource = Gpu,
                Shared = shared,
            }).DistinctBy(device => device.Id).ToArray();
            var room = new SchedulerRoom
            {
                Memory = Bytes.MiB(random.Next(8, 40) * 1000),
                Cores = Cores.Of(random.Next(2, 16)),
                EphemeralStorage = Bytes.MiB(random.Next(5) * 1000),
                Pods = random.Next(8),
                Resources = [new ResourceCount(Gpu, devices.Length)],
            };
            for (var k = 0; k < random.Next(4); k++)
            {
                var model = models[random.Next(models.Length)];
                if (!room.Takes(model.Requests!)) continue;
                room = room.With(model.Requests!);
                replicas.Add(Replica(model, (n * 10) + k, (ReplicaState)random.Next(2), Noon, node: id.Value) with
                {
                    Placement = new Placement(id, [.. devices.OrderBy(_ => random.Next()).Take(model.Variants[0].Needs.Devices).Select(device => device.Id).Order()]),
                    Requests = model.Requests,
                });
            }

            if (random.Next(3) == 0) foreign.Add(new ForeignUse { Node = id, Memory = random.Next(6) == 0 ? Signal.Missing<Bytes>("unknown") : Signal.Known(Bytes.MiB(4000), Noon) });
            if (devices.Length > 0 && random.Next(3) == 0) foreign.Add(new ForeignUse { Node = id, Device = devices[0].Id, Memory = Signal.Known(Bytes.MiB(9000), Noon) });
            nodes.Add(new NodeState
            {
                Id = id,
                Pool = $"p{random.Next(2)}",
                Condition = random.Next(8) == 0 ? NodeCondition.Draining : NodeCondition.Ready,
                HostMemory = Bytes.MiB(random.Next(1, 3) * 20_000),
                HostMemoryBudget = Bytes.MiB(40_000),
                Cores = Cores.Of(16),
                Devices = [.. devices],
                Scheduler = room,
            });
        }

        var spec = Spec(models);
        var snapshot = new FleetSnapshot
        {
            At = Noon,
            Can = Capabilities.ChooseVictim,
            Nodes = [.. nodes],
            Replicas = [.. replicas.OrderBy(replica => replica.Id)],
            Foreign = [.. foreign],
            Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 0))],
        };
        return new World(spec, snapshot, Knowledge.Empty.Fold(spec, snapshot));
    }
}
