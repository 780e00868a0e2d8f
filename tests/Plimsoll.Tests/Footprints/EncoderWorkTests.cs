using Plimsoll.Json;

namespace Plimsoll.Tests.Footprints;

/// <summary>What an encoder of images takes of a device while a step's largest inputs are profiled; worked out by hand.</summary>
public sealed class EncoderWorkTests
{
    // Qwen2.5-VL's tower over one image of 16,384 tokens: 65,536 patches of 1280, gate, up and product of 3420.
    private const long Patches = 65_536;

    private static readonly ModelShape Seeing = HandShapes.Llama31Shape() with
    {
        EncoderTokensMax = 16_384,
        EncoderInputElements = Patches * 3 * 2 * 14 * 14,
        EncoderWork = new EncoderWork(Patches * 1280 * 2, Patches * 3420 * 3),
    };

    private static readonly ModelShape Blind = HandShapes.Llama31Shape();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Its_layers_are_over_before_the_texts_begin_so_only_the_larger_counts(int ranks)
    {
        // Of few sequences the text's widest layer is what a step takes; with the image's tokens kept beside it.
        var inputs = Patches * 1176 * 2.0;
        var kept = 16_384 * 4096 * 2.0;
        var encoding = Patches * 2 * ((1280 * 2) + (3420 * 3.0 / ranks));
        var step = Step(Blind, ranks, tokens: 2048, sequences: 16);
        Assert.True(encoding > step + kept);
        Assert.Equal(inputs + encoding, Step(Seeing, ranks, tokens: 2048, sequences: 16), 1.0);
        Assert.Contains("encoder", Of(Seeing, ranks, 2048, 16).From, StringComparison.Ordinal);

        // Of many the sampler is.
        step = Step(Blind, ranks, tokens: 8192, sequences: 4096);
        Assert.True(encoding < step + kept);
        Assert.Equal(inputs + kept + step, Step(Seeing, ranks, tokens: 8192, sequences: 4096), 1.0);
    }

    [Fact]
    public void Layers_that_are_tapped_make_wider_outputs()
    {
        var tapped = Seeing with { EncoderWork = Seeing.EncoderWork with { OutputWidths = 4 } };
        Assert.Equal(3 * 16_384 * 4096 * 2.0, Step(tapped, 1, 8192, 4096) - Step(Seeing, 1, 8192, 4096), 2.0);
    }

    [Fact]
    public void A_shape_without_one_is_written_as_before_there_was_any()
    {
        Assert.DoesNotContain("encoderWork", Json(Blind), StringComparison.Ordinal);
        var read = System.Text.Json.JsonSerializer.Deserialize(Json(Seeing), PlimsollJson.Default.Footprint)!;
        Assert.Equal(Seeing.EncoderWork, read.Shape!.EncoderWork);
    }

    private static string Json(ModelShape shape) => System.Text.Encoding.UTF8.GetString(PlimsollJson.ToBytes(HandShapes.Of(shape), PlimsollJson.Default.Footprint));

    // Without what is there in any case.
    private static double Step(ModelShape shape, int ranks, int tokens, int sequences) =>
        Of(shape, ranks, tokens, sequences).Bytes.Value - (FitCoefficients.Vllm019.StepFixedGiB * 1024 * 1024 * 1024);

    private static MemoryTerm Of(ModelShape shape, int ranks, int tokens, int sequences)
    {
        Assert.True(ServingEngine.TryParse("vllm", out var engine));
        var variant = new ServingVariant { Device = HandShapes.H100, Context = 8192, Engine = engine, TensorParallel = ranks };
        return StepMemory.Of(shape, variant, StageLayers.Of(shape, 1)[0], FitCoefficients.Vllm019, tokens, sequences);
    }
}
