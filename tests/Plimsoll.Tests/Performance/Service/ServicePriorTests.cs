using System.Collections.Immutable;
using System.Text.Json;
using CsCheck;
using Plimsoll.Json;
using Plimsoll.Tests.Footprints;

namespace Plimsoll.Tests.Performance;

public sealed class ServicePriorTests
{
    private static readonly ReplicaLimits Limits = new() { Blocks = 20_000, Sequences = 64, StepTokens = 2048 };

    private static readonly Slo Minute = new(TimeSpan.FromSeconds(20), 0.95) { TimeToFirstToken = TimeSpan.FromSeconds(1), TimePerOutputToken = TimeSpan.FromMilliseconds(40) };

    private static double Seconds(StepBatch batch) =>
        0.008 + (0.00004 * batch.Tokens) + (1e-8 * batch.Sequences * batch.Context) + (1e-9 * batch.Pairs(null));

    private static StepTimes Times(double slower = 1) => new(batch => slower * Seconds(batch), Limits.Sequences);

    private static ServicePrior Of(Slo slo, RequestLengths lengths, double slower = 1) => ServicePriors.Of(Limits, Times(slower), slo, lengths);

    [Fact]
    public void At_the_predicted_pace_and_lengths_it_is_what_the_formula_says_for_one_replica_and_several()
    {
        var lengths = new TypicalLengths(600, 120).Sample();
        var prior = Of(Minute, lengths);
        var formula = new GroupCapacity(Limits, Times(), lengths);
        var targets = ServicePriors.Targets(Minute);

        // Four digits are kept.
        foreach (var n in ServicePrior.Together)
            Assert.Equal(formula.PerSecond(n, targets) / n, prior.CapacityPerSecond(1, prior.PromptTokens, prior.AnswerTokens, n), prior.MostPerSecond * 0.01);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1.3)]
    [InlineData(2)]
    public void At_another_pace_it_is_near_what_the_formula_says_of_steps_that_take_so_much_longer(double pace)
    {
        var lengths = new TypicalLengths(600, 120).Sample();
        var seen = Of(Minute, lengths).CapacityPerSecond(pace, lengths.Prompt, lengths.Steps + 1);
        var computed = new GroupCapacity(Limits, Times(pace), lengths).PerSecond(1, ServicePriors.Targets(Minute));
        Assert.InRange(seen, computed * 0.85, computed * 1.15);
    }

    [Fact]
    public void Slower_steps_and_longer_requests_never_carry_more_and_more_replicas_never_less_each() =>
        Gen.Select(Gen.Double[-1.5, 1.5], Gen.Double[0, 1], Gen.Double[1, 20_000], Gen.Double[1, 4000], Gen.Double[1, 3], Gen.Int[1, 40]).Sample((log, more, prompt, answer, longer, replicas) =>
        {
            var pace = Math.Exp(log);
            var carried = Known.CapacityPerSecond(pace, prompt, answer, replicas);
            Assert.True(double.IsFinite(carried) && carried >= 0, $"{carried}");
            Assert.True(Known.CapacityPerSecond(pace, prompt, answer, replicas + 1) >= carried - 1e-12);

            // Where it is missed alone the number is what it gets through, which is another question.
            if (!Known.Keeps(pace * Math.Exp(more), prompt * longer, answer * longer)) return;
            Assert.True(Known.CapacityPerSecond(pace * Math.Exp(more), prompt, answer, replicas) <= carried + 1e-9);
            Assert.True(Known.CapacityPerSecond(pace, prompt * longer, answer * longer, replicas) <= carried * 1.0001, $"{prompt}/{answer} times {longer}");
        });

    [Fact]
    public void As_many_replicas_as_carry_the_rate_and_not_one_more() =>
        Gen.Select(Gen.Double[0.01, 500], Gen.Double[0.1, 20], Gen.Int[1, 200]).Sample((rate, one, most) =>
        {
            var wanted = ServicePrior.ReplicasFor(rate, one, Pooled.AsSpan(), most);
            Assert.InRange(wanted, 1, most);
            double Carried(int n) => n * one * Known.CapacityPerSecond(1, Known.PromptTokens, Known.AnswerTokens, n) / Known.CapacityPerSecond(1, Known.PromptTokens, Known.AnswerTokens);
            if (wanted < most) Assert.True(Carried(wanted) >= rate * (1 - 1e-9));
            if (wanted > 1) Assert.True(Carried(wanted - 1) < rate * (1 + 1e-9), $"{wanted - 1} would carry {Carried(wanted - 1)} of {rate}");
        });

    [Fact]
    public void Nothing_asked_needs_none_and_an_unknown_pace_one()
    {
        Assert.Equal(0, ServicePrior.ReplicasFor(0, 2, Pooled.AsSpan(), 10));
        Assert.Equal(1, ServicePrior.ReplicasFor(3, 0, Pooled.AsSpan(), 10));
        Assert.Equal(0, ServicePrior.ReplicasFor(double.NaN, 2, Pooled.AsSpan(), 10));
    }

    [Fact]
    public void An_objective_missed_by_a_request_alone_is_said_and_planned_by_what_is_got_through()
    {
        var prior = Of(Minute with { TimeToFirstToken = TimeSpan.FromMilliseconds(5) }, new TypicalLengths(600, 120).Sample());
        Assert.False(prior.Keeps(1, prior.PromptTokens, prior.AnswerTokens));
        Assert.InRange(prior.CapacityPerSecond(1, prior.PromptTokens, prior.AnswerTokens), prior.MostPerSecond * 0.5, prior.MostPerSecond);
    }

    [Fact]
    public void A_request_beside_others_takes_about_as_long_as_it_does_in_the_simulation()
    {
        var lengths = new TypicalLengths(600, 120).Sample();
        var prior = Of(Minute, lengths);
        var rate = prior.CapacityPerSecond(1, prior.PromptTokens, prior.AnswerTokens) * 0.6;
        var random = new Random(5); // arrivals, the same at every run
        var (arrivals, asked) = (new double[4000], new (int Prompt, int Answer)[4000]);
        double now = 0;
        for (var i = 0; i < arrivals.Length; i++)
        {
            arrivals[i] = now += -Math.Log(1 - random.NextDouble()) / rate;
            asked[i] = lengths.Sample[random.Next(lengths.Sample.Length)];
        }

        var log = new RequestLog(arrivals, [.. asked.Select(one => one.Prompt)], [.. asked.Select(one => one.Answer)]);
        new ReplicaGroup(Limits, Times(), 1).Run(log);
        var mean = Enumerable.Range(0, log.Count).Average(log.EndToEnd);
        var inReplica = mean * rate; // Little
        Assert.InRange(prior.Seconds(inReplica, lengths.Prompt, lengths.Steps + 1), mean * 0.8, mean * 1.25);
    }

    [Fact]
    public void A_model_on_a_device_of_the_catalogue_has_one_and_what_keeps_no_keys_and_values_has_none()
    {
        var h100 = DeviceCatalogue.BuiltIn.Find("h100-80gb")!;
        var footprint = HandShapes.Llama31();
        var fit = Fit.Of(footprint, new ServingVariant { Device = h100, Context = 8192 }, []);
        Assert.True(fit.Fits, fit.Reason);
        var prior = ServicePriors.Of(footprint, fit, new Slo(TimeSpan.FromMinutes(1), 0.99), default)!;

        // Published runs of it on this device give some ten to thirty requests a second of such lengths.
        Assert.InRange(prior.CapacityPerSecond(1, prior.PromptTokens, prior.AnswerTokens), 3, 60);
        Assert.InRange(prior.LogSpread, 0.05, 1);
        Assert.Contains("h100-80gb, vllm", prior.From, StringComparison.Ordinal);
        Assert.True(ServicePriors.Of(footprint, Fit.Of(footprint, new ServingVariant { Device = DeviceCatalogue.BuiltIn.Find("l4-24gb")!, Context = 8192 }, []), new Slo(TimeSpan.FromMinutes(1), 0.99), default)!.MostPerSecond < prior.MostPerSecond);
        Assert.Null(ServicePriors.Of(footprint with { Shape = null }, fit, new Slo(TimeSpan.FromMinutes(1), 0.99), default));
        Assert.Null(ServicePriors.Of(footprint, fit with { KvTokens = 0 }, new Slo(TimeSpan.FromMinutes(1), 0.99), default));
    }

    [Fact]
    public void Every_whole_device_of_the_catalogue_that_it_fits_has_one_that_is_finite()
    {
        var footprint = HandShapes.Llama31();
        foreach (var device in DeviceCatalogue.BuiltIn.Accelerators.Where(one => one.SliceOf is null))
        {
            var fit = Fit.Of(footprint, new ServingVariant { Device = device, Context = 2048 }, []);
            if (ServicePriors.Of(footprint, fit, new Slo(TimeSpan.FromMinutes(1), 0.99), default) is not { } prior)
            {
                Assert.False(fit.Fits, $"{device.Name} fits and has no pace");
                continue;
            }

            Assert.All(prior.Terms.SelectMany(term => term.PerSecond).Append(prior.MostPerSecond).Concat(prior.Pooled), value => Assert.True(double.IsFinite(value) && value >= 0, device.Name));
            Assert.True(prior.MostPerSecond > 0, device.Name);
        }
    }

    [Fact]
    public void At_any_pace_several_replicas_are_near_what_the_formula_says_and_never_more_than_they_get_through()
    {
        var lengths = new TypicalLengths(600, 120).Sample();
        foreach (var slo in (Slo[])[Minute, Minute with { TimeToFirstToken = TimeSpan.FromMilliseconds(90) }, new(TimeSpan.FromSeconds(3), 0.95)])
        {
            var (prior, targets) = (Of(slo, lengths), ServicePriors.Targets(slo));
            foreach (var pace in (double[])[0.3, 0.55, 0.8, 1, 1.25, 1.7, 2.4])
            {
                if (!prior.Keeps(pace, prior.PromptTokens, prior.AnswerTokens)) continue;
                var formula = new GroupCapacity(Limits, Times(pace), lengths);
                foreach (var n in (int[])[1, 2, 3, 6, 12, 16])
                {
                    var (read, asked) = (prior.CapacityPerSecond(pace, prior.PromptTokens, prior.AnswerTokens, n), formula.PerSecond(n, targets) / n);
                    Assert.True(read > asked / 1.3 && read < asked * 1.3, $"pace {pace}, {n} replicas: {read} and not {asked}");
                }

                Assert.True(prior.CapacityPerSecond(pace, prior.PromptTokens, prior.AnswerTokens, 1000) <= formula.MostPerSecond * 1.001);
            }
        }
    }

    [Fact]
    public void A_profile_with_little_time_to_spare_gives_several_no_more_than_they_get_through_at_another_pace()
    {
        var profile = BatchProfile.Of([new(1, 0.010), new(8, 0.020), new(64, 0.080)]).Profile!;
        var prior = ServicePriors.Of(profile, 128, new Slo(TimeSpan.FromMilliseconds(14), 0.99));
        foreach (var pace in (double[])[0.2, 0.45, 0.7, 1, 1.3])
        {
            var formula = new BatchCapacity(profile.Slower(pace), 128);
            foreach (var n in (int[])[1, 4, 16, 40])
                Assert.InRange(prior.CapacityPerSecond(pace, 0, 0, n), formula.PerSecond(n, 0.99, 0.014) / n / 1.6, Math.Min(formula.MostPerSecond * 1.001, formula.PerSecond(n, 0.99, 0.014) / n * 1.6));
        }
    }

    [Fact]
    public void A_pace_that_moves_by_a_hundredth_moves_no_fleet_not_even_where_a_request_alone_begins_to_be_late()
    {
        var prior = ServicePriors.Of(BatchProfile.Of([new(1, 0.010), new(8, 0.020), new(64, 0.080)]).Profile!, 128, new Slo(TimeSpan.FromMilliseconds(14), 0.99));
        Assert.Equal(1.4, prior.Terms[0].KeptUpTo, 1e-3);
        var before = Replicas(0.9);
        var most = before;
        for (var pace = 0.909; pace < 2; pace *= 1.01)
        {
            var now = Replicas(pace);
            Assert.True(now <= (before * 1.5) + 1 && before <= (now * 1.5) + 1, $"{before} replicas, at pace {pace} {now}");
            (before, most) = (now, Math.Max(most, now));
        }

        // Late alone: as many as keep their queues short, though before it took many more.
        Assert.True(most > 3 * before, $"{most} and {before}");
        Assert.False(prior.Keeps(1.41, 0, 0));

        int Replicas(double pace) => ServicePrior.ReplicasFor(500, prior.CapacityPerSecond(pace, 0, 0), prior.PooledAt(pace, 0, 0).AsSpan(), 10_000);
    }

    [Fact]
    public void Numbers_of_older_journals_are_read_as_they_were()
    {
        var older = Known with { Terms = [new TermCapacity(LatencyMetric.Tpot, [5, 4, 2, 1, 0])], Shared = default, Pooled = [1, 1.2, 1.4, 1.5, 1.6] };
        Assert.Equal(2, older.CapacityPerSecond(1, older.PromptTokens, older.AnswerTokens), 9);
        Assert.Equal(1, older.CapacityPerSecond(1.6, older.PromptTokens, older.AnswerTokens), 9);
        Assert.Equal(1.4, older.CapacityPerSecond(1.6, older.PromptTokens, older.AnswerTokens, 4), 9);
        Assert.True(older.Keeps(2.4, older.PromptTokens, older.AnswerTokens));
        Assert.False(older.Keeps(2.5, older.PromptTokens, older.AnswerTokens));
        var text = JsonSerializer.Serialize(older, PlimsollJson.Default.Options);
        Assert.DoesNotContain("shared", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("keptUpTo", text, StringComparison.OrdinalIgnoreCase);
        Assert.True(JsonSerializer.Deserialize<ServicePrior>(text, PlimsollJson.Default.Options)!.Shared.IsDefault);
    }

    private static readonly ServicePrior Known = Of(Minute, new TypicalLengths(600, 120).Sample());
    private static readonly ImmutableArray<double> Pooled = Known.PooledAt(1, Known.PromptTokens, Known.AnswerTokens);
}
