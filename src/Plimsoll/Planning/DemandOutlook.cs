using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>What is planned for of one model's demand over a time ahead, and what that rests on.</summary>
/// <param name="Forecast">Arrivals a second to cover; missing when nothing was counted.</param>
/// <param name="Quantile">Of the largest rate over the time ahead.</param>
/// <param name="Basis">The forecast it was read from; null where the recent past alone was looked at.</param>
internal readonly record struct DemandOutlook(Signal<double> Forecast, double Quantile, ForecastBasis? Basis)
{
    /// <summary>
    /// Quantiles of the largest rate over the time ahead, known events in it, at <see cref="WindowForecast.Grid"/>; empty without a
    /// forecast.
    /// </summary>
    public ImmutableArray<double> Ahead { get; init; } = [];

    /// <summary>What known events make of it; null where they change nothing.</summary>
    public EventAhead? Event { get; init; }

    // With fewer windows as long as the one ahead a forecast knows less than the most of the last eight, which is the first rule.
    private const double WindowsLeast = 8;

    /// <summary>
    /// The forecast at the quantile c_under / (c_under + c_over), never less than what arrives now (design §6.2). The most of
    /// the recent past at the target attainment instead while too few windows were seen; and where nothing arrived in that
    /// past, nothing is expected: a forecast keeps an idle model's replicas no longer than their hold, and starts none.
    /// </summary>
    /// <param name="known">What is known of the model.</param>
    /// <param name="model">The model.</param>
    /// <param name="horizon">Time ahead: T_load + review, and a node's coming where one is asked for.</param>
    /// <param name="at">Now.</param>
    /// <param name="lately">Arrivals a second lately.</param>
    /// <param name="settings">Whether demand is forecast; width of a bucket.</param>
    /// <param name="told">What the forecast's windows say, kept where several times ahead are asked for; empty to keep nothing.</param>
    public static DemandOutlook Of(
        ModelKnowledge known, ModelSpec model, TimeSpan horizon, DateTimeOffset at, Signal<double> lately, PlannerSettings settings, Span<double> told = default)
    {
        if (DemandCalendar.Of(model) is not { } calendar) return Usual(known, model, known.Demand, horizon, lately, settings, told);

        // The quantile is the usual demand's: solved from what an event adds to it could be a lower one, and an event would plan for less.
        var usual = Usual(known, model, known.Demand.WithoutEvents(calendar, settings), horizon, Signal.Missing<double>("of it events are a part"), settings, told);
        usual.Forecast.TryGetLast(out var without);
        var stretches = calendar.Within(at, at + horizon);
        var most = DemandCalendar.Most(stretches, without);
        lately.TryGetLast(out var now);
        var with = Math.Max(most.On(without), now);
        var changes = most is not { Factor: 1, AddedPerSecond: 0 };
        return usual with
        {
            Forecast = usual.Forecast.TryGetKnown(out _) || with > 0 ? Signal.Known(with, at.ToUniversalTime()) : usual.Forecast,
            Ahead = changes && !usual.Ahead.IsDefaultOrEmpty ? [.. usual.Ahead.Select(rate => DemandCalendar.Most(stretches, rate).On(rate))] : usual.Ahead,
            Event = changes && with > 0 ? new EventAhead(most.At, most.Factor, most.AddedPerSecond, without, most.At <= at) : null,
        };
    }

    // Without events.
    private static DemandOutlook Usual(
        ModelKnowledge known, ModelSpec model, DemandHistory demand, TimeSpan horizon, Signal<double> now, PlannerSettings settings, Span<double> told)
    {
        var (attainment, lookback) = (model.Slo.Attainment, Outlooks.Lookback(horizon));
        var averaged = settings.ForecastDemand ? RateWidth.Of(known, model, settings) : default;
        if (!settings.ForecastDemand || known.Forecast is not { Until: { } until } forecast || !demand.IsAbove(horizon, lookback, attainment, settings, averaged))
            return Past();
        Span<double> grid = stackalloc double[WindowForecast.Grid.Length];
        var windows = forecast.Distribution(horizon, grid, told, settings.CountsWindowsBetween);
        var byDays = known.Seasons?.Distribution(horizon, grid) ?? 0;
        // Few windows of days take nothing from what the last minutes have seen enough of.
        if (byDays > 0 && !(settings.LearnsSoberly && byDays < WindowsLeast && windows >= WindowsLeast)) windows = byDays;
        if (windows < WindowsLeast) return Past();
        var quantile = (known.Shortage ?? ShortageCost.Uncorrected).Quantile(grid, attainment, settings.CoversLess ? ShortageCost.LeastFor(horizon) : ShortageCost.CorrectedLeast);
        now.TryGetLast(out var lately);
        var expected = Math.Max(WindowForecast.Between(grid, quantile, settings.CoversLess), lately);
        var basis = new ForecastBasis(
            quantile, horizon, (int)windows, WindowForecast.Between(grid, 0.5), WindowForecast.Between(grid, 0.99), known.Shortage is { LogCorrection: > 0 }, known.Shortage is { LogCorrection: < 0 }, byDays > 0);
        return new DemandOutlook(Signal.Known(expected, until.ToUniversalTime()), quantile, basis) { Ahead = [.. grid] };

        DemandOutlook Past() => new(demand.Quantile(horizon, lookback, attainment, settings, averaged), attainment, null);
    }

    /// <summary>
    /// How long an idle replica is held: by the gaps there were, where there were enough, else to break-even. Never less than the
    /// time that is looked ahead anyway, so a heavier model is held for longer whatever its gaps.
    /// </summary>
    /// <param name="reload">What coming back costs, as time of the replica's price; null where nothing is priced.</param>
    /// <param name="known">What is known of the model.</param>
    /// <param name="horizon">T_load + review.</param>
    /// <returns>The hold, and how many gaps it rests on, 0 for none.</returns>
    public static (TimeSpan? Hold, int Gaps) Hold(TimeSpan? reload, ModelKnowledge known, TimeSpan horizon)
    {
        if (reload is not { } cost || known.IdleTimes is not { Weight: >= IdleTimes.GapsLeast and var gaps } idle) return (reload, 0);
        var least = idle.LeastCostHold(cost);
        return (TimeSpan.FromTicks(Math.Clamp(least.Ticks, horizon.Ticks, Math.Max(horizon.Ticks, HoldMost.Ticks))), (int)gaps);
    }

    /// <summary>
    /// How long a replica that others serve beside is held once it is no longer wanted: by the times such a one was not wanted,
    /// where there were enough, else to break-even. Coming back costs the load, T, and the requests that it would have carried
    /// meanwhile: T + c_under / c_over · share · T as time of its price. The share is what was expected of it when it was wanted again;
    /// before that was seen 1 − q, as a replica begins to be wanted where what it saves comes to what it costs.
    /// </summary>
    /// <param name="known">What is known of the model.</param>
    /// <param name="load">T, the p90 of its load.</param>
    /// <param name="quantile">q = c_under / (c_under + c_over), that demand is covered at.</param>
    /// <param name="horizon">T_load + review: it is held no shorter.</param>
    /// <param name="rank">Which replica: 2 for the second.</param>
    public static SurplusHold Surplus(ModelKnowledge known, TimeSpan load, double quantile, TimeSpan horizon, int rank)
    {
        var seen = known.Surplus?.Of(rank) ?? SurplusTimes.Group.None;
        var share = Math.Max(seen.Share, 1 - quantile);
        var cost = load * (1 + (quantile / (1 - quantile) * share));
        var learned = seen.Times.Weight >= IdleTimes.GapsLeast;
        var hold = learned ? seen.Times.LeastCostHold(cost) : cost;
        return new SurplusHold(
            TimeSpan.FromTicks(Math.Clamp(hold.Ticks, horizon.Ticks, Math.Max(horizon.Ticks, HoldMost.Ticks))), share, learned ? (int)seen.Times.Weight : 0);
    }

    /// <summary>More late requests than this say nothing new.</summary>
    internal const double LoadDebtMost = 20;

    // What a late request counts for is raised by so much, as a log, for each that the target did not allow: e^5 times at the most.
    private const double LoadDebtGain = 0.25;

    private static readonly TimeSpan HoldMost = TimeSpan.FromDays(30);

    // Longer than this nobody is held for a target alone: a model that is asked for every few hours costs more than it serves.
    private static readonly TimeSpan TargetHoldMost = TimeSpan.FromHours(1);

    /// <summary>Whether a request that finds no replica is late whatever else happens: the usual load takes longer than it may wait.</summary>
    internal static bool IsLateForLoad(ModelSpec model, ModelKnowledge known) =>
        known.Loads.Estimate() is { } load
        && load.Median > model.Slo.MayWait;

    /// <summary>
    /// What coming back costs where the target is missed for loads: late requests count for more until it is met. The costs alone
    /// would let a model go that serves quickly and is asked now and then, whatever its target: a late request of
    /// 20 ms is worth 2 s of its replica. At most an hour, where the costs themselves do not say more.
    /// </summary>
    /// <param name="cost">T_load + c_under / c_over · late requests, as time of the replica's price.</param>
    /// <param name="load">T_load.</param>
    /// <param name="debt">Late requests that the target did not allow.</param>
    public static TimeSpan ForTarget(TimeSpan cost, TimeSpan load, double debt)
    {
        if (debt <= 0 || cost <= load) return cost;
        var raised = load.TotalSeconds + ((cost - load).TotalSeconds * Math.Exp(LoadDebtGain * debt));
        return TimeSpan.FromSeconds(Math.Max(cost.TotalSeconds, Math.Min(raised, TargetHoldMost.TotalSeconds)));
    }
}

