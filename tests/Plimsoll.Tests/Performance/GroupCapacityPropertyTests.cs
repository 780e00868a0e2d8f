using CsCheck;

namespace Plimsoll.Tests.Performance;

public sealed class GroupCapacityPropertyTests
{
    private static readonly Gen<ReplicaLimits> Limits = Gen.Select(Gen.Int[50, 20_000], Gen.Int[4, 256], Gen.Int[512, 8192], Gen.Bool).Select(
        (blocks, sequences, tokens, ahead) => new ReplicaLimits { Blocks = blocks, Sequences = sequences, StepTokens = tokens, SchedulesAhead = ahead });

    private static readonly Gen<(int Prompt, int Answer)[]> Lengths = Gen.Select(Gen.Int[1, 4000], Gen.Int[1, 600]).Array[1, 30];

    private static readonly Gen<LatencyTarget[]> Targets = Gen.Select(Gen.Int[0, 2], Gen.Double[0.5, 0.99], Gen.Double[-3, 3])
        .Select((metric, share, limit) => new LatencyTarget((LatencyMetric)metric, share, Math.Exp(limit))).Array[1, 3];

    private static double Seconds(StepBatch batch) =>
        0.008 + (0.00004 * batch.Tokens) + (1e-8 * batch.Sequences * batch.Context) + (1e-9 * batch.Pairs(null));

    private static GroupCapacity Of(ReplicaLimits limits, IEnumerable<(int, int)> lengths) =>
        new(limits, new StepTimes(Seconds, limits.Sequences), RequestLengths.Of(lengths));

    [Fact]
    public void It_is_never_negative_nor_not_a_number_and_a_tighter_objective_never_gives_more() =>
        Gen.Select(Limits, Lengths, Targets, Gen.Int[1, 6], Gen.Double[0.2, 1]).Sample((limits, lengths, targets, replicas, tighter) =>
        {
            var capacity = Of(limits, lengths);
            var loose = capacity.PerSecond(replicas, targets);
            var tight = capacity.PerSecond(replicas, [.. targets.Select(one => one with { Seconds = one.Seconds * tighter })]);
            Assert.True(double.IsFinite(loose) && loose >= 0);

            // Each is found to a thousandth.
            Assert.True(tight <= loose * 1.001, $"{tight} within less, {loose}");
        }, iter: 60);

    [Fact]
    public void More_replicas_never_carry_less_and_hardly_less_each() =>
        Gen.Select(Limits, Lengths, Targets, Gen.Int[1, 5]).Sample((limits, lengths, targets, replicas) =>
        {
            var capacity = Of(limits, lengths);
            var (few, more) = (capacity.PerSecond(replicas, targets), capacity.PerSecond(replicas + 1, targets));

            // Less each than fewer carry would be an error of the formula, of a few in a hundred.
            Assert.True(more >= few * 0.999, $"{few} of {replicas}, {more} of one more");
            Assert.True(more / (replicas + 1) >= 0.93 * few / replicas, $"{few} of {replicas}, {more} of one more");
        }, iter: 60);

    [Fact]
    public void Longer_answers_and_prompts_never_give_more() =>
        Gen.Select(Limits, Lengths, Targets, Gen.Int[1, 4], Gen.Int[2, 4]).Sample((limits, lengths, targets, replicas, times) =>
        {
            var shorter = Of(limits, lengths).PerSecond(replicas, targets);
            var longer = Of(limits, lengths.Select(one => (one.Prompt * times, one.Answer * times))).PerSecond(replicas, targets);
            Assert.True(longer <= shorter * 1.02, $"{longer} of {times} times the tokens, {shorter}");
        }, iter: 60);

    [Fact]
    public void An_objective_is_kept_at_every_rate_below_the_capacity_and_missed_just_above_it() =>
        Gen.Select(Limits, Lengths, Targets, Gen.Int[1, 6]).Sample((limits, lengths, targets, replicas) =>
        {
            var capacity = Of(limits, lengths);
            var highest = capacity.PerSecond(replicas, targets);
            if (highest <= 0) return;
            Assert.True(capacity.Keeps(highest, replicas, targets), $"{highest} is not kept");

            // Where as many are late as may be, to the last bit, whatever the rate, neither is one above nor one below.
            bool Off(double rate, double by) => capacity.Late(rate, replicas, targets) is not { } late || targets.Where((target, i) => late[i] > 1 - target.Share + by).Any();
            for (var rate = highest / 1.01; rate > highest / 3; rate /= 1.03)
                Assert.False(Off(rate, 1e-6), $"{highest} is said to be kept, {rate} is not");
            var most = replicas * capacity.MostPerSecond;
            Assert.True(highest * 1.0011 > most || Off(highest * 1.0011, -1e-6), $"{highest * 1.0011} is kept too, {highest} said to be the highest");
        }, iter: 300);

    [Fact]
    public void With_one_token_a_request_the_share_that_is_late_at_its_end_does_not_jump_as_the_rate_grows()
    {
        // A sum of no steps has no skew, and a rounding must not lend it one: seed ek1IwbauHy-4 of the property above.
        var capacity = Of(new ReplicaLimits { Blocks = 16307, Sequences = 213, StepTokens = 981 }, [(2705, 1)]);
        double Late(double rate) => Assert.Single(capacity.Late(rate, 2, [new LatencyTarget(LatencyMetric.EndToEnd, 0.6, 0.968)])!);

        for (var rate = 13.0; rate < 14.5; rate += 0.003)
            Assert.InRange(Late(rate + 0.003), Late(rate), Late(rate) + 0.002);
    }

    [Fact]
    public void At_no_rate_at_all_nobody_waits_for_another() =>
        Assert.Equal([0], Of(new ReplicaLimits { Blocks = 20_000, Sequences = 64, StepTokens = 2048 }, [(1000, 2)]).Late(0, 1, [new LatencyTarget(LatencyMetric.Ttft, 0.9, 1)])!);

    [Fact]
    public void Requests_that_no_replica_can_hold_are_not_carried() =>
        Assert.Equal(0, Of(new ReplicaLimits { Blocks = 10, Sequences = 4 }, [(161, 1)]).PerSecond(1, []));

    [Fact]
    public void One_token_a_request_is_a_queue_of_prompts_alone()
    {
        // A step of one prompt takes 8 ms and 1000 tokens' 40 ms, all pairs 0.5 ms: some 20 a second at the very most,
        // a little more where two share a step; and with a tenth of a second to wait, less.
        var capacity = Of(new ReplicaLimits { Blocks = 20_000, Sequences = 64, StepTokens = 2048 }, [(1000, 1)]);

        var wide = capacity.PerSecond(1, [new LatencyTarget(LatencyMetric.Ttft, 0.95, 60)]);
        var narrow = capacity.PerSecond(1, [new LatencyTarget(LatencyMetric.Ttft, 0.95, 0.2)]);

        Assert.InRange(wide, 15, 24);
        Assert.InRange(narrow, 3, 15);
    }
}
