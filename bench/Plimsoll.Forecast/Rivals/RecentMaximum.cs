namespace Plimsoll.Forecast.Rivals;

/// <summary>
/// What the HorizontalPodAutoscaler acts on in effect: the last value, and on the way down the most of the last five
/// minutes (its stabilisation window).
/// </summary>
internal sealed class RecentMaximum(TimeSpan bucket) : IPointForecaster
{
    private readonly List<double> past = [];
    private readonly int kept = (int)Math.Max(1, TimeSpan.FromMinutes(5) / bucket);

    public void Observe(double rate) => past.Add(rate);

    public double MaximumAhead(int buckets)
    {
        var most = 0.0;
        for (var i = Math.Max(0, past.Count - kept); i < past.Count; i++) most = Math.Max(most, past[i]);
        return most;
    }
}
