using System.Collections.Immutable;
using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Of a model that may run in several ways: which of them, how many of each, and where there is no room for the cheapest.</summary>
public sealed class CheapestVariantTests
{
    private static readonly Prices Priced = new()
    {
        Devices = [new DevicePrice("large", UsdPerHour.Of(6)), new DevicePrice("small", UsdPerHour.Of(1))],
    };

    // A device of each kind is filled by one replica.
    private static ModelSpec Model(string id = "m", int max = 50, int min = 0, params string[] kinds) => Fleets.Model(id, 100, max: max, min: min) with
    {
        Variants = [.. kinds.Select(kind => OnDevice(kind, kind == "large" ? 80_000 : 20_000))],
    };

    private static FleetSpec Spec(Prices prices, params ModelSpec[] models) =>
        Fleets.Spec(models) with { Prices = prices, Settings = new PlannerSettings { CheapestVariant = true } };

    private static ImmutableArray<NodeState> Nodes(int large, int small) =>
    [
        Node(100_000, 64, "n-large") with { Devices = Devices("large", large, 80_000) },
        Node(100_000, 64, "n-small") with { Devices = Devices("small", small, 20_000) },
    ];

    private static ImmutableArray<DeviceState> Devices(string kind, int count, double mib) =>
    [
        .. Enumerable.Range(0, count).Select(i => new DeviceState { Id = new DeviceId($"gpu{i}"), Kind = kind, Memory = Bytes.MiB(mib), MemoryBudget = Bytes.MiB(mib) }),
    ];

    // So many requests a second are carried by one of a kind, and as many came in the last seconds.
    private static Plan Decide(
        FleetSpec spec, ImmutableArray<NodeState> nodes, double arrivals, Dictionary<string, double> carries, params InferenceReplica[] replicas) =>
        Decide(spec, nodes, arrivals, carries, Local, replicas);

    private static Plan Decide(
        FleetSpec spec, ImmutableArray<NodeState> nodes, double arrivals, Dictionary<string, double> carries, Capabilities can, InferenceReplica[] replicas)
    {
        var at = Noon;
        var known = Knowledge.Empty with
        {
            FoldedAt = at,
            Models = spec.Models.ToImmutableSortedDictionary(model => model.Id, model => new ModelKnowledge
            {
                Version = model.Version,
                Demand = new DemandHistory(at, [.. Enumerable.Repeat(arrivals, 60)]),
                ActiveRate = arrivals,
                LastArrival = at,
                VariantServices = model.Variants.Where(variant => carries.ContainsKey(variant.DeviceKind!)).ToImmutableSortedDictionary(
                    variant => variant.Id, variant => Alone(1 / carries[variant.DeviceKind!])),
            }),
        };
        var observed = Snapshot(spec, nodes[0], at, replicas) with { Nodes = [.. nodes.OrderBy(node => node.Id)], Can = can };
        observed = observed with { Traffic = [.. observed.Traffic.Select(row => row with { From = row.To })] };
        return new Planner(new WeightAllocator()).Decide(spec, observed, known);
    }

    // Requests that were always alone: one replica carries one in so many seconds.
    private static ServiceFit Alone(double seconds) => new(100, 100, 100 * seconds, 100, 100 * seconds, 1);

    private static InferenceReplica Running(ModelSpec model, int ordinal, string kind, int device) =>
        Replica(model, ordinal, ReplicaState.Ready, Noon.AddHours(-1), node: $"n-{kind}") with
        {
            Variant = new VariantId($"on-{kind}"),
            Placement = new Placement(new NodeId($"n-{kind}"), [new DeviceId($"gpu{device}")]),
            Reserved = model.Variants.First(variant => variant.DeviceKind == kind).Needs,
        };

