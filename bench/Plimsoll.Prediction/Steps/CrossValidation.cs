namespace Plimsoll.Prediction.Steps;

/// <summary>A held-out row, what the fit without it said, and what interpolation said where it could.</summary>
internal sealed record HeldOut(Observation Row, double Predicted, double? Interpolated)
{
    public double Error => Errors.Relative(Predicted, Row.Seconds);

    public double LogError => Math.Log(Predicted / Row.Seconds);
}

/// <summary>Fits on part of the calibration rows and predicts the rest, each row once.</summary>
internal static class CrossValidation
{
    /// <summary>All three, by what is held out; each is fitted as it is asked for.</summary>
    public static IEnumerable<(string Held, List<HeldOut> Rows)> All(IReadOnlyList<Observation> calibration)
    {
        yield return ("pairs", ByPair(calibration, 6));
        yield return ("cells", ByCell(calibration, 5));
        yield return ("devices", ByDevice(calibration));
    }

    /// <summary>Cells at random: rows of one configuration are always together, so none is predicted from its repeat.</summary>
    public static List<HeldOut> ByCell(IReadOnlyList<Observation> calibration, int folds) =>
        Run(calibration, row => (int)(Hash(row.Cell) % (uint)folds), folds);

    /// <summary>Whole models on a device: what is known of them is the device and the model elsewhere.</summary>
    public static List<HeldOut> ByPair(IReadOnlyList<Observation> calibration, int folds) =>
        Run(calibration, row => (int)(Hash($"{row.Subject.Model} {row.Subject.Device}") % (uint)folds), folds);

    /// <summary>Whole devices, kernels and all.</summary>
    public static List<HeldOut> ByDevice(IReadOnlyList<Observation> calibration)
    {
        var devices = calibration.Where(row => !row.IsKernel).Select(row => row.Subject.Device).Distinct().Order(StringComparer.Ordinal).ToList();
        return Run(calibration, row => devices.IndexOf(row.Subject.Device), devices.Count, kernelsToo: true);
    }

    private static List<HeldOut> Run(IReadOnlyList<Observation> rows, Func<Observation, int> foldOf, int folds, bool kernelsToo = false)
    {
        var all = new List<HeldOut>();
        for (var fold = 0; fold < folds; fold++)
        {
            var known = rows.Where(row => (row.IsKernel && !kernelsToo) || foldOf(row) != fold).ToList();
            var (fitted, burst) = HierarchicalFit.Of(known, Priors.Coefficients, "");
            var table = new Interpolation(known);
            all.AddRange(rows.Where(row => !row.IsKernel && foldOf(row) == fold).Select(row => new HeldOut(
                row, row.Predict(fitted.For(row.Subject), burst(row.Subject.Engine)), table.Seconds(row))));
        }

        return all;
    }

    /// <summary>FNV-1a: the same on every machine and in every run.</summary>
    private static uint Hash(string text)
    {
        var hash = 2166136261u;
        foreach (var c in text) hash = unchecked((hash ^ c) * 16777619u);
        return hash ^ (hash >> 15);
    }
}
