namespace Plimsoll;

public sealed partial record Knowledge
{
    // A pause shorter than this many reviews is use; what is longer is a gap that a replica was held through.
    internal const int IdleReviews = 5;

    // A window of so long with its usual requests weighs once when what was attained corrects the quantile.
    private static readonly TimeSpan CorrectionWindow = TimeSpan.FromMinutes(1);

    /// <summary>
    /// What a window of traffic teaches of demand beyond the buckets. Nothing where the settings do not forecast, so that
    /// journals of before read, hash and replay as they did.
    /// </summary>
    /// <param name="settings">Whether forecasts are kept, and the width of a bucket.</param>
    /// <param name="model">Whose row it is.</param>
    /// <param name="row">What was counted.</param>
    /// <param name="arrivals">What arrived, at the least.</param>
    /// <param name="serving">Whether a replica was ready.</param>
    /// <param name="lastArrival">When somebody last asked before.</param>
    /// <param name="countedUntil">Until when was counted before; null before anything was.</param>
    /// <param name="boot">How long a node may take to come.</param>
    /// <param name="known">What the buckets and the rest have learned of the same row.</param>
    private static ModelKnowledge FoldForecast(
        PlannerSettings settings, ModelSpec? model, ModelTraffic row, double arrivals, bool serving, DateTimeOffset? lastArrival, DateTimeOffset? countedUntil, TimeSpan boot, ModelKnowledge known)
    {
        if (!settings.ForecastDemand)
            return known.Forecast is null && known.IdleTimes is null && known.Shortage is null && known.Surplus is null && known.Daily is null && known.Seasons is null && known.LoadDebt == 0
                ? known : known with { Forecast = null, Seasons = null, IdleTimes = null, Shortage = null, Surplus = null, Daily = null, LoadDebt = 0 };
        if (row.To <= row.From) return known;
        var width = RateWidth.Of(known, model, settings);
        var before = known.Forecast is { } kept && kept.Bucket == width ? kept : null;
        var forecast = (before ?? DemandForecast.Start(DemandForecastSettings.ForPlanner(width))).Add(row.From, row.To, arrivals, DemandCalendar.Of(model));
        return known with
        {
            Forecast = forecast,
            Seasons = settings.ForecastSeasons ? Seasons(known, row, before, forecast, boot + settings.Review) : null,
            IdleTimes = Idle(known.IdleTimes, row, before?.Until, IdleReviews * settings.Review),
            Daily = settings.WakeAhead ? Daily(known, row, lastArrival, countedUntil - settings.DemandBucket, IdleReviews * settings.Review) : null,
            Shortage = Corrected(settings, row, serving, model?.Slo.Attainment ?? 0, known),
            LoadDebt = Owed(model, arrivals, serving, known),
        };
    }

    // As much as the forecast took in. Begun once somebody looks further ahead than it says: a light model never needs to know.
    private static SeasonalForecast? Seasons(ModelKnowledge known, ModelTraffic row, DemandForecast? before, DemandForecast forecast, TimeSpan besidesLoad)
    {
        if (known.Seasons is null && (known.Loads.Samples.IsEmpty || known.Loads.Samples.Max(load => load.Took) + besidesLoad <= forecast.Longest)) return null;
        var seasons = known.Seasons ?? SeasonalForecast.None;
        if (forecast.Until is not { } until || until == before?.Until) return seasons;
        return seasons.Add(row.From < until ? row.From : until, until, forecast.Newest);
    }

    // A time in which nobody looked is no gap of idleness, and a clock that was set makes none.
    private static IdleTimes? Idle(IdleTimes? known, ModelTraffic row, DateTimeOffset? until, TimeSpan shortest)
    {
        var times = known;
        if (until is not { } seen || (row.From - seen).Duration() > shortest) times = times is null ? null : times with { LastArrival = null };
        if (row.Arrivals <= 0 && row.HeldNow <= 0 && !row.Censored) return times;
        times ??= IdleTimes.None;
        return times.LastArrival is { } last && row.To > last && row.To - last < shortest
            ? times with { LastArrival = row.To } : times.Arrived(row.To);
    }

    // The first request that anybody saw is a start; the first after a time in which nobody looked may be none.
    // A forecast stands still while an event takes nearly everything, though somebody looks all the while: the buckets say until when.
    private static DailyStarts? Daily(ModelKnowledge known, ModelTraffic row, DateTimeOffset? lastArrival, DateTimeOffset? counted, TimeSpan shortest)
    {
        var until = known.Forecast?.Until is { } forecast && counted > forecast ? counted : known.Forecast?.Until;
        var unseen = until is { } seen && row.From - seen > shortest ? row.From - seen : TimeSpan.Zero;
        var asked = row.Arrivals > 0 || row.HeldNow > 0 || row.Censored;
        var paused = unseen == TimeSpan.Zero && (lastArrival is not { } last || row.To - last >= DailyStarts.PauseLeast);
        return DailyStarts.Learn(known.Daily, row.To, asked && paused, unseen);
    }

    // A balance: late ones make it larger, and those that others were allowed to be late beside pay it back.
    private static double Owed(ModelSpec? model, double arrivals, bool serving, ModelKnowledge known)
    {
        if (model is null || arrivals <= 0) return known.LoadDebt;
        if (serving) return Math.Round(Math.Max(0, known.LoadDebt - (arrivals * (1 - model.Slo.Attainment))), 4);
        return DemandOutlook.IsLateForLoad(model, known) ? Math.Min(DemandOutlook.LoadDebtMost, known.LoadDebt + arrivals) : known.LoadDebt;
    }

    // Late requests of replicas that serve ask for more of them; those that waited for a load say nothing of how many. Those in time show
    // by as many that less would do: a target is a promise kept, and more than that is paid for by somebody.
    private static ShortageCost? Corrected(PlannerSettings settings, ModelTraffic row, bool serving, double target, ModelKnowledge known)
    {
        var ended = row.Completed + row.Rejected;
        if (!serving || row.HeldNow > 0 || row.HeldRequestSeconds > 0 || row.WithinSloUnknown || ended <= 0)
            return known.Shortage;
        var usual = Math.Max(known.ActiveRate * CorrectionWindow.TotalSeconds, ended);
        var corrected = (known.Shortage ?? ShortageCost.Uncorrected).Observe(
            Math.Clamp((double)row.WithinSlo / ended, 0, 1), target, ended / usual, settings.CoversLess).LogCorrection;
        return (settings.CorrectBothWays ? Math.Abs(corrected) : corrected) < 1e-4 ? null : new ShortageCost(Math.Round(corrected, 5));
    }
}
