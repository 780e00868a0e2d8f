namespace Plimsoll.Forecast;

/// <summary>Which part of the data a series belongs to: constants were chosen on one, the other shows what they are worth.</summary>
internal enum Part
{
    Tuning,
    HeldBack,
}

/// <summary>Arrivals of one model, bucket by bucket.</summary>
/// <param name="Group">What the page sums up together.</param>
/// <param name="Name">Trace, and client where it is one of several.</param>
/// <param name="Part">Tuning or held back.</param>
/// <param name="Bucket">Width of a bucket.</param>
/// <param name="Season">Buckets in a day; 1 where the series is shorter than two days.</param>
/// <param name="WarmUp">Buckets before the first origin.</param>
/// <param name="Rates">Arrivals a second.</param>
internal sealed record Series(string Group, string Name, Part Part, TimeSpan Bucket, int Season, int WarmUp, double[] Rates)
{
    /// <summary>Windows that are evaluated.</summary>
    public TimeSpan[] Windows => Bucket < TimeSpan.FromMinutes(1)
        ? [TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5)]
        : [TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(30), TimeSpan.FromHours(1), TimeSpan.FromHours(4)];
}
