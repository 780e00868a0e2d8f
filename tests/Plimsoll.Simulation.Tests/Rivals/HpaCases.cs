using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Simulation.Rivals.Hpa;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class HpaCases
{
    private static readonly DateTimeOffset Now = RivalVector.At(100_000);

    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("metric")) Proposal(vector);
        else if (inputs.Has("recommendations")) Windows(vector);
        else if (inputs.Has("stabilized")) Rates(vector);
        else if (inputs.Has("proposals")) Several(vector);
        else if (inputs.Has("new")) UpCap(vector);
        else Bounds(vector);
    }

    private static void Proposal(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = new HpaSettings
        {
            MinReplicas = inputs.CountOrNull("min") ?? 1,
            MaxReplicas = 1000,
            Behavior = inputs.Has("toleranceUp") ? Tolerating(inputs.Number("toleranceUp"), inputs.Number("toleranceDown")) : null,
        };
        var pods = Pods(inputs);
        var samples = inputs.List("pods").Select((pod, i) => (Pod: pod, Name: $"pod-{i}"))
            .Where(row => row.Pod.TryGetProperty("v", out var value) && value.ValueKind == JsonValueKind.Number)
            .Select(row => new HpaSample(row.Name, row.Pod.GetProperty("v").GetInt64(), Now)).ToImmutableArray();
        HpaMetric metric = (inputs.Text("metric"), inputs.Text("targetType")) switch
        {
            ("External", "AverageValue") => new HpaMetric.AverageValue(inputs.Count("usage_m"), inputs.Count("target_m")),
            ("External", "Value") => new HpaMetric.Value(inputs.Count("usage_m"), inputs.Count("target_m")),
            ("Pods", null) => new HpaMetric.PerPod(inputs.Count("target_m"), samples),
            ("Resource", null) => new HpaMetric.Utilization(inputs.Count("targetPercent"), samples),
            _ => throw new InvalidOperationException("an unknown metric"),
        };
        var spec = inputs.CountOrNull("spec") ?? 0;
        var seen = new HpaObservation(Now, spec, inputs.CountOrNull("status") ?? spec, pods, [metric]);
        vector.Expect("proposal", HpaProposal.For(settings, metric, seen));
    }

    /// <summary>Pods that say no phase run and are ready long since; an unready one has never been ready since its start just now.</summary>
    private static ImmutableArray<HpaPod> Pods(VectorFields inputs)
    {
        if (inputs.CountOrNull("ready") is { } ready)
            return [.. Enumerable.Range(0, ready).Select(i => new HpaPod($"pod-{i}", HpaPodPhase.Running))];
        return [.. inputs.List("pods").Select((pod, i) =>
        {
            var state = pod.TryGetProperty("s", out var text) ? text.GetString() : null;
            var phase = state switch { "pending" => HpaPodPhase.Pending, "failed" => HpaPodPhase.Failed, _ => HpaPodPhase.Running };
            var begun = Now - (state == "unready" ? TimeSpan.FromSeconds(20) : TimeSpan.FromHours(1));
            var request = pod.TryGetProperty("req", out var milli) ? milli.GetInt64() : 1000;
            return new HpaPod($"pod-{i}", phase, state != "unready", request, begun, begun);
        })];
    }

    private static HpaBehavior Tolerating(double up, double down)
    {
        var fresh = new HpaBehavior();
        return new() { ScaleUp = fresh.ScaleUp with { Tolerance = up }, ScaleDown = fresh.ScaleDown with { Tolerance = down } };
    }

    private static void Windows(RivalVector vector)
    {
        var inputs = vector.Inputs;
        ImmutableArray<HpaMark> marks = [.. inputs.List("recommendations")
            .Select(mark => new HpaMark(mark.GetProperty("v").GetInt32(), Now - TimeSpan.FromSeconds(mark.GetProperty("age").GetDouble())))];
        var proposal = inputs.Count("new");
        var down = inputs.Seconds("downWindow")!.Value;
        if (inputs.Has("behavior"))
        {
            Assert.Null(inputs.Find("behavior"));
            var settings = new HpaSettings { MaxReplicas = 1000, DownscaleStabilization = down };
            vector.Expect("stabilized", HpaLimits.StabilizeWithoutBehavior(settings, marks, proposal, Now));
            return;
        }

        var behavior = new HpaBehavior
        {
            ScaleUp = new() { StabilizationWindow = inputs.Seconds("upWindow")!.Value },
            ScaleDown = new() { StabilizationWindow = down },
        };
        vector.Expect("stabilized", HpaLimits.Stabilize(behavior, marks, inputs.Count("spec"), proposal, Now));
    }

    private static void Rates(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var select = Enum.Parse<HpaPolicySelect>(inputs.Text("select")!);
        var behavior = new HpaBehavior
        {
            ScaleUp = new() { Policies = Policies(inputs.List("up")), SelectPolicy = select },
            ScaleDown = new() { Policies = Policies(inputs.List("down")), SelectPolicy = select },
        };
        var settings = new HpaSettings { MinReplicas = inputs.Count("min"), MaxReplicas = inputs.Count("max"), Behavior = behavior };
        var state = new HpaState([], Events(inputs.List("upEvents")), Events(inputs.List("downEvents")));
        vector.Expect("result", HpaLimits.LimitRate(settings, behavior, state, inputs.Count("spec"), inputs.Count("stabilized"), Now));
    }

    private static ImmutableArray<HpaPolicy> Policies(IEnumerable<JsonElement> rows) =>
        [.. rows.Select(row => new HpaPolicy(row[0].GetString() == "Percent", row[1].GetInt32(), TimeSpan.FromSeconds(row[2].GetDouble())))];

    private static ImmutableArray<HpaMark> Events(IEnumerable<JsonElement> rows) =>
        [.. rows.Select(row => new HpaMark(row[0].GetInt32(), Now - TimeSpan.FromSeconds(row[1].GetDouble())))];

    private static void UpCap(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Null(inputs.Find("behavior"));
        var settings = new HpaSettings { MinReplicas = inputs.Count("min"), MaxReplicas = inputs.Count("max") };
        vector.Expect("result", HpaLimits.LimitWithoutBehavior(settings, inputs.Count("spec"), inputs.Count("new")));
    }

    private static void Several(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var spec = inputs.Count("spec");
        var proposals = inputs.Counts("proposals").Select(proposal => (int?)proposal).Concat(Enumerable.Repeat((int?)null, inputs.Count("failed")));
        var largest = HpaProposal.Largest(spec, proposals);
        if (vector.Expected.Has("proposal")) vector.Expect("proposal", largest);
        else vector.Expect("result", largest ?? spec);
    }

    private static void Bounds(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Empty(inputs.List("metrics"));
        var settings = new HpaSettings { MinReplicas = inputs.Count("min"), MaxReplicas = inputs.Count("max") };
        var spec = inputs.Count("spec");
        var decision = HorizontalPodAutoscaler.Decide(settings, HpaState.Fresh, new(Now, spec, spec, [], []));
        vector.Expect("result", decision.Replicas);
        if (vector.Expected.Has("reason")) Assert.Equal(vector.Expected.Text("reason"), decision.Reason.ToString());
    }
}
