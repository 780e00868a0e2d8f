namespace Plimsoll.Footprints.Memory;

/// <summary>
/// Fits <see cref="FitCoefficients"/> on the calibration rows: medians of what the rules leave over, and least squares
/// for captured graphs. Validation rows are not looked at.
/// </summary>
internal static class Refit
{
    private static readonly FitCoefficients Nothing = FitCoefficients.Vllm019 with { StepFixedGiB = 0 };

    public static FitCoefficients Of(IReadOnlyList<StartUp> runs)
    {
        var calibration = runs.Where(run => !run.Validation).ToList();
        var graphs = Graphs(calibration);
        var singles = calibration.Where(run => run.Variant.Devices == 1).ToList();
        var fixedGiB = Round(Predictors.Median(Sampling(Text(singles, "bfloat16")).Select(run => Left(run, Nothing))), 3);
        return FitCoefficients.Vllm019 with
        {
            NonTorchGiB = NonTorch(singles),
            NonTorchLaterStageGiB = NonTorch(calibration.Where(run => run.Variant.PipelineParallel > 1)),
            NonTorchTwoRanksGiB = NonTorch(calibration.Where(run => run.Variant.TensorParallel == 2)),
            NonTorchFourRanksGiB = NonTorch(calibration.Where(run => run.Variant.TensorParallel >= 4)),
            StepFixedGiB = fixedGiB,
            HiddenCopies = Copies(singles, "bfloat16", fixedGiB),
            HiddenCopiesFloat32 = Copies(singles, "float32", fixedGiB),
            GraphsFixedGiB = Round(graphs[0], 3),
            GraphsPerLayerGiB = Round(graphs[1], 4),
            GraphsPerExpertLayerGiB = Round(graphs[2], 4),
        };
    }

    /// <summary>Models of text alone, unquantised: no encoder, no kernel of another dtype.</summary>
    private static IEnumerable<StartUp> Text(IEnumerable<StartUp> runs, string dtype) => runs.Where(run =>
        run.Row.Text("dtype") == dtype && run.Footprint.Shape is { EncoderTokensMax: 0, Quantization: null });

    private static IEnumerable<StartUp> Sampling(IEnumerable<StartUp> runs) => runs.Where(run => !Widest(run));

    /// <summary>Whether the widest layer decides, not the sampler.</summary>
    private static bool Widest(StartUp run) =>
        Fit.Of(run.Footprint, run.Variant).PerDevice.Activation.From.StartsWith("the widest", StringComparison.Ordinal);

    /// <summary>Widths of the hidden state that explain what is left where the widest layer decides.</summary>
    private static double Copies(IEnumerable<StartUp> runs, string dtype, double fixedGiB)
    {
        var none = Nothing with { StepFixedGiB = fixedGiB };
        return Round(Predictors.Median(Text(runs, dtype).Where(Widest).Select(run =>
        {
            var tokens = Fit.Of(run.Footprint, run.Variant).Variant.MaxBatchedTokens!.Value;
            var one = tokens * (double)run.Footprint.Shape!.HiddenSize * (dtype == "float32" ? 4 : 2) / (1024.0 * 1024 * 1024);
            return (dtype == "float32" ? none.HiddenCopiesFloat32 : none.HiddenCopies) + Left(run, none) / one;
        })), 2);
    }

    /// <summary>What the rules leave of a measured working set.</summary>
    private static double Left(StartUp run, FitCoefficients fitted)
    {
        var report = Fit.Of(run.Footprint, run.Variant, fitted: fitted);
        return run.ActivationGiB - StartUp.InGiB(report.Stages[^1].Activation.Bytes);
    }

    private static double NonTorch(IEnumerable<StartUp> runs) =>
        Round(Predictors.Median(runs.Select(run => run.NonTorchGiB)), 2);

    /// <summary>Graphs = a + b · layers of a device + c · layers with experts, by least squares.</summary>
    private static double[] Graphs(IReadOnlyList<StartUp> runs)
    {
        var rows = new List<double[]>();
        var measured = new List<double>();
        foreach (var run in runs)
        {
            var layers = StageOf(run).ToList();
            rows.Add([1, layers.Sum(layer => layer.Count), layers.Where(layer => layer.Experts > 0).Sum(layer => layer.Count)]);
            measured.Add(run.GraphsGiB);
        }

        return LeastSquares.Of(rows, measured);
    }

    /// <summary>The layers that the logged rank holds: an even share of them.</summary>
    private static IEnumerable<LayerRun> StageOf(StartUp run) =>
        run.Footprint.Shape!.Layers.Select(layers => layers with { Count = layers.Count / run.Variant.PipelineParallel });

    private static double Round(double value, int digits) => Math.Round(value, digits);
}
