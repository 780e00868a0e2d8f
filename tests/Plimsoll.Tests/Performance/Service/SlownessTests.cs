using System.Text.Json;
using CsCheck;
using Plimsoll.Json;

namespace Plimsoll.Tests.Performance;

public sealed class SlownessTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private static readonly ServicePrior Prior = ServicePriors.Of(
        new ReplicaLimits { Blocks = 20_000, Sequences = 64, StepTokens = 2048 }, new StepTimes(batch => 0.008 + (0.00004 * batch.Tokens), 64),
        new Slo(TimeSpan.FromSeconds(20), 0.95), new TypicalLengths(600, 120).Sample()) with
    { LogSpread = 0.4 };

    private static readonly (double, double) Lengths = (Prior.PromptTokens, Prior.AnswerTokens);

    /// <summary>So many requests, n in the replica with them, each taking this many times what was predicted.</summary>
    private static ServiceSample Sample(double factor, double n = 8, long count = 20)
    {
        var seconds = factor * Prior.Seconds(n, Lengths.Item1, Lengths.Item2);
        return new ServiceSample(count, n * count, seconds * count, n * n * count, n * seconds * count, (int)n, seconds);
    }

    private static Slowness Start => Slowness.Predicted(Prior.LogSpread, Noon);

    private static Slowness Minutes(Slowness known, double factor, int minutes, double n = 8) => Enumerable.Range(1, minutes).Aggregate(
        known, (one, minute) => one.Learn(Prior, Sample(factor, n), Lengths, known.At.AddMinutes(minute)));

    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(1.7)]
    public void It_comes_to_the_factor_that_is_seen_and_is_surer_then(double factor)
    {
        var learned = Minutes(Start, factor, 10);
        Assert.InRange(learned.Factor, factor * 0.95, factor * 1.05);
        Assert.True(learned.Range.High / learned.Range.Low < Start.Range.High / Start.Range.Low / 1.5);
        Assert.Equal(200, learned.Requests);
    }

    [Fact]
    public void One_absurd_interval_hardly_moves_it()
    {
        var learned = Minutes(Start, 1.2, 10);
        var after = learned.Learn(Prior, Sample(1e6), Lengths, learned.At.AddMinutes(1));
        Assert.InRange(after.Factor, learned.Factor, learned.Factor * 1.2);
    }

    [Fact]
    public void What_holds_on_is_believed_in_the_end_and_only_within_bounds()
    {
        var learned = Minutes(Minutes(Start, 1, 30), 3, 120);
        Assert.InRange(learned.Factor, 2.5, 3.1);
        Assert.InRange(Minutes(Start, 1e6, 2000).Factor, 1, 8.0001);
    }

    [Fact]
    public void A_full_replica_teaches_by_how_many_wait_and_how_long()
    {
        // Three times as many as it has places for, and each takes three times as long as in a full one, at half the pace.
        var full = 2 * Prior.Seconds(Prior.Places, Lengths.Item1, Lengths.Item2);
        var (n, l) = (3 * Prior.Places, 3 * full);
        var known = Enumerable.Range(1, 10).Aggregate(Start, (one, minute) => one.Learn(
            Prior, new ServiceSample(20, n * 20, l * 20, n * n * 20, n * l * 20, (int)n, l), Lengths, Noon.AddMinutes(minute)));
        Assert.InRange(known.Factor, 1.9, 2.1);
    }

    [Fact]
    public void What_is_nothing_like_the_prediction_is_not_believed_any_more()
    {
        Assert.True(Minutes(Start, 3, 20).IsBelieved);
        Assert.False(Minutes(Start, 50, 20).IsBelieved);
    }

    [Fact]
    public void Time_without_a_word_makes_it_less_sure_and_changes_nothing_else()
    {
        var known = Minutes(Start, 1.5, 30);
        var soon = known.Learn(Prior, Sample(1, count: 1), Lengths, known.At.AddSeconds(1));
        var late = known.Learn(Prior, Sample(1, count: 1), Lengths, known.At.AddDays(30));
        Assert.True(late.Factor < soon.Factor, "after a month one interval says more");
        Assert.True(soon.Factor <= known.Factor);
    }

    [Fact]
    public void It_survives_a_restart_to_the_last_bit()
    {
        var known = Minutes(Start, 1.37, 13);
        var back = JsonSerializer.Deserialize(JsonSerializer.Serialize(
            Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(new ModelId("m"), ModelKnowledge.Nothing with { Paces = System.Collections.Immutable.ImmutableSortedDictionary<VariantId, Slowness>.Empty.Add(new VariantId("v"), known) }) },
            PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!;
        Assert.Equal(known, back.Of(new ModelId("m")).Paces![new VariantId("v")]);
    }

    [Fact]
    public void Garbage_and_clocks_that_jump_leave_it_finite_and_within_bounds()
    {
        var number = Gen.OneOf(Gen.Double, Gen.Const(0.0), Gen.Const(double.NaN), Gen.Const(double.PositiveInfinity), Gen.Const(-1.0));
        Gen.Select(Gen.Long[-5, 1000], number, number, number, number, Gen.Int[-1_000_000, 1_000_000]).Array[1, 40].Sample(rows =>
        {
            var known = Start;
            foreach (var (count, n, l, prompt, answer, second) in rows)
            {
                known = known.Learn(Prior, new ServiceSample(count, n, l, n, l, 1, 1), (Math.Abs(prompt), Math.Abs(answer)), Noon.AddSeconds(second));
                Assert.InRange(known.Factor, 0.1249, 8.0001);
                Assert.True(double.IsFinite(known.Variance) && known.Variance > 0, $"{known.Variance}");
            }
        });
    }
}
