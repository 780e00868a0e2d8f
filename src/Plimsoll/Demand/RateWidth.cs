namespace Plimsoll;

/// <summary>
/// What the rates that are forecast are means of. A replica's capacity is that of requests that come at random at a steady rate, and
/// their bursts are in it; a rate of one second would count those again, and of a model that is asked once a minute and takes ten
/// seconds to answer it would say that one a second come. So a rate is the mean over about as long as a request stays in a replica.
/// </summary>
internal static class RateWidth
{
    // Of the settings' bucket.
    private static readonly int[] Steps = [1, 2, 5, 10, 20];

    // A longer one would notice a crowd too late.
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(20);

    // With fewer requests a mean time is an anecdote.
    private const double RequestsLeast = 100;

    // With another width the forecast begins anew, so one is kept while it is about right; and until a new version has served some.
    private const double WidenFrom = 1.1;
    private const double NarrowFrom = 0.8;

    /// <summary>A whole number of the settings' buckets.</summary>
    /// <param name="known">What was learned of the model.</param>
    /// <param name="model">The model; null for one that is no longer there.</param>
    /// <param name="settings">The narrowest bucket.</param>
    public static TimeSpan Of(ModelKnowledge known, ModelSpec? model, PlannerSettings settings)
    {
        var stays = Stays(known, model);
        if (known.Forecast is { Bucket: var kept } && Steps.Any(step => step * settings.DemandBucket == kept)
            && ((settings.LearnsSoberly && known.Service.Weight < RequestsLeast)
                || ((kept == settings.DemandBucket || stays >= kept * NarrowFrom) && Widest(stays / WidenFrom, settings) <= kept)))
            return kept;
        return Widest(stays, settings);
    }

    private static TimeSpan Widest(TimeSpan time, PlannerSettings settings)
    {
        var widest = settings.DemandBucket;
        foreach (var step in Steps)
            if (step * settings.DemandBucket is var width && width <= time && width <= Most) widest = width;
        return widest;
    }

    // As seen, or as predicted of a request that is alone, which is the shortest; 0 where nothing is known.
    private static TimeSpan Stays(ModelKnowledge known, ModelSpec? model)
    {
        if (known.Service.Weight >= RequestsLeast) return TimeSpan.FromSeconds(Math.Clamp(known.Service.SumL / known.Service.Weight, 0, 3600));
        if (model?.Variants.Select(variant => variant.Service).FirstOrDefault(service => service is not null) is not { } prior) return TimeSpan.Zero;
        var (prompt, answer) = (known.Tokens ?? TokenMeans.None).Or(prior.PromptTokens, prior.AnswerTokens);
        return TimeSpan.FromSeconds(Math.Clamp(prior.Seconds(1, prompt, answer), 0, 3600));
    }
}
