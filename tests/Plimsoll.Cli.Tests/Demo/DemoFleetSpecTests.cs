using System.Collections.Immutable;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Demo;

namespace Plimsoll.Cli.Tests.Demo;

public sealed class DemoFleetSpecTests
{
    [Fact]
    public void Measured_memory_is_charged_with_the_planners_margin_and_the_load_is_limited()
    {
        var small = DemoModel.All.Single(model => model.Id.Value == "small");
        var shape = SampleModel.OfSize("small", small.WeightBytes);
        var artifact = new SampleModelResult("/models/small.onnx", shape, [new ModelFile("/models/small.onnx", 25_100_000)], null);

        var asked = DemoFleetSpec.Of(
            [small], ImmutableSortedDictionary<ModelId, SampleModelResult>.Empty.Add(small.Id, artifact), "/bin/server",
            new BytesPerSecond(150_000_000),
            ImmutableSortedDictionary<ModelId, MemoryNeed>.Empty.Add(small.Id, new MemoryNeed(Bytes.MiB(120), Bytes.MiB(100))), 0, Bytes.GiB(2));

        var model = Assert.Single(asked.Spec.Models);
        var variant = Assert.Single(model.Variants);
        Assert.Equal(new MemoryNeed(Bytes.MiB(126), Bytes.MiB(105)), variant.Needs.Host);
        Assert.Equal(new BytesPerSecond(150_000_000), variant.LoadBandwidth);
        Assert.Equal((25_100_000L, 0, 1), (model.Footprint.OnDisk.Value, model.MinReplicas, model.MaxReplicas));
        Assert.Contains("{load_bandwidth}", asked.Launches[small.Id].Command);
        Assert.Equal("/models/small.onnx", asked.Launches[small.Id].ModelPath);
        Assert.Equal((Bytes.GiB(2), 0), (asked.Node.MemoryBudget, asked.Gateway.Port));
    }
}
