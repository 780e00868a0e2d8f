using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class KedaCases
{
    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("fallbackReplicas")) Fallback(vector);
        else if (inputs.Has("queue")) ThenHpa(vector);
        else if (inputs.Has("activationThreshold"))
            vector.Expect("active", new KedaTrigger("t", inputs.Number("value"), 1, inputs.Number("activationThreshold")).Active);
        else Poll(vector);
    }

    private static void Poll(RivalVector vector)
    {
        var inputs = vector.Inputs;
        inputs.Ignore("fallback");
        var settings = new KedaSettings
        {
            MinReplicaCount = inputs.Count("min"),
            IdleReplicaCount = inputs.CountOrNull("idle"),
            CooldownPeriod = inputs.Seconds("cooldown") ?? new KedaSettings().CooldownPeriod,
            Fallback = inputs.CountOrNull("fallback") is { } replicas ? new KedaFallback(3, replicas) : null,
            ForcedActivation = inputs.Flag("forced"),
            PausedScaleIn = inputs.Flag("pausedScaleIn"),
            PausedScaleOut = inputs.Flag("pausedScaleOut"),
        };
        double? value = inputs.Bool("active") ? 1 : 0;
        if (inputs.Flag("error")) value = null;
        var state = KedaState.Fresh with
        {
            LastActive = inputs.NumberOrNull("lastActive") is { } last ? RivalVector.At(last) : null,
        };
        var now = RivalVector.At(inputs.NumberOrNull("now") ?? 10_000);
        var current = inputs.Count("current");
        var decision = KedaScaler.Decide(settings, state, new(now, RivalVector.Start, current, current, [new KedaTrigger("t", value, 10)]));
        vector.Expect("replicas", decision.Replicas);
    }

    private static void Fallback(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Equal("fails", inputs.Text("query"));
        var behavior = inputs.Text("behavior") switch
        {
            "static" => KedaFallbackBehavior.Static,
            "currentReplicas" => KedaFallbackBehavior.CurrentReplicas,
            "currentReplicasIfHigher" => KedaFallbackBehavior.CurrentReplicasIfHigher,
            "currentReplicasIfLower" => KedaFallbackBehavior.CurrentReplicasIfLower,
            _ => throw new InvalidOperationException("an unknown fallback"),
        };
        var settings = new KedaSettings
        {
            Fallback = new(inputs.Count("failureThreshold"), inputs.Count("fallbackReplicas"), behavior),
        };
        var ready = inputs.CountOrNull("readyForValueTarget");
        var trigger = new KedaTrigger("t", null, inputs.Number("target"), TotalTarget: ready is not null);
        var before = KedaState.Fresh with { Failures = KedaState.Fresh.Failures.Add("t", inputs.Count("failuresBefore")) };
        var current = inputs.Count("current");
        var (metrics, state) = KedaScaler.Query(
            settings, before, new(RivalVector.Start, RivalVector.Start, current, ready ?? current, [trigger]));
        vector.Expect("failures", state.Failures["t"]);
        var milli = metrics.Single() switch
        {
            HpaMetric.AverageValue average => average.UsageMilli,
            HpaMetric.Value value => value.UsageMilli,
            _ => (long?)null,
        };
        Assert.Equal(vector.Expected.NumberOrNull("metric") * 1000, milli);
        if (vector.Expected.Find("hpaProposalIfStatus") is not { } hpa) return;
        var status = hpa.GetProperty("status").GetInt32();
        var proposal = HpaProposal.For(settings.ToHpa(), metrics.Single(), new(RivalVector.Start, status, status, [], metrics));
        Assert.Equal(hpa.GetProperty("result").GetInt32(), proposal);
    }

    private static void ThenHpa(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Null(inputs.Find("behavior"));
        var settings = new KedaSettings { MinReplicaCount = inputs.Count("min"), MaxReplicaCount = inputs.Count("max") };
        var (spec, status) = (inputs.Count("spec"), inputs.Count("status"));
        var keda = KedaScaler.Decide(
            settings, KedaState.Fresh,
            new(RivalVector.Start, RivalVector.Start, spec, spec, [new KedaTrigger("t", inputs.Number("queue"), inputs.Number("targetAverage"))]));
        var hpa = HorizontalPodAutoscaler.Decide(
            settings.ToHpa(), HpaState.Fresh, new(RivalVector.Start, spec, status, [], keda.HpaMetrics));
        vector.Expect("proposal", hpa.Proposal);
        vector.Expect("afterUpLimit", hpa.Replicas);
    }
}
