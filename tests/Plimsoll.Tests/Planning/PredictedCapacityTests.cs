using System.Text;
using System.Text.Json;
using Plimsoll.Json;

namespace Plimsoll.Tests.Planning;

/// <summary>Plans with what size and hardware say of a replica's pace, before and after it was seen at work.</summary>
public sealed class PredictedCapacityTests
{
    private static readonly Slo Objective = new(TimeSpan.FromSeconds(20), 0.95) { TimeToFirstToken = TimeSpan.FromSeconds(1) };

    private static ServicePrior Prior(Slo? slo = null) => ServicePriors.Of(
        new ReplicaLimits { Blocks = 20_000, Sequences = 64, StepTokens = 2048 },
        new StepTimes(batch => 0.008 + (0.00004 * batch.Tokens) + (1e-8 * batch.Sequences * batch.Context), 64),
        slo ?? Objective, new TypicalLengths(600, 120).Sample()) with
    { LogSpread = 0.4, From = "a device" };

    private static FleetSpec Spec(bool predicted = true, Slo? slo = null)
    {
        var model = Fleets.Model("m", 100, max: 50) with { Slo = slo ?? Objective };
        return Fleets.Spec(model with { Variants = [model.Variants[0] with { Service = predicted ? Prior(slo) : null, Concurrency = 64 }] });
    }

    /// <summary>One replica, ten seconds of arrivals, and what its requests looked like in each.</summary>
    private static Plan Run(FleetSpec spec, double perSecond, Func<int, ServiceSample?> service, int seconds = 10, TokenSample? tokens = null, bool censored = false)
    {
        var (model, knowledge) = (spec.Models[0], Knowledge.Empty);
        Plan? plan = null;
        for (var second = 1; second <= seconds; second++)
        {
            var at = Fleets.Noon.AddSeconds(second);
            var snapshot = Fleets.Snapshot(spec, Fleets.Node(100_000, 100), at, Fleets.Replica(model, 1, ReplicaState.Ready, Fleets.Noon))
                .With(Fleets.Traffic(model.Id, at, (long)perSecond) with { Service = service(second), Tokens = tokens, Censored = censored });
            plan = Fleets.Decide(spec, snapshot, knowledge);
            knowledge = plan.Next;
        }

        return plan!;
    }

    private static ServiceSample Sample(FleetSpec spec, double slower, double n = 8, long count = 10)
    {
        var prior = spec.Models[0].Variants[0].Service!;
        var seconds = slower * prior.Seconds(n, prior.PromptTokens, prior.AnswerTokens);
        return new ServiceSample(count, n * count, seconds * count, n * n * count, n * seconds * count, (int)n, seconds);
    }

    [Fact]
    public void Before_any_request_was_served_the_first_demand_gets_as_many_replicas_as_it_needs()
    {
        var spec = Spec();
        var verdict = Run(spec, 40, _ => null).Models[0];
        var prior = spec.Models[0].Variants[0].Service!;

        Assert.InRange(verdict.Wanted, 2, 49);
        Assert.True(verdict.ForecastPerSecond.TryGetKnown(out var forecast));
        Assert.True(verdict.Wanted * prior.CapacityPerSecond(1, prior.PromptTokens, prior.AnswerTokens, verdict.Wanted) >= forecast);
        Assert.True((verdict.Wanted - 1) * prior.CapacityPerSecond(1, prior.PromptTokens, prior.AnswerTokens, verdict.Wanted - 1) < forecast);
        Assert.Equal((0, 1.0, false), (verdict.CapacityExpected!.Requests, verdict.CapacityExpected.Pace, verdict.CapacityExpected.LengthsSeen));
        Assert.True(verdict.CapacityExpected.LowPerSecond < verdict.CapacityPerSecond && verdict.CapacityPerSecond < verdict.CapacityExpected.HighPerSecond);

        // The sentence adds up: so many, of so much each when so many share the requests, are no less than the demand.
        var each = verdict.Reason.Facts.Single(fact => fact.Name == "capacity").Value;
        Assert.True(verdict.Wanted * each >= forecast, $"{verdict.Reason}");

        // Without a prediction nobody knows, and one is started.
        Assert.Equal(1, Run(Spec(predicted: false), 40, _ => null).Models[0].Wanted);
    }

    [Theory]
    [InlineData(1.6)]
    [InlineData(0.6)]
    public void What_is_seen_corrects_it(double slower)
    {
        var spec = Spec();
        var (predicted, corrected) = (Run(spec, 40, _ => null).Models[0], Run(spec, 40, _ => Sample(spec, slower), 30).Models[0]);
        Assert.InRange(corrected.CapacityExpected!.Pace, slower * 0.9, slower * 1.1);
        Assert.Equal(slower > 1, corrected.Wanted > predicted.Wanted);
        Assert.Equal(300, corrected.CapacityExpected.Requests);
    }

