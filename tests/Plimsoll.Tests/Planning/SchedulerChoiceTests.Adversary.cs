using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

// Random clusters against a scheduler that chooses as badly as it may.
public sealed partial class SchedulerChoiceTests
{
    [Fact]
    public void Whatever_the_scheduler_chooses_no_node_is_overfilled_and_what_starts_now_finds_a_place() => Situations.Sample(
        pair => Adversary(pair.Situation, pair.Seed) is null, iter: RandomCases.Or(3000), print: pair => $"{Adversary(pair.Situation, pair.Seed)}\n{pair.Situation}");

    [Fact]
    public void A_planner_that_takes_requests_for_needs_is_caught()
    {
        // The seeded bug: what a replica takes is believed to be what it asks for.
        var caught = 0;
        Situations.Sample(pair =>
        {
            var (spec, snapshot, _) = pair.Situation;
            var trusting = spec with
            {
                Models =
                [
                    .. spec.Models.Select(model => model with
                    {
                        Variants = [.. model.Variants.Select(variant => variant with
                        {
                            Needs = variant.Needs with { Host = new MemoryNeed(model.Requests!.Memory, model.Requests.Memory) },
                        })],
                    }),
                ],
            };
            var plan = new Planner(new WeightAllocator()).Decide(trusting, snapshot, pair.Situation.Knowledge);
            if (Place(pair.Situation, plan, pair.Seed) is not null) Interlocked.Increment(ref caught);
        }, iter: 1000);
        Assert.NotEqual(0, caught);
    }

    private static string? Adversary(Situation situation, int seed) => Place(situation, situation.Decide(), seed);

    // Stops end in any order, starts are placed on any node whose requests add up, and everything is at its peak.
    private static string? Place(Situation situation, Plan plan, int seed)
    {
        var random = new Random(seed);
        var nodes = situation.Snapshot.Nodes;
        var room = nodes.ToDictionary(node => node.Id, node => node.Scheduler!);
        var host = nodes.ToDictionary(node => node.Id, node => node.HostMemoryBudget);
        foreach (var use in situation.Snapshot.Foreign) host[use.Node] -= use.Memory.Value;
        foreach (var replica in situation.Snapshot.Replicas.Where(replica => host.ContainsKey(replica.Placement.Node)))
            host[replica.Placement.Node] -= Weighing.HostCharge(replica, ModelKnowledge.Nothing);
        var done = new HashSet<StepId>();
        foreach (var stop in plan.Steps.OfType<Step.Stop>().Where(_ => random.Next(2) == 0))
        {
            var replica = situation.Snapshot.Replicas.Single(one => one.Id == stop.Replica);
            done.Add(stop.Id);
            if (!host.ContainsKey(replica.Placement.Node)) continue;
            host[replica.Placement.Node] += Weighing.HostCharge(replica, ModelKnowledge.Nothing);
            room[replica.Placement.Node] = room[replica.Placement.Node].Without(replica.Requests!);
        }

        // What waits already may land before what starts, or after it.
        var placing = plan.Steps.OfType<Step.Start>().Where(start => start.After.All(done.Contains)).Select(start => (start.Model, Start: (Step.Start?)start))
            .Concat(situation.Snapshot.Replicas.Where(replica => replica.Placement == Placement.Pending).Select(replica => (replica.Model, Start: (Step.Start?)null))).ToArray();
        random.Shuffle(placing);
        var alone = host.ToDictionary();
        foreach (var (id, start) in placing)
        {
            var model = situation.Spec.Find(id)!;
            var needs = start is null ? model.Variants[0].Needs : model.Variants.Single(variant => variant.Id == start.Variant).Needs;
            var requests = start?.Requests ?? model.Requests!;
            var open = nodes.Where(node => room[node.Id].Takes(requests) && (requests.Pools.IsEmpty || requests.Pools.Contains(node.Pool))).ToArray();
            if (open.Length == 0)
            {
                // A victim's room is taken by others of the plan only where they wait for it too.
                if (start is { After.IsEmpty: true }) return $"{start.Id} finds no place";
                continue;
            }

            var node = open[random.Next(open.Length)];
            room[node.Id] = room[node.Id].With(requests);
            host[node.Id] -= needs.Host.Highest;
            // What waits already may overfill a node by itself, whatever the plan.
            if (start is null) alone[node.Id] -= needs.Host.Highest;
            if (host[node.Id] < Bytes.Zero && alone[node.Id] >= Bytes.Zero && host[node.Id] != alone[node.Id]) return $"{start?.Id.Value ?? "what waits"} overfills the memory of {node.Id}";
            if (start is null) continue;
            var device = node.Devices.FirstOrDefault();
            if (needs.PerDevice is { } each && (device is null || each.Highest > device.MemoryBudget))
                return $"{start.Id} does not fit the devices of {node.Id}";
        }

        return null;
    }

