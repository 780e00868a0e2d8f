using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>What a forecast of demand is asked for: the width of the buckets, and the windows it is kept for.</summary>
public sealed record DemandForecastSettings
{
    /// <summary>Peaks of a second, over the windows of a small encoder (10 s) to those of a day.</summary>
    public static readonly DemandForecastSettings Default = new();

    /// <summary>
    /// Width of one bucket; the rate in the busiest bucket of a window is what is forecast. 1 s. Where counts come in
    /// longer intervals they are spread evenly, so peaks shorter than an interval are not seen.
    /// </summary>
    public TimeSpan Bucket { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Windows a distribution is learned for, ascending whole buckets; one in between is interpolated.</summary>
    public ImmutableArray<TimeSpan> Windows { get; init; } =
    [
        TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10), TimeSpan.FromHours(2), TimeSpan.FromDays(1),
    ];

    /// <summary>
    /// The planner's form: no profiles of day and week, no regressions, half as many steps, and every number as short as it is
    /// written down. A kilobyte a model instead of eight, for windows of minutes.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Compact { get; init; }

    /// <summary>What the planner keeps of each model: from the load of a small encoder to a node's coming and a heavy load.</summary>
    /// <param name="bucket">Width of a bucket; windows are whole buckets of it.</param>
    public static DemandForecastSettings ForPlanner(TimeSpan bucket)
    {
        var windows = ImmutableArray.CreateBuilder<TimeSpan>(PlannerWindows.Length);
        foreach (var wanted in PlannerWindows)
        {
            var window = bucket * Math.Ceiling(wanted / bucket);
            if (windows.Count == 0 || window > windows[^1]) windows.Add(window);
        }

        return new DemandForecastSettings { Bucket = bucket, Windows = windows.ToImmutable(), Compact = true };
    }

    private static readonly ImmutableArray<TimeSpan> PlannerWindows =
        [TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10)];
}
