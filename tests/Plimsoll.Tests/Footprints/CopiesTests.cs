namespace Plimsoll.Tests.Footprints;

/// <summary>Data-parallel copies of a model in one replica, against DeepSeek R1's sizes multiplied out by hand.</summary>
public class CopiesTests
{
    private const double GiB = 1L << 30;

    // An eighth of 58 × 256 experts; attention, shared and dense parts, embedding and head whole; the up-projection of
    // latents again in 16 bits, 61 × 128 × 256 × 512 of it; a rotary table.
    private const double OfEight =
        (58 * 32 * 44_040_192L) + (61 * 187_105_280L) + (58 * 44_040_192L) + (3 * 396_361_728L) + (4 * 926_679_040L)
        + (2 * 61 * 16_777_216L) + (2 * 163_840 * 64L);

    [Theory]
    [InlineData(8)]
    [InlineData(1)]
    public void Vllms_copies_share_one_set_of_experts_whole_or_in_parts(int expert)
    {
        var report = Fit.Of(HandShapes.Of(HandShapes.DeepSeekV3Shape()), On("vllm") with { DataParallel = 8, ExpertParallel = expert });

        Assert.Equal(OfEight / GiB, report.PerDevice.Weights.Bytes.Value / GiB, 0.1);
        Assert.InRange(report.PerDevice.Weights.Bytes.Value / GiB, 95, 97);
        Assert.True(report.Fits, report.Reason);
        Assert.Equal(8, report.Variant.Devices);
        // They speak to each other.
        Assert.Contains("collectives of 8 ranks", report.PerDevice.Overhead.From, StringComparison.Ordinal);
    }

    [Fact]
    public void Sglangs_copies_have_their_own_experts()
    {
        var report = Fit.Of(HandShapes.Of(HandShapes.DeepSeekV3Shape()), On("sglang") with { DataParallel = 8 });
        Assert.Equal("weights", report.Failure!.Term);
        Assert.True(report.PerDevice.Weights.Bytes > Bytes.GiB(620));
    }

    [Fact]
    public void Groups_of_attention_have_all_of_it_each_and_keep_their_own_sequences()
    {
        // Experts, shared and dense parts and the head over eight ranks; attention and embedding on each.
        var split = On("sglang") with { TensorParallel = 8, Concurrency = 4, Context = 8192 };
        var grouped = Fit.Of(HandShapes.Of(HandShapes.DeepSeekV3Shape()), split with { AttentionGroups = 8 });
        var bytes = (58 * 32 * 44_040_192L) + (61 * 187_105_280L) + (((58 * 44_040_192L) + (3 * 396_361_728L) + (2 * 926_679_040L)) / 8)
            + (2 * 926_679_040L) + (2 * 61 * 16_777_216L) + (2 * 163_840 * 64L);
        Assert.Equal(bytes / GiB, grouped.PerDevice.Weights.Bytes.Value / GiB, 0.1);
        Assert.True(grouped.Fits, grouped.Reason);

        // Heads of keys and values are not split either: eight on each rank, where eight ranks had one each.
        var llama = Fit.Of(HandShapes.Llama31(), split with { Device = HandShapes.H100 });
        var whole = Fit.Of(HandShapes.Llama31(), split with { Device = HandShapes.H100, AttentionGroups = 8 });
        Assert.Equal(8 * llama.KvBytesPerToken.Value, whole.KvBytesPerToken.Value);
        Assert.Equal(32 * 41_943_040L * 2 * 7 / 8, whole.PerDevice.Weights.Bytes.Value - llama.PerDevice.Weights.Bytes.Value - (2 * 525_336_576L * 7 / 8), 4 * 1_048_576.0);
    }

    [Fact]
    public void Each_copy_has_its_ranks_processes_and_staging_on_the_host_and_all_have_one_front()
    {
        // 8 × 3 GiB and 2, and while they load 8 × 1 GiB.
        var footprint = HandShapes.Llama31();
        var needs = ServingNeeds.Of(footprint, On("vllm") with { Device = HandShapes.H100, Context = 8192, DataParallel = 8 }, null, cached: false);
        Assert.Equal(new MemoryNeed(Bytes.GiB(34), Bytes.GiB(26)), needs.Needs.Host);
        Assert.Equal((8, Cores.Of(8)), (needs.Needs.Devices, needs.Needs.Cores));

        // A copy of eight is as one alone: the same weights, keys and values.
        var alone = Fit.Of(footprint, On("vllm") with { Device = HandShapes.H100, Context = 8192 });
        Assert.Equal(alone.PerDevice.Total, needs.Fit.PerDevice.Total);
        Assert.Equal(alone.KvTokens, needs.Fit.KvTokens);
        Assert.Equal(new MemoryNeed(Bytes.GiB(18), Bytes.GiB(14)), ServingNeeds.HostOfPod(footprint, needs.Fit.Variant, 4));
    }

    [Theory]
    [InlineData("vllm", 2, 4, 16, 1, "experts over 16 ranks don't divide the 8 ranks of 4 data-parallel copies")]
    [InlineData("sglang", 2, 4, 8, 1, "experts over 8 ranks don't divide 2 tensor-parallel ranks")]
    [InlineData("sglang", 8, 1, 1, 3, "3 groups of attention don't divide 8 tensor-parallel ranks")]
    [InlineData("vllm", 1, 0, 1, 1, "every parallel size is 1 or more")]
    public void A_split_that_no_engine_makes_is_refused(string engine, int tensor, int data, int expert, int groups, string why)
    {
        var report = Fit.Of(
            HandShapes.Of(HandShapes.DeepSeekV3Shape()),
            On(engine) with { TensorParallel = tensor, DataParallel = data, ExpertParallel = expert, AttentionGroups = groups });
        Assert.Equal("shape", report.Failure!.Term);
        Assert.StartsWith(why, report.Reason, StringComparison.Ordinal);
    }

    private static ServingVariant On(string engine)
    {
        Assert.True(ServingEngine.TryParse(engine, out var parsed));
        return new ServingVariant { Device = HandShapes.Device("h200-141gb", 139.8), Context = 32_768, Engine = parsed };
    }
}
