using System.Globalization;
using System.Text.Json;
using Plimsoll.Simulation.Rivals.Knative;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class KpaCases
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("steps")) Steps(vector);
        else if (inputs.Has("reads")) Reads(vector);
        else if (inputs.Has("writes")) vector.ExpectNear("value", Written(inputs).Average(RivalVector.At(inputs.Number("read")))!.Value, 0, 1e-6);
        else if (inputs.Has("newestFirst")) Weighted(vector);
        else if (inputs.Has("buckets"))
            foreach (var (buckets, expected) in inputs.Counts("buckets").Zip(vector.Expected.Numbers("coefficient")))
                RivalVector.Near(expected, KpaWindow.WeightFor(buckets), 0, 5e-6);
        else
            Assert.Equal(vector.Expected.Counts("sample"), inputs.Counts("pods").Select(KpaWindow.SampleSize));
    }

    private static void Steps(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var (target, utilisation) = (inputs.Number("target"), inputs.Number("utilisation"));
        var settings = new KpaSettings
        {
            Target = new(target, target / utilisation),
            TargetBurstCapacity = inputs.Number("tbc"),
            MaxScaleUpRate = inputs.Number("maxUp"),
            MaxScaleDownRate = inputs.Number("maxDown"),
            PanicThreshold = inputs.Number("panicThreshold"),
            StableWindow = inputs.Seconds("stableWindow")!.Value,
            ActivationScale = inputs.Count("activationScale"),
            ScaleDownDelay = inputs.Seconds("scaleDownDelay")!.Value,
        };
        var reachable = inputs.Bool("reachable");
        var state = KpaState.Start(inputs.Count("readyAtStart"), RivalVector.Start);
        if (inputs.NumberOrNull("panicSince") is { } since) state = state with { PanicSince = RivalVector.At(since), MaxPanicPods = inputs.Count("maxPanic") };
        foreach (var (step, expected) in inputs.List("steps").Zip(vector.Expected.List("steps"), (step, expected) => (step, expected)))
        {
            var decision = KpaDecider.Decide(settings, state, new(
                RivalVector.At(Number(step, "t")), step.GetProperty("ready").GetInt32(), Number(step, "stable"), Number(step, "panic"), reachable));
            Assert.Equal(expected.GetProperty("desired").GetInt32(), decision.Desired);
            // The peer's own test compares excess burst capacity within 1.
            if (expected.TryGetProperty("ebc", out var burst)) Assert.InRange(decision.ExcessBurstCapacity, burst.GetInt32() - 1, burst.GetInt32() + 1);
            state = decision.State;
        }
    }

    private static void Reads(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var first = new KpaWindow(inputs.Seconds("window")!.Value, inputs.Seconds("granularity")!.Value);
        first.Record(RivalVector.At(inputs.List("writes")[0][0].GetDouble()), inputs.List("writes")[0][1].GetDouble());
        var reads = inputs.Numbers("reads");
        RivalVector.Near(vector.Expected.Number("afterFirstWrite"), first.Average(RivalVector.At(reads[0]))!.Value, 0);
        var whole = Written(inputs);
        var expected = vector.Expected["reads"];
        foreach (var read in reads.Skip(1))
            RivalVector.Near(Number(expected, read.ToString(CultureInfo.InvariantCulture)), whole.Average(RivalVector.At(read))!.Value, 0, 1e-6);
    }

    private static KpaWindow Written(VectorFields inputs)
    {
        var window = new KpaWindow(inputs.Seconds("window")!.Value, Second);
        foreach (var write in inputs.List("writes")) window.Record(RivalVector.At(write[0].GetDouble()), write[1].GetDouble());
        return window;
    }

    private static void Weighted(RivalVector vector)
    {
        var values = vector.Inputs.Numbers("newestFirst");
        var window = new KpaWindow(vector.Inputs.Seconds("window")!.Value, Second, weighted: true);
        for (var i = 0; i < values.Length; i++) window.Record(RivalVector.At(i), values[^(i + 1)]);
        vector.ExpectNear("coefficient", window.Coefficient, 0, 1e-6);
        vector.ExpectNear("value", window.Average(RivalVector.At(values.Length - 1))!.Value, 0, 5e-6);
    }

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();
}
