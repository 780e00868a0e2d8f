using System.Collections.Immutable;
using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>One random situation: what is wanted, seen and known.</summary>
internal sealed record Situation(FleetSpec Spec, FleetSnapshot Snapshot, Knowledge Knowledge)
{
    /// <summary>The whole situation, so that a failing seed can be read.</summary>
    public override string ToString() => System.Text.Encoding.UTF8.GetString(
        Json.PlimsollJson.ToBytes(Snapshot, Json.PlimsollJson.Default.FleetSnapshot));

    public Plan Decide(IAllocator? allocator = null) =>
        new Planner(allocator ?? new WeightAllocator()).Decide(Spec, Snapshot, Knowledge);
}

/// <summary>Random fleets of up to two nodes and eight models, in any mixture of states, that fit their nodes.</summary>
internal static class RandomFleets
{
    private sealed record ModelDraw(
        double Weight, double Peak, int Priority, int Min, int More, bool Outdated, bool Cached, double IdleLimit);

    private sealed record ReplicaDraw(int Model, int Node, int State, double Age, int Outstanding);

    private sealed record TrafficDraw(bool Seen, int Arrivals, int Held, double Debt, double IdleFor);

    private static readonly Gen<ModelDraw> Models = Gen.Select(
        Gen.Double[20, 900], Gen.Double[1, 1.6], Gen.Int[0, 3], Gen.Int[0, 1], Gen.Int[0, 2], Gen.Bool, Gen.Bool, Gen.Double[1, 90],
        (weight, peak, priority, min, more, outdated, cached, idle) =>
            new ModelDraw(weight, peak, priority, min, more, outdated, cached, idle));

    private static readonly Gen<ReplicaDraw> Replicas = Gen.Select(
        Gen.Int[0, 7], Gen.Int[0, 1], Gen.Int[0, 4], Gen.Double[0, 120], Gen.Int[0, 4],
        (model, node, state, age, outstanding) => new ReplicaDraw(model, node, state, age, outstanding));

    private static readonly Gen<TrafficDraw> Traffics = Gen.Select(
        Gen.Int[0, 9], Gen.Int[0, 20], Gen.Int[0, 3], Gen.Double[0, 400], Gen.Double[0, 200],
        (seen, arrivals, held, debt, idle) => new TrafficDraw(seen > 0, arrivals, held, debt, idle));

    public static readonly Gen<Situation> Situations = Gen.Select(
        Models.Array[1, 8], Replicas.Array[0, 10], Traffics.Array[8], Gen.Double[400, 2600], Gen.Bool, Gen.Bool, Build);

    private static Situation Build(
        ModelDraw[] models, ReplicaDraw[] replicas, TrafficDraw[] traffic, double memory, bool priced, bool foreign)
    {
        var specs = models.Select((draw, i) => Model(
            $"m{i}", draw.Weight, draw.Priority, draw.Min, Math.Max(1, draw.Min + draw.More), draw.Weight * draw.Peak, cores: 0.25,
            cached: draw.Cached) with
        { IdleLimit = draw.IdleLimit < 30 ? TimeSpan.FromSeconds(draw.IdleLimit) : null }).ToArray();
        var spec = Spec(specs) with { Prices = priced ? new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02) } : new Prices() };
        var nodes = ImmutableArray.Create(Node(memory, id: "n0", cacheMiB: 1500), Node(memory * 0.7, id: "n1", cacheMiB: 800));
        var foreignUse = foreign
            ? ImmutableArray.Create(new ForeignUse { Node = nodes[0].Id, Memory = Signal.Known(Bytes.MiB(memory * 1.1), Noon) })
            : [];

        // Only fleets that fit now: what is over already is another matter than what a plan does.
        var placed = new List<InferenceReplica>();
        foreach (var (draw, i) in replicas.Select((draw, i) => (draw, i)))
        {
            var model = specs[draw.Model % specs.Length];
            var version = models[draw.Model % specs.Length].Outdated && draw.Outstanding == 1 ? "v0" : model.Version;
            var state = draw.State switch
            {
                0 => ReplicaState.Loading,
                1 => ReplicaState.Draining,
                2 => ReplicaState.Drained,
                _ => ReplicaState.Ready,
            };
            var replica = Replica(model, 1 + i, state, Noon.AddSeconds(-draw.Age), draw.Outstanding, nodes[draw.Node].Id.Value) with { Version = version };
            var usable = Bytes.Min(nodes[draw.Node].HostMemoryBudget, nodes[draw.Node].HostMemory
                - (draw.Node == 0 && foreign ? Bytes.MiB(memory * 1.1) : Bytes.Zero));
            var used = placed.Append(replica).Where(one => one.Placement.Node == nodes[draw.Node].Id)
                .Aggregate(Bytes.Zero, (sum, one) => sum + Weighing.HostCharge(one, ModelKnowledge.Nothing));
            if (used <= usable) placed.Add(replica);
        }

        var rows = spec.Models.Select((model, i) => (model, draw: traffic[i])).Where(pair => pair.draw.Seen)
            .Select(pair => Traffic(pair.model.Id, Noon, pair.draw.IdleFor < 20 ? pair.draw.Arrivals : 0,
                placed.Any(one => one.Model == pair.model.Id && one.State == ReplicaState.Ready) ? 0 : pair.draw.Held));
        var snapshot = new FleetSnapshot
        {
            At = Noon,
            Can = Local,
            Nodes = nodes,
            Replicas = [.. placed.OrderBy(replica => replica.Id)],
            Foreign = foreignUse,
            Traffic = [.. rows],
        };
        var knowledge = Knowledge.Empty.Fold(spec, snapshot);
        var known = knowledge.Models.ToBuilder();
        foreach (var (model, i) in spec.Models.Select((model, i) => (model, i)))
        {
            known[model.Id] = known[model.Id] with
            {
                HeldDebt = traffic[i].Held > 0 ? traffic[i].Debt : 0,
                LastArrival = Noon.AddSeconds(-traffic[i].IdleFor),
                ActiveRate = traffic[i].Arrivals / 4.0,
            };
        }

        return new Situation(spec, snapshot, knowledge with { Models = known.ToImmutable() });
    }
}
