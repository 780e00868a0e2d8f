using Plimsoll.Simulation.Rivals.RayServe;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class RayServeCases
{
    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("rule")) SlowLoop(vector);
        else if (inputs.Has("pattern")) Flips(vector);
        else if (inputs.Has("start")) Sequence(vector);
        else if (vector.Expected.Has("firesOnTick")) Delay(vector);
        else Once(vector);
    }

    private static RayServeSettings Settings(VectorFields inputs)
    {
        var fresh = new RayServeSettings();
        var delay = inputs.Seconds("delay");
        return fresh with
        {
            TargetOngoingRequests = inputs.NumberOrNull("targetOngoing") ?? fresh.TargetOngoingRequests,
            MinReplicas = inputs.CountOrNull("min") ?? 0,
            MaxReplicas = inputs.CountOrNull("max") ?? 1000,
            UpscaleDelay = inputs.Seconds("upDelay") ?? delay ?? fresh.UpscaleDelay,
            DownscaleDelay = inputs.Seconds("downDelay") ?? delay ?? fresh.DownscaleDelay,
            DownscaleToZeroDelay = inputs.Seconds("toZeroDelay"),
            UpscalingFactor = inputs.NumberOrNull("upFactor") ?? 1,
            DownscalingFactor = inputs.NumberOrNull("downFactor") ?? 1,
        };
    }

    private static void Once(RivalVector vector)
    {
        var (inputs, settings) = (vector.Inputs, Settings(vector.Inputs));
        var seen = new RayServeObservation(RivalVector.Start, inputs.Count("current"), inputs.Count("target_n"), inputs.Number("ongoing"));
        var replicas = RayServePolicy.Decide(settings, RayServeState.Fresh, seen).Replicas;
        if (vector.Expected.Has("policy"))
        {
            vector.Expect("policy", RayServePolicy.FromZero(settings, seen));
            vector.Expect("afterBounds", replicas);
            return;
        }

        vector.Expect("replicas", replicas);
    }

    private static void Sequence(RivalVector vector)
    {
        var (inputs, settings) = (vector.Inputs, Settings(vector.Inputs));
        var (state, replicas) = (RayServeState.Fresh, inputs.Count("start"));
        List<int> sequence = [];
        for (var tick = 0; tick < inputs.Count("ticks"); tick++)
        {
            (replicas, state) = RayServePolicy.Decide(
                settings, state, new(RivalVector.At(tick * 0.1), replicas, replicas, inputs.Number("ongoing")));
            sequence.Add(replicas);
        }

        Assert.Equal(vector.Expected.Counts("sequence"), sequence);
    }

    /// <summary>Ticks until the target changes, and what it changes to.</summary>
    private static (int Tick, int To) Fires(RayServeSettings settings, TimeSpan tick, int current, int target, Func<int, double> ongoing, int most)
    {
        var state = RayServeState.Fresh;
        for (var i = 1; i <= most; i++)
        {
            var decision = RayServePolicy.Decide(settings, state, new(RivalVector.Start + (i - 1) * tick, current, target, ongoing(i)));
            if (decision.Replicas != target) return (i, decision.Replicas);
            state = decision.State;
        }

        return (0, target);
    }

    /// <summary>At a loop that keeps its interval both rules fire on the same tick.</summary>
    private static void Delay(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = Settings(inputs) with { ControlLoopInterval = inputs.Seconds("tick")!.Value };
        var (current, target, ongoing) = (inputs.Count("current"), inputs.Count("target_n"), inputs.Number("ongoing"));
        foreach (var rule in Enum.GetValues<RayServeDelayRule>())
        {
            var (tick, to) = Fires(settings with { DelayRule = rule }, settings.ControlLoopInterval, current, target, _ => ongoing, 10_000);
            vector.Expect("firesOnTick", tick);
            vector.Expect("unchangedTicks", tick - 1);
            vector.Expect("to", to);
        }
    }

    private static void SlowLoop(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var tick = inputs.Seconds("tick")!.Value;
        var rule = inputs.Text("rule") == "counter" ? RayServeDelayRule.Counter : RayServeDelayRule.WallClock;
        var (fired, _) = Fires(Settings(inputs) with { DelayRule = rule }, tick, 1, 1, _ => 4, 1000);
        vector.Expect("firesOnTick", fired);
        vector.ExpectNear("atSeconds", ((fired - 1) * tick).TotalSeconds, 0, 1e-9);
    }

    private static void Flips(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Equal("overload on even ticks, underload on odd", inputs.Text("pattern"));
        var settings = Settings(inputs) with { ControlLoopInterval = inputs.Seconds("tick")!.Value };
        var (fired, _) = Fires(settings, settings.ControlLoopInterval, 2, 2, i => i % 2 == 0 ? 100 : 0, inputs.Count("ticks"));
        vector.Expect("changes", fired == 0 ? 0 : 1);
    }
}
