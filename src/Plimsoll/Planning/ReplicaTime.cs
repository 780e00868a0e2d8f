namespace Plimsoll;

/// <summary>What a replica's requests take of a device's time, as predicted and corrected, or as they showed.</summary>
/// <param name="seconds">Mean seconds of a request beside so many in the replica, itself among them.</param>
/// <param name="carries">Requests a second within the objective where all takes so many times as long.</param>
/// <param name="oneByOne">Whether it works on one thing at a time, a request or a batch.</param>
internal sealed class ReplicaTime(Func<double, double> seconds, Func<double, double> carries, bool oneByOne = false)
{
    /// <summary>Beyond this nobody is slowed on purpose.</summary>
    private const double SlowdownLimit = 16;

    // With so many at once there is hardly a moment without any.
    private const double AlwaysBusy = 12;

    private double? _alone;

    /// <param name="variant">What it runs as.</param>
    /// <param name="expected">What is predicted, where that is planned by; null where what was seen is.</param>
    /// <param name="seen">What was seen.</param>
    /// <param name="slo">The objective.</param>
    /// <returns>Null where nobody knows.</returns>
    public static ReplicaTime? Of(VariantSpec variant, CapacityEstimate? expected, ServiceFit seen, Slo slo)
    {
        if (expected is { } one && variant.Service is { } prior)
            return new ReplicaTime(
                beside => one.Pace * prior.Seconds(beside, one.PromptTokens, one.AnswerTokens),
                // What is late even alone then is carried by nobody, whatever gets through.
                slowdown => one.Keeps && !prior.Keeps(one.Pace * slowdown, one.PromptTokens, one.AnswerTokens) ? 0
                    : prior.CapacityPerSecond(one.Pace * slowdown, one.PromptTokens, one.AnswerTokens),
                prior.Profiled || variant.Concurrency == 1);
        return seen.Line is not var (fixedPart, each) ? null : new ReplicaTime(
            beside => fixedPart + (each * beside),
            slowdown => (seen.CapacityPerSecond(slo with { Latency = slo.Latency / slowdown }, variant.Concurrency) ?? 0) / slowdown,
            variant.Concurrency == 1);
    }

    /// <summary>What is left of what it carries alone where all takes so many times as long.</summary>
    public double ShareCarried(double slowdown)
    {
        if (slowdown <= DeviceUse.Slack) return 1;
        slowdown /= DeviceUse.Slack;
        var alone = _alone ??= carries(1);
        return alone > 0 ? Math.Clamp(carries(slowdown) / alone, 0, 1) : 1 / slowdown;
    }

    /// <summary>
    /// Share of the time in which it has work were it alone: requests in it by Little's law; that there are none is as likely as of a Poisson
    /// number where all that come begin at once (an M/G/∞ queue).
    /// </summary>
    public double Busy(double perSecond)
    {
        if (!(perSecond > 0)) return 0;
        if (oneByOne) return Math.Min(1, perSecond * seconds(1));
        var there = 0.0;
        for (var round = 0; round < 16; round++)
        {
            var next = perSecond * seconds(Math.Max(1, there));
            if (!(next < AlwaysBusy)) return 1;
            if (next - there < 1e-3) break;
            there = next;
        }

        return 1 - Math.Exp(-there);
    }

    /// <summary>How many times as long all may take and so many requests a second are carried within the objective.</summary>
    public double SlowdownMost(double perSecond)
    {
        if (!(perSecond > 0)) return SlowdownLimit;
        if (carries(1) <= perSecond) return 1;
        var (low, high) = (0.0, Math.Log(SlowdownLimit));
        for (var round = 0; round < 10; round++)
        {
            var middle = (low + high) / 2;
            if (carries(Math.Exp(middle)) >= perSecond) low = middle;
            else high = middle;
        }

        return Math.Exp(low);
    }
}
