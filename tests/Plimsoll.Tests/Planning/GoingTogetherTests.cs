using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Several that go in one plan: what they lose is lost together, and what must stay of a model stays of all of it.</summary>
public sealed class GoingTogetherTests
{
    private static readonly PlannerSettings Together = new() { LossesTogether = true };
    private static readonly ModelSpec Large = Model("large", 2000, priority: 5);
    private static readonly ModelSpec A = Model("a", 1000, max: 2);
    private static readonly ModelSpec B = Model("b", 1000, max: 2);

    // Each replica carries 5 requests a second, and loads in 10 s.
    private static ModelKnowledge Asked(ModelSpec model, double perSecond, TimeSpan? idle = null) => new()
    {
        Version = "v1",
        Demand = new DemandHistory(Noon, [.. Enumerable.Repeat(idle is null ? perSecond : 0, 600)]),
        ActiveRate = perSecond,
        LastArrival = Noon - (idle ?? TimeSpan.Zero),
        LastWanted = [.. Enumerable.Repeat(Noon.AddHours(-1), 2)],
        NextOrdinal = 9,
        Service = new ServiceFit(100, 100, 20, 100, 20, 1),
        Loads = new LoadStatistics([.. Enumerable.Repeat(new LoadSample(model.Footprint.Weights, TimeSpan.FromSeconds(10)), 5)]),
    };

    private static Knowledge Known(params (ModelSpec Model, ModelKnowledge Known)[] all) => Knowledge.Empty with
    {
        FoldedAt = Noon,
        Models = Knowledge.Empty.Models.SetItems(all.Select(one => KeyValuePair.Create(one.Model.Id, one.Known))),
    };

    private static InferenceReplica Ready(ModelSpec model, int ordinal, string node = "here") => Replica(model, ordinal, ReplicaState.Ready, Noon.AddHours(-1), node: node);

    private static string[] Going(FleetSpec spec, FleetSnapshot snapshot, Knowledge known) =>
        [.. new Planner(new WeightAllocator()).Decide(spec, snapshot, known).Steps.OfType<Step.Drain>().Select(step => step.Replica.Value)];

    [Fact]
    public void Two_models_give_one_replica_each_rather_than_one_model_both()
    {
        // One replica carries what either is asked, so that nothing is lost by one of two, and all by the second.
        var spec = Spec(A, B, Large);
        var snapshot = Snapshot(spec, Node(4000), Noon, Ready(A, 1), Ready(A, 2), Ready(B, 1), Ready(B, 2)).With(Traffic(Large.Id, Noon, 0, held: 3));
        var known = Known((A, Asked(A, 2)), (B, Asked(B, 2)), (Large, Asked(Large, 1)));

        Assert.Equal(["a-1", "a-2"], Going(spec, snapshot, known));
        Assert.Equal(["a-1", "b-1"], Going(spec with { Settings = Together }, snapshot, known));
    }

    [Fact]
    public void Equals_do_not_take_the_last_ones_that_a_model_is_to_have()
    {
        var (equal, least) = (Large with { Priority = 0 }, A with { MinReplicas = 1 });
        var spec = Spec(least, equal);
        var snapshot = Snapshot(spec, Node(2000), Noon, Ready(least, 1), Ready(least, 2)).With(Traffic(equal.Id, Noon, 0, held: 3));
        var known = Known((least, Asked(least, 2, idle: TimeSpan.FromMinutes(50))), (equal, Asked(equal, 1) with { HeldDebt = 1e9 }));

        Assert.Equal(["a-1", "a-2"], Going(spec, snapshot, known));
        Assert.Empty(Going(spec with { Settings = Together }, snapshot, known));
    }

    [Fact]
    public void Over_nodes_as_on_one_who_matters_least_goes_first()
    {
        var (middle, small) = (A with { Priority = 3, MaxReplicas = 1 }, Large with { Priority = 5, Variants = A.Variants });
        var spec = Spec(middle, B, small);
        var there = Snapshot(spec, Node(1000, id: "first"), Noon, Ready(middle, 1, "first"), Ready(B, 1, "second"));
        var snapshot = (there with { Nodes = [.. there.Nodes, Node(1000, id: "second")] }).With(Traffic(small.Id, Noon, 0, held: 3));
        // What matters more loses less.
        var known = Known((middle, Asked(middle, 1)), (B, Asked(B, 4)), (small, Asked(small, 1)));

        Assert.Equal(["a-1"], Going(spec, snapshot, known));
        Assert.Equal(["b-1"], Going(spec with { Settings = Together }, snapshot, known));
    }

    private static readonly PlannerSettings Seen = new() { IdleIsSeen = true };

    [Fact]
    public void Who_is_not_counted_keeps_its_place()
    {
        // More important, and not idle for all anybody knows: its counts are missing.
        var (holder, small) = (A with { Priority = 5, MaxReplicas = 1 }, B with { MaxReplicas = 1 });
        var spec = Spec(holder, small);
        var snapshot = Snapshot(spec, Node(1000), Noon, Ready(holder, 1)).With(Traffic(small.Id, Noon, 0, held: 3));
        snapshot = snapshot with { Traffic = [.. snapshot.Traffic.Where(row => row.Model == small.Id)] };
        var known = Known((holder, Asked(holder, 50, idle: TimeSpan.FromMinutes(5))), (small, Asked(small, 1) with { HeldDebt = 1e9 }));

        Assert.Equal(["a-1"], Going(spec, snapshot, known));
        Assert.Empty(Going(spec with { Settings = Seen }, snapshot, known));
    }

