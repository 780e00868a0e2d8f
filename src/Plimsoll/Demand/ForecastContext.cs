namespace Plimsoll;

/// <summary>What every window's forecast rests on beside its own past.</summary>
/// <param name="At">End of the newest bucket.</param>
/// <param name="Seasons">Profiles of day and week.</param>
/// <param name="BucketSeconds">Width of a bucket.</param>
/// <param name="Newest">Rate of the newest bucket that was observed; arrivals a second.</param>
internal readonly record struct ForecastContext(
    DateTimeOffset At, SeasonalProfile Seasons, double BucketSeconds, double Newest)
{
    /// <summary>What the profiles are asked for where that is not the window itself but one like it; zero where it is.</summary>
    public TimeSpan Ahead { get; init; }

    /// <summary>Half an arrival in a bucket, as a rate: what keeps the log of nothing finite.</summary>
    public double Half => 0.5 / BucketSeconds;
}
