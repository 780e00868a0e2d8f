namespace Plimsoll.Tests.Footprints;

/// <summary>What keys and values take where layers differ, or the checkpoint says how they are kept; bytes and blocks worked out by hand.</summary>
public sealed class CacheRuleTests
{
    private const int StepTokens = 8192;

    // Gemma 4 26B A4B: 25 layers of 8 heads of 256 with a window of 1,024, and 5 of 2 heads of 512 without: 8,192 and 4,096 bytes a token.
    private static readonly ModelShape TwoWidths = HandShapes.Llama31Shape() with { Layers = [Run(0, 25, 8, 256, 1024), Run(25, 5, 2, 512, null)] };

    [Fact]
    public void Narrower_layers_have_longer_blocks_and_not_emptier_ones()
    {
        var pages = Pages(TwoWidths, Variant());
        // Groups of 5 layers; a page of 131,072 bytes is 16 tokens of a windowed layer and 32 of a full one.
        Assert.Equal(5 * 131_072, pages.BlockBytes);
        // 32,768 / 32, and 5 × (⌈(1,023 + 8,192) / 16⌉ + 1).
        Assert.Equal(1024 + (5 * 577), pages.Blocks(32_768));
        Assert.Equal(2_561_802_240, pages.Bytes(32_768, 1));
        // Padded: 2,048 and 2,885 blocks.
        Assert.Equal(4933L * 655_360, Pages(TwoWidths, Variant("vllm@0.11.0")).Bytes(32_768, 1));
    }

    [Fact]
    public void Split_over_ranks_it_may_be_the_others_that_are_narrower()
    {
        // Of four ranks each has two heads of the one and a copy of one of the other: 2,048 bytes of both. Of eight one and one: 1,024 and 2,048.
        Assert.Equal(1 + 5, Pages(TwoWidths, Variant() with { TensorParallel = 4 }).Groups.Count(group => group.Stretch == 1));
        var eight = Pages(TwoWidths, Variant() with { TensorParallel = 8 });
        Assert.All(eight.Groups, group => Assert.Equal(group.Window is null ? 1 : 2, group.Stretch));
        // ⌈9,215 / 32⌉ + 1 of each of five, and 2,048 of the full one.
        Assert.Equal(2048 + (5 * 289), eight.Blocks(32_768));
    }

    [Fact]
    public void Widths_that_do_not_divide_are_padded()
    {
        var pages = Pages(TwoWidths with { Layers = [Run(0, 6, 3, 256, 1024), Run(6, 6, 4, 256, null)] }, Variant());
        Assert.All(pages.Groups, group => Assert.Equal(1, group.Stretch));
        Assert.Equal(6 * 4 * 256 * 2 * 2 * 16, pages.BlockBytes);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(4096)]
    public void Layers_that_keep_the_same_tokens_are_one_group_however_wide(int? window)
    {
        // Nemotron's searched layers: 8, 4 and 2 heads of 128.
        var pages = Pages(TwoWidths with { Layers = [Run(0, 10, 8, 128, window), Run(10, 7, 4, 128, window), Run(17, 3, 2, 128, window)] }, Variant());
        Assert.Equal(window, Assert.Single(pages.Groups).Window);
        Assert.Equal(16 * ((10 * 8) + (7 * 4) + (3 * 2)) * 128 * 2 * 2, pages.BlockBytes);
    }

    // llama.cpp keeps windows in a cache of their own: 5 full layers of 4,096 bytes a token, 25 of 8,192 with 1,024 tokens and a step's 512.
    [Theory]
    [InlineData(32_768, 32_768, 1536)]
    [InlineData(2048, 2048, 1536)]
    [InlineData(1024, 1024, 1024)]
    [InlineData(256, 256, 256)]
    public void A_window_of_llama_cpps_holds_no_more_than_the_context(long context, long full, long windowed)
    {
        var report = Fit.Of(HandShapes.Of(TwoWidths), Variant("llama.cpp") with { Context = context, Concurrency = 2 });
        Assert.Equal(2 * ((full * 5 * 4096) + (windowed * 25 * 8192)), report.PerDevice.Kv.Bytes.Value);
        Assert.Equal(windowed < full, report.PerDevice.Kv.From.EndsWith("whatever its length", StringComparison.Ordinal));
        // As many as are reported are what the room holds.
        var pages = CachePages.Of(TwoWidths, Variant("llama.cpp"), StageLayers.Of(TwoWidths, 1)[0], 512);
        Assert.Equal(3, pages.Sequences(3 * pages.Bytes(context, 1), context));
    }

