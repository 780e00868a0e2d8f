namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// The first generation's profiles, measured before anything is served; each is a function that interpolates them. Times in ms.
/// </summary>
/// <param name="FirstToken">By prompt tokens.</param>
/// <param name="PrefillPerGpu">Prompt tokens a second, by prompt tokens.</param>
/// <param name="Token">By requests at once and context.</param>
/// <param name="DecodePerGpu">The most answer tokens a second within a time per token at a context; null: none keeps it.</param>
public sealed record DynamoProfile(
    Func<double, double> FirstToken, Func<double, double> PrefillPerGpu, Func<double, double, double> Token,
    Func<double, double, double?> DecodePerGpu);

/// <summary>What the first generation saw in an interval; null: none was served.</summary>
/// <param name="RequestSeconds">Mean of a request, from arrival to end.</param>
public sealed record DynamoObservedLatency(double? FirstToken, double? Token, double RequestSeconds);

/// <param name="Prefill">Observed over profiled.</param>
public readonly record struct DynamoCorrection(double Prefill = 1, double Decode = 1);

/// <summary>The first generation's sizing: rivals-rules §8.2.</summary>
public static class DynamoInterpolation
{
    /// <summary>What was observed over what the profile says; kept where nothing was served. Off while the load loop is on.</summary>
    public static DynamoCorrection Correct(
        DynamoSettings settings, DynamoProfile profile, DynamoCorrection last, DynamoTraffic traffic, DynamoObservedLatency seen, int decodeWorkers)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(traffic);
        ArgumentNullException.ThrowIfNull(seen);
        if (settings.EnableLoad || seen.FirstToken is not { } first || seen.Token is not { } token) return settings.EnableLoad ? new(1, 1) : last;
        var prefill = first / profile.FirstToken(traffic.InputTokens);
        if (decodeWorkers == 0) return last with { Prefill = prefill };
        var atOnce = traffic.Requests / decodeWorkers * seen.RequestSeconds / settings.ThroughputInterval.TotalSeconds;
        return new(prefill, token / profile.Token(atOnce, traffic.Context));
    }

    /// <param name="next">Predicted for the next interval.</param>
    public static DynamoPair Replicas(DynamoSettings settings, DynamoProfile profile, DynamoCorrection correction, DynamoTraffic next)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(next);
        var target = correction.Decode <= 0 ? settings.TokenTarget : settings.TokenTarget / correction.Decode;
        return new(
            PrefillReplicas(settings, next, correction.Prefill, profile.PrefillPerGpu(next.InputTokens)),
            DecodeReplicas(settings, next, profile.DecodePerGpu(target, next.Context)));
    }

    /// <summary>A correction above 1, a prefill slower than profiled, is not believed: queues make it so.</summary>
    public static int PrefillReplicas(DynamoSettings settings, DynamoTraffic next, double correction, double tokensPerGpu)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(next);
        var perSecond = next.Requests * next.InputTokens / settings.ThroughputInterval.TotalSeconds * Math.Min(1, correction);
        return Math.Max(settings.Least.Prefill, WholeReplicas.Ceiling(perSecond / tokensPerGpu / settings.PrefillGpus));
    }

    /// <param name="tokensPerGpu">Null: no batch keeps the target, and the least replicas are asked for.</param>
    public static int DecodeReplicas(DynamoSettings settings, DynamoTraffic next, double? tokensPerGpu)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(next);
        if (tokensPerGpu is not { } perGpu) return settings.Least.Decode;
        var perSecond = next.Requests * next.OutputTokens / settings.ThroughputInterval.TotalSeconds;
        return Math.Max(settings.Least.Decode, WholeReplicas.Ceiling(perSecond / perGpu / settings.DecodeGpus));
    }
}
