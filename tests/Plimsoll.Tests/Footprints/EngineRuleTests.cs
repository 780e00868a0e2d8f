namespace Plimsoll.Tests.Footprints;

/// <summary>Each engine's own rules.</summary>
public class EngineRuleTests
{
    [Theory]
    [InlineData("vllm", EngineKind.Vllm, "0.19")]
    [InlineData("vllm@v0.22.1", EngineKind.Vllm, "0.22.1")]
    [InlineData("SGLang", EngineKind.SgLang, "0.5")]
    [InlineData("llama-server", EngineKind.LlamaCpp, "1.0")]
    public void Engines_are_named_with_a_version(string text, EngineKind kind, string version)
    {
        Assert.True(ServingEngine.TryParse(text, out var engine));
        Assert.Equal((kind, Version.Parse(version)), (engine.Kind, engine.Version));
    }

    [Theory]
    [InlineData("")]
    [InlineData("vllm@latest")]
    [InlineData("mystery")]
    public void Other_names_are_not_engines(string text) => Assert.False(ServingEngine.TryParse(text, out _));

    [Fact]
    public void Graphs_come_out_of_the_fraction_from_vllm_0_21()
    {
        var before = Fit.Of(HandShapes.Llama31(), Variant("vllm@0.19.0") with { MemoryFraction = 0.9 });
        var after = Fit.Of(HandShapes.Llama31(), Variant("vllm@0.21.0") with { MemoryFraction = 0.9 });
        Assert.True(after.PerDevice.Overhead.Bytes > before.PerDevice.Overhead.Bytes);
        Assert.True(after.PerDevice.Outside.Bytes < before.PerDevice.Outside.Bytes);
        Assert.True(after.KvTokens < before.KvTokens);
    }

    [Fact]
    public void Sglang_leaves_the_working_set_outside_its_static_fraction()
    {
        // An H100: 512 + 8192 × 1.5 + 256 × 2 + 128 = 13,440 MiB of 81,090 stay free, so 0.834.
        Assert.True(ServingEngine.TryParse("sglang", out var engine));
        Assert.Equal(0.834, engine.DefaultFraction(HandShapes.H100, 1), 3);
        var report = Fit.Of(HandShapes.Llama31(), Variant("sglang"));
        Assert.Equal(Bytes.Zero, report.PerDevice.Activation.Bytes);
        Assert.True(report.PerDevice.Outside.Bytes > Bytes.GiB(1));
    }

    [Fact]
    public void Llama_cpp_shares_layers_out_and_keeps_the_untied_embedding_in_host_memory()
    {
        // Two devices: 16 layers of 218,112,000 parameters each, the last with norm and head; no rotary table.
        var report = Fit.Of(HandShapes.Llama31(), Variant("llama.cpp") with { TensorParallel = 2 });
        Assert.Equal(2, report.Stages.Length);
        Assert.Equal(16 * 218_112_000L * 2, report.Stages[0].Weights.Bytes.Value);
        Assert.Equal((16 * 218_112_000L + 4_096 + 525_336_576) * 2, report.Stages[1].Weights.Bytes.Value);
    }

    [Fact]
    public void Llama_cpp_reserves_what_its_log_says_for_llama_3_8b()
    {
        // Its log: "compute buffer size = 258.50 MiB", and 64 MiB of keys and values for 512 tokens, 256 for 2,048.
        var report = Fit.Of(HandShapes.Llama31(), Variant("llama.cpp") with { Context = 512, Concurrency = 1 });
        Assert.Equal(Bytes.MiB(258.5), report.PerDevice.Activation.Bytes);
        Assert.Equal(Bytes.MiB(64), report.PerDevice.Kv.Bytes);
        var longer = Fit.Of(HandShapes.Llama31(), Variant("llama.cpp") with { Context = 512, Concurrency = 4 });
        Assert.Equal(Bytes.MiB(256), longer.PerDevice.Kv.Bytes);
    }

    [Fact]
    public void Q8_0_keys_and_values_take_34_bytes_for_32()
    {
        var report = Fit.Of(
            HandShapes.Llama31(), Variant("llama.cpp") with { Context = 512, Concurrency = 1, KvDtype = "q8_0" });
        Assert.Equal(Bytes.MiB(34), report.PerDevice.Kv.Bytes);
    }

    [Fact]
    public void Tgi_plans_with_nine_tenths_of_the_device_and_keeps_every_token_of_windowed_layers()
    {
        var shape = HandShapes.WindowedShape();
        var report = Fit.Of(HandShapes.Of(shape), Variant("tgi"));
        Assert.Equal(0.9, report.Variant.MemoryFraction);

        // 62 layers × (keys and values) 2 × 16 heads × 128 × 2 bytes.
        Assert.Equal(62L * 8192, report.KvBytesPerToken.Value);
        Assert.Equal(4 * 8192L * 62 * 8192, report.PerDevice.Kv.Bytes.Value);
    }

    [Fact]
    public void A_state_takes_one_block_and_blocks_grow_until_it_fits()
    {
        // 3 layers of keys and values (4,096 bytes a token) and 9 of states (1 MiB): a block of 256 tokens is as large.
        var shape = HandShapes.Llama31Shape();
        var attention = shape.Layers[0] with { Count = 3, Cache = shape.Layers[0].Cache };
        var state = shape.Layers[0] with
        {
            First = 3,
            Count = 9,
            Cache = new LayerCache { Kind = CacheKind.State, StateElements = 1 << 19, StateElementBytes = 2 },
        };
        shape = shape with { Layers = [attention, state] };
        var pages = CachePages.Of(shape, Variant("vllm"), StageLayers.Of(shape, 1)[0], 8192);
        Assert.Equal(256, pages.BlockTokens);
        Assert.Equal(3L << 20, pages.BlockBytes);

        // 8,192 tokens are 32 blocks of the attention's group, and one block of each of three groups of states.
        Assert.Equal(32 + 3, pages.Blocks(8192));
    }

    [Fact]
    public void Batches_are_large_on_large_devices_other_than_an_a100()
    {
        Assert.True(ServingEngine.TryParse("vllm", out var engine));
        Assert.Equal((8192, 1024), (engine.DefaultBatchedTokens(HandShapes.H100, 4096), engine.DefaultSequences(HandShapes.H100, 1)));
        var a100 = HandShapes.Device("a100-80gb", 79.2);
        Assert.Equal((2048, 256), (engine.DefaultBatchedTokens(a100, 4096), engine.DefaultSequences(a100, 1)));
    }

    private static ServingVariant Variant(string engine)
    {
        Assert.True(ServingEngine.TryParse(engine, out var parsed));
        return new ServingVariant { Device = HandShapes.H100, Context = 8192, Engine = parsed, Concurrency = 4 };
    }
}
