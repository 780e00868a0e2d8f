using Plimsoll.Tests.Footprints;

namespace Plimsoll.Tests.Performance;

public class PredictedStepsTests
{
    private static PredictedSteps Of(string device, string engine = "vllm", StepSplit? split = null) =>
        PredictedSteps.Of(HandShapes.Llama31(), engine, DeviceCatalogue.BuiltIn.Find(device)!, split ?? new StepSplit()).Steps!;

    [Fact]
    public void Every_accelerator_of_the_catalogue_has_step_times_with_a_bar()
    {
        Assert.NotEmpty(DeviceCatalogue.BuiltIn.Accelerators);
        Assert.All(DeviceCatalogue.BuiltIn.Accelerators, device => Assert.All(["vllm", "sglang", "trtllm", "llama.cpp"], engine =>
        {
            var (steps, problem) = PredictedSteps.Of(HandShapes.Llama31(), engine, device, new StepSplit());
            Assert.Null(problem);
            StepBatch[] batches = [StepBatch.Prefill(1, 2048), StepBatch.Decode(32, 1024), StepBatch.Prefill(1, 512).With(StepBatch.Decode(32, 1024))];
            foreach (var batch in batches)
            {
                var estimate = steps!.Of(batch);
                Assert.InRange(estimate.Seconds, 1e-4, 1000);
                Assert.InRange(estimate.LowSeconds, double.Epsilon, estimate.Seconds * 0.99);
                Assert.InRange(estimate.HighSeconds, estimate.Seconds * 1.01, 1e5);
            }
        }));
    }

    [Fact]
    public void Nothing_is_faster_than_the_devices_peaks()
    {
        var footprint = HandShapes.Llama31();
        Assert.All(DeviceCatalogue.BuiltIn.Accelerators, device => Assert.All(["vllm", "sglang", "trtllm", "llama.cpp"], engine =>
        {
            var steps = PredictedSteps.Of(footprint, engine, device, new StepSplit()).Steps!;
            var peak = device.FlopsPerSecond.Where(one => one.Key is "bfloat16" or "float16").Select(one => one.Value).DefaultIfEmpty(device.FlopsPerSecond.Values.Max()).Max();
            Assert.True(steps.Prefill(1, 2048).Seconds >= 2.0 * 2048 * (footprint.Parameters - 525_336_576) / peak, $"prompts under {engine} on {device.Name}");
            Assert.True(steps.Prefill(8, 4096).Seconds >= 2.0 * 8 * 4096 * (footprint.Parameters - 525_336_576) / peak, $"more prompts under {engine} on {device.Name}");
            Assert.True(steps.Decode(1, 1).Seconds >= (footprint.Weights.Value - (2.0 * 525_336_576)) / device.MemoryBandwidth.Value, $"a token under {engine} on {device.Name}");
        }));
    }

    [Fact]
    public void Pipelines_and_tensor_ranks_are_predicted_on_every_whole_accelerator()
    {
        Assert.All(DeviceCatalogue.BuiltIn.Accelerators.Where(one => one.SliceOf is null), device =>
            Assert.InRange(Of(device.Name, split: new StepSplit { Tensor = 4, Pipeline = 2 }).Decode(8, 512).Seconds, 1e-4, 10));
    }

    [Theory]
    [InlineData("h200-141gb", "vllm", StepNearness.Device)]
    [InlineData("h200-141gb", "llama.cpp", StepNearness.Generation)]
    [InlineData("h100-80gb-3g.40gb", "vllm", StepNearness.Generation)]
    [InlineData("mi300x-192gb", "vllm", StepNearness.Generation)]
    public void What_was_measured_nearest_is_named(string device, string engine, StepNearness nearest) =>
        Assert.Equal(nearest, Of(device, engine).Nearest);

    [Fact]
    public void What_was_never_measured_has_a_wider_bar()
    {
        var measured = Of("h200-141gb").LogSpread;
        Assert.True(Of("h200-141gb", "llama.cpp").LogSpread >= measured, "an engine that was not");
        Assert.True(Of("mi300x-192gb").LogSpread >= measured, "a device that was not");
        Assert.True(Of("h200-141gb-1g.18gb").LogSpread >= measured, "a slice");
    }

    [Fact]
    public void A_slice_reaches_what_its_whole_reaches_of_its_peak()
    {
        Assert.Equal(Of("h100-80gb").Fitted[StepCoefficient.WeightBandwidth], Of("h100-80gb-3g.40gb").Fitted[StepCoefficient.WeightBandwidth], 1e-12);
        Assert.True(Of("h100-80gb-3g.40gb").Decode(1, 128).Seconds > Of("h100-80gb").Decode(1, 128).Seconds);
    }

    [Fact]
    public void Why_there_are_none_is_said()
    {
        var h100 = DeviceCatalogue.BuiltIn.Find("h100-80gb")!;
        var slice = DeviceCatalogue.BuiltIn.Find("h100-80gb-3g.40gb")!;
        string? Problem(Footprint footprint, Accelerator device, int tensor = 1) =>
            PredictedSteps.Of(footprint, "vllm", device, new StepSplit { Tensor = tensor }).Problem;
        Assert.Equal("its layers are not known, only its weights", Problem(Footprint.Declared(Bytes.GiB(1), "a"), h100));
        Assert.Equal("the memory bandwidth of h100-80gb is not known", Problem(HandShapes.Llama31(), h100 with { MemoryBandwidth = default }));
        Assert.Equal("the FLOP/s of h100-80gb are not known", Problem(HandShapes.Llama31(), h100 with { FlopsPerSecond = HandShapes.H100.FlopsPerSecond }));
        Assert.Equal("h100-80gb-3g.40gb is a slice of h100-80gb, and slices reach no other device", Problem(HandShapes.Llama31(), slice, 2));
    }
}