    // 8 heads of 128, keys and values, 32 layers.
    [Theory]
    [InlineData("vllm", "modelopt", "auto", 65_536)]
    [InlineData("vllm@0.14.0", "modelopt", "auto", 65_536)]
    [InlineData("vllm@0.12.0", "modelopt", "auto", 131_072)]
    [InlineData("vllm@0.16.0", "compressed-tensors", "auto", 65_536)]
    [InlineData("vllm@0.14.0", "compressed-tensors", "auto", 131_072)]
    [InlineData("vllm", "modelopt", "bfloat16", 131_072)]
    [InlineData("sglang", "modelopt", "auto", 131_072)]
    [InlineData("sglang", "modelopt", "fp8", 65_536)]
    public void The_checkpoints_own_dtype_holds_where_the_engine_goes_by_it_and_none_is_asked_for(string engine, string method, string asked, long bytes)
    {
        var shape = HandShapes.Llama31Shape() with { StatedCache = new StatedCache("fp8", method) };
        var report = Fit.Of(HandShapes.Of(shape), Variant(engine) with { KvDtype = asked });
        Assert.Equal(bytes, report.KvBytesPerToken.Value);
        Assert.Equal(asked == "auto", report.Notes.Any(note => note.Contains("fp8", StringComparison.Ordinal)));
    }

    [Fact]
    public void States_are_as_wide_as_the_model_computes_whatever_keys_and_values_are()
    {
        var state = new LayerCache { Kind = CacheKind.State, StateElements = 1 << 20 };
        var shape = HandShapes.Llama31Shape() with { Layers = [Run(0, 8, 8, 128, null), Run(8, 24, 0, 0, null) with { Cache = state }] };
        // A block of attention is as large as the state of 2 MiB: 512 tokens of 4,096 bytes, and twice as many of half as wide ones.
        Assert.Equal(512, Pages(shape, Variant()).BlockTokens);
        Assert.Equal(1024, Pages(shape, Variant() with { KvDtype = "fp8" }).BlockTokens);
    }

    [Fact]
    public void Sparse_attention_leaves_the_rotated_part_of_a_latent_as_it_is()
    {
        // DeepSeek V3.2: 512 of eight bits, a 32-bit scale for each 128, 64 of sixteen, and 132 of the indexer.
        var latent = new LayerCache { Kind = CacheKind.Latent, KeyWidth = 576, ExtraBytesPerToken = 132 };
        var shape = HandShapes.Llama31Shape() with { RotaryWidth = 64, Layers = [Run(0, 1, 0, 0, null) with { Cache = latent }] };
        Assert.Equal(656 + 132, Pages(shape, Variant() with { KvDtype = "fp8" }).BytesPerToken);
        Assert.Equal(1152 + 132, Pages(shape, Variant()).BytesPerToken);
        var dense = shape with { Layers = [shape.Layers[0] with { Cache = latent with { ExtraBytesPerToken = 0 } }] };
        Assert.Equal(576, Pages(dense, Variant() with { KvDtype = "fp8" }).BytesPerToken);
    }

    private static CachePages Pages(ModelShape shape, ServingVariant variant) => CachePages.Of(shape, variant, StageLayers.Of(shape, 1)[0], StepTokens);

    private static ServingVariant Variant(string engine = "vllm")
    {
        Assert.True(ServingEngine.TryParse(engine, out var found));
        return new ServingVariant { Device = HandShapes.H100, Context = 8192, Engine = found };
    }

    private static LayerRun Run(int first, int count, int heads, int width, int? window) => new()
    {
        First = first,
        Count = count,
        Weights = [],
        Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = heads, KeyWidth = width, ValueWidth = width, Window = window },
    };
}
