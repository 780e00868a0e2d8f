namespace Plimsoll.Forecast;

/// <summary>What 10,000 series cost.</summary>
/// <param name="BytesPerSeries">Managed memory of one.</param>
/// <param name="UpdatesPerSecond">One-second updates of one thread.</param>
/// <param name="QuantilesPerSecond">Questions of one thread.</param>
internal sealed record Speed(long BytesPerSeries, double UpdatesPerSecond, double QuantilesPerSecond)
{
    public const int Count = 10_000;
    private const int Seconds = 90;
    private static readonly DateTimeOffset Start = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    public static Speed Measure(DemandForecastSettings? settings = null)
    {
        settings ??= DemandForecastSettings.Default;
        var clock = TimeProvider.System;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var series = new DemandForecast[Count];
        for (var i = 0; i < Count; i++) series[i] = DemandForecast.Start(settings);
        var began = 0L;
        for (var second = 0; second < Seconds; second++)
        {
            // The first seconds fill what is empty at the start; what counts is the pace after a window.
            if (second == Seconds / 3) began = clock.GetTimestamp();
            for (var i = 0; i < Count; i++)
                series[i] = series[i].Add(Start.AddSeconds(second), Start.AddSeconds(second + 1), ((i * 7) + (second * 13)) % 11);
        }

        var updates = Count * (Seconds - (Seconds / 3)) / clock.GetElapsedTime(began).TotalSeconds;
        var after = GC.GetTotalMemory(forceFullCollection: true);
        began = clock.GetTimestamp();
        for (var i = 0; i < Count; i++) series[i].Quantile(TimeSpan.FromMinutes(2), 0.95);
        var quantiles = Count / clock.GetElapsedTime(began).TotalSeconds;
        GC.KeepAlive(series);
        return new Speed((after - before) / Count, updates, quantiles);
    }
}
