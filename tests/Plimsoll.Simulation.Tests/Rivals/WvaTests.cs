using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Wva;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class WvaTests
{
    private static readonly WvaSettings Settings = new();

    private static WvaReplica Replica(string variant, long used, int waiting = 0) => new(variant, used, 16_000, used / 16_000.0, waiting, 100, 50);

    private static WvaVariant Variant(string name, int current, double cost = 10, int pending = 0, WvaEngineArguments? arguments = null) =>
        new(name, "gpu", current, pending, Cost: cost, Arguments: arguments);

    [Fact]
    public void V2_adds_what_is_missing_to_the_variant_cheapest_by_capacity()
    {
        // One replica of 12,800 tokens holds 20,000: 23,529 are needed, 10,729 more, one replica.
        var seen = new WvaObservation([Replica("a", 20_000)], [Variant("a", 1), Variant("b", 0, cost: 1)], 5);
        var decision = WvaEngine.DecideV2(Settings, WvaState.Fresh, seen);
        Assert.Equal((2, 0), (decision.Targets["a"], decision.Targets["b"]));
    }

    [Fact]
    public void V2_remembers_the_capacity_of_a_variant_that_reports_no_longer()
    {
        var state = WvaSaturation.Analyze(Settings, WvaState.Fresh, [Replica("a", 8000, waiting: 6)], [Variant("a", 1)]).State;
        Assert.Equal(8000, WvaSaturation.Analyze(Settings, state, [], [Variant("a", 0)]).Capacity["a"]);
    }

    [Fact]
    public void V2_takes_an_unknown_variant_for_as_large_as_an_equal_engine_that_reports()
    {
        var engine = new WvaEngineArguments(8192);
        ImmutableArray<WvaVariant> variants = [Variant("a", 1, arguments: engine), Variant("b", 0, arguments: engine with { MaxSequences = 64 })];
        Assert.Equal(6000, WvaSaturation.Analyze(Settings, WvaState.Fresh, [Replica("a", 6000, waiting: 6)], variants).Capacity["b"]);
        variants = [variants[0], variants[1] with { Arguments = engine with { TensorParallel = 2, MaxSequences = 64 } }];
        // min(8192 · 50 / 150, 64) sequences of 125 tokens.
        Assert.Equal(8000, WvaSaturation.Analyze(Settings, WvaState.Fresh, [Replica("a", 6000, waiting: 6)], variants).Capacity["b"]);
    }

    [Fact]
    public void V2_keeps_the_last_ten_measurements_and_goes_by_their_mean()
    {
        var state = WvaState.Fresh;
        for (var i = 1; i <= 12; i++) state = WvaSaturation.Analyze(Settings, state, [Replica("a", 1000 * i, waiting: 5)], [Variant("a", 1)]).State;
        Assert.Equal(Enumerable.Range(3, 10).Select(i => 1000L * i), state.Computed[WvaTokens.HistoryKey("gpu", 50)]);
        Assert.Equal(7500, WvaSaturation.Analyze(Settings, state, [Replica("a", 500)], [Variant("a", 1)]).Capacity["a"]);
    }

    [Fact]
    public void V2_ignores_a_replica_without_a_known_cache() =>
        Assert.Equal(0, WvaSaturation.Analyze(Settings, WvaState.Fresh, [Replica("a", 5000) with { TokenCapacity = 0 }], [Variant("a", 1)]).Demand);

    [Fact]
    public void Where_zero_is_not_allowed_the_cheapest_keeps_one_and_where_it_is_all_go_once_nobody_asked()
    {
        var seen = new WvaObservation([], [Variant("a", 0, cost: 5), Variant("b", 0, cost: 3)], 0);
        Assert.Equal(1, WvaEngine.DecideV2(Settings, WvaState.Fresh, seen).Targets["b"]);
        var zero = Settings with { ScaleToZero = true };
        var busy = new WvaObservation([Replica("a", 9500)], [Variant("a", 1)], 0);
        Assert.Equal(0, WvaEngine.DecideV2(zero, WvaState.Fresh, busy).Targets["a"]);
        Assert.Equal(1, WvaEngine.DecideV2(zero, WvaState.Fresh, busy with { RequestsInRetention = null }).Targets["a"]);
    }

    [Fact]
    public void From_zero_every_variant_of_the_model_gets_one()
    {
        var seen = new WvaObservation([], [Variant("a", 0), Variant("b", 0), Variant("c", 2)], 0, QueuedAtEndpointPicker: 1);
        Assert.Equal([1, 1, 2], WvaEngine.FromZero(seen).Values);
        Assert.Equal([0, 0, 2], WvaEngine.FromZero(seen with { QueuedAtEndpointPicker = 0 }).Values);
    }

    [Fact]
    public void V1_passes_over_a_variant_that_still_has_pending_replicas()
    {
        ImmutableArray<WvaVariant> variants = [Variant("a", 2, cost: 5, pending: 1), Variant("b", 2, cost: 9)];
        ImmutableArray<WvaReplica> replicas = [Replica("a", 13_000), Replica("a", 13_000), Replica("b", 13_000), Replica("b", 13_000)];
        Assert.Equal([2, 3], WvaEngine.DecideV1(Settings, WvaState.Fresh, new(replicas, variants, 5)).Targets.Values);
    }

    [Fact]
    public void V1_without_metrics_neither_adds_nor_takes() => Assert.Equal((false, false), WvaPercentage.Analyze(Settings, []));
}
