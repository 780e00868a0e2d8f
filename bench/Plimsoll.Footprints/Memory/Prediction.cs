namespace Plimsoll.Footprints.Memory;

/// <summary>What a way of predicting says of one start-up: GiB per device and tokens of keys and values.</summary>
internal readonly record struct Prediction(double WeightsGiB, double TotalGiB, double KvTokens);

/// <summary>The ways compared, by name.</summary>
internal static class Predictors
{
    private const double GiB = 1024.0 * 1024 * 1024;

    public static IReadOnlyList<(string Name, Func<StartUp, Prediction> Of)> All(IReadOnlyList<StartUp> calibration)
    {
        var activation = Median(calibration.Select(run => run.ActivationGiB));
        var overhead = Median(calibration.Select(run => run.NonTorchGiB));
        return
        [
            ("Plimsoll", Ours),
            ($"plain medians (activation {StartUp.Fixed(activation)}, overhead {StartUp.Fixed(overhead)} GiB)",
                run => Simple(run, Stored(run), activation + overhead)),
            ("KAITO's constants", Kaito),
            ("weights × 1.2", run => Simple(run, 1.2 * Stored(run), 0)),
        ];
    }

    public static Prediction Ours(StartUp run)
    {
        var report = Fit.Of(run.Footprint, run.Variant);
        var worst = report.PerDevice;
        return new Prediction(
            report.Stages.Max(stage => StartUp.InGiB(stage.Weights.Bytes)),
            StartUp.InGiB(worst.Weights.Bytes + worst.Activation.Bytes + worst.Overhead.Bytes), report.KvTokens);
    }

    /// <summary>Weights × 1.02, 2.3 GiB and 5 % of a device's share; the start-up's own fraction in place of KAITO's 84 %.</summary>
    private static Prediction Kaito(StartUp run)
    {
        var weights = 1.02 * Stored(run);
        return Simple(run, weights, 2.3 + 0.05 * weights) with { WeightsGiB = weights };
    }

    private static Prediction Simple(StartUp run, double weightsGiB, double besideGiB)
    {
        var total = weightsGiB + besideGiB;
        var room = Math.Max(0, run.RequestedGiB - total) * GiB;
        var shape = run.Footprint.Shape!;
        double perToken = 0;
        foreach (var layers in shape.Layers)
        {
            var heads = Math.Max(1, layers.Cache.KvHeads / run.Variant.TensorParallel);
            perToken += layers.Count * (layers.Cache.Kind == CacheKind.Latent
                ? layers.Cache.KeyWidth
                : heads * (double)(layers.Cache.KeyWidth + layers.Cache.ValueWidth));
        }

        var width = run.Variant.KvDtype == "fp8" ? 1 : run.Variant.WeightDtype == "float32" ? 4 : 2;
        return new Prediction(weightsGiB, total, room / (perToken / run.Variant.PipelineParallel * width));
    }

    /// <summary>Weights as stored, shared out evenly.</summary>
    private static double Stored(StartUp run)
    {
        var not = run.Footprint.Shape!.NotServed.Sum(group => group.Weights.Value);
        return (run.Footprint.Weights.Value - not) / GiB / run.Variant.Devices;
    }

    public static double Median(IEnumerable<double> values) => Quantile(values, 0.5);

    /// <summary>The value below which a share lies, between neighbours in proportion.</summary>
    public static double Quantile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0) return double.NaN;
        var at = share * (sorted.Length - 1);
        var low = (int)Math.Floor(at);
        var high = Math.Min(sorted.Length - 1, low + 1);
        return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
    }
}
