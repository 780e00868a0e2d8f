namespace Plimsoll.Tests.Footprints;

/// <summary>Splits of weights of 8-bit floats whose scales are of blocks of 128 × 128.</summary>
public sealed class BlockSplitTests
{
    // MiniMax M2.5 and Qwen3 235B A22B: experts of 1,536, 8 of 256 for a token.
    [Theory]
    [InlineData("vllm", 1, 1, true)]
    [InlineData("vllm", 4, 1, true)]
    [InlineData("vllm", 8, 1, false)]
    [InlineData("vllm", 8, 2, true)]
    [InlineData("vllm", 8, 8, true)]
    [InlineData("sglang", 8, 1, false)]
    [InlineData("vllm@0.26.0", 8, 1, true)]
    public void Experts_split_into_whole_blocks_in_engines_that_want_them(string engine, int tensor, int expert, bool valid)
    {
        var problem = Problem(Mixture(1536, 0, "float8_e4m3fn"), engine, tensor, expert);
        if (valid) Assert.Null(problem);
        else Assert.Equal("an expert's 1536 over 8 ranks are 192 each, which is no multiple of the 128 that share a scale", problem);
    }

    [Fact]
    public void Experts_that_are_not_quantised_so_split_as_they_divide() => Assert.Null(Problem(Mixture(1536, 0, "bfloat16"), "vllm", 8, 1));

    // DeepSeek V3: experts of 2,048 and one of the same width that all share.
    [Theory]
    [InlineData(16, 1, null)]
    [InlineData(32, 32, "a feed-forward width of 2048 over 32 ranks is 64 each, which is no multiple of the 128 that share a scale")]
    public void What_all_tokens_pass_splits_over_all_ranks(int tensor, int expert, string? problem) =>
        Assert.Equal(problem, Problem(Mixture(2048, 2048, "float8_e4m3fn"), "vllm", tensor, expert));

    // Qwen3 32B: 25,600.
    [Theory]
    [InlineData(8, null)]
    [InlineData(16, "a feed-forward width of 25600 over 16 ranks is 1600 each, which is no multiple of the 128 that share a scale")]
    public void Dense_layers_do_too(int tensor, string? problem)
    {
        var shape = Mixture(0, 0, "bfloat16");
        var run = shape.Layers[0] with { Experts = 0, ExpertsPerToken = 0, ActiveWidth = 25_600, Weights = [HandShapes.Group("mlp", WeightSplit.Tensor, 1) with { Dtype = "float8_e4m3fn" }] };
        Assert.Equal(problem, Problem(shape with { Layers = [run] }, "vllm", tensor, 1));
    }

    [Fact]
    public void And_what_attention_gives()
    {
        // 16 heads of 64 over 16 ranks.
        var shape = Mixture(0, 0, "bfloat16");
        var run = shape.Layers[0] with
        {
            Experts = 0,
            Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = 16, KeyWidth = 64, ValueWidth = 64 },
            Weights = [HandShapes.Group("attention", WeightSplit.Tensor, 1) with { Dtype = "float8_e4m3fn" }],
        };
        Assert.Equal(
            "attention's 1024 values over 16 ranks are 64 each, which is no multiple of the 128 that share a scale",
            Problem(shape with { AttentionHeads = 16, Layers = [run] }, "vllm", 16, 1));
        Assert.Null(Problem(shape with { AttentionHeads = 16, Layers = [run] }, "vllm", 8, 1));
    }

    [Fact]
    public void Shapes_that_engines_refuse_are_not_among_the_smallest()
    {
        var shape = Mixture(1536, 0, "float8_e4m3fn");
        // More than four devices hold.
        var run = shape.Layers[0] with { Count = 62, Weights = [HandShapes.Group("experts", WeightSplit.Experts, 6_000_000_000) with { Dtype = "float8_e4m3fn", Weights = new Bytes(6_000_000_000) }] };
        var heavy = HandShapes.Of(shape with { Layers = [run] });
        Assert.True(ServingEngine.TryParse("vllm", out var engine));
        var shapes = SmallestShapes.Of(heavy, new ServingVariant { Device = HandShapes.H100, Context = 8192, Engine = engine }, [HandShapes.H100]);
        var fit = Assert.Single(shapes).Report!.Variant;
        Assert.Null(ValidSplit.Problem(heavy.Shape, fit));
        Assert.Equal((4, 1, 2), (fit.TensorParallel, fit.ExpertParallel, fit.PipelineParallel));
    }

    private static string? Problem(ModelShape shape, string engine, int tensor, int expert)
    {
        Assert.True(ServingEngine.TryParse(engine, out var found));
        return ValidSplit.Problem(shape, new ServingVariant { Device = HandShapes.H100, Context = 8192, Engine = found, TensorParallel = tensor, ExpertParallel = expert });
    }

    private static ModelShape Mixture(int expertWidth, int sharedWidth, string dtype) => HandShapes.Llama31Shape() with
    {
        AttentionHeads = 128,
        WeightBlock = new WeightBlock(128, 128),
        Layers =
        [
            new LayerRun
            {
                First = 0,
                Count = 1,
                Experts = 256,
                ExpertsPerToken = 8,
                ExpertWidth = expertWidth,
                ActiveWidth = (8 * expertWidth) + sharedWidth,
                Cache = LayerCache.None,
                Weights =
                [
                    HandShapes.Group("experts", WeightSplit.Experts, 1) with { Dtype = dtype },
                    HandShapes.Group("shared experts", WeightSplit.Tensor, 1) with { Dtype = dtype },
                ],
            },
        ],
    };
}
