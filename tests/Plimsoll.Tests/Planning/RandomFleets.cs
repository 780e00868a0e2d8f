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

/// <summary>
/// Random fleets of up to two nodes and eight models, on processors and devices, with model caches, in any mixture of
/// states, that fit their nodes.
/// </summary>
internal static class RandomFleets
{
    private sealed record ModelDraw(
        double Weight, double Peak, int Priority, int Min, int More, bool Outdated, bool Cached, double IdleLimit, int Devices);

    private sealed record ReplicaDraw(int Model, int Node, int State, double Age, int Outstanding);

    private sealed record JobDraw(int Members, int Devices, double Share, int Priority, bool Preemptible, int State, double Age, double Checkpoint);

    private sealed record DiskDraw(int Model, int Node, double Share, int What);

    private sealed record TrafficDraw(bool Seen, int Arrivals, int Held, double Debt, double IdleFor);

    private static readonly Gen<ModelDraw> Models = Gen.Select(
        Gen.Double[20, 900], Gen.Double[1, 1.6], Gen.Int[0, 3], Gen.Int[0, 1], Gen.Int[0, 2], Gen.Bool, Gen.Bool, Gen.Double[1, 90],
        (weight, peak, priority, min, more, outdated, cached, idle) =>
            new ModelDraw(weight, peak, priority, min, more, outdated, cached, idle, Devices: (int)(weight * 7) % 4));

    private static readonly Gen<ReplicaDraw> Replicas = Gen.Select(
        Gen.Int[0, 7], Gen.Int[0, 1], Gen.Int[0, 5], Gen.Double[0, 120], Gen.Int[0, 4],
        (model, node, state, age, outstanding) => new ReplicaDraw(model, node, state, age, outstanding));

    private static readonly Gen<TrafficDraw> Traffics = Gen.Select(
        Gen.Int[0, 9], Gen.Int[0, 20], Gen.Int[0, 3], Gen.Double[0, 400], Gen.Double[0, 200],
        (seen, arrivals, held, debt, idle) => new TrafficDraw(seen > 0, arrivals, held, debt, idle));

    private static readonly Gen<DiskDraw> Disks = Gen.Select(
        Gen.Int[0, 9], Gen.Int[0, 1], Gen.Double[0, 1], Gen.Int[0, 5],
        (model, node, share, what) => new DiskDraw(model, node, share, what));

    private static readonly Gen<JobDraw> Jobs = Gen.Select(
        Gen.Int[1, 3], Gen.Int[0, 2], Gen.Double[0.05, 0.7], Gen.Int[0, 3], Gen.Bool, Gen.Int[0, 8], Gen.Double[0, 400], Gen.Double[0, 900],
        (members, devices, share, priority, preemptible, state, age, checkpoint) => new JobDraw(members, devices, share, priority, preemptible, state, age, checkpoint));

    public static readonly Gen<Situation> Situations = Gen.Select(
        Models.Array[1, 8], Replicas.Array[0, 10], Traffics.Array[8], Disks.Array[0, 8], Gen.Double[400, 2600], Gen.Bool, Gen.Bool, Jobs.Array[0, 3],
        Build);

    private static TrainingSpec Job(JobDraw draw, int i, double memory) => new()
    {
        Id = new JobId($"j{i}"),
        GangSize = draw.Members,
        DeviceKind = draw.Devices > 0 ? "gpu" : null,
        NeedsPerMember = new ReplicaNeeds
        {
            Host = new MemoryNeed(Bytes.MiB(memory * draw.Share), Bytes.MiB(memory * draw.Share)),
            Devices = draw.Devices,
            PerDevice = draw.Devices > 0 ? new MemoryNeed(Bytes.MiB(draw.Share * 1000), Bytes.MiB(draw.Share * 1000)) : null,
            Cores = Cores.Of(0.5),
            Disk = Bytes.Zero,
        },
        Priority = draw.Priority,
        Preemptible = draw.Preemptible,
        SavesOnStop = draw.Checkpoint > 600,
        OnlyShown = (int)(draw.Checkpoint * 10) % 11 == 0,
        CheckpointSize = Bytes.MiB(draw.Checkpoint),
        SubmittedAt = Noon.AddSeconds(-draw.Age - (draw.State == 8 ? -600 : 200)),
    };

