namespace Plimsoll.Tests.Footprints;

/// <summary>Sizes that no machine has, as fuzzing found them: a report with a reason, never an overflow.</summary>
public class ExtremeVariantTests
{
    private static readonly ServingVariant Usual = new() { Device = HandShapes.H100 };

    private static readonly TrainingRun Run = new() { Device = HandShapes.H100 };

    public static TheoryData<string, ServingVariant> Impossible => new()
    {
        { "a context of 9223372036854775807 tokens is none; 0 to 1099511627776 are", Usual with { Context = long.MaxValue } },
        { "a concurrency of 2147483647 is more than an engine serves; 16777216 is the most", Usual with { Concurrency = int.MaxValue } },
        { "a memory fraction of NaN is not within 0 and 1", Usual with { MemoryFraction = double.NaN } },
        { "a memory share of NaN is not within 0 and 1", Usual with { MemoryShare = double.NaN } },
        { "a step of 0 tokens is none; 1 to 16777216 are", Usual with { MaxBatchedTokens = 0 } },
        { "a step of -1 sequences is none; 1 to 16777216 are", Usual with { MaxSequences = -1 } },
        { "no replica has more than 4096 ranks one way", Usual with { TensorParallel = int.MaxValue, PipelineParallel = int.MaxValue } },
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public void A_variant_that_cannot_be_says_why(string reason, ServingVariant variant)
    {
        foreach (var footprint in new[] { HandShapes.Llama31(), HandShapes.Llama31() with { Shape = null } })
        {
            var report = Fit.Of(footprint, variant);
            Assert.False(report.Fits);
            Assert.Equal("shape", report.Failure!.Term);
            Assert.StartsWith(reason, report.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Layers_of_the_largest_numbers_a_configuration_may_hold_do_not_fit_and_do_not_overflow()
    {
        var llama = HandShapes.Llama31Shape();
        const int largest = 1 << 28;
        var layer = llama.Layers[0];
        foreach (var cache in new[]
                 {
                     layer.Cache with { KvHeads = largest, KeyWidth = largest, ValueWidth = largest },
                     new LayerCache { Kind = CacheKind.State, StateElements = long.MaxValue, StateElementBytes = 4 },
                 })
        {
            var shape = llama with { HiddenSize = largest, VocabularySize = largest, Layers = [layer with { Count = 1 }, layer with { First = 1, Count = 31, Cache = cache }] };
            Assert.Equal("128 PiB", Fit.Of(HandShapes.Of(shape), Usual with { Context = 4096 }).PerDevice.Kv.Bytes.ToString());
        }
    }

    [Fact]
    public void Training_on_more_devices_than_a_number_counts_is_refused()
    {
        var many = Run with { DataParallel = int.MaxValue, TensorParallel = int.MaxValue, ContextParallel = int.MaxValue };
        Assert.Equal(long.MaxValue, many.Devices);
        Assert.Equal("data parallel is 2147483647; expected 1 to 1048576", TrainFit.Of(HandShapes.Llama31(), many).Reason);
        var most = Run with { DataParallel = 1 << 20, ContextParallel = 1 << 20, Interleave = 1 << 20 };
        Assert.Equal(1L << 40, TrainFit.Of(HandShapes.Llama31(), most).Run.Devices);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(0.0)]
    [InlineData(1e300)]
    public void Training_within_no_part_of_the_memory_is_refused(double fraction)
    {
        var report = TrainFit.Of(HandShapes.Llama31(), Run with { MemoryFraction = fraction });
        Assert.Equal("shape", report.Failure!.Term);
        Assert.EndsWith("is not within 0 and 1", report.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-3.0, 0)]
    [InlineData(0.1, 1)]
    [InlineData(1e300, 144_115_188_075_855_871)]
    public void An_estimate_is_rounded_up_and_bounded(double bytes, long expected) => Assert.Equal(expected, Bytes.Estimate(bytes).Value);
}