    private static string Started(Plan plan) => string.Join(' ', plan.Steps.OfType<Step.Start>()
        .GroupBy(start => start.Variant.Value).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => $"{group.Count()}×{group.Key["on-".Length..]}"));

    private static Dictionary<string, double> Carries(double large, double small) => new() { ["large"] = large, ["small"] = small };

    [Theory]
    [InlineData(2, 10, 3, "1×small")] // what one small one carries is cheapest on it
    [InlineData(9, 10, 3, "3×small")] // three small ones at $3 for one large at $6
    [InlineData(30, 30, 3, "1×large")] // one large at $6 for ten small at $10
    [InlineData(32, 30, 3, "1×large 1×small")] // and a small one for the rest, not a second large one
    [InlineData(58, 30, 3, "2×large")] // nine small ones would cost more than the second large one
    public void The_cheapest_that_carries_the_demand_whatever_the_order(double demand, double large, double small, string expected)
    {
        foreach (string[] kinds in new[] { new[] { "large", "small" }, ["small", "large"] })
        {
            var plan = Decide(Spec(Priced, Model(kinds: kinds)), Nodes(8, 16), demand, Carries(large, small));
            Assert.Equal(expected, Started(plan));
        }
    }

    [Fact]
    public void A_reason_says_what_the_other_way_would_cost()
    {
        var plan = Decide(Spec(Priced, Model(kinds: ["large", "small"])), Nodes(8, 8), 9, Carries(10, 3));
        Assert.EndsWith("; rather than as on-large (an hour for all of it $6, against $3)", plan.Steps.OfType<Step.Start>().First().Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_reason_counts_replicas_of_all_ways_and_what_they_carry_on_the_mean()
    {
        // A large one of 30 and a small one of 3: two of 16.5 each, whichever of them is started.
        var plan = Decide(Spec(Priced, Model(kinds: ["large", "small"])), Nodes(8, 16), 32, Carries(30, 3));
        Assert.All(plan.Steps.OfType<Step.Start>(), start => Assert.Contains("that takes 2 of 16.5/s each, 0 there", start.Reason.ToString(), StringComparison.Ordinal));
        Assert.Equal("1×large 1×small", Started(plan));
        // Room for two small ones of 3, and three are wanted.
        var few = Decide(Spec(Priced, Model(kinds: ["large", "small"])), Nodes(0, 2), 9, Carries(10, 3));
        Assert.Equal("2×small", Started(few));
        Assert.All(few.Steps.OfType<Step.Start>(), start => Assert.Contains("that takes 3 of ", start.Reason.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public void Where_the_cheapest_has_no_room_the_next_is_taken_for_the_rest_and_nobody_goes()
    {
        var model = Model(kinds: ["small", "large"]);
        var other = Model("other", kinds: ["small"]);
        var plan = Decide(Spec(Priced, model, other), Nodes(8, 2), 12, Carries(10, 3), Running(other, 1, "small", 0));
        Assert.Equal("1×large 1×small", Started(plan with { Steps = [.. plan.Steps.Where(step => step is Step.Start { Model.Value: "m" })] }));
        Assert.DoesNotContain(plan.Steps, step => step is Step.Drain or Step.Stop);
        Assert.Contains("rather than as on-small, which finds no room", plan.Steps.OfType<Step.Start>().Single(start => start.Variant.Value == "on-large").Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_none_has_room_it_says_what_the_cheapest_lacks()
    {
        var other = Model("other", kinds: ["small"]) with { Priority = 1 };
        var plan = Decide(Spec(Priced, Model(kinds: ["small"]) with { Variants = [OnDevice("small", 20_000), OnDevice("large", 80_000)] }, other), Nodes(0, 1), 2, Carries(10, 3), Running(other, 1, "small", 0));
        Assert.Empty(plan.Steps.OfType<Step.Start>());
        Assert.Equal(Rule.HoldScarceDevice, plan.Models[0].Reason.Rule);
    }

    [Fact]
    public void What_runs_is_kept_and_only_the_rest_is_chosen()
    {
        var model = Model(kinds: ["large", "small"]);
        var plan = Decide(Spec(Priced, model), Nodes(8, 8), 12, Carries(10, 3), Running(model, 1, "large", 0));
        Assert.Equal("1×small", Started(plan));
        Assert.DoesNotContain(plan.Steps, step => step is Step.Drain or Step.Stop);
    }

    [Fact]
    public void What_is_dearest_for_what_it_carries_goes_first()
    {
        var model = Model(kinds: ["large", "small"]) with { IdleLimit = null };
        var spec = Spec(Priced, model);
        InferenceReplica[] there = [Running(model, 1, "large", 0), Running(model, 2, "small", 0), Running(model, 3, "small", 1)];
        var plan = Decide(spec, Nodes(8, 8), 5, Carries(10, 3), there);
        for (var second = 1; !plan.Steps.OfType<Step.Drain>().Any() && second < 3000; second++)
        {
            var at = Noon.AddSeconds(second);
            var observed = Snapshot(spec, Node(1), at, there) with { Nodes = Nodes(8, 8) };
            plan = Fleets.Decide(spec, observed.With(Traffic(model.Id, at, 5)), plan.Next);
        }

        Assert.Equal([there[0].Id], plan.Steps.OfType<Step.Drain>().Select(drain => drain.Replica));
    }

    [Fact]
    public void A_way_that_fits_no_device_is_not_chosen_for_having_enough_of_them()
    {
        var model = Model(kinds: ["small", "large"]);
        model = model with { Variants = [OnDevice("small", 30_000), model.Variants[1]] };
        Assert.Equal("1×large", Started(Decide(Spec(Priced, model), Nodes(8, 8), 2, Carries(10, 3))));
    }

    [Fact]
    public void Without_prices_the_order_decides_and_the_next_only_takes_what_finds_no_room()
    {
        Assert.Equal("3×small", Started(Decide(Spec(new Prices(), Model(kinds: ["small", "large"])), Nodes(8, 8), 9, Carries(10, 3))));
        Assert.Equal("1×large", Started(Decide(Spec(new Prices(), Model(kinds: ["large", "small"])), Nodes(8, 8), 9, Carries(10, 3))));
        Assert.Equal("1×large 2×small", Started(Decide(Spec(new Prices(), Model(kinds: ["small", "large"])), Nodes(8, 2), 15, Carries(10, 3))));
    }

    [Fact]
    public void What_nobody_saw_at_work_is_not_chosen_for_its_price()
    {
        var spec = Spec(Priced, Model(kinds: ["large", "small"]));
        var carries = new Dictionary<string, double> { ["large"] = 10 };
        Assert.Equal("1×large", Started(Decide(spec, Nodes(8, 8), 9, carries)));
        Assert.Equal("1×large 1×small", Started(Decide(spec, Nodes(1, 8), 19, carries)));
    }

    [Fact]
    public void Times_teach_of_a_way_only_while_it_serves_alone()
    {
        var model = Model(kinds: ["large", "small"]);
        var spec = Spec(Priced, model);
        var sample = new ServiceSample(10, 10, 2, 10, 2, 1, 0.2);
        ModelKnowledge After(FleetSpec of, params InferenceReplica[] serving)
        {
            var observed = Snapshot(of, Node(1), Noon, serving) with { Nodes = Nodes(8, 8) };
            return Knowledge.Empty.Fold(of, observed.With(Traffic(model.Id, Noon, 10) with { Service = sample })).Of(model.Id);
        }

        var (large, small) = (Running(model, 1, "large", 0), Running(model, 2, "small", 0));
        Assert.Equal([small.Variant], After(spec, small).VariantServices!.Keys);
        Assert.Equal(10, After(spec, small).ServiceOf(small.Variant).Weight);
        Assert.Null(After(spec, large, small).VariantServices);
        Assert.Equal(10, After(spec, large, small).ServiceOf(small.Variant).Weight); // of the model's replicas, whichever
        Assert.Null(After(spec with { Settings = new PlannerSettings() }, small).VariantServices);
    }

    [Fact]
    public void Bounds_of_the_file_hold_for_all_ways_together()
    {
        Assert.Equal("2×large", Started(Decide(Spec(Priced, Model(max: 2, kinds: ["large", "small"])), Nodes(8, 8), 19, Carries(10, 3))));
        Assert.Equal("2×large", Started(Decide(Spec(Priced, Model(max: 2, kinds: ["large", "small"])), Nodes(8, 8), 1000, Carries(10, 3))));
        Assert.Equal("4×small", Started(Decide(Spec(Priced, Model(min: 4, kinds: ["large", "small"])), Nodes(8, 8), 0, Carries(10, 3))));
    }

    [Fact]
    public void Without_the_setting_the_first_that_has_the_devices_is_taken_as_ever()
    {
        var spec = Spec(Priced, Model(kinds: ["large", "small"])) with { Settings = new PlannerSettings() };
        Assert.Equal("1×large", Started(Decide(spec, Nodes(8, 8), 9, Carries(10, 3))));
    }

    // A cluster with a scheduler: each way is a target of its own, whose pods go to the nodes with its kind of device.
    private static ModelSpec Targets(bool inOrder, params string[] kinds)
    {
        var model = Model(kinds: kinds);
        SchedulerRequests Asks(string kind) => new() { Memory = Bytes.MiB(100), Cores = Cores.Of(0.1), Resource = "nvidia.com/gpu", Devices = 1, Pools = [kind] };
        return model with
        {
            InOrder = inOrder,
            Requests = Asks(kinds[0]),
            Variants = [.. model.Variants.Select(variant => variant with { Target = "to-" + variant.DeviceKind, Requests = Asks(variant.DeviceKind!) })],
        };
    }

    private static string Scheduled(ModelSpec model, double demand, int large, int small)
    {
        var spec = Spec(Priced, model);
        NodeState[] nodes =
        [
            SchedulerChoiceTests.Gpus("n-large", 100_000, 8, "large", 80_000, large) with { Pool = "large" },
            SchedulerChoiceTests.Gpus("n-small", 100_000, 16, "small", 20_000, small) with { Pool = "small" },
        ];
        return Started(Decide(spec, [.. nodes], demand, Carries(10, 3), Capabilities.ChooseVictim, []));
    }

    [Fact]
    public void Where_a_scheduler_places_the_cheapest_targets_are_chosen_unless_their_order_is_to_decide()
    {
        Assert.Equal("3×small", Scheduled(Targets(false, "large", "small"), 9, 8, 16));
        Assert.Equal("1×large", Scheduled(Targets(true, "large", "small"), 9, 8, 16));
        Assert.Equal("1×large 1×small", Scheduled(Targets(false, "large", "small"), 12, 8, 1));
        Assert.Equal("2×small", Scheduled(Targets(false, "large", "small"), 12, 0, 2));
        Assert.Equal("", Scheduled(Targets(false, "large", "small"), 12, 0, 0));
    }

    [Fact]
    public void Nothing_cheaper_carries_it_however_long_one_looks() =>
        Gen.Select(Gen.Select(Gen.Int[1, 9], Gen.Int[1, 12]).Array[1, 3], Gen.Int[0, 2].Array[3], Gen.Int[1, 40], Gen.Int[4, 30]).Sample(
            (draws, running, demand, most) =>
            {
                var ways = draws.Select((draw, i) => Way($"w{i}", draw.Item1, draw.Item2)).ToImmutableArray();
                var there = running.Take(ways.Length).ToArray();
                var mix = new VariantMix(ways);
                var more = mix.More(there, VariantMix.Unlimited(ways.Length), demand, most);
                var (best, covers) = Brute(ways, there, demand, most);
                var carried = ways.Select((way, i) => (there[i] + more[i]) * way.Capacity!.Value).Sum();
                Assert.All(more, count => Assert.True(count >= 0));
                Assert.True(more.Sum() + there.Sum() <= Math.Max(most, there.Sum()));
                if (!covers) return;
                Assert.True(carried >= demand);
                Assert.Equal(best, more.Select((count, i) => count * ways[i].PricePerHour!.Value.Micro).Sum());
            });

    private static ModelOutlook Way(string id, double capacity, int micro)
    {
        var model = Model(kinds: ["small"]);
        return new ModelOutlook
        {
            Model = model,
            Variant = model.Variants[0] with { Id = new VariantId(id) },
            Needs = model.Variants[0].Needs,
            Load = new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0),
            LoadFromDisk = new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0),
            LoadAnew = new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0),
            Fetch = new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0),
            Horizon = TimeSpan.Zero,
            Demand = Signal.Missing<double>("a test"),
            ActiveRate = 0,
            Forecast = Signal.Missing<double>("a test"),
            Quantile = 0.99,
            Capacity = capacity,
            PricePerHour = new UsdPerHour(micro),
            Serving = 0,
            Loading = 0,
            Held = 0,
            Outstanding = 0,
            Idle = null,
            Hold = null,
            MissesOnReturn = 0,
            TrafficSeen = true,
        };
    }

    private static (long Micro, bool Covers) Brute(ImmutableArray<ModelOutlook> ways, int[] there, double demand, int most)
    {
        var best = long.MaxValue;
        var counts = new int[ways.Length];
        Try(0);
        return (best, best < long.MaxValue);

        void Try(int at)
        {
            if (at == ways.Length)
            {
                if (counts.Sum() + there.Sum() > most && counts.Sum() > 0) return;
                if (ways.Select((way, i) => (there[i] + counts[i]) * way.Capacity!.Value).Sum() >= demand)
                    best = Math.Min(best, counts.Select((count, i) => count * ways[i].PricePerHour!.Value.Micro).Sum());
                return;
            }

            for (counts[at] = 0; counts[at] <= Math.Min(most, demand); counts[at]++) Try(at + 1);
            counts[at] = 0;
        }
    }
}