    [Fact]
    public void Of_a_latency_alone_the_times_of_requests_decide_once_twenty_were_served()
    {
        var spec = Spec(slo: new Slo(TimeSpan.FromSeconds(20), 0.95));
        var (one, three) = (Run(spec, 40, _ => Sample(spec, 1.6), 1).Models[0], Run(spec, 40, _ => Sample(spec, 1.6), 3).Models[0]);
        Assert.NotNull(one.CapacityExpected);
        Assert.Null(three.CapacityExpected);
        var sample = Sample(spec, 1.6);
        Assert.Equal(sample.SumN / sample.SumL, three.CapacityPerSecond, 6); // n all alike: n requests in l seconds
    }

    [Fact]
    public void Full_replicas_that_are_slower_than_predicted_get_help()
    {
        var spec = Spec();
        Assert.True(Run(spec, 40, _ => Sample(spec, 3), 30, censored: true).Models[0].Wanted > Run(spec, 40, _ => null, censored: true).Models[0].Wanted);
    }

    [Fact]
    public void Where_what_is_seen_is_nothing_like_what_was_predicted_the_times_of_requests_decide()
    {
        var spec = Spec();
        var verdict = Run(spec, 40, _ => Sample(spec, 60), 30, censored: true).Models[0];
        Assert.Null(verdict.CapacityExpected);
        Assert.True(verdict.CapacityPerSecond > 0 && verdict.Wanted > 10, $"{verdict.CapacityPerSecond}, {verdict.Wanted}");
    }

    [Fact]
    public void Longer_requests_than_assumed_need_more_replicas()
    {
        var spec = Spec();
        var usual = Run(spec, 40, _ => null).Models[0];
        var longer = Run(spec, 40, _ => null, tokens: new TokenSample(10, 12_000, 4_800)).Models[0];
        Assert.True(longer.CapacityExpected!.LengthsSeen);
        Assert.Equal((1200.0, 480.0), (longer.CapacityExpected.PromptTokens, longer.CapacityExpected.AnswerTokens));
        Assert.True(longer.Wanted > usual.Wanted, $"{longer.Wanted} for longer ones, {usual.Wanted}");
    }

    [Fact]
    public void An_objective_that_no_replica_keeps_is_said_and_the_demand_is_still_served()
    {
        var verdict = Run(Spec(slo: Objective with { TimeToFirstToken = TimeSpan.FromMilliseconds(1) }), 40, _ => null).Models[0];
        Assert.False(verdict.CapacityExpected!.Keeps);
        Assert.InRange(verdict.Wanted, 2, 20);
    }

    [Fact]
    public void Requests_of_two_variants_at_once_teach_of_neither()
    {
        var model = Spec().Models[0];
        var spec = Fleets.Spec(model with { Variants = [model.Variants[0], model.Variants[0] with { Id = new VariantId("other") }] });
        var at = Fleets.Noon.AddSeconds(1);
        var known = Knowledge.Empty.Fold(spec, Fleets.Snapshot(
                spec, Fleets.Node(100_000, 100), at, Fleets.Replica(model, 1, ReplicaState.Ready, Fleets.Noon),
                Fleets.Replica(model, 2, ReplicaState.Ready, Fleets.Noon) with { Variant = new VariantId("other") })
            .With(Fleets.Traffic(model.Id, at, 5) with { Service = Sample(Spec(), 2) }));
        Assert.Null(known.Of(model.Id).Paces);
    }

    [Fact]
    public void A_new_version_is_another_model_to_learn()
    {
        var spec = Spec();
        var known = Run(spec, 40, _ => Sample(spec, 2), 30).Next;
        Assert.NotNull(known.Of(spec.Models[0].Id).Paces);
        var changed = Fleets.Spec(spec.Models[0] with { Version = "v2" });
        Assert.Null(known.Fold(changed, Fleets.Snapshot(changed, Fleets.Node(100_000, 100), Fleets.Noon.AddMinutes(1))).Of(spec.Models[0].Id).Paces);
    }

    [Fact]
    public void What_is_planned_with_is_read_back_as_it_was_written_and_left_out_where_there_is_none()
    {
        var spec = Spec();
        var plan = Run(spec, 40, _ => Sample(spec, 1.6), 30, new TokenSample(10, 6000, 1200, 4e6, 2e5));
        var written = JsonSerializer.Serialize(plan, PlimsollJson.Default.Plan);
        Assert.Equal(written, JsonSerializer.Serialize(JsonSerializer.Deserialize(written, PlimsollJson.Default.Plan)!, PlimsollJson.Default.Plan));
        var asked = JsonSerializer.Serialize(spec, PlimsollJson.Default.FleetSpec);
        Assert.Equal(asked, JsonSerializer.Serialize(JsonSerializer.Deserialize(asked, PlimsollJson.Default.FleetSpec)!, PlimsollJson.Default.FleetSpec));

        // Journals of before must read and hash as they did.
        var without = Encoding.UTF8.GetString(PlimsollJson.ToBytes(Run(Spec(predicted: false), 40, _ => null), PlimsollJson.Default.Plan));
        Assert.DoesNotContain("paces", without, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("capacityExpected", without, StringComparison.Ordinal);
        Assert.DoesNotContain("tokens", without, StringComparison.Ordinal);
    }
}
