namespace Plimsoll.Prediction.Loads;

/// <summary>
/// How good what was said was, load after load, once five loads of the stream were seen. Losses are pinball losses over the stream's mean time.
/// </summary>
internal sealed class StreamJudge
{
    public const int FirstJudged = 5;

    private readonly List<double> _errors = [];

    public int Count => _errors.Count;

    public int Covered { get; private set; }

    /// <summary>Loads two to five, which are not in the other figures, and how many stayed under the p90.</summary>
    public int Early { get; private set; }

    public int EarlyCovered { get; private set; }

    public double MedianLoss { get; private set; }

    public double P90Loss { get; private set; }

    public double MedianError => Quantile(_errors, 0.5);

    public static StreamJudge Of(IEnumerable<LoadStream> streams, Func<LoadStream, Forecaster> forecaster)
    {
        var judge = new StreamJudge();
        foreach (var stream in streams) judge.Judge(stream, forecaster(stream));
        return judge;
    }

    /// <summary>
    /// Wilson's 95 % interval of a share. It takes the loads for independent, which loads of one stream are not quite: the true one is wider.
    /// </summary>
    public static (double From, double To) Interval(int hits, int of)
    {
        if (of == 0) return (0, 1);
        const double z = 1.96;
        var share = (double)hits / of;
        var middle = (share + (z * z / (2 * of))) / (1 + (z * z / of));
        var half = z / (1 + (z * z / of)) * Math.Sqrt((share * (1 - share) / of) + (z * z / (4.0 * of * of)));
        return (middle - half, middle + half);
    }

    public static double Pinball(double level, double said, double was) =>
        was >= said ? level * (was - said) : (1 - level) * (said - was);

    public static double Quantile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];
    }

    private void Judge(LoadStream stream, Forecaster forecaster)
    {
        var mean = stream.Seconds.Average();
        for (var i = 0; i < stream.Seconds.Length; i++)
        {
            var was = stream.Seconds[i];
            if (forecaster.Say() is { } said)
            {
                if (i >= FirstJudged)
                {
                    _errors.Add(Math.Abs(said.Median - was) / was);
                    MedianLoss += Pinball(0.5, said.Median, was) / mean;
                    P90Loss += Pinball(0.9, said.P90, was) / mean;
                    if (was <= said.P90) Covered++;
                }
                else if (i > 0)
                {
                    Early++;
                    if (was <= said.P90) EarlyCovered++;
                }
            }

            forecaster.See(was);
        }
    }
}