    // Some run where there was room left, some gave way before, some were never launched.
    private static ImmutableArray<TrainingGang> Gangs(JobDraw[] draws, ImmutableArray<TrainingSpec> jobs, FleetSnapshot snapshot)
    {
        var ledgers = snapshot.Nodes.Select(node => new NodeLedger(
            node, snapshot, Knowledge.Empty, snapshot.Replicas.Where(replica => replica.Placement.Node == node.Id), snapshot.Foreign.Where(use => use.Node == node.Id))).ToArray();
        var gangs = ImmutableArray.CreateBuilder<TrainingGang>();
        foreach (var (draw, job) in draws.Zip(jobs))
        {
            var state = draw.State switch
            {
                0 => GangState.Starting,
                1 => GangState.Checkpointing,
                2 => GangState.Stopping,
                3 => GangState.Suspended,
                4 => GangState.Ended,
                5 or 6 => GangState.Running,
                _ => (GangState?)null,
            };
            if (state is null) continue;
            var gang = new TrainingGang
            {
                Job = job.Id,
                State = state.Value,
                StateSince = Noon.AddSeconds(-draw.Age / 4),
                StartedAt = Noon.AddSeconds(-draw.Age),
                LastCheckpoint = draw.Checkpoint < 300 ? null : Noon.AddSeconds(-draw.Age * draw.Share),
                Members = [],
                ReservedPerMember = job.NeedsPerMember,
            };
            if (gang.Holds)
            {
                var members = Enumerable.Range(0, job.GangSize).Select(member => ledgers.Select(ledger => ledger.TryReserve(job.NeedsPerMember, job.DeviceKind) is { } room
                    ? new Placement(ledger.Node.Id, room.Devices) : null).FirstOrDefault(placed => placed is not null)).ToArray();
                if (members.Any(member => member is null)) continue;
                gang = gang with { Members = [.. members.Select(member => member!)] };
            }

            gangs.Add(gang);
        }

        return gangs.ToImmutable();
    }

    // On the processor, or on a device where that was the first.
    private static ModelSpec TwoWays(ModelSpec model)
    {
        var other = Model(model.Id.Value, model.Footprint.Weights.Value / (double)(1 << 20), cached: model.Cached, devices: model.Variants[0].Needs.Devices == 0 ? 1 : 0).Variants[0];
        return model with { Variants = [model.Variants[0], other with { Id = new VariantId("other") }] };
    }

    // Of those with devices every other one.
    private static VariantSpec MaySleep(VariantSpec variant, double weight) => variant.Needs.Devices == 0 || (int)weight % 2 == 0 ? variant : variant with
    {
        Needs = variant.Needs with { Asleep = new SleepNeed(Bytes.MiB(1.2 * weight), Bytes.MiB(0.1 * weight)) },
    };

