using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What runs is replaced by what carries the same for less, once that pays, and by what carries more where as many as may be do not do.</summary>
public sealed class MovingTests
{
    private static readonly PlannerSettings Settings = new() { CheapestVariant = true, MoveWhereCheaper = true };

    private static readonly Prices Priced = new()
    {
        Devices = [new DevicePrice("large", UsdPerHour.Of(6)), new DevicePrice("small", UsdPerHour.Of(1))],
    };

    private static ModelSpec Model(int max = 4, int min = 0) => Fleets.Model("m", 100, max: max, min: min) with
    {
        Variants = [OnDevice("large", 20_000), OnDevice("small", 20_000)],
    };

    /// <summary>A model on a node of two large and four small devices, looked at every five seconds.</summary>
    private sealed class Scene(ModelSpec model, PlannerSettings settings)
    {
        private FleetSpec _spec = Spec(model) with { Prices = Priced, Settings = settings };
        private readonly Planner _planner = new(new WeightAllocator());
        private DateTimeOffset _at = Noon;
        private Knowledge _known = Knowledge.Empty;

        public List<InferenceReplica> Running { get; } = [];

        public int Small { get; init; } = 4;

        public FailureRecord Failures { get; init; } = FailureRecord.None;

        public TimeSpan Passed => _at - Noon;

        /// <summary>The small ones are on a node of their own, whose disk holds a copy that nobody asks for now.</summary>
        public bool Apart { get; init; }

        /// <summary>As many small ones as all models together may have.</summary>
        public int SmallMost { init => _spec = _spec with { Quotas = [new DeviceQuota("small", value)] }; }

        public void Run(int ordinal, string kind, ReplicaState state = ReplicaState.Ready) => Running.Add(Replica(model, ordinal, state, _at) with
        {
            Variant = new VariantId($"on-{kind}"),
            Placement = new Placement(new NodeId("n1"), [new DeviceId($"{kind}{Running.Count(one => one.Variant.Value == $"on-{kind}")}")]),
            Reserved = model.Variants.First(variant => variant.DeviceKind == kind).Needs,
        });

        /// <summary>Large ones carry ten a second each, small ones three.</summary>
        public Plan Look(double perSecond)
        {
            _at += TimeSpan.FromSeconds(5);
            var before = _known.Of(model.Id);
            _known = _known with
            {
                FoldedAt = _at,
                Models = _known.Models.SetItem(model.Id, before with
                {
                    Version = model.Version,
                    Failures = Failures,
                    NextOrdinal = 10,
                    Demand = new DemandHistory(_at, [.. Enumerable.Repeat(perSecond, 60)]),
                    ActiveRate = perSecond,
                    LastArrival = _at,
                    VariantServices = model.Variants.ToImmutableSortedDictionary(variant => variant.Id, variant => Alone(variant.DeviceKind == "large" ? 0.1 : 1 / 3.0)),
                }),
            };
            var node = Node(100_000, 64, "n1") with { Devices = [.. Devices("large", 2), .. Devices("small", Small)] };
            var spec = _spec;
            if (Apart) node = node with { Devices = [.. Devices("large", 2)], CacheBudget = Bytes.MiB(150), CacheFileSystemFree = Signal.Known(Bytes.MiB(1000), _at) };
            var observed = Snapshot(spec, node, _at, [.. Running.OrderBy(one => one.Id)]);
            if (Apart)
            {
                var idle = Fleets.Model("idle", 120, cached: true);
                spec = spec with { Models = [.. spec.Models, idle] };
                CachedArtifact Copy(string on, ModelSpec of) => new() { Node = new NodeId(on), Model = of.Id, Version = of.Version, Size = of.Footprint.OnDisk, Complete = true, Pinned = of.Id == model.Id };
                observed = observed with { Nodes = [node, node with { Id = new NodeId("n2"), Devices = [.. Devices("small", Small)] }], Cache = [Copy("n1", model), Copy("n2", idle)] };
            }

            observed = observed with { Traffic = [.. observed.Traffic.Select(row => row with { From = row.To })] };
            var plan = _planner.Decide(spec, observed, _known);
            _known = plan.Next;
            return plan;
        }

        /// <summary>Until the plan has such a step, or for an hour.</summary>
        public T? Until<T>(double perSecond) where T : Step
        {
            for (var i = 0; i < 720; i++)
            {
                if (Look(perSecond).Steps.OfType<T>().FirstOrDefault() is { } step) return step;
            }

            return null;
        }

        private static IEnumerable<DeviceState> Devices(string kind, int count) => Enumerable.Range(0, count)
            .Select(i => new DeviceState { Id = new DeviceId($"{kind}{i}"), Kind = kind, Memory = Bytes.MiB(20_000), MemoryBudget = Bytes.MiB(20_000) });

        private static ServiceFit Alone(double seconds) => new(100, 100, 100 * seconds, 100, 100 * seconds, 1);
    }