    [Theory]
    [InlineData(20, false)]
    [InlineData(90, false)]
    [InlineData(110, true)]
    public void Who_matters_more_keeps_its_place_between_two_requests(int seconds, bool goes)
    {
        var (holder, small) = (A with { Priority = 5, MaxReplicas = 1 }, B with { MaxReplicas = 1 });
        var spec = Spec(holder, small) with { Settings = Seen with { LoadsPerTurn = PlannerSettings.LoadsPerTurnUsual } };
        var snapshot = Snapshot(spec, Node(1000), Noon, Ready(holder, 1)).With(Traffic(small.Id, Noon, 0, held: 3));
        var now_and_then = Asked(holder, 1, TimeSpan.FromSeconds(seconds)) with { Demand = new DemandHistory(Noon, [.. Enumerable.Range(1, 600).Select(i => i == 600 - seconds ? 1.0 : 0)]) };
        var known = Known((holder, now_and_then), (small, Asked(small, 1) with { HeldDebt = 1e9 }));

        Assert.Equal(goes ? ["a-1"] : [], Going(spec, snapshot, known));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void Who_was_never_asked_goes_at_its_limit_since_it_was_last_wanted(bool seen, bool goes)
    {
        var model = A with { IdleLimit = TimeSpan.FromMinutes(10), MaxReplicas = 1 };
        var spec = Spec(model) with { Settings = new PlannerSettings { IdleIsSeen = seen } };
        var known = Known((model, Asked(model, 0) with { LastArrival = null, Demand = new DemandHistory(Noon, [.. new double[600]]), LastWanted = [Noon.AddMinutes(-11)] }));

        Assert.Equal(goes ? ["a-1"] : [], Going(spec, Snapshot(spec, Node(1000), Noon, Ready(model, 1)), known));
    }

    [Fact]
    public void After_a_clock_that_was_set_back_what_was_wanted_is_wanted_until_now()
    {
        var spec = Spec(A) with { Settings = Seen };
        var known = Known((A, Asked(A, 1) with { LastWanted = [Noon, Noon.AddHours(1)], ShortSince = Noon.AddHours(1) }));
        var next = new Planner(new WeightAllocator()).Decide(spec, Snapshot(spec, Node(4000), Noon, Ready(A, 1), Ready(A, 2)), known).Next.Of(A.Id);

        Assert.Equal([Noon, Noon], next.LastWanted);
    }

    private static readonly PlannerSettings Replaced = new() { SuccessorsWait = true, ReplacedByQuarters = true };

    [Theory]
    [InlineData(1, 3, 0)]
    [InlineData(2, 2, 0)]
    [InlineData(2, 3, 1)]
    [InlineData(3, 3, 2)]
    [InlineData(4, 3, 3)]
    public void Of_the_version_before_so_many_go_as_leave_those_that_are_wanted(int serve, int old, int go)
    {
        var model = Model("m", 1000, min: 4, max: 4);
        var spec = Spec(model) with { Settings = Replaced };
        InferenceReplica[] there =
        [
            .. Enumerable.Range(1, old).Select(i => Ready(model, i) with { Version = "v0", Outstanding = 1 }),
            .. Enumerable.Range(5, serve).Select(i => Ready(model, i)),
            .. Enumerable.Range(9, 4 - serve).Select(i => Replica(model, i, ReplicaState.Loading, Noon.AddSeconds(-1))),
        ];

        Assert.Equal(go, Decide(spec, Snapshot(spec, Node(9000), Noon, there).With(Traffic(model.Id, Noon, 1))).Steps.OfType<Step.Drain>().Count());
    }

    [Fact]
    public void Where_there_is_never_room_for_all_that_are_wanted_one_after_the_other_is_replaced()
    {
        // Room for three of four.
        var model = Model("m", 1000, min: 4, max: 4);
        InferenceReplica Old(int i) => Ready(model, i) with { Version = "v0", Outstanding = 1 };
        string[] Steps(PlannerSettings settings, params InferenceReplica[] there)
        {
            var spec = Spec(model) with { Settings = settings };
            return [.. Decide(spec, Snapshot(spec, Node(3000, cores: 64), Noon, there).With(Traffic(model.Id, Noon, 1))).Steps.OfType<Step.Drain>().Select(step => step.Replica.Value)];
        }

        Assert.Empty(Steps(Replaced with { ReplacedByQuarters = false }, Old(1), Old(2), Old(3)));
        Assert.Single(Steps(Replaced, Old(1), Old(2), Old(3)));
        Assert.Empty(Steps(Replaced, Old(1), Old(2), Replica(model, 5, ReplicaState.Loading, Noon.AddSeconds(-1))));
        Assert.Single(Steps(Replaced, Old(1), Old(2), Ready(model, 5)));
    }

    [Fact]
    public void Another_goes_in_place_of_a_surplus_one_that_may_not()
    {
        var model = Model("m", 100, max: 3);
        // The newest would go first.
        var floor = new ReadyFloor("prod/llama", [ReplicaId.Of(model.Id, 3)], 1);
        var spec = Spec(model) with { Settings = Replaced, Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02) } };
        var snapshot = Snapshot(spec, Node(4000), Noon, Ready(model, 1), Ready(model, 2), Ready(model, 3)).With(Traffic(model.Id, Noon, 1)) with { Floors = [floor] };
        var known = Known((model, Asked(model, 1) with { LastWanted = [Noon, Noon.AddHours(-2), Noon.AddHours(-2)] }));

        Assert.Equal(["m-1", "m-2"], Going(spec, snapshot, known));
        Assert.Equal(["m-2"], Going(spec with { Settings = new PlannerSettings() }, snapshot, known));
    }
}
