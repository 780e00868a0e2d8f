using Plimsoll.Simulation.Rivals.Dynamo;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class DynamoCases
{
    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("tp")) FirstGeneration(vector);
        else if (inputs.Has("budget")) Budget(vector);
        else if (inputs.Has("wtIntercept")) Chunked(vector);
        else if (inputs.Has("wt") || inputs.Has("engineRps")) Demand(vector);
        else if (inputs.Has("c0")) Decode(vector);
        else if (inputs.Has("raw")) Throughput(vector);
        else if (inputs.Has("ratios")) Ratios(vector);
        else Kalman(vector);
    }

    private static void FirstGeneration(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = new DynamoSettings
        {
            Generation = DynamoGeneration.First,
            ThroughputInterval = inputs.Seconds("A")!.Value,
            PrefillGpus = inputs.CountOrNull("gp") ?? 1,
            DecodeGpus = inputs.CountOrNull("gd") ?? 1,
            MinEndpoint = inputs.CountOrNull("mn") ?? 1,
        };
        var next = new DynamoTraffic(inputs.Number("req"), inputs.Number("I"), inputs.Number("O"));
        var (prefillPerGpu, decodePerGpu) = (inputs.Number("tp"), inputs.Number("td"));
        var profile = new DynamoProfile(_ => 1, _ => prefillPerGpu, (_, _) => 1, (_, _) => decodePerGpu);
        var pair = DynamoInterpolation.Replicas(settings, profile, new(inputs.NumberOrNull("pc") ?? 1), next);
        vector.Expect("prefill", pair.Prefill);
        vector.Expect("decode", pair.Decode);
    }

    private static void Budget(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = new DynamoSettings
        {
            Generation = DynamoGeneration.Second,
            PrefillGpus = inputs.Count("gp"),
            DecodeGpus = inputs.Count("gd"),
            MaxGpuBudget = inputs.Count("budget"),
            MinEndpoint = inputs.Count("min"),
        };
        var pair = DynamoBudget.Clamp(settings, new(inputs.Count("p"), inputs.Count("d")));
        Assert.Equal(vector.Expected.Counts("result"), new[] { pair.Prefill, pair.Decode });
    }

    private static void Chunked(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = new DynamoSettings
        {
            Generation = DynamoGeneration.Second,
            MaxBatchedTokens = inputs.Number("maxBatchedTokens"),
            FirstTokenTarget = inputs.Number("ttftMs"),
        };
        var time = new DynamoStepTime(inputs.Number("wtIntercept"), 0, inputs.Number("wtPerToken"));
        var rate = DynamoCapacity.Prefill(settings, time, inputs.Number("isl"), 0);
        vector.ExpectNear("wt", rate.Seconds, 1e-9, 0);
        vector.ExpectNear("rps", rate.PerSecond, 0, 5e-5);
        vector.Expect("replicas", DynamoCapacity.PrefillReplicas(settings, rate, inputs.Number("demandRps")));
    }

    /// <summary>A prefill engine of a stated rate and time, in the second generation (wt) or the third (engineRps).</summary>
    private static void Demand(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = new DynamoSettings
        {
            Generation = inputs.Has("wt") ? DynamoGeneration.Second : DynamoGeneration.Third,
            FirstTokenTarget = inputs.NumberOrNull("ttftMs") ?? 500,
            MinEndpoint = inputs.CountOrNull("minEndpoint") ?? 1,
            PrefillMinEndpoint = inputs.CountOrNull("prefillMinEndpoint"),
        };
        var rate = inputs.Has("wt")
            ? new DynamoEngineRate(1, inputs.Number("wt"), 1 / inputs.Number("wt"))
            : new DynamoEngineRate(1, (inputs.NumberOrNull("ttft") ?? 0) / 1000, inputs.Number("engineRps"));
        vector.Expect("replicas", DynamoCapacity.PrefillReplicas(settings, rate, inputs.Number("demandRps")));
    }

    private static void Decode(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var settings = new DynamoSettings { TokenTarget = inputs.Number("itlMs"), MaxKvTokens = inputs.Number("maxKv") };
        var time = new DynamoStepTime(inputs.Number("c0"), inputs.Number("perReq"), inputs.Number("perKv"));
        var rate = DynamoCapacity.Decode(settings, time, inputs.Number("isl"), inputs.Number("osl"));
        vector.ExpectNear("batch", rate.Batch, 0, 0);
        vector.ExpectNear("itl", rate.Seconds * 1000, 1e-9, 0);
        vector.ExpectNear("rps", rate.PerSecond, 0, 5e-5);
    }

    private static void Throughput(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var (current, band, raw) = (inputs.Counts("current"), inputs.Counts("band"), inputs.List("raw"));
        var fresh = new DynamoSettings();
        var settings = fresh with
        {
            EnableLoad = inputs.Flag("loadLoop"),
            MaxThroughputStep = inputs.CountOrNull("cap") ?? fresh.MaxThroughputStep,
            MinGpuBudget = band[0],
            MaxGpuBudget = band[1],
            PrefillMinEndpoint = inputs.CountOrNull("prefillMin"),
            DecodeMinEndpoint = inputs.CountOrNull("decodeMin"),
        };
        var decision = DynamoThroughput.Decide(settings, new(current[0], current[1]), Raw(0), Raw(1));
        if (vector.Expected.Has("floors")) Same(vector.Expected.Counts("floors"), decision.Floors);
        else if (vector.Expected.Find("decision") is null) Assert.Null(decision.Decision);
        else Same(vector.Expected.Counts("decision"), decision.Decision);
        if (vector.Expected.Has("reason")) Assert.Equal(vector.Expected.Text("reason"), decision.Reason);

        int? Raw(int i) => raw[i].ValueKind == System.Text.Json.JsonValueKind.Null ? null : raw[i].GetInt32();

        static void Same(int[] expected, DynamoPair? actual) => Assert.Equal(new DynamoPair(expected[0], expected[1]), actual);
    }

    private static void Ratios(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var target = inputs.Text("target") == "latency" ? DynamoTarget.Latency : DynamoTarget.Throughput;
        var (ratios, workers) = (inputs.Numbers("ratios"), inputs.Count("workers"));
        vector.Expect("workers", inputs.Text("component") == "prefill"
            ? DynamoLoad.PrefillByRatio(target, ratios, workers)
            : DynamoLoad.DecodeByRatio(target, ratios, workers));
    }

    /// <summary>The filter's noises are the peer's own and no setting here: a row with others would not be this rival's.</summary>
    private static void Kalman(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.Equal((1.0, 0.1, 10.0, 1000.0), (inputs.Number("qLevel"), inputs.Number("qTrend"), inputs.Number("r"), inputs.Number("P0")));
        var forecast = DynamoForecast.Fresh(DynamoPredictor.Kalman);
        foreach (var (seen, expected) in inputs.Numbers("observations").Zip(vector.Expected.Numbers("forecastAfterEach")))
        {
            forecast = forecast.Observe(seen);
            RivalVector.Near(expected, forecast.Next, 0, 5e-5);
        }
    }
}
