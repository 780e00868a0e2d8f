using Plimsoll.Tests.Footprints;

namespace Plimsoll.Tests.Performance;

public class StepModelTests
{
    /// <summary>1,000 TFLOP/s and 2 TB/s: a token computes as long as it takes to read 500 times the weights.</summary>
    internal static readonly Accelerator Device = HandShapes.Device("round", 80) with
    {
        MemoryBandwidth = new BytesPerSecond(2_000_000_000_000),
        FlopsPerSecond = HandShapes.H100.FlopsPerSecond.Add("bfloat16", 1e15),
        LinkBandwidth = new BytesPerSecond(400_000_000_000),
    };

    private static double Milliseconds(StepBatch batch, StepSplit? split = null) =>
        StepModel.Of(HandShapes.Llama31Shape(), Device, split ?? new StepSplit())!.Seconds(batch, StepCoefficients.Roofline) * 1000;

    [Fact]
    public void A_bare_decode_step_reads_the_weights_once()
    {
        // 32 layers of 218,112,000 parameters and a head of 525,336,576, two bytes each: 15,009,841,152 bytes at 2 TB/s.
        Assert.Equal(7.505, Milliseconds(StepBatch.Decode(1, 0)), 0.001);
    }

    [Fact]
    public void A_bare_prefill_computes_two_operations_for_each_parameter_and_token_and_attention_beside()
    {
        // Layers: 2 × 6,979,584,000 × 8,192 = 1.1435e14. Attention: 33,558,528 pairs × 16,384 × 32 layers = 1.7594e13.
        // Together 131.948 ms at 1e15; the head's weights are read in 0.525 ms.
        Assert.Equal(132.473, Milliseconds(StepBatch.Prefill(1, 8192)), 0.02);
    }

    [Fact]
    public void A_pass_with_prompts_takes_no_less_than_its_launch_and_a_decode_step_has_none()
    {
        var slowHost = new StepCoefficients([.. Enum.GetValues<StepCoefficient>().Select(which =>
            which == StepCoefficient.PromptLaunchSeconds ? 0.01 : StepCoefficients.Roofline[which])]);
        var model = StepModel.Of(HandShapes.Llama31Shape(), Device, new StepSplit())!;

        // 32 layers of 10 ms, beside which 7.5 ms are nothing, and 132.473 ms a rounded corner: 320 × (1 + 0.41398⁴)^¼.
        Assert.Equal(320, model.Seconds(StepBatch.Prefill(1, 1), slowHost) * 1000, 0.01);
        Assert.Equal(322.32, model.Seconds(StepBatch.Prefill(1, 8192), slowHost) * 1000, 0.02);
        Assert.Equal(7.505, model.Seconds(StepBatch.Decode(1, 0), slowHost) * 1000, 0.001);
    }

    [Fact]
    public void Keys_and_values_are_read_with_every_decode_step()
    {
        // 64 sequences of 4,096 tokens × 131,072 bytes = 34,359,738,368 bytes: 17.180 ms more than without context.
        var more = Milliseconds(StepBatch.Decode(64, 4096)) - Milliseconds(StepBatch.Decode(64, 0));
        Assert.Equal(17.180, more, 0.01);
    }

    [Fact]
    public void Two_ranks_halve_the_bytes_and_add_what_they_exchange()
    {
        // Half of 15,009,841,152 bytes, norms (524,288 bytes in 32 layers) whole on both: 3.7526 ms. Two all-reduces a layer of
        // 8,192 bytes, each rank sending as many: 64 × 8,192 / 400 GB/s = 0.0013 ms.
        Assert.Equal(3.7539, Milliseconds(StepBatch.Decode(1, 0), new StepSplit { Tensor = 2 }), 0.001);
    }

    [Fact]
    public void A_prefix_that_is_cached_is_not_computed()
    {
        var hit = Milliseconds(StepBatch.Prefill(1, 1024, cached: 7168));
        Assert.True(hit > Milliseconds(StepBatch.Prefill(1, 1024)), "its keys and values are attended to");
        Assert.True(hit < Milliseconds(StepBatch.Prefill(1, 8192)) / 5, "but seven eighths are not computed");
    }

    [Theory]
    [InlineData(8, 2, 1, 2)]
    [InlineData(8, 2, 2, 3.5)]
    [InlineData(8, 8, 3, 8)]
    [InlineData(8, 2, 0, 0)]
    public void A_batch_touches_experts_as_equally_likely_ones(double experts, double perToken, double tokens, double touched) =>
        Assert.Equal(touched, Roofline.TouchedExperts(experts, perToken, tokens), 1e-9);

    [Fact]
    public void Pairs_of_a_window_grow_and_then_stay()
    {
        Assert.Equal(10, StepBatch.Prefill(1, 4).Pairs(null));
        Assert.Equal(7, StepBatch.Prefill(1, 4).Pairs(2));
        Assert.Equal(9, StepBatch.Prefill(1, 2, cached: 3).Pairs(null));
        Assert.Equal(4, StepBatch.Prefill(1, 2, cached: 3).Pairs(2));
    }

    [Fact]
    public void A_collective_starts_and_then_sends()
    {
        // Two ranks: 10 µs and 1 GB at 100 GB/s. Eight: the start is twice as deep.
        Assert.Equal(0.01001, Roofline.Collective(2, 1e9, 1e11, 1e-5), 1e-9);
        Assert.Equal(0.01002, Roofline.Collective(8, 1e9, 1e11, 1e-5), 1e-9);
        Assert.Equal(0, Roofline.Collective(1, 1e9, 1e11, 1e-5));
    }

    [Fact]
    public void Without_a_bandwidth_or_a_peak_there_is_no_model()
    {
        Assert.Null(StepModel.Of(HandShapes.Llama31Shape(), HandShapes.H100, new StepSplit()));
        Assert.Null(StepModel.Of(HandShapes.Llama31Shape(), Device with { FlopsPerSecond = HandShapes.H100.FlopsPerSecond }, new StepSplit()));
    }

    [Fact]
    public void The_error_bar_widens_with_distance_from_what_was_measured()
    {
        var fitted = StepCalibration.BuiltIn;
        var pair = fitted.Factors.Keys.First(one => one.Level == "pair").Key.Split(' ');
        var known = new StepSubject(pair[1], "float8", pair[2], pair[0]);
        double[] spreads =
        [
            fitted.LogSpread(known), fitted.LogSpread(known with { Model = "another" }),
            fitted.LogSpread(known with { Model = "another", Device = "another" }),
            fitted.LogSpread(new StepSubject("another", "another", "another", "another")),
        ];
        Assert.Equal(spreads.Order(), spreads);
        Assert.True(spreads[0] > 0 && spreads[3] > spreads[0]);
        Assert.True(fitted.LogSpread(known, beyond: 8) > spreads[0]);
    }

    [Fact]
    public void What_is_written_is_read_again()
    {
        using var file = new MemoryStream();
        StepCalibration.BuiltIn.Write(file);
        var again = StepCalibration.Parse(file.ToArray());
        Assert.Equal(StepCalibration.BuiltIn.Source, again.Source);
        Assert.Equal(StepCalibration.BuiltIn.Factors.Count, again.Factors.Count);
        var subject = new StepSubject("h200-141gb", "float8", "vllm", "");
        foreach (var which in Enum.GetValues<StepCoefficient>())
            Assert.Equal(StepCalibration.BuiltIn.For(subject)[which], again.For(subject)[which], 1e-3);
    }
}
