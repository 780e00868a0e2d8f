using CsCheck;
using Plimsoll.Tests.Footprints;

namespace Plimsoll.Tests.Performance;

/// <summary>What holds for every model, split, batch and set of coefficients.</summary>
public class StepModelPropertyTests
{
    private static readonly int[] Sizes = [1, 2, 4, 8];

    private static readonly Gen<StepCoefficients> Coefficients =
        Gen.Double[-3, 3].Array[StepCoefficients.Count].Select(logs => new StepCoefficients([.. logs.Select(Scaled)]));

    private static readonly Gen<ModelShape> Shapes =
        from experts in Gen.Int[0, 3].Select(i => new[] { 0, 8, 64, 256 }[i])
        from window in Gen.Int[0, 1].Select(i => new int?[] { null, 1024 }[i])
        select HandShapes.Llama31Shape() with
        {
            Layers = [.. HandShapes.Llama31Shape().Layers.Select(run => run with
            {
                Cache = run.Cache with { Window = window },
                Experts = experts,
                ExpertsPerToken = experts == 0 ? 0 : 4,
                Weights = experts == 0 ? run.Weights : run.Weights.Add(
                    new WeightGroup("experts", WeightSplit.Experts, experts * 10_000_000L, new Bytes(experts * 10_000_000L), "float8_e4m3fn")),
            })],
        };

    private static readonly Gen<StepModel> Models =
        from shape in Shapes
        from tensor in Gen.Int[0, 3].Select(i => Sizes[i])
        from data in Gen.Int[0, 3].Select(i => Sizes[i])
        from pipeline in Gen.Int[1, 3]
        from expert in Gen.Int[0, 3].Select(i => Sizes[i])
        select StepModel.Of(shape, StepModelTests.Device, new StepSplit { Tensor = tensor, Data = data, Pipeline = pipeline, Expert = expert })!;

    private static readonly Gen<double[]> Batches = Gen.Double[0, 1].Array[5].Select(parts => new[]
    {
        Math.Round(parts[0] * 8), Math.Round(parts[1] * 8192), Math.Round(parts[2] * 8192), Math.Round(parts[3] * 512), Math.Round(parts[4] * 32_768),
    });

    private static readonly Gen<(StepModel Model, StepCoefficients Fitted, double[] Batch)> Cases = Gen.Select(Models, Coefficients, Batches);

    private static double Scaled(double log, int which) => Math.Exp(log) * ((StepCoefficient)which switch
    {
        StepCoefficient.ActivationPasses => 20,
        StepCoefficient.PromptLaunchSeconds => 1e-3,
        >= StepCoefficient.LayerSeconds and <= StepCoefficient.CollectiveSeconds => 1e-5,
        >= StepCoefficient.StepSeconds and <= StepCoefficient.RequestTokenSeconds => 1e-4,
        _ => 0.5,
    });

    private static StepBatch Of(double[] parts) =>
        StepBatch.Prefill(parts[0], parts[1], parts[2]).With(StepBatch.Decode(parts[3], parts[4]));

    [Fact]
    public void Times_are_positive_and_finite() => Cases.Sample(one =>
    {
        var seconds = one.Model.Seconds(Of(one.Batch), one.Fitted);
        return double.IsFinite(seconds) && seconds > 0;
    });

    [Fact]
    public void More_of_anything_is_never_faster() => Gen.Select(Cases, Gen.Int[0, 4], Gen.Double[1, 1000]).Sample((one, which, more) =>
    {
        var larger = (double[])one.Batch.Clone();
        larger[which] += more;
        return one.Model.Seconds(Of(larger), one.Fitted) >= one.Model.Seconds(Of(one.Batch), one.Fitted) * (1 - 1e-9);
    });

    [Fact]
    public void Nothing_to_do_takes_no_longer_than_the_first_token_of_either_kind()
    {
        // Found by the property above once in thousands of runs: slow decodes beside quick prefills.
        var slowDecode = new StepCoefficients([.. Enum.GetValues<StepCoefficient>().Select(which =>
            StepCoefficients.Roofline[which] * (which == StepCoefficient.DecodeScale ? 10 : 1))]);
        var model = StepModel.Of(HandShapes.Llama31Shape(), StepModelTests.Device, new StepSplit())!;
        var nothing = model.Seconds(StepBatch.Prefill(7, 0, 8192), slowDecode);
        Assert.InRange(nothing, double.Epsilon, model.Seconds(StepBatch.Prefill(7, 132, 8192), slowDecode));
        Assert.InRange(nothing, double.Epsilon, model.Seconds(StepBatch.Decode(1, 0), slowDecode));
    }

    [Fact]
    public void A_larger_batch_never_costs_more_per_token() => Gen.Select(Cases, Gen.Double[1, 64]).Sample((one, times) =>
    {
        var larger = (double[])one.Batch.Clone();
        larger[0] *= times;
        larger[3] *= times;
        return one.Model.Seconds(Of(larger), one.Fitted) <= times * one.Model.Seconds(Of(one.Batch), one.Fitted) * (1 + 1e-9);
    });

    [Fact]
    public void Less_bandwidth_is_never_faster() => Gen.Select(Cases, Gen.Double[0.01, 1]).Sample((one, part) =>
    {
        var slower = new StepCoefficients([.. Enum.GetValues<StepCoefficient>().Select(which =>
            one.Fitted[which] * (which.ToString().EndsWith("Bandwidth", StringComparison.Ordinal) ? part : 1))]);
        return one.Model.Seconds(Of(one.Batch), slower) >= one.Model.Seconds(Of(one.Batch), one.Fitted) * (1 - 1e-9);
    });
}
