namespace Plimsoll.Prediction.Steps;

/// <summary>Relative errors of predictions against what was measured.</summary>
internal sealed record Errors(IReadOnlyList<double> Sorted)
{
    public static Errors Of(IEnumerable<double> relative) => new([.. relative.Where(double.IsFinite).Select(Math.Abs).Order()]);

    public int Count => Sorted.Count;

    /// <summary>The share of rows whose error is no larger; 0 of none.</summary>
    public double Quantile(double share) => Count == 0 ? 0 : Sorted[Math.Min(Count - 1, (int)(share * Count))];

    public static double Relative(double predicted, double measured) => (predicted / measured) - 1;
}

/// <summary>
/// What a table of measurements answers by itself: between two batch sizes of rows alike in all else, linear in both
/// logarithms. It says nothing of a model, device or split that was not measured.
/// </summary>
internal sealed class Interpolation(IEnumerable<Observation> known)
{
    private readonly ILookup<(string, string), Observation> _series = known.ToLookup(one => (one.Kind, one.Series));

    public double? Seconds(Observation asked)
    {
        var points = _series[(asked.Kind, asked.Series)].GroupBy(one => one.Batch)
            .Select(group => (Batch: group.Key, Log: group.Average(one => Math.Log(one.Seconds)))).OrderBy(one => one.Batch).ToList();
        var below = points.FindLastIndex(one => one.Batch <= asked.Batch);
        var above = points.FindIndex(one => one.Batch >= asked.Batch);
        if (below < 0 || above < 0) return null;
        if (below == above) return Math.Exp(points[below].Log);
        var part = Math.Log(asked.Batch / points[below].Batch) / Math.Log(points[above].Batch / points[below].Batch);
        return Math.Exp(points[below].Log + (part * (points[above].Log - points[below].Log)));
    }
}
