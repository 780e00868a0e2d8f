namespace Plimsoll.Tests.Training;

/// <summary>Korthikanti et al. (2022), "Reducing activation recomputation in large transformer models": tables 2 and 3.</summary>
public class LayerActivationsTests
{
    private static readonly TrainingRun Run = new()
    {
        Device = DeviceCatalogue.BuiltIn.Find("a100-80gb")!,
        Sequence = 2048,
        Dropout = true,
        FusedAttention = false,
    };

    private static ModelShape Model(string name) => name switch
    {
        "22B" => Shapes.Gpt(48, 6144, 64),
        "175B" => Shapes.Gpt(96, 12288, 96),
        "530B" => Shapes.Gpt(105, 20480, 128),
        _ => Shapes.Gpt(128, 25600, 160),
    };

    // Bytes of one layer and micro-batch, by s·b·h = 2048 × micro-batch × hidden and a·s·s·b: without parallelism, with tensor
    // parallelism 8, with sequence parallelism too, each of those with selective recomputation, and fully recomputed.
    [Theory]
    [InlineData("22B", 4, 7_079_985_152, 1_325_400_064, 884_998_144, 654_311_424, 213_909_504, 100_663_296)]
    [InlineData("175B", 1, 2_868_903_936, 578_813_952, 358_612_992, 327_155_712, 106_954_752, 50_331_648)]
    [InlineData("530B", 1, 4_110_417_920, 880_803_840, 513_802_240, 545_259_520, 178_257_920, 83_886_080)]
    [InlineData("1T", 1, 5_138_022_400, 1_101_004_800, 642_252_800, 681_574_400, 222_822_400, 104_857_600)]
    public void Table_2_is_met_to_the_byte(
        string model, int batch, long none, long tensor, long sequence, long tensorSelective, long both, long full)
    {
        var split = Run with { TensorParallel = 8 };

        Assert.Equal(none, Layer(model, batch, Run));
        Assert.Equal(tensor, Layer(model, batch, split));
        Assert.Equal(sequence, Layer(model, batch, split with { SequenceParallel = true }));
        Assert.Equal(tensorSelective, Layer(model, batch, split with { Recomputation = Recomputation.Selective }));
        Assert.Equal(both, Layer(model, batch, split with { SequenceParallel = true, Recomputation = Recomputation.Selective }));
        Assert.Equal(full, Layer(model, batch, split with { Recomputation = Recomputation.Full }));
    }

    // Section 5: the scores are 5·a·s/h = 80 and 64 against the other 34, so that 70 and 65 % are saved.
    [Theory]
    [InlineData("175B", 70)]
    [InlineData("530B", 65)]
    public void Selective_recomputation_saves_what_they_say(string model, double percent)
    {
        var saved = 1 - Layer(model, 1, Run with { Recomputation = Recomputation.Selective }) / Layer(model, 1, Run);

        Assert.Equal(percent, 100 * saved, 0.5);
    }

    // "Under 20 % of the tensor-parallel baseline" for both techniques, 10 % for full recomputation.
    [Theory]
    [InlineData("22B", 4)]
    [InlineData("175B", 1)]
    [InlineData("530B", 1)]
    [InlineData("1T", 1)]
    public void Both_techniques_together_stay_under_a_fifth_of_the_baseline(string model, int batch)
    {
        var baseline = Layer(model, batch, Run with { TensorParallel = 8 });
        var present = Layer(model, batch, Run with { TensorParallel = 8, SequenceParallel = true, Recomputation = Recomputation.Selective });
        var full = Layer(model, batch, Run with { TensorParallel = 8, Recomputation = Recomputation.Full });

        Assert.InRange(present / baseline, 0.15, 0.21);
        Assert.InRange(full / baseline, 0.07, 0.10);
    }

    [Fact]
    public void A_pipelines_first_stage_holds_as_many_micro_batches_as_there_are_stages_and_more_when_interleaved()
    {
        // 530B over 35 stages of 3 layers each: 35 micro-batches, interleaved by 3 times 1 + 34/105.
        var run = Run with
        {
            TensorParallel = 8,
            SequenceParallel = true,
            PipelineParallel = 35,
            Recomputation = Recomputation.Selective,
        };
        var report = TrainFit.Of(Shapes.Footprint(Model("530B")), run);
        var interleaved = TrainFit.Of(Shapes.Footprint(Model("530B")), run with { Interleave = 3 });

        // 3 layers × 35 × 178,257,920 bytes and a layer's recomputation, 513,802,240.
        Assert.Equal(18_717_081_600 + 513_802_240, report.Stages[0].Activations.Bytes.Value);
        Assert.Equal(24_777_850_880 + 513_802_240, interleaved.Stages[0].Activations.Bytes.Value);

        // The last: 3 layers × one micro-batch, 534,773,760. Logits of 2048 × 51,200 / 8 at 14 bytes are gone before a layer is
        // recomputed, which takes 330,301,440 more than they did.
        Assert.Equal(183_500_800, report.Stages[34].Logits.Bytes.Value);
        Assert.Equal(865_075_200, report.Stages[34].Activations.Bytes.Value);
    }

    private static double Layer(string model, int batch, TrainingRun run)
    {
        var shape = Model(model);
        return LayerActivations.Kept(shape, shape.Layers[0], run).PerToken(run) * batch * run.Sequence;
    }
}
