namespace Plimsoll.Tests.Footprints;

/// <summary>Terms against figures worked out by hand, and against what a start-up of vLLM 0.19 logged.</summary>
public class FitTests
{
    private static ServingVariant On(Accelerator device) =>
        new() { Device = device, Context = 8192, MemoryFraction = 0.95 };

    [Fact]
    public void Weights_are_the_parameters_at_two_bytes_and_one_rotary_table()
    {
        // 8,030,261,248 × 2 + 131,072 positions × 128 × 2; every projection is a multiple of 2 MiB.
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100));
        Assert.Equal(16_094_076_928, report.PerDevice.Weights.Bytes.Value);
        Assert.Equal(Certainty.Exact, report.PerDevice.Weights.Certainty);
    }

    [Fact]
    public void Two_ranks_halve_all_but_norms_and_the_rotary_table()
    {
        // (8,030,261,248 − 266,240) / 2 + 266,240 parameters; table as before; embedding and head of 501 MiB take 502.
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { TensorParallel = 2 });
        Assert.Equal(8_030_527_488 + 33_554_432 + 2 * 1_048_576, report.PerDevice.Weights.Bytes.Value);
    }

    [Fact]
    public void Beyond_the_key_value_heads_ranks_hold_copies()
    {
        // 16 ranks over 8 heads: an eighth of the 8,388,608 key and value parameters, a sixteenth of the rest.
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { TensorParallel = 16 });
        var perLayer = 33_554_432 / 16 + 8_388_608 / 8 + 176_160_768 / 16 + 8_192L;
        var ends = 2 * (525_336_576L / 16) + 4_096;
        Assert.InRange(
            report.PerDevice.Weights.Bytes.Value, (32 * perLayer + ends) * 2 + 33_554_432,
            (32 * perLayer + ends) * 2 + 33_554_432 + 64 * 1_048_576);
        Assert.Equal(32 * 2 * 128 * 2, report.KvBytesPerToken.Value);
    }

    [Fact]
    public void A_start_up_of_the_same_model_logged_what_is_predicted()
    {
        // vLLM 0.19 on an H100: 14.99 GiB, 1.89, 0.25, and 476,016 tokens of keys and values.
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100));
        Assert.Equal(14.99, GiB(report.PerDevice.Weights.Bytes), 2);
        Assert.InRange(GiB(report.PerDevice.Activation.Bytes), 1.87, 1.91);
        Assert.InRange(report.KvTokens, 475_000, 477_000);
        Assert.Equal(131_072, report.KvBytesPerToken.Value);
        Assert.True(report.Fits, report.Reason);
    }

    [Fact]
    public void Concurrency_is_tokens_over_the_context_in_whole_blocks()
    {
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100));
        Assert.Equal(report.KvTokens / 8192, report.MaxConcurrency);
    }

    [Fact]
    public void Eight_bit_keys_and_values_carry_twice_the_tokens()
    {
        var half = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100));
        var eight = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { KvDtype = "fp8" });
        Assert.Equal(65_536, eight.KvBytesPerToken.Value);
        Assert.InRange(eight.KvTokens, 2 * half.KvTokens, 2 * half.KvTokens + 16);
    }

    [Fact]
    public void Quantising_while_loading_leaves_embeddings_and_head_at_two_bytes()
    {
        // 32 × 218,103,808 bytes of projections, 2 × 525,336,576 × 2 at the ends, norms and table: 8.49 GiB as logged.
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { QuantizeOnLoad = "fp8" });
        Assert.Equal(
            32 * 218_103_808L + 2 * 1_050_673_152L + 2 * 266_240 + 33_554_432, report.PerDevice.Weights.Bytes.Value);
    }

    [Fact]
    public void Float32_takes_twice_the_weights()
    {
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { WeightDtype = "float32" });
        Assert.Equal(2 * 16_094_076_928, report.PerDevice.Weights.Bytes.Value);
    }

    [Fact]
    public void Windowed_layers_share_the_pool_in_groups_of_the_smaller_kind()
    {
        // 10 full and 52 windowed layers: 1 + 6 groups of 10 layers, a block of 16 tokens each 10 × 8,192 × 16 bytes.
        var shape = HandShapes.WindowedShape();
        var pages = CachePages.Of(shape, On(HandShapes.H100), StageLayers.Of(shape, 1)[0], 8192);
        Assert.Equal(7, pages.Groups.Length);
        Assert.Equal(10 * 8192 * 16, pages.BlockBytes);

        // 19.53 GiB of it were logged as 36,560 tokens.
        Assert.InRange(pages.Tokens(Bytes.GiB(19.53).Value), 36_560 - 32, 36_560 + 32);
    }

    [Fact]
    public void A_windowed_layer_keeps_its_window_and_one_step()
    {
        var group = new CacheGroup(1024, false);
        Assert.Equal((1023 + 2048 + 15) / 16 + 1, group.Blocks(32_768, 16, 2048));
        Assert.Equal(32, group.Blocks(512, 16, 2048));
    }

    [Fact]
    public void Layers_left_over_go_to_the_stages_before_the_last()
    {
        var shape = HandShapes.Llama31Shape();
        shape = shape with { Layers = [shape.Layers[0] with { Count = 7 }] };
        Assert.Equal([2, 3, 2], StageLayers.Of(shape, 3).Select(stage => stage.Count));
    }

    [Fact]
    public void The_last_stage_holds_tied_embeddings_again()
    {
        var tied = HandShapes.Llama31Shape() with { TiedEmbeddings = true };
        tied = tied with { After = [tied.After[0]] };
        var report = Fit.Of(HandShapes.Of(tied), On(HandShapes.H100) with { PipelineParallel = 2 });
        Assert.Equal(
            report.Stages[0].Weights.Bytes.Value + 2 * 4_096, report.Stages[1].Weights.Bytes.Value);
    }

    [Fact]
    public void Sampling_is_charged_to_the_last_stage_alone()
    {
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { PipelineParallel = 2 });
        Assert.InRange(GiB(report.Stages[0].Activation.Bytes), 0.88, 0.98);
        Assert.InRange(GiB(report.Stages[1].Activation.Bytes), 1.98, 2.04);
        Assert.Equal(1, report.PerDevice.Stage);
    }

    [Fact]
    public void What_is_too_much_names_its_term_and_the_nearest_change()
    {
        var device = HandShapes.Device("l4-24gb", 22.5);
        var report = Fit.Of(
            HandShapes.Llama31(), new ServingVariant { Device = device, Context = 65_536, MemoryFraction = 0.9 },
            [HandShapes.H100]);
        Assert.False(report.Fits);
        Assert.Equal("kv", report.Failure!.Term);
        Assert.StartsWith("the device needs ", report.Reason, StringComparison.Ordinal);
        Assert.Contains(": the KV cache goes over, ", report.Reason, StringComparison.Ordinal);
        Assert.Equal(report.PerDevice.Total - report.PerDevice.Budget, report.Failure.Excess);
        Assert.Contains(report.Failure.Changes, change => change.Variant.Context is > 0 and < 65_536);
        Assert.Contains(report.Failure.Changes, change => change.Variant.Device.Name == "h100-80gb");
        Assert.All(report.Failure.Changes, change => Assert.True(Fit.Of(HandShapes.Llama31(), change.Variant).Fits));
    }

    [Fact]
    public void Weights_that_go_over_are_named_and_no_context_is_proposed()
    {
        var report = Fit.Of(
            HandShapes.Llama31(), new ServingVariant { Device = HandShapes.Device("t4-16gb", 14.6), Context = 2048 });
        Assert.Equal("weights", report.Failure!.Term);
        Assert.DoesNotContain(report.Failure.Changes, change => change.Variant.Context != 2048);
        Assert.Contains(report.Failure.Changes, change => change.Variant.TensorParallel == 2);
        Assert.Contains(report.Failure.Changes, change => change.What == "tensor parallelism over 2 devices");
        Assert.Contains(": the weights alone go over, ", report.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_slice_is_never_told_to_split_over_several()
    {
        var slice = HandShapes.Device("h100-80gb-1g.10gb", 9.75, "h100-80gb");
        var report = Fit.Of(HandShapes.Llama31(), new ServingVariant { Device = slice, Context = 2048 }, [HandShapes.H100]);
        Assert.Equal("h100-80gb instead of h100-80gb-1g.10gb", Assert.Single(report.Failure!.Changes).What);
    }

    [Fact]
    public void Stages_are_counted_from_one_in_sentences()
    {
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { PipelineParallel = 2 });
        Assert.StartsWith("each device of stage 2 needs ", report.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_known_by_the_size_of_their_files_are_assumed_and_a_cache_is_said_not_to_be_counted()
    {
        var plan = new Footprint
        {
            Format = ArtifactFormat.TensorRt,
            Source = FootprintSource.Header,
            Digest = "by hand",
            OnDisk = new Bytes(1000),
            Weights = new Bytes(1000),
            Provenance = [new Provenance("weightBytes", Certainty.Assumed, "bytes on disk: weights take no more")],
        };
        var report = Fit.Of(plan, On(HandShapes.H100));
        Assert.Equal(Certainty.Assumed, report.PerDevice.Weights.Certainty);
        Assert.Equal("the bytes on disk, over the devices evenly", report.PerDevice.Weights.From);
        Assert.StartsWith("only the bytes on disk are known", Assert.Single(report.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void What_follows_from_a_guessed_architecture_is_not_called_exact()
    {
        var guessed = HandShapes.Llama31() with
        {
            Provenance = [new("shape", Certainty.Assumed, "guessed"), new("weightBytes", Certainty.Assumed, "guessed")],
        };
        var device = Fit.Of(guessed, On(HandShapes.H100));
        Assert.Equal(
            (Certainty.Assumed, Certainty.Assumed, Certainty.Assumed),
            (device.PerDevice.Weights.Certainty, device.PerDevice.Kv.Certainty, device.PerDevice.Activation.Certainty));
    }

    [Fact]
    public void What_a_decoder_attends_to_across_is_kept_beside_its_own_tokens()
    {
        // Whisper large v3: 32 layers of 20 heads of 64; 448 tokens of its own in 28 blocks of 16, and 1,500 of the encoder's:
        // 2 × 20 × 64 × 2 bytes × 32 layers × (448 + 1,500).
        var shape = HandShapes.Llama31Shape() with
        {
            Task = ModelTask.Transcribe,
            MaxPositions = 448,
            Layers =
            [
                HandShapes.Llama31Shape().Layers[0] with
                {
                    Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = 20, KeyWidth = 64, ValueWidth = 64, StateElements = 3_840_000 },
                },
            ],
        };
        var report = Fit.Of(HandShapes.Of(shape), On(HandShapes.H100) with { Context = 448 });
        Assert.Equal(319_160_320, report.PerDevice.Kv.Bytes.Value);
    }

    [Fact]
    public void An_engine_that_takes_as_many_as_it_is_told_does_not_bound_how_many_would_fit()
    {
        var engine = ServingEngine.LlamaCpp(new Version(1, 0));
        var report = Fit.Of(HandShapes.Llama31(), new ServingVariant { Device = HandShapes.H100, Context = 8192, Engine = engine });
        // 60 GiB and more for keys and values, of which a sequence takes one.
        Assert.InRange(report.MaxConcurrency, 60, 64);
    }

    [Theory]
    [InlineData(3, 1, "32 attention heads don't divide over 3 ranks")]
    [InlineData(1, 33, "33 stages are more than the 32 layers")]
    public void A_split_the_model_does_not_allow_is_refused_with_its_reason(int tensor, int stages, string reason)
    {
        var report = Fit.Of(
            HandShapes.Llama31(), On(HandShapes.H100) with { TensorParallel = tensor, PipelineParallel = stages });
        Assert.False(report.Fits);
        Assert.Equal("shape", report.Failure!.Term);
        Assert.StartsWith(reason, report.Reason, StringComparison.Ordinal);
        if (tensor == 3) Assert.Equal("tensor parallelism over 2 devices", report.Failure.Changes[0].What);
    }

    [Fact]
    public void A_context_beyond_the_models_positions_is_refused_and_a_shorter_one_proposed()
    {
        var report = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { Context = 131_328 });
        Assert.False(report.Fits);
        Assert.Equal(("context", Bytes.Zero), (report.Failure!.Term, report.Failure.Excess));
        Assert.Contains(report.Failure.Changes, change => change.Variant.Context == 131_072);
    }

    [Fact]
    public void Experts_in_mxfp4_are_padded_for_their_kernels()
    {
        // 32 experts of 2,880 over 2 ranks: 1,440 becomes 1,536, and the input of gate and up 3,072:
        // 32 × (2 × 1,536 × 3,072 + 1,536 × 2,880) × 17/32 bytes = 235,634,688 a layer.
        var experts = new WeightGroup(
            "experts", WeightSplit.Experts, 32L * 3 * 2880 * 2880, new Bytes(32L * 3 * 2880 * 2880 * 17 / 32), "uint8");
        var shape = HandShapes.Llama31Shape() with
        {
            HiddenSize = 2880,
            RotaryWidth = 0,
            VocabularySize = 64,
            Quantization = "mxfp4",
            Before = [],
            After = [],
            Layers =
            [
                new LayerRun
                {
                    First = 0, Count = 1, Weights = [experts], Cache = LayerCache.None,
                    Experts = 32, ExpertsPerToken = 4, ExpertWidth = 2880, ActiveWidth = 4 * 2880,
                },
            ],
        };
        var report = Fit.Of(HandShapes.Of(shape), On(HandShapes.H100) with { TensorParallel = 2 });
        Assert.InRange(report.PerDevice.Weights.Bytes.Value, 235_634_688, 235_634_688 + 2 * 1_048_576);
    }

    [Fact]
    public void Without_an_architecture_weights_are_exact_and_the_rest_says_it_is_assumed()
    {
        var footprint = HandShapes.Llama31() with { Shape = null };
        var report = Fit.Of(footprint, On(HandShapes.H100));
        Assert.Equal(footprint.Weights, report.PerDevice.Weights.Bytes);
        Assert.Equal(Certainty.Assumed, report.PerDevice.Activation.Certainty);
        Assert.Contains(report.Notes, note => note.Contains("architecture is not known", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(ArtifactFormat.HuggingFace, 0, Certainty.Assumed, "not counted: what is kept of a token is not known")]
    [InlineData(ArtifactFormat.TensorRt, 0, Certainty.Assumed, "not counted: what is kept of a token is not known")]
    [InlineData(ArtifactFormat.Onnx, 0, Certainty.Exact, "1 × 4,096 tokens in blocks of 16")]
    [InlineData(ArtifactFormat.HuggingFace, 1000, Certainty.Exact, "1 × 4,096 tokens in blocks of 16")]
    public void A_cache_that_nobody_knows_is_not_called_none(ArtifactFormat format, long perToken, Certainty certainty, string from)
    {
        var kv = Fit.Of(HandShapes.Llama31() with { Shape = null, Format = format, KvPerToken = new Bytes(perToken) }, On(HandShapes.H100) with { Context = 4096, Concurrency = 1 }).PerDevice.Kv;
        Assert.Equal((4096 * perToken, certainty, from), (kv.Bytes.Value, kv.Certainty, kv.From));
    }

    [Fact]
    public void A_shared_device_gives_its_share()
    {
        var whole = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100));
        var share = Fit.Of(HandShapes.Llama31(), On(HandShapes.H100) with { MemoryShare = 0.5 });
        Assert.InRange(GiB(share.PerDevice.Budget), GiB(whole.PerDevice.Budget) / 2 - 0.01, GiB(whole.PerDevice.Budget) / 2 + 0.01);
    }

    private static double GiB(Bytes bytes) => bytes.Value / (1024.0 * 1024 * 1024);
}