/// <summary>How long a replica that is no longer wanted is held beside others that serve.</summary>
/// <param name="Time">From when it was last wanted.</param>
/// <param name="Share">Share of its requests that would be late for its load if it were needed again.</param>
/// <param name="Times">Times such a one was not wanted that it was learned from; 0 at break-even.</param>
internal readonly record struct SurplusHold(TimeSpan Time, double Share, int Times);

/// <summary>What the demand that is planned for was read from.</summary>
/// <param name="Quantile">Of the largest rate over the window: c_under / (c_under + c_over), solved from the forecast.</param>
/// <param name="Window">How far ahead it looks.</param>
/// <param name="Windows">Windows as long that were scored, overlapping ones counted once.</param>
/// <param name="Median">Arrivals a second that half of such windows stay under.</param>
/// <param name="Ninety9">Arrivals a second that one window in a hundred goes over.</param>
/// <param name="Corrected">Whether late requests have raised the quantile.</param>
/// <param name="Lowered">Whether more requests in time than the target asks for have lowered it.</param>
/// <param name="ByDays">Whether the days before had a say.</param>
public sealed record ForecastBasis(
    double Quantile, TimeSpan Window, int Windows, double Median, double Ninety9, bool Corrected,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Lowered = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool ByDays = false)
{
    /// <summary>The error bar and what it was learned from, as a clause.</summary>
    public string Shown => string.Create(CultureInfo.InvariantCulture,
        $"half such windows stay under {Fact.Rate("", Median).Shown}, 1 in 100 goes over {Fact.Rate("", Ninety9).Shown}, by {Windows} seen{(ByDays ? ", the days before among them" : "")}");
}