    private static Situation Build(
        ModelDraw[] models, ReplicaDraw[] replicas, TrafficDraw[] traffic, DiskDraw[] disks, double memory, bool priced, bool foreign, JobDraw[] jobs)
    {
        var specs = models.Select((draw, i) => Model(
            $"m{i}", draw.Weight, draw.Priority, draw.Min, Math.Max(1, draw.Min + draw.More), draw.Weight * draw.Peak, cores: 0.25,
            cached: draw.Cached, devices: draw.Devices == 3 ? 0 : draw.Devices) with
        {
            IdleLimit = draw.IdleLimit < 30 ? TimeSpan.FromSeconds(draw.IdleLimit) : null,
            Variants = [.. Model("", draw.Weight, 0, 0, 1, draw.Weight * draw.Peak, cores: 0.25, cached: draw.Cached, devices: draw.Devices == 3 ? 0 : draw.Devices).Variants.Select(variant => MaySleep(variant, draw.Weight))],
            // Of some all is only shown, where what is shown is planned apart.
            Acts = (long)(memory * 2048) % 2 != 0 || (int)(draw.Weight * 13) % 9 != 0,
            // Some are told of a launch within their load, under way or over.
            Events = i % 3 == 1 && draw.Peak > 1.2 ? [new DemandEvent(Noon.AddSeconds(draw.IdleLimit - 45), Noon.AddSeconds(draw.IdleLimit - 25), draw.Peak, draw.More)] : default,
        }).Select((model, i) => i % 2 == 0 ? model : TwoWays(model)).ToArray();
        var spec = Spec(specs) with
        {
            Training = [.. jobs.Select((draw, i) => Job(draw, i, memory))],
            Prices = priced ? new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02), Devices = [new DevicePrice("gpu", UsdPerHour.Of(0.05))] } : new Prices(),
            Settings = new PlannerSettings
            {
                CheapestVariant = (long)(memory * 16) % 2 == 0,
                WakeAhead = true,
                LoadsPerTurn = (long)(memory * 32) % 2 == 0 ? PlannerSettings.LoadsPerTurnUsual : 0,
                StartsMustPay = (long)(memory * 64) % 2 == 0,
                MoveWhereCheaper = (long)(memory * 128) % 2 == 0,
                TriesNeighbours = (long)(memory * 512) % 2 == 0,
                ClaimantsShare = (long)(memory * 256) % 2 == 0,
                LoadsAsLearned = (long)(memory * 1024) % 2 == 0,
                CountsOnlyActing = (long)(memory * 2048) % 2 == 0,
                LoadsShareLinks = (long)(memory * 2048) % 2 == 1,
                SuccessorsWait = (long)(memory * 4096) % 2 == 0,
                PaysWhereOthersCannot = (long)(memory * 4096) % 2 == 1,
                CopiesWhereItRuns = (long)(memory * 8192) % 2 == 0,
                PriorUntilWorked = (long)(memory * 8192) % 2 == 1,
                NodesByWay = true,
                LoadsWorkOff = (long)(memory * 16384) % 2 == 1,
                ShortagesLast = (long)(memory * 32768) % 2 == 0,
                LearnsSoberly = (long)(memory * 65536) % 2 == 0,
                LooksPastSleepers = (long)(memory * 131072) % 2 == 0,
                LossesTogether = (long)(memory * 131072) % 2 == 1,
                CountsWindowsBetween = (long)(memory * 262144) % 2 == 0,
                CoversLess = (long)(memory * 262144) % 2 == 1,
                IdleIsSeen = (long)(memory * 524288) % 2 == 0,
                ReplacedByQuarters = (long)(memory * 524288) % 2 == 1,
                AsksWithinReach = (long)(memory * 1048576) % 2 == 0,
                SharesTime = (long)(memory * 1048576) % 2 == 1,
                MovesForTime = (long)(memory * 2097152) % 2 == 0,
                HeedsStuckGangs = (long)(memory * 2097152) % 2 == 1,
                MakesTime = (long)(memory * 4194304) % 2 == 1,
                GangsUseTime = (long)(memory * 4194304) % 2 == 0,
                MovesWhole = (long)(memory * 4194304) % 2 == 0,
                EndsLateWakes = (long)(memory * 2097152) % 2 == 1,
                LeavingNodesFirst = (long)(memory * 16384) % 2 == 0,
            },
        };
        var nodes = ImmutableArray.Create(
            Node(memory, id: "n0", cacheMiB: 1500, deviceMiB: [1000, 700]) with { PricePerHour = (long)(memory * 128) % 2 == 0 ? UsdPerHour.Of(0.3) : null },
            Node(memory * 0.7, id: "n1", cacheMiB: 800, deviceMiB: [memory / 2]));
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
                3 => ReplicaState.Asleep,
                _ => ReplicaState.Ready,
            };
            var variant = model.Variants[i % model.Variants.Length];
            var replica = Replica(model, 1 + i, state, Noon.AddSeconds(-draw.Age), draw.Outstanding, nodes[draw.Node].Id.Value) with
            {
                Version = version,
                Variant = variant.Id,
                Reserved = variant.Needs,
                Turning = variant.Needs.Asleep is not null && state is ReplicaState.Asleep or ReplicaState.Drained && draw.Outstanding == 3,
            };
            if (replica.Reserved.Devices > nodes[draw.Node].Devices.Length) continue;
            replica = replica with
            {
                Placement = new Placement(
                    nodes[draw.Node].Id, [.. nodes[draw.Node].Devices.Take(replica.Reserved.Devices).Select(device => device.Id)]),
            };
            var usable = Bytes.Min(nodes[draw.Node].HostMemoryBudget, nodes[draw.Node].HostMemory
                - (draw.Node == 0 && foreign ? Bytes.MiB(memory * 1.1) : Bytes.Zero));
            var used = placed.Append(replica).Where(one => one.Placement.Node == nodes[draw.Node].Id)
                .Aggregate(Bytes.Zero, (sum, one) => sum + Weighing.HostCharge(one, ModelKnowledge.Nothing));
            var devicesFit = nodes[draw.Node].Devices.All(device => placed.Append(replica)
                .Where(one => one.Placement.Node == nodes[draw.Node].Id && one.Placement.Devices.Contains(device.Id))
                .Aggregate(Bytes.Zero, (sum, one) => sum + Weighing.DeviceCharge(one)) <= device.MemoryBudget);
            var coresFit = placed.Append(replica).Where(one => one.Placement.Node == nodes[draw.Node].Id)
                .Sum(one => one.Reserved.Cores.Milli) <= nodes[draw.Node].Cores.Milli;
            if (used <= usable && devicesFit && coresFit) placed.Add(replica);
        }

        var (cache, fetching) = Cache(specs, nodes, placed, disks);

        var rows = spec.Models.Select((model, i) => (model, draw: traffic[i])).Where(pair => pair.draw.Seen)
            .Select(pair => Traffic(pair.model.Id, Noon, pair.draw.IdleFor < 20 ? pair.draw.Arrivals : 0,
                placed.Any(one => one.Model == pair.model.Id && one.State == ReplicaState.Ready) ? 0 : pair.draw.Held));
        var snapshot = new FleetSnapshot
        {
            At = Noon,
            Can = Local | Capabilities.Sleep | Capabilities.Train,
            Nodes = nodes,
            Replicas = [.. placed.OrderBy(replica => replica.Id)],
            Foreign = foreignUse,
            Traffic = [.. rows],
            Cache = cache,
            InFlight = [.. fetching, .. placed.Where(LoadsInFlight.IsWaking).Select(replica => new WorkInFlight
            {
                Step = StepId.Of($"wake/{replica.Id}"),
                Kind = WorkKind.Waking,
                StartedAt = replica.StateSince,
                Model = replica.Model,
                Replica = replica.Id,
            })],
        };
        snapshot = snapshot with { Training = Gangs(jobs, spec.Training, snapshot) };
        var knowledge = Knowledge.Empty.Fold(spec, snapshot);
        if (jobs.Length > 1 && jobs[1].Preemptible && knowledge.Training is { } training)
            knowledge = knowledge with { Training = training with { Jobs = training.Jobs.SetItem(new JobId("j1"), new JobKnowledge { GaveWay = true, RoomSince = Noon.AddSeconds(-jobs[1].Age / 8) }) } };
        var known = knowledge.Models.ToBuilder();
        foreach (var (model, i) in spec.Models.Select((model, i) => (model, i)))
        {
            known[model.Id] = known[model.Id] with
            {
                HeldDebt = traffic[i].Held > 0 ? traffic[i].Debt : 0,
                LastArrival = Noon.AddSeconds(-traffic[i].IdleFor),
                ActiveRate = traffic[i].Arrivals / 4.0,
                Daily = i % 3 == 2 ? AtNoon(traffic[i].Debt) : null,
            };
        }

        return new Situation(spec, snapshot, knowledge with { Models = known.ToImmutable() });
    }

    // Asked for at about noon on the last three days.
    private static DailyStarts? AtNoon(double late)
    {
        DailyStarts? known = null;
        for (var day = 3; day > 0; day--) known = DailyStarts.Learn(known, Noon.AddDays(-day).AddSeconds(late / 20), started: true, TimeSpan.Zero);
        return known;
    }

    // What replicas use is there, whole and pinned; beside it whatever fits, whole, partial, being fetched, or of a model
    // that is gone.
    private static (ImmutableArray<CachedArtifact>, ImmutableArray<WorkInFlight>) Cache(
        ModelSpec[] specs, ImmutableArray<NodeState> nodes, List<InferenceReplica> placed, DiskDraw[] disks)
    {
        var cache = new SortedDictionary<string, CachedArtifact>(StringComparer.Ordinal);
        var fetching = new List<WorkInFlight>();
        var cached = specs.Where(model => model.Cached).ToDictionary(model => model.Id);
        placed.RemoveAll(replica => cached.TryGetValue(replica.Model, out var model)
            && !Add(replica.Placement.Node, model.Id, replica.Version, model.Footprint.OnDisk, complete: true, pinned: true));
        foreach (var draw in disks)
        {
            var model = draw.Model < specs.Length ? specs[draw.Model] : Model("gone", 300, cached: true);
            if (!model.Cached) continue;
            var (node, size) = (nodes[draw.Node].Id, model.Footprint.OnDisk);
            if (draw.What > 1)
            {
                Add(node, model.Id, draw.What == 5 ? "v0" : model.Version, size, complete: true, pinned: false);
                continue;
            }

            var part = size.Scale(draw.Share);
            var room = nodes[draw.Node].CacheBudget!.Value - Used(node) - size;
            if (draw.What == 1 && (room < Bytes.Zero || cache.ContainsKey($"{node}/{model.Id}@{model.Version}"))) continue;
            if (!Add(node, model.Id, model.Version, part, complete: false, pinned: draw.What == 1) || draw.What == 0) continue;
            fetching.Add(new WorkInFlight
            {
                Step = StepId.Of($"prefetch/{model.Id}@{model.Version}/{node}"),
                Kind = WorkKind.Fetching,
                StartedAt = Noon,
                Model = model.Id,
                Node = node,
                // One that goes on from what is there may have said nothing yet.
                Done = draw.Share > 0.5 ? part : Bytes.Zero,
                Total = size,
            });
        }

        return ([.. cache.Values], [.. fetching.OrderBy(work => work.Step)]);

        Bytes Used(NodeId node) => cache.Values.Where(one => one.Node == node).Aggregate(Bytes.Zero, (sum, one) => sum + one.Size)
            + fetching.Where(work => work.Node == node).Aggregate(Bytes.Zero, (sum, work) => sum + (work.Total!.Value - cache[$"{node}/{work.Step.Value.Split('/')[1]}"].Size));

        bool Add(NodeId node, ModelId model, string version, Bytes size, bool complete, bool pinned)
        {
            var key = $"{node}/{model}@{version}";
            if (cache.TryGetValue(key, out var there)) return there.Complete == complete && there.Pinned == pinned;
            if (Used(node) + size > nodes.Single(one => one.Id == node).CacheBudget) return false;
            cache[key] = new CachedArtifact { Node = node, Model = model, Version = version, Size = size, Complete = complete, Pinned = pinned };
            return true;
        }
    }
}
