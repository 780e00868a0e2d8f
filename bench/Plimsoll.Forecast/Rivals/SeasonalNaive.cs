namespace Plimsoll.Forecast.Rivals;

/// <summary>What was one season ago comes again; without a season, what the last window held.</summary>
internal sealed class SeasonalNaive(int season) : IPointForecaster
{
    private readonly List<double> past = [];

    public void Observe(double rate) => past.Add(rate);

    public double MaximumAhead(int buckets)
    {
        var back = season > 1 && past.Count >= season ? season : Math.Min(buckets, past.Count);
        var most = 0.0;
        for (var i = 0; i < Math.Min(buckets, back); i++) most = Math.Max(most, past[past.Count - back + i]);
        return most;
    }
}
