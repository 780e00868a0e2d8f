namespace Plimsoll.Tests.Footprints;

/// <summary>What engines take when not told, and the share of a device that they cannot have.</summary>
public class EngineDefaultTests
{
    [Theory]
    [InlineData("vllm", 0.99, 1)]
    [InlineData("vllm", 1.0, 2)]
    [InlineData("sglang", 0.996, 1)]
    public void A_share_that_the_engines_own_context_stands_in_is_refused(string engine, double fraction, int ranks)
    {
        // 0.51 GiB of 40 are the context's: 0.987 is the most that is free when the engine looks.
        var variant = On(engine, 40, ranks) with { MemoryFraction = fraction, MaxSequences = 64, Graphs = false };
        var report = Fit.Of(HandShapes.Llama31(), variant);
        Assert.False(report.Fits);
        Assert.Equal("fraction", report.Failure!.Term);
        Assert.Contains("its own context leaves", report.Reason, StringComparison.Ordinal);
        var smaller = report.Failure.Changes[0];
        Assert.Equal(0.98, smaller.Variant.MemoryFraction);
        Assert.True(Fit.Of(HandShapes.Llama31(), smaller.Variant).Fits);
    }

    [Fact]
    public void Graphs_outside_the_share_are_no_reason_to_refuse_it()
    {
        // 0.98 of 40 GiB leave 0.8, and the context of 0.51 and graphs of 0.9 want more: vLLM starts, with less room.
        var report = Fit.Of(HandShapes.Llama31(), On("vllm", 40, 1) with { MemoryFraction = 0.98 });
        Assert.True(report.PerDevice.Outside.Bytes > Bytes.GiB(0.8));
        Assert.True(report.Fits, report.Reason);
    }

    [Theory]
    [InlineData("tgi", 40.0, 1.0)]
    [InlineData("vllm@0.7.2", 40.0, 1.0)]
    [InlineData("llama.cpp", 40.0, 1.0)]
    [InlineData("vllm@0.21", 4.75, null)]
    public void What_takes_what_is_there_and_an_engines_own_default_are_not_refused(string engine, double gib, double? fraction)
    {
        var report = Fit.Of(HandShapes.Llama31(), On(engine, gib, 1) with { MemoryFraction = fraction });
        Assert.NotEqual("fraction", report.Failure?.Term);
    }

    [Fact]
    public void No_change_proposes_a_share_that_the_engine_cannot_have()
    {
        // 0.94 of 8 GiB are the last hundredth that is free; weights and context need more than that, whatever is asked for.
        var small = HandShapes.Of(HandShapes.Llama31Shape() with { Layers = [HandShapes.Llama31Shape().Layers[0] with { Count = 8 }] });
        for (var context = 8_192; context <= 40_960; context += 1_024)
        {
            var report = Fit.Of(small, On("vllm", 8, 1) with { Context = context, MaxSequences = 64, Graphs = false });
            foreach (var change in report.Failure?.Changes ?? []) Assert.True((change.Variant.MemoryFraction ?? 0) <= 0.936, change.What);
        }
    }

    [Theory]
    [InlineData("vllm", 131_072)]
    [InlineData("tgi", 131_072)]
    [InlineData("sglang", 32_768)]
    [InlineData("llama.cpp", 32_768)]
    public void Without_a_context_it_is_the_longest_that_the_engine_takes_the_model_to_be_made_for(string engine, long context)
    {
        // Qwen2.5 7B's 32,768 positions with YaRN's factor of 4.
        var scaled = HandShapes.Of(HandShapes.Llama31Shape() with { MaxPositions = 32_768, ScaledPositions = 131_072 });
        Assert.Equal(context, Fit.Of(scaled, On(engine, 79.19, 1) with { Context = 0 }).Variant.Context);
    }

    [Theory]
    [InlineData(15, 1, 2048, 8)]
    [InlineData(24, 2, 2048, 24)]
    [InlineData(24, 4, 2048, 80)]
    [InlineData(45, 1, 4096, 32)]
    [InlineData(45, 4, 4096, 160)]
    [InlineData(80, 2, 8192, 256)]
    [InlineData(141, 8, 8192, 256)]
    [InlineData(180, 1, 16384, 256)]
    public void Sglangs_chunk_and_sequences_go_by_memory_and_ranks(double gib, int ranks, int chunk, int graphs)
    {
        Assert.True(ServingEngine.TryParse("sglang", out var engine));
        var device = HandShapes.Device("some", gib);
        Assert.Equal((chunk, graphs), (engine.DefaultBatchedTokens(device, 4096), engine.DefaultSequences(device, 1, ranks)));
    }

    [Fact]
    public void Sglangs_share_is_of_what_the_driver_reports()
    {
        // An L40S: 46,068 MiB, of which 512 + 4096 × 1.5 + 32 × 2 + 128 = 6,848 stay free. Four ranks: 160 × 2 and 4 × 128, 7,488.
        Assert.True(ServingEngine.TryParse("sglang", out var engine));
        var device = HandShapes.Device("l40s-48gb", 44.4) with { DriverMemory = Bytes.MiB(46_068) };
        Assert.Equal(0.851, engine.DefaultFraction(device, 1), 3);
        Assert.Equal(0.837, engine.DefaultFraction(device, 4), 3);

        // Four groups of attention: 160 × 4 × 3 more.
        Assert.Equal(0.796, engine.DefaultFraction(device, 4, 1, 4), 3);

        // Two stages of four ranks are eight.
        Assert.Equal(0.826, engine.DefaultFraction(device, 4, 2), 3);
    }

    private static ServingVariant On(string engine, double gib, int ranks)
    {
        Assert.True(ServingEngine.TryParse(engine, out var parsed));
        return new ServingVariant { Device = HandShapes.Device("some", gib), Context = 8192, Engine = parsed, TensorParallel = ranks };
    }
}
