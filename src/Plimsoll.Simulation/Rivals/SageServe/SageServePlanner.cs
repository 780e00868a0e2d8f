using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.SageServe;

/// <summary>SageServe's released settings (long_term_allocation.py, arbiter.py).</summary>
public sealed record SageServeSettings
{
    public TimeSpan PlanInterval { get; init; } = TimeSpan.FromSeconds(3600);

    /// <summary>The forecast is the largest minute between these after a plan.</summary>
    public TimeSpan ForecastFrom { get; init; } = TimeSpan.FromMinutes(20);

    public TimeSpan ForecastTo { get; init; } = TimeSpan.FromMinutes(60);

    /// <summary>Share of the last hour's largest development prompt that is added: of one prompt, not of their sum.</summary>
    public double DevelopmentShare { get; init; } = 0.1;

    public int MinInstances { get; init; } = 2;

    /// <summary>Shares of KV memory in use.</summary>
    public double UpAbove { get; init; } = 0.5;

    public double DownBelow { get; init; } = 0.25;

    /// <summary>Above it, up whatever the plan says.</summary>
    public double UpAnywayAbove { get; init; } = 0.9;

    /// <summary>Null: the memory rule. Otherwise up anyway goes by tokens of the last minute over the forecast.</summary>
    public double? UpAnywayRatio { get; init; }

    public TimeSpan ReclaimSpot { get; init; } = TimeSpan.FromSeconds(65);

    public TimeSpan StartSpot { get; init; } = TimeSpan.FromSeconds(155);
}

/// <summary>A kind of instance for one model in one region.</summary>
/// <param name="TokensPerMinute">What one instance carries.</param>
/// <param name="Startup">Charged for each one that is added.</param>
public sealed record SageServeType(int Instances, double TokensPerMinute, double Cost = 10, double Startup = 150);

/// <summary>The hourly plan: rivals-rules §9 steps 1 to 3.</summary>
public static class SageServePlanner
{
    /// <param name="minutes">Predicted tokens of the minutes between the forecast's ends.</param>
    public static double Forecast(SageServeSettings settings, IEnumerable<double> minutes, double largestDevelopmentPrompt)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return minutes.DefaultIfEmpty(0).Max() + settings.DevelopmentShare * largestDevelopmentPrompt;
    }

    /// <summary>
    /// Instances to add or take of each type. Models and regions share nothing, so the integer programme falls apart into this
    /// one of a single constraint, which is searched exactly: with the cost of each count known, no type needs more than it takes
    /// to carry everything alone.
    /// </summary>
    public static ImmutableArray<int> Plan(double forecast, ImmutableArray<SageServeType> types)
    {
        var best = (Cost: double.PositiveInfinity, Counts: ImmutableArray<int>.Empty);
        Search(0, forecast, 0, []);
        return [.. best.Counts.Select((count, type) => count - types[type].Instances)];

        void Search(int type, double left, double cost, ImmutableArray<int> counts)
        {
            var alone = Math.Max(0, WholeReplicas.Ceiling(left / types[type].TokensPerMinute));
            if (type == types.Length - 1)
            {
                var total = cost + CostOf(types[type], alone);
                if (total < best.Cost) best = (total, counts.Add(alone));
                return;
            }

            for (var count = 0; count <= alone; count++)
                Search(type + 1, left - count * types[type].TokensPerMinute, cost + CostOf(types[type], count), counts.Add(count));
        }
    }

    /// <summary>Down at most one instance a call, and never below the group's minimum.</summary>
    public static int Removed(SageServeSettings settings, int instances, int delta)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return delta < 0 && instances > settings.MinInstances ? 1 : 0;
    }

    private static double CostOf(SageServeType type, int count)
    {
        var added = count - type.Instances;
        return type.Cost * added + type.Startup * Math.Max(added, 0);
    }
}
