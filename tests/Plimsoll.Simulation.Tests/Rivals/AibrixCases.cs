using Plimsoll.Simulation.Rivals.Aibrix;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class AibrixCases
{
    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("usePerPod"))
            vector.Expect("desired", AibrixAlgorithms.Apa(Settings(inputs), inputs.Count("n"), inputs.Number("usePerPod"), inputs.Number("target")));
        else if (inputs.Has("inPanic"))
            vector.Expect("desired", AibrixAlgorithms.Kpa(
                Settings(inputs), inputs.Count("n"), inputs.Number("stable"), inputs.Number("panic"), inputs.Number("target"), inputs.Bool("inPanic"),
                inputs.Count("maxPanic")));
        else if (inputs.Has("recommendations")) CoolDown(vector);
        else if (inputs.Has("proposals")) Several(vector);
        else if (inputs.Has("schedule")) Disabled(vector);
        else if (inputs.Has("target")) Reconcile(vector);
        else vector.Expect("panicMode", AibrixAlgorithms.Panics(Settings(inputs), inputs.Number("stable"), inputs.Number("panic")));
    }

    private static AibrixSettings Settings(VectorFields inputs)
    {
        var fresh = new AibrixSettings { MaxReplicas = 1000 };
        return fresh with
        {
            Strategy = AibrixStrategy.Kpa,
            MinReplicas = inputs.CountOrNull("min") ?? fresh.MinReplicas,
            MaxScaleUpRate = inputs.NumberOrNull("maxUp") ?? fresh.MaxScaleUpRate,
            MaxScaleDownRate = inputs.NumberOrNull("maxDown") ?? fresh.MaxScaleDownRate,
            UpFluctuationTolerance = inputs.NumberOrNull("tolUp") ?? fresh.UpFluctuationTolerance,
            DownFluctuationTolerance = inputs.NumberOrNull("tolDown") ?? fresh.DownFluctuationTolerance,
            ActivationScale = inputs.CountOrNull("activationScale") ?? fresh.ActivationScale,
            UpCooldownWindow = inputs.Seconds("upWindow") ?? fresh.UpCooldownWindow,
            DownCooldownWindow = inputs.Seconds("downWindow") ?? fresh.DownCooldownWindow,
        };
    }

    private static void Reconcile(RivalVector vector)
    {
        var (inputs, settings) = (vector.Inputs, Settings(vector.Inputs));
        // The rule rebuilds the panic's maximum at each pass: there is nothing to hand it over by.
        if (inputs.CountOrNull("maxPanicAtStart") is { } maximum) Assert.Equal(0, maximum);
        var (stable, panic) = inputs.Has("podValues")
            ? (Mean(inputs, settings.StableWindow), Mean(inputs, settings.PanicWindow))
            : (inputs.Number("stable"), inputs.Number("panic"));
        var decision = AibrixAutoscaler.Decide(
            settings, AibrixState.Fresh, new(RivalVector.Start, inputs.Count("n"), [new(inputs.Number("target"), stable, panic)]));
        vector.Expect("desired", decision.Replicas);
        if (vector.Expected.Has("panicMode")) vector.Expect("panicMode", decision.Panicking);
        if (vector.Expected.Has("stable")) vector.ExpectNear("stable", stable, 0, 1e-9);
    }

    private static double Mean(VectorFields inputs, TimeSpan length)
    {
        var window = new AibrixWindow(length);
        window.Record(RivalVector.Start, inputs.Numbers("podValues").Average());
        return window.Mean(RivalVector.Start)!.Value;
    }

    private static void CoolDown(RivalVector vector)
    {
        var (inputs, settings) = (vector.Inputs, Settings(vector.Inputs));
        var (state, replicas) = (AibrixState.Fresh, inputs.Count("start"));
        List<int> sequence = [];
        foreach (var row in inputs.List("recommendations"))
        {
            (replicas, state) = AibrixAutoscaler.CoolDown(settings, state, replicas, row[1].GetInt32(), RivalVector.At(row[0].GetDouble()));
            sequence.Add(replicas);
        }

        Assert.Equal(vector.Expected.Counts("sequence"), sequence);
    }

    private static void Several(RivalVector vector)
    {
        var proposals = vector.Inputs.Counts("proposals").Select(proposal => (int?)proposal)
            .Concat(Enumerable.Repeat((int?)null, vector.Inputs.Count("failed")));
        vector.Expect("desired", AibrixAutoscaler.Largest(proposals));
    }

    private static void Disabled(RivalVector vector)
    {
        Assert.Null(vector.Inputs.Find("schedule"));
        var seen = new AibrixObservation(RivalVector.Start, vector.Inputs.Count("n"), [new(10, 100, 100)]);
        vector.Expect("desired", AibrixAutoscaler.Decide(Settings(vector.Inputs), AibrixState.Fresh, seen).Replicas);
    }
}
