using Plimsoll.Simulation.Rivals.ModelMesh;

namespace Plimsoll.Simulation.Tests.Rivals;

internal static class ModelMeshCases
{
    private static readonly DateTimeOffset Now = RivalVector.At(1_000_000);

    /// <summary>Sizes of the rows are of a few units, so the model to leave room for is one of a unit.</summary>
    private static readonly ModelMeshSettings Settings = new() { DefaultModelUnits = 1 };

    public static void Check(RivalVector vector)
    {
        var inputs = vector.Inputs;
        if (inputs.Has("count")) ScaleUp(vector);
        else if (inputs.Has("marks"))
            vector.Expect("secondCopy", ModelMeshScaling.SecondCopy(
                Settings, inputs.Count("iteration"), inputs.Counts("marks").Select(mark => (long)mark), inputs.Number("clusterFree"), TimeSpan.Zero));
        else if (inputs.Has("idleHours")) ScaleDown(vector);
        else if (inputs.Has("entries")) Evicts(vector);
        else if (inputs.Has("oldestUse")) Refuses(vector);
        else Churns(vector);
    }

    private static void ScaleUp(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var rate = ModelMeshScaling.ScaleUp(Settings, new(
            inputs.Count("count"), TimeSpan.FromMilliseconds(inputs.Number("dt")), inputs.Count("loaded"), inputs.Count("failed"), inputs.Count("inst"),
            inputs.Flag("recent"), Settings.ScaleUpRpm, [], 0, [], 1, TimeSpan.Zero));
        vector.Expect("rpm", (int)rate.Rpm);
        vector.Expect("heavy", rate.Heavy);
        vector.Expect("add", rate.Add);
    }

    private static void ScaleDown(RivalVector vector)
    {
        var inputs = vector.Inputs;
        TimeSpan? sinceHeavy = inputs.NumberOrNull("hoursSinceHeavy") is { } hours ? TimeSpan.FromHours(hours) : null;
        vector.Expect("remove", ModelMeshScaling.DropSecond(
            Settings, TimeSpan.FromHours(inputs.Number("idleHours")), TimeSpan.FromHours(inputs.Number("cacheAgeHours")), sinceHeavy,
            inputs.Number("clusterFree"), inputs.Bool("weAreLessDesirable")));
    }

    private static void Evicts(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var entries = inputs.List("entries").Select(entry => new ModelMeshEntry(entry[0].GetString()!, entry[1].GetInt64(), Age(entry[2].GetString()!)));
        var load = ModelMeshCache.Load(Settings, inputs.Count("capacity"), entries, inputs.List("load")[1].GetInt64(), Now, Now);
        Assert.True(load.Loaded);
        Assert.Equal(vector.Expected.List("evicted").Select(model => model.GetString()!), load.Evicted);
        vector.Expected.Ignore("note");

        static DateTimeOffset Age(string word) => Now - TimeSpan.FromHours(word switch { "oldest" => 3, "mid" => 2, "newest" => 1, _ => throw new InvalidOperationException(word) });
    }

    private static void Refuses(RivalVector vector)
    {
        var inputs = vector.Inputs;
        var load = inputs["load"];
        var entry = new ModelMeshEntry("there", inputs.Count("used"), RivalVector.At(inputs.Number("oldestUse")));
        var answer = ModelMeshCache.Load(
            Settings, inputs.Count("capacity"), [entry], load.GetProperty("size").GetInt64(), RivalVector.At(load.GetProperty("lastUsed").GetDouble()), Now);
        vector.Expect("loaded", answer.Loaded);
        Assert.Equal(ModelMeshRefusal.Stale, answer.Refusal);
    }

    private static void Churns(RivalVector vector)
    {
        var inputs = vector.Inputs;
        Assert.True(inputs.Bool("full"));
        Assert.Equal(inputs.Seconds("churnAgeS"), Settings.ChurnAge);
        var entry = new ModelMeshEntry("there", 100, Now - inputs.Seconds("oldestAgeS")!.Value);
        var answer = ModelMeshCache.Load(Settings, 100, [entry], 10, Now, Now);
        vector.Expect("loaded", answer.Loaded);
        Assert.Equal(ModelMeshRefusal.Churn, answer.Refusal);
    }
}
