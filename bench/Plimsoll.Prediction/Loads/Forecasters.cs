namespace Plimsoll.Prediction.Loads;

/// <summary>Says of the next load what half and what nine of ten stay under, in seconds, from those before it.</summary>
internal abstract class Forecaster
{
    /// <summary>Null where nothing can be said yet.</summary>
    public abstract (double Median, double P90)? Say();

    public abstract void See(double seconds);
}

/// <summary>What the planner uses.</summary>
internal sealed class OurForecaster(Bytes size) : Forecaster
{
    private LoadStatistics _loads = LoadStatistics.None;

    public override (double Median, double P90)? Say() =>
        _loads.Estimate() is { } estimate ? (estimate.Median.TotalSeconds, estimate.P90.TotalSeconds) : null;

    public override void See(double seconds) => _loads = _loads.Add(new LoadSample(size, TimeSpan.FromSeconds(seconds)));
}

/// <summary>Bytes over the nominal bandwidth, whatever was seen; where no sizes are known, one time for all.</summary>
internal sealed class Nominal(double seconds) : Forecaster
{
    public override (double Median, double P90)? Say() => (seconds, seconds);

    public override void See(double seconds)
    {
    }
}

/// <summary>As long as the last one took.</summary>
internal sealed class LastLoad : Forecaster
{
    private double? _last;

    public override (double Median, double P90)? Say() => _last is { } last ? (last, last) : null;

    public override void See(double seconds) => _last = seconds;
}

/// <summary>The mean of the last five.</summary>
internal sealed class MovingAverage : Forecaster
{
    private readonly Queue<double> _last = [];

    public override (double Median, double P90)? Say() => _last.Count > 0 ? (_last.Average(), _last.Average()) : null;

    public override void See(double seconds)
    {
        _last.Enqueue(seconds);
        if (_last.Count > 5) _last.Dequeue();
    }
}

/// <summary>The quantiles of all loads so far, or of the last few.</summary>
internal sealed class RunningQuantile(int window) : Forecaster
{
    private readonly List<double> _seen = [];

    public override (double Median, double P90)? Say()
    {
        if (_seen.Count == 0) return null;
        var sorted = _seen.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2], sorted[(int)Math.Ceiling(0.9 * sorted.Length) - 1]);
    }

    public override void See(double seconds)
    {
        _seen.Add(seconds);
        if (_seen.Count > window) _seen.RemoveAt(0);
    }
}

/// <summary>The rule before this one: the largest of fewer than ten and a tenth more; the p90 of the last twenty from then on.</summary>
internal sealed class FormerRule : Forecaster
{
    private readonly RunningQuantile _quantile = new(20);
    private readonly List<double> _first = [];

    public override (double Median, double P90)? Say() =>
        _quantile.Say() is not { } said ? null : _first.Count < 10 ? (said.Median, 1.1 * _first.Max()) : said;

    public override void See(double seconds)
    {
        _quantile.See(seconds);
        if (_first.Count < 10) _first.Add(seconds);
    }
}
