using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Json;

namespace Plimsoll.Bench;

/// <summary>
/// A fleet whose body lets the planner choose node and devices, under the settings that fleet files and clusters have: nodes of eight
/// devices, models that run in three ways each, demand that is forecast. Plans are applied and loads take their time, so that turns follow
/// one another as they would. Same numbers, same turns.
/// </summary>
internal sealed class PlacedFleet
{
    private const int Classes = 60;
    private const int Buckets = 720;
    private static readonly TimeSpan Review = TimeSpan.FromSeconds(5);
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);
    private static readonly (string Kind, int GiB, double Speed, double Dollars)[] Kinds =
        [("l4-24gb", 24, 1, 0.8), ("a10-24gb", 24, 1.3, 1), ("l40s-48gb", 48, 2.2, 1.9), ("a100-80gb", 80, 3.5, 3.7), ("h100-80gb", 80, 6, 6.5), ("h200-141gb", 141, 7, 8.5)];

    private readonly ImmutableArray<NodeState> _nodes;
    private readonly double[] _level;
    private readonly double _demand;
    private readonly SortedDictionary<ReplicaId, InferenceReplica> _replicas = [];
    private readonly Dictionary<ReplicaId, WorkInFlight> _loads = [];
    private readonly List<Outcome> _outcomes = [];
    private int _turn;

    /// <param name="nodes">Nodes of eight devices.</param>
    /// <param name="models">Models; one in four rests.</param>
    /// <param name="demand">Of the demand that fits the nodes.</param>
    public PlacedFleet(int nodes, int models, double demand)
    {
        _demand = demand;
        _level = [.. Enumerable.Repeat(1.0, models)];
        _nodes = [.. Enumerable.Range(0, nodes).Select(Node)];
        Spec = new FleetSpec
        {
            Models = [.. Enumerable.Range(0, models).Select(Model)],
            Settings = PlannerSettings.Latest with { Review = Review, DemandBucket = Review, DemandBuckets = Buckets },
            Prices = new Prices
            {
                Devices = [.. Kinds.Select(kind => new DevicePrice(kind.Kind, UsdPerHour.Of(kind.Dollars))).OrderBy(price => price.Kind, StringComparer.Ordinal)],
            },
        };
    }

    public FleetSpec Spec { get; }

    public int Replicas => _replicas.Count;

    private DateTimeOffset At => Noon + (_turn * Review);

    /// <summary>Time passes: one model in so many is asked more or less than before, some replicas crash, and loads that are over end.</summary>
    /// <param name="changing">Share of the models whose demand changes.</param>
    /// <param name="crashes">Replicas that crash.</param>
    public void Advance(double changing, int crashes)
    {
        _turn++;
        var count = (int)Math.Ceiling(changing * _level.Length);
        for (var i = 0; i < count; i++)
        {
            var m = (int)(((_turn * (long)count) + i) * 7919 % _level.Length);
            _level[m] = (m * 31 + _turn * 17) % 9 is var draw && draw < 4 ? 0.7 + (0.15 * draw) : 1 + (0.1 * (draw - 4));
        }

        foreach (var (id, load) in _loads.Where(one => one.Value.ExpectedEnd <= At).OrderBy(one => one.Key).ToArray())
        {
            var replica = _replicas[id];
            _loads.Remove(id);
            _replicas[id] = replica with { State = ReplicaState.Ready, StateSince = At, Outstanding = 1 };
            _outcomes.Add(new Outcome.Loaded
            {
                At = At,
                Replica = id,
                Model = replica.Model,
                Version = replica.Version,
                Variant = replica.Variant,
                Size = Spec.Models[IndexOf(replica.Model)].Footprint.Weights,
                Took = At - load.StartedAt,
            });
        }

        foreach (var replica in _replicas.Values.Where((one, at) => one.State == ReplicaState.Ready && (at + _turn) % Math.Max(1, _replicas.Count / Math.Max(1, crashes)) == 0).Take(crashes).ToArray())
            End(replica, asked: false);
    }

    public FleetSnapshot Observe()
    {
        var ready = _replicas.Values.Where(replica => replica.State == ReplicaState.Ready).Select(replica => replica.Model).ToHashSet();
        var seen = new FleetSnapshot
        {
            At = At,
            Can = Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim | Capabilities.HoldRequests,
            Nodes = _nodes,
            Replicas = [.. _replicas.Values],
            InFlight = [.. _loads.Values.OrderBy(load => load.Step)],
            Traffic = [.. Spec.Models.Select((model, m) => Traffic(model, m, ready.Contains(model.Id)))],
            Outcomes = [.. _outcomes],
        };
        _outcomes.Clear();
        return seen;
    }

    /// <summary>Starts what waits for nothing, as bodies do; what drains is gone a turn later.</summary>
    public void Apply(Plan plan)
    {
        foreach (var step in plan.Steps.Where(step => step.After.IsEmpty))
        {
            switch (step)
            {
                case Step.Start start:
                    var (model, variant) = (Spec.Models[IndexOf(start.Model)], start.Variant);
                    _replicas[start.Replica] = new InferenceReplica
                    {
                        Id = start.Replica,
                        Model = start.Model,
                        Version = model.Version,
                        Variant = variant,
                        Placement = start.Placement!,
                        State = ReplicaState.Loading,
                        StateSince = At,
                        StartedAt = At,
                        Reserved = start.Needs,
                        Concurrency = 8,
                    };
                    _loads[start.Replica] = new WorkInFlight
                    {
                        Step = start.Id,
                        Kind = WorkKind.Loading,
                        StartedAt = At,
                        Model = start.Model,
                        Replica = start.Replica,
                        ExpectedEnd = At + TimeSpan.FromSeconds(10 + (model.Footprint.Weights.Value / 2e9)),
                    };
                    break;
                case Step.Drain drain when _replicas.TryGetValue(drain.Replica, out var draining) && draining.State == ReplicaState.Ready:
                    _replicas[drain.Replica] = draining with { State = ReplicaState.Drained, StateSince = At, Outstanding = 0 };
                    break;
                case Step.Stop stop when _replicas.TryGetValue(stop.Replica, out var stopping):
                    End(stopping, asked: true);
                    break;
            }
        }
    }

    private void End(InferenceReplica replica, bool asked)
    {
        _replicas.Remove(replica.Id);
        _loads.Remove(replica.Id);
        _outcomes.Add(new Outcome.Exited { At = At, Replica = replica.Id, Model = replica.Model, Was = replica.State, Asked = asked, Why = "it ended" });
    }

    private static int IndexOf(ModelId model) => int.Parse(model.Value[^5..], System.Globalization.CultureInfo.InvariantCulture);

    private static bool Rests(int m) => m % 4 == 0;

    private static NodeState Node(int at)
    {
        var (kind, gib, _, _) = Kinds[at % Kinds.Length];
        return new NodeState
        {
            Id = new NodeId($"node-{at:00000}"),
            HostMemory = Bytes.GiB(1024),
            HostMemoryBudget = Bytes.GiB(1000),
            Cores = Cores.Of(192),
            Devices = [.. Enumerable.Range(0, 8).Select(i => new DeviceState { Id = new DeviceId($"gpu{i}"), Kind = kind, Memory = Bytes.GiB(gib), MemoryBudget = Bytes.GiB(gib) })],
        };
    }

    private static int GiBOf(int m) => (m % Classes) switch { < 36 => 6 + (m % 13), < 54 => 24 + (m % 17), _ => 120 };

    private static double PerSecond(int m, int kind) => Kinds[kind].Speed * 60 / (5 + GiBOf(m));

    private static ModelSpec Model(int m)
    {
        var (gib, first) = (GiBOf(m), m % Kinds.Length);
        var weights = Bytes.GiB(gib);
        return new ModelSpec
        {
            Id = new ModelId($"m{m:00000}"),
            Version = "v1",
            Source = $"hf://org/m{m:00000}",
            Footprint = new Footprint { Format = ArtifactFormat.Safetensors, Source = FootprintSource.Header, Digest = "v1", OnDisk = weights, Weights = weights },
            Slo = new Slo(TimeSpan.FromSeconds(10), 0.99),
            Priority = m % 3,
            MaxReplicas = 16,
            Variants = [.. ((ReadOnlySpan<int>)[first, (first + 1) % Kinds.Length, (first + 3) % Kinds.Length]).ToArray().Select(kind => Variant(m, kind, gib))],
        };
    }

    private static VariantSpec Variant(int m, int kind, int gib)
    {
        var devices = 1;
        while (devices < 8 && gib * 1.2 / devices > Kinds[kind].GiB - 2) devices *= 2;
        var each = Bytes.GiB((int)Math.Ceiling(gib * 1.2 / devices));
        var perSecond = PerSecond(m, kind);
        return new VariantSpec
        {
            Id = new VariantId(Kinds[kind].Kind),
            Engine = "vllm",
            DeviceKind = Kinds[kind].Kind,
            TensorParallel = devices,
            Needs = new ReplicaNeeds
            {
                Host = new MemoryNeed(Bytes.GiB(4 + (gib / 8)), Bytes.GiB(4)),
                PerDevice = new MemoryNeed(each, each),
                Devices = devices,
                Cores = Cores.Of(2),
                Disk = Bytes.Zero,
            },
            Service = new ServicePrior
            {
                Terms = [new TermCapacity(LatencyMetric.EndToEnd, [.. ServicePrior.Paces.Select(pace => perSecond / pace)])],
                Pooled = [1, 1.06, 1.12, 1.16, 1.2],
                MostPerSecond = perSecond * 1.5,
                PromptTokens = 500,
                AnswerTokens = 100,
                PromptTokenSeconds = 0.0002,
                StepSeconds = 0.02,
                SequenceSeconds = 0.0005,
                Places = 32,
                LogSpread = 0.3,
                From = "a formula",
            },
        };
    }

    // The classes' demand is a whole number of replicas and a part; of a replica of the first way.
    private double Rate(int m) => Rests(m) ? 0 : _demand * PerSecond(m, m % Kinds.Length) * (0.3 + (m % Classes * 37 % 50 / 16.0));

    private ModelTraffic Traffic(ModelSpec model, int m, bool served)
    {
        var arrivals = (long)Math.Round(Rate(m) * _level[m] * Review.TotalSeconds);
        return new ModelTraffic
        {
            Model = model.Id,
            From = At - Review,
            To = At,
            Arrivals = arrivals,
            Completed = served ? arrivals : 0,
            WithinSlo = served ? arrivals : 0,
            HeldNow = served ? 0 : (int)Math.Min(arrivals, 500),
            HeldRequestSeconds = served ? 0 : Math.Min(arrivals, 500) * 2.5,
            Service = served && arrivals > 0 ? new ServiceSample(arrivals, arrivals * 4, arrivals * 2.1, arrivals * 20, arrivals * 9, 8, 5) : null,
        };
    }

    /// <summary>
    /// What is known after an hour in which every model was asked as it is at first: of the first models, of which all others of their
    /// class know the same, each on its own copy. To be asked for before time passes.
    /// </summary>
    public Knowledge Learned()
    {
        var few = Spec with { Models = [.. Spec.Models.Take(4 * Classes)] };
        var replicas = few.Models.Select((model, m) => (model, m)).Where(one => !Rests(one.m)).Select(one => new InferenceReplica
        {
            Id = ReplicaId.Of(one.model.Id, 1),
            Model = one.model.Id,
            Version = "v1",
            Variant = one.model.Variants[0].Id,
            Placement = new Placement(_nodes[0].Id, []),
            State = ReplicaState.Ready,
            StateSince = Noon.AddHours(-1),
            StartedAt = Noon.AddHours(-1),
            Reserved = one.model.Variants[0].Needs,
        }).OrderBy(replica => replica.Id).ToImmutableArray();
        var known = Knowledge.Empty;
        for (_turn = -Buckets; _turn < 0; _turn++)
        {
            known = known.Fold(few, new FleetSnapshot
            {
                At = At,
                Can = Capabilities.ChooseNode,
                Nodes = [],
                Replicas = replicas,
                Traffic = [.. few.Models.Select((model, m) => Traffic(model, m, !Rests(m)))],
                Outcomes = _turn > -Buckets ? [] : [.. replicas.Select(replica => new Outcome.Loaded
                {
                    At = At, Replica = replica.Id, Model = replica.Model, Version = "v1", Variant = replica.Variant,
                    Size = Spec.Models[IndexOf(replica.Model)].Footprint.Weights, Took = TimeSpan.FromSeconds(10 + (GiBOf(IndexOf(replica.Model)) / 2.0)),
                })],
            });
        }

        var every = known with
        {
            Models = ImmutableSortedDictionary.CreateRange(Spec.Models.Select((model, m) => KeyValuePair.Create(model.Id, known.Of(Spec.Models[m % (4 * Classes)].Id)))),
        };
        return JsonSerializer.Deserialize(PlimsollJson.ToBytes(every, PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!;
    }
}
