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
