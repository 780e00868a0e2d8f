using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Dynamo;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class DynamoTests
{
    private static readonly DynamoSettings Settings = new() { MaxGpuBudget = 64, MaxKvTokens = 100_000 };

    /// <summary>Prefill takes 4 ms and 10 µs a token; decode 5 ms, 0.1 ms a request and 20 ns a token.</summary>
    private static DynamoState Learned()
    {
        var prefill = Enumerable.Range(1, 8).Select(i => new DynamoSample(0, 200 * i, 0.004 + 1e-5 * 200 * i));
        var decode = from b in Enumerable.Range(1, 3)
                     from c in Enumerable.Range(1, 3)
                     select new DynamoSample(10 * b, 5000 * c, 0.005 + 1e-4 * 10 * b + 2e-8 * 5000 * c);
        return DynamoPlanner.Observe(DynamoState.Fresh(DynamoPredictor.Constant), prefill, decode);
    }

    [Fact]
    public void Regressions_find_the_line_the_engines_keep_to()
    {
        var (prefill, decode) = (Learned().Prefill.Fit()!, Learned().Decode.Fit()!);
        Assert.Equal((0.004, 1e-5), (Math.Round(prefill.Constant, 9), Math.Round(prefill.PerToken, 12)));
        Assert.Equal((0.005, 1e-4, 2e-8), (Math.Round(decode.Constant, 9), Math.Round(decode.PerRequest, 9), Math.Round(decode.PerToken, 12)));
    }

    [Fact]
    public void A_line_that_falls_with_tokens_is_no_model_and_one_that_falls_with_requests_is_flat_in_them()
    {
        var falling = Enumerable.Range(1, 6).Aggregate(DynamoRegression.Empty, (m, i) => m.Observe(new(0, i, 1 - 0.1 * i)));
        Assert.Null(falling.Fit());
        var odd = (from r in Enumerable.Range(1, 3) from t in Enumerable.Range(1, 3) select new DynamoSample(r, t, 10 - r + t))
            .Aggregate(DynamoRegression.Empty, (m, s) => m.Observe(s));
        var fit = odd.Fit()!;
        // The constant stays that of the whole fit, 10, though its slope of −1 is gone.
        Assert.Equal((10.0, 0.0, 1.0), (Math.Round(fit.Constant, 9), fit.PerRequest, Math.Round(fit.PerToken, 9)));
    }

    [Fact]
    public void A_full_store_gives_up_the_oldest_of_where_it_has_most()
    {
        var model = Enumerable.Range(0, 70).Aggregate(DynamoRegression.Empty, (m, i) => m.Observe(new(0, i == 0 ? 1000 : 1 + i * 0.01, 1 + i)));
        Assert.Equal(DynamoRegression.MaxSamples, model.Samples.Length);
        Assert.Equal(1000, model.Samples[0].Tokens);
        Assert.Null(DynamoRegression.Empty.Observe(new(0, 5, 0)).Fit());
        Assert.Empty(DynamoRegression.Empty.Observe(new(0, 5, 0)).Samples);
    }

    [Fact]
    public void The_slow_loop_sets_floors_and_the_fast_one_keeps_to_them()
    {
        // 9,000 requests in 180 s are 50 a second. Prefill: 1,000 tokens take 14 ms, 71.4 a second, one replica.
        // Decode: 1,050 tokens of context, 95 of them in the cache, 17 ms a token, 56 a second at 100 tokens each: one.
        var traffic = new DynamoTraffic(9000, 1000, 100);
        var (decision, state) = DynamoPlanner.DecideThroughput(Settings, Learned(), traffic, new(1, 1));
        Assert.Equal(new DynamoPair(1, 1), decision.Floors);
        (decision, state) = DynamoPlanner.DecideThroughput(Settings, state, traffic with { Requests = 36_000 }, new(1, 1));
        Assert.Equal(new DynamoPair(3, 4), decision.Floors);
        Assert.Null(decision.Decision);

        var idle = new DynamoPool(3, 3, [.. Enumerable.Repeat(new DynamoEngine(0, 0, 0), 3)]);
        var load = DynamoPlanner.DecideLoad(Settings, state, idle, idle with { Ready = 4, Engines = [.. idle.Engines, new(0, 0, 0)] }, 4096);
        Assert.Null(load.Decision);
        load = DynamoPlanner.DecideLoad(Settings, state with { Floors = default }, idle, new(4, 4, [.. idle.Engines, new(0, 0, 0)]), 4096);
        Assert.Equal(new DynamoPair(2, 3), load.Decision);
    }

    [Fact]
    public void Until_both_models_are_ready_both_pools_are_held()
    {
        var state = Learned() with { Decode = DynamoRegression.Empty };
        var (decision, _) = DynamoPlanner.DecideThroughput(Settings with { EnableLoad = false }, state, new(90_000, 1000, 100), new(2, 3));
        Assert.Equal((null, DynamoThroughput.NotReady), (decision.Decision, decision.Reason));
    }

    [Fact]
    public void Without_requests_nothing_is_predicted()
    {
        var (decision, state) = DynamoPlanner.DecideThroughput(Settings, Learned(), new(0, 0, 0), new(2, 3));
        Assert.Equal("no_traffic_data", decision.Reason);
        Assert.Equal(0, state.Requests.Seen);
    }

    [Fact]
    public void Engines_that_do_not_all_report_stop_the_fast_loop()
    {
        var pool = new DynamoPool(2, 2, [new(9999, 0, 0)]);
        Assert.Equal("worker_count_mismatch", DynamoPlanner.DecideLoad(Settings, Learned(), pool, pool, 4096).Reason);
        Assert.Equal("scaling_in_progress", DynamoPlanner.DecideAggregatedLoad(Settings, Learned(), pool with { Expected = 3 }, 4096).Reason);
    }

    /// <summary>SLA 500 ms, own prefill 14 ms: 40 chunks of 2,048 tokens, 24.48 ms each, miss it; up only if every engine does.
    /// Down only if twice the queue stays within 80 % of the other 486 ms: 14 chunks take 343 ms, 16 take 392.</summary>
    [Theory]
    [InlineData(81_920, 81_920, 3)]
    [InlineData(81_920, 0, 2)]
    [InlineData(0, 0, 1)]
    [InlineData(14_336, 14_336, 1)]
    [InlineData(16_384, 16_384, 2)]
    [InlineData(18_432, 0, 2)]
    public void By_latency_prefill_grows_if_all_would_miss_and_shrinks_if_one_fewer_is_safe(double first, double second, int workers)
    {
        ImmutableArray<DynamoEngine> engines = [new(first, 0, 0), new(second, 0, 0)];
        Assert.Equal(workers, DynamoLoad.PrefillBySla(Settings, new(0.004, 0, 1e-5), engines, new(1000, 1050, 10), 0));
    }

    /// <summary>50 ms a token with a batch of 11 (6.1 ms) and 20 ns a token held: 2,195,000 tokens miss it.</summary>
    [Theory]
    [InlineData(2_300_000, 2_300_000, 3)]
    [InlineData(2_300_000, 0, 2)]
    [InlineData(800_000, 800_000, 1)]
    [InlineData(900_000, 0, 2)]
    public void By_latency_decode_does_likewise(double first, double second, int workers)
    {
        ImmutableArray<DynamoEngine> engines = [new(0, first, 0), new(0, second, 0)];
        var settings = Settings with { MaxKvTokens = double.PositiveInfinity };
        Assert.Equal(workers, DynamoLoad.DecodeBySla(settings, new(0.005, 1e-4, 2e-8), engines, new(1000, 1050, 10)));
        if (workers == 1) Assert.Equal(2, DynamoLoad.DecodeBySla(settings with { MaxKvTokens = 1_600_000 }, new(0.005, 1e-4, 2e-8), engines, new(1000, 1050, 10)));
    }

    [Theory]
    [InlineData(3, 2, 3)]
    [InlineData(2, 3, 3)]
    [InlineData(1, 1, 1)]
    [InlineData(1, 2, 2)]
    public void Aggregated_engines_grow_if_either_asks_and_shrink_if_both_do(int prefill, int decode, int workers) =>
        Assert.Equal(workers, DynamoLoad.Aggregated(prefill, decode, 2));

    [Fact]
    public void The_first_generation_corrects_by_what_it_saw_unless_the_fast_loop_is_on()
    {
        var profile = new DynamoProfile(_ => 100, _ => 1000, (atOnce, _) => 10 * atOnce, (target, _) => target >= 25 ? 100 : null);
        var seen = new DynamoObservedLatency(50, 80, 6);
        var settings = new DynamoSettings { Generation = DynamoGeneration.First, EnableLoad = false };
        // 120 requests of 6 s on 2 workers in 180 s: 2 at once, profiled at 20 ms, seen at 80.
        var correction = DynamoInterpolation.Correct(settings, profile, new(1, 1), new(120, 300, 100), seen, 2);
        Assert.Equal(new DynamoCorrection(0.5, 4), correction);
        Assert.Equal(new DynamoCorrection(1, 1), DynamoInterpolation.Correct(settings with { EnableLoad = true }, profile, correction, new(120, 300, 100), seen, 2));
        // The target of 50 becomes 12.5, which no batch keeps: one decode replica. Prefill: 1,000 tokens a second, halved.
        Assert.Equal(new DynamoPair(1, 1), DynamoInterpolation.Replicas(settings, profile, correction, new(600, 300, 100)));
    }

    [Theory]
    [InlineData(100, 100, 3)]
    [InlineData(100, 10, 2)]
    [InlineData(30, 30, 1)]
    [InlineData(40, 30, 2)]
    public void The_first_generations_fast_loop_goes_by_the_load_at_the_target(double first, double second, int workers) =>
        Assert.Equal(workers, DynamoLoad.ByLine(Settings, 5, 50, 500, 0, [first, second]));

    [Fact]
    public void A_budget_below_its_floor_is_repaired_before_anything_else()
    {
        var settings = Settings with { MinGpuBudget = 64 };
        var (pair, reason) = DynamoBudget.Guard(settings, new(10, 20), new(9, 19));
        Assert.Equal((new DynamoPair(22, 42), DynamoBudget.Reconcile), (pair, reason));
        Assert.Equal(new DynamoPair(32, 32), DynamoBudget.Clamp(settings, new(0, 0)));
    }

    [Fact]
    public void At_the_ceiling_pools_may_trade_but_both_legs_move()
    {
        var settings = Settings with { MinGpuBudget = 64, DecodeGpus = 4 };
        // 32 + 8 · 4 = 64. Two decode replicas more want eight prefill replicas, and only four are offered: one.
        Assert.Equal((new DynamoPair(28, 9), null), DynamoBudget.Guard(settings, new(32, 8), new(28, 10)));
        Assert.Equal((new DynamoPair(32, 8), DynamoBudget.Hold), DynamoBudget.Guard(settings, new(32, 8), new(30, 9)));
    }

    /// <summary>A fast loop that wants one replica fewer of each, at a budget of 64 GPUs that is both floor and ceiling; from the peer's own tests.</summary>
    [Theory]
    [InlineData(24, 40, 16, 48, 1, 1, 23, 41)]
    [InlineData(24, 40, 30, 34, 30, 8, 30, 34)]
    [InlineData(27, 36, 19, 28, 1, 1, 27, 36)]
    public void The_fast_loop_funds_floors_only_by_what_it_takes_itself(
        int prefill, int decode, int prefillFloor, int decodeFloor, int prefillLeast, int decodeLeast, int toPrefill, int toDecode)
    {
        var settings = Settings with { MinGpuBudget = 64, PrefillMinEndpoint = prefillLeast, DecodeMinEndpoint = decodeLeast };
        var state = Learned() with { Floors = new(prefillFloor, decodeFloor) };
        var decision = DynamoPlanner.DecideLoad(settings, state, Idle(prefill), Idle(decode), 4096);
        Assert.Equal(new DynamoPair(toPrefill, toDecode), decision.Decision ?? new(prefill, decode));
    }

    /// <summary>One pool at 64 GPUs, floor and ceiling: neither there nor one below, where the floor gives way, may it shrink or grow by itself.</summary>
    [Theory]
    [InlineData(64, 0, null)]
    [InlineData(63, 0, null)]
    [InlineData(64, 200_000, null)]
    [InlineData(63, 200_000, 64)]
    [InlineData(60, 0, 64)]
    public void One_pool_keeps_its_budget_too(int workers, double kv, int? to)
    {
        var pool = new DynamoPool(workers, workers, [.. Enumerable.Repeat(new DynamoEngine(0, kv, 0), workers)]);
        var decision = DynamoPlanner.DecideAggregatedLoad(Settings with { MinGpuBudget = 64, EnableThroughput = false }, Learned(), pool, 4096);
        Assert.Equal(to, decision.Decision?.Decode);
    }

    private static DynamoPool Idle(int workers) => new(workers, workers, [.. Enumerable.Repeat(new DynamoEngine(0, 0, 0), workers)]);
}
