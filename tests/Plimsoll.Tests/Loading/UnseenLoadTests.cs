using Plimsoll.Tests.Planning;

namespace Plimsoll.Tests.Loading;

/// <summary>What the planner takes a load to last, of a model that never loaded here.</summary>
public class UnseenLoadTests
{
    // 16 GB of weights: 21 s to start, 16 / 1.2 to read, 21 + 0.17 × 16 to initialise, 58.05 together.
    private static readonly ModelSpec Served = Of("large", 16_000_000_000 / 1048576.0, "vllm");

    private static ModelSpec Of(string id, double weightMiB, string engine, int devices = 1)
    {
        var model = Fleets.Model(id, weightMiB, devices: devices);
        return model with { Variants = [model.Variants[0] with { Engine = engine }] };
    }

    private static LoadEstimate Load(ModelSpec model, params (string Id, string Engine, double MiB, double Seconds)[] seen)
    {
        var spec = Fleets.Spec([model, .. seen.Select(one => Of(one.Id, one.MiB, one.Engine))]);
        var snapshot = Fleets.Snapshot(spec, Fleets.Node(200_000), Fleets.Noon);
        var known = Knowledge.Empty.Fold(spec, snapshot with { Outcomes = [.. seen.Select(one => Loaded(one.Id, one.MiB, one.Seconds))] });
        return Outlooks.Of(spec, snapshot, known).Single(outlook => outlook.Model.Id == model.Id).Load;
    }

    [Fact]
    public void An_engine_of_published_loads_is_taken_by_them()
    {
        var said = Load(Served);
        Assert.Equal(58.05, said.Median.TotalSeconds, 0.05);
        Assert.InRange(said.P90.TotalSeconds, 65, 90);
        Assert.Equal(0, said.Observed);
    }

    [Fact]
    public void Any_other_is_by_what_is_assumed() =>
        Assert.Equal(2 + (16_000_000_000 / 1048576.0 / 200), Load(Of("large", 16_000_000_000 / 1048576.0, "elsewhere")).Median.TotalSeconds, 0.05);

    [Fact]
    public void On_the_processor_nothing_is_compiled() =>
        Assert.Equal(7, Load(Of("small", 1000, "vllm", devices: 0)).Median.TotalSeconds, 0.01);

    [Fact]
    public void Loads_of_another_engine_say_nothing_of_it() =>
        Assert.Equal(Load(Served), Load(Served, ("a", "plimsoll-model-server", 100, 30), ("b", "plimsoll-model-server", 200, 60)));

    [Fact]
    public void Loads_of_its_engine_do_and_a_slower_disk_is_seen()
    {
        // 42 s and 0.3 GB/s instead of what is published: 16 GB would be 95 s.
        var said = Load(Served, ("a", "vllm", 4_000 / 1.048576, 55.3), ("b", "vllm", 30_000 / 1.048576, 142), ("c", "vllm", 60_000 / 1.048576, 242));
        Assert.Equal(95.3, said.Median.TotalSeconds, 8.0);
        Assert.True(said.P90 >= 1.29 * said.Median);
    }

    [Fact]
    public void A_model_is_told_by_its_own_loads_before_any_other()
    {
        var model = Fleets.Model("m", 1000);
        var known = Knowledge.Empty.Fold(Fleets.Spec(model), Fleets.Snapshot(Fleets.Spec(model), Fleets.Node(2000), Fleets.Noon) with
        {
            Outcomes = [Loaded("m", 1000, 30)],
        });
        var load = Outlooks.Of(Fleets.Spec(model), Fleets.Snapshot(Fleets.Spec(model), Fleets.Node(2000), Fleets.Noon), known).Single().Load;
        Assert.Equal(30, load.Median.TotalSeconds, 0.001);
        Assert.Equal(1, load.Observed);
    }

    private static Outcome.Loaded Loaded(string model, double mib, double seconds) => new()
    {
        At = Fleets.Noon,
        Replica = ReplicaId.Of($"{model}-1"),
        Model = new ModelId(model),
        Version = "v1",
        Variant = new VariantId("cpu"),
        Size = Bytes.MiB(mib),
        Took = TimeSpan.FromSeconds(seconds),
    };
}