    private static readonly Gen<(Situation Situation, int Seed)> Situations =
        from nodes in Gen.Select(Gen.Int[20_000, 120_000], Gen.Int[0, 4], Gen.Int[24_000, 80_000], Gen.Int[0, 30_000], Gen.Int[0, 1]).Array[1, 4]
        from models in Gen.Select(Gen.Int[2_000, 50_000], Gen.Int[0, 4], Gen.Int[0, 2], Gen.Int[0, 3], Gen.Int[0, 2], Gen.Int[1, 4]).Array[1, 5]
        from replicas in Gen.Select(Gen.Int[0, 4], Gen.Int[0, 3], Gen.Bool).Array[0, 6]
        from seed in Gen.Int
        from victims in Gen.Bool
        select (Build(nodes, models, replicas, victims), seed);

    private static Situation Build(
        (int Memory, int Devices, int DeviceMiB, int Foreign, int Pool)[] nodes,
        (int Weight, int Request, int Devices, int Min, int Pool, int Max)[] models, (int Model, int Node, bool Ready)[] replicas, bool victims)
    {
        var specs = models.Select((draw, i) =>
        {
            var model = Model($"m{i}", draw.Weight, priority: i % 3, min: draw.Min, max: Math.Max(draw.Min, draw.Max), devices: draw.Devices);
            var asking = Asking(model, draw.Weight * draw.Request / 2, draw.Pool < 2 ? [$"p{draw.Pool}"] : []);
            return i % 2 == 0 ? asking : TwoTargets(asking);
        }).ToArray();
        var placed = new List<InferenceReplica>();
        var states = new List<NodeState>();
        var foreign = new List<ForeignUse>();
        foreach (var (draw, i) in nodes.Select((draw, i) => (draw, i)))
        {
            var node = Gpus($"n{i}", draw.Memory, draw.Devices, "gpu", draw.DeviceMiB) with { Pool = $"p{draw.Pool}" };
            var free = Bytes.MiB(draw.Memory - Math.Min(draw.Foreign, draw.Memory / 2));
            foreign.Add(new ForeignUse { Node = node.Id, Memory = Signal.Known(node.HostMemory - node.HostMemoryBudget + Bytes.MiB(draw.Memory) - free, Noon) });
            var room = node.Scheduler! with { Memory = free };
            var host = free;
            var next = 0;
            foreach (var (one, k) in replicas.Select((one, k) => (one, k)).Where(pair => pair.one.Node % nodes.Length == i))
            {
                var model = specs[one.Model % specs.Length];
                var needs = model.Variants[0].Needs;
                if (!one.Ready && k % 2 == 1)
                {
                    placed.Add(Replica(model, 10 + k, ReplicaState.Loading, Noon.AddMinutes(-1)) with { Placement = Placement.Pending, Requests = model.Requests });
                    continue;
                }

                if (!room.Takes(model.Requests!) || needs.Host.Highest > host || needs.PerDevice?.Highest > Bytes.MiB(draw.DeviceMiB)) continue;
                room = room.With(model.Requests!);
                host -= needs.Host.Highest;
                placed.Add(Replica(model, 10 + k, one.Ready ? ReplicaState.Ready : ReplicaState.Loading, Noon.AddMinutes(-1)) with
                {
                    Placement = new Placement(node.Id, [.. node.Devices.Skip(next).Take(needs.Devices).Select(device => device.Id)]),
                    Requests = model.Requests,
                });
                next += needs.Devices;
            }

            states.Add(node with { Scheduler = room, HostMemory = Bytes.MiB(draw.Memory), HostMemoryBudget = Bytes.MiB(draw.Memory) });
            foreign[^1] = foreign[^1] with { Memory = Signal.Known(Bytes.MiB(draw.Memory) - free, Noon) };
        }

        var spec = Spec(specs) with
        {
            Settings = (nodes[0].Memory % 3 == 0 ? new PlannerSettings() : PlannerSettings.Latest) with { CheapestVariant = nodes.Length % 2 == 0 },
            Prices = nodes[0].Memory % 2 == 0 ? new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02), Devices = [new DevicePrice("gpu", UsdPerHour.Of(1))] } : new Prices(),
        };
        var snapshot = Cluster([.. states]) with
        {
            Replicas = [.. placed.OrderBy(replica => replica.Id)],
            Foreign = [.. foreign],
            Can = victims ? Capabilities.ChooseVictim : Capabilities.None,
            Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 0))],
        };
        return new Situation(spec, snapshot, Knowledge.Empty.Fold(spec, snapshot));
    }

    // The second asks for one device more, or less, on any node.
    private static ModelSpec TwoTargets(ModelSpec model)
    {
        var other = Model(model.Id.Value, model.Footprint.Weights.Value / (double)(1 << 20), devices: model.Variants[0].Needs.Devices == 0 ? 1 : 0);
        var asks = Asking(other, 1000).Requests;
        return model with
        {
            Variants =
            [
                model.Variants[0] with { Target = "first", Requests = model.Requests },
                other.Variants[0] with { Id = new VariantId("other"), Target = "other", Requests = asks },
            ],
        };
    }
}