    [Fact]
    public void What_a_small_device_carries_moves_there_once_the_difference_has_come_to_what_the_change_costs()
    {
        var scene = new Scene(Model(), Settings);
        scene.Run(1, "large");
        Assert.Empty(scene.Look(2).Steps);
        var start = scene.Until<Step.Start>(2);
        Assert.Equal("on-small", start?.Variant.Value);
        Assert.StartsWith("1 as on-small would carry the 2/s expected for $1 an hour, and what does costs $6; in ", start!.Reason.ToString(), StringComparison.Ordinal);

        // Until it serves the large one does, however long that takes.
        scene.Run(10, "small", ReplicaState.Loading);
        for (var i = 0; i < 5; i++)
        {
            var waits = scene.Look(2);
            Assert.Empty(waits.Steps);
            Assert.Equal("1 that replaces others loads; 1 replica serves on until then", waits.Models[0].Reason.ToString());
        }

        scene.Running[1] = scene.Running[1] with { State = ReplicaState.Ready };
        Assert.Equal("m-1", scene.Until<Step.Drain>(2)?.Replica.Value);
        scene.Running.RemoveAt(0);
        Assert.Null(scene.Until<Step>(2));
    }

    [Theory]
    [InlineData(2, 4, false)] // as before journals knew of it
    [InlineData(9, 4, true)] // three small ones at $3 for one large at $6: they come together
    [InlineData(9, 2, false)] // for which there must be room
    [InlineData(19, 4, true)] // a large one and three small ones at $9 for two large at $12
    [InlineData(19, 2, false)]
    public void Moves_are_made_whole_and_where_they_save(double perSecond, int small, bool moves)
    {
        var scene = new Scene(Model(), perSecond > 2 ? Settings : Settings with { MoveWhereCheaper = false }) { Small = small };
        scene.Run(1, "large");
        if (perSecond > 10) scene.Run(2, "large");
        Assert.Equal(moves, scene.Until<Step.Start>(perSecond) is not null);
    }

    // 5/s take two small ones, at $2 for one large at $6; its weights come to their node in place of the idle copy there.
    [Theory]
    [InlineData(true, 1, false, false)]
    [InlineData(true, 2, true, true)]
    [InlineData(false, 1, true, false)] // as before journals knew of it: the copy went for nothing
    public void Of_a_move_that_finds_room_only_in_part_nothing_is_left(bool whole, int most, bool evicts, bool starts)
    {
        var model = Model() with { Cached = true };
        Scene New()
        {
            var scene = new Scene(model, Settings with { MovesWhole = whole }) { Apart = true, SmallMost = most };
            scene.Run(1, "large");
            return scene;
        }

        Assert.Equal(evicts, New().Until<Step.Evict>(5) is not null);
        Assert.Equal(evicts, New().Until<Step.Prefetch>(5) is not null);
        Assert.Equal(starts, New().Until<Step.Start>(5) is not null);
    }

    [Fact]
    public void Demand_that_the_small_one_could_not_carry_begins_the_count_anew()
    {
        var scene = new Scene(Model(max: 1), Settings);
        scene.Run(1, "large");
        for (var i = 0; i < 200; i++) Assert.Empty(scene.Look(i % 2 == 0 ? 2 : 8).Steps);
    }

    [Fact]
    public void Where_as_many_as_may_be_carry_too_little_stronger_ones_take_over()
    {
        var scene = new Scene(Model(max: 2), Settings);
        scene.Run(1, "small");
        scene.Run(2, "small");
        var start = scene.Until<Step.Start>(8);
        Assert.Equal("on-large", start?.Variant.Value);
        Assert.Equal("1 as on-large would carry 10.0/s of the 8/s expected; the 2 there, as many as it may have, carry 6/s", start!.Reason.ToString());
        Assert.Equal(TimeSpan.FromSeconds(5), scene.Passed);

        scene.Run(10, "large", ReplicaState.Loading);
        for (var i = 0; i < 5; i++) Assert.Empty(scene.Look(8).Steps);
        scene.Running[2] = scene.Running[2] with { State = ReplicaState.Ready };
        Assert.Contains(scene.Until<Step.Drain>(8)?.Replica.Value, (string[])["m-1", "m-2"]);
    }

    [Fact]
    public void A_minimum_is_kept_of_what_carries_the_demand()
    {
        var scene = new Scene(Model(min: 2), Settings) { Small = 2 };
        scene.Run(1, "large");
        scene.Run(2, "small");
        scene.Run(3, "small");
        Assert.Contains(scene.Until<Step.Drain>(9.5)?.Replica.Value, (string[])["m-2", "m-3"]);
        scene.Running.RemoveAt(2);
        Assert.Null(scene.Until<Step>(9.5));
    }

    [Fact]
    public void A_minimum_moves_too_and_stays_moved()
    {
        var scene = new Scene(Model(min: 2), Settings);
        scene.Run(1, "large");
        scene.Run(2, "large");
        Assert.Equal("on-small", scene.Until<Step.Start>(2)?.Variant.Value);
        scene.Run(10, "small");
        scene.Run(11, "small");
        Assert.Contains(scene.Until<Step.Drain>(2)?.Replica.Value, (string[])["m-1", "m-2"]);
        scene.Running.RemoveRange(0, 2);
        Assert.Null(scene.Until<Step>(2));
    }

    [Fact]
    public void A_model_that_fails_to_load_is_not_moved()
    {
        var scene = new Scene(Model(), Settings) { Failures = new FailureRecord(1, null, "it crashed") };
        scene.Run(1, "large");
        Assert.Null(scene.Until<Step.Start>(2));
    }
}
