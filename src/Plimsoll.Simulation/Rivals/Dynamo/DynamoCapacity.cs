namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>What one engine carries.</summary>
/// <param name="Seconds">Of a request's prefill, or of one token's decode.</param>
public sealed record DynamoEngineRate(double Batch, double Seconds, double PerSecond);

/// <summary>
/// Replicas for a demand by the second generation's regressions: rivals-rules §8.3; the third takes its rates from a native
/// model and only adds the demand up (§8.6).
/// </summary>
public static class DynamoCapacity
{
    private const double MaxHitRate = 0.95;

    /// <summary>Prefill of one prompt, in chunks where it is longer than an iteration takes.</summary>
    public static DynamoEngineRate Prefill(DynamoSettings settings, DynamoStepTime time, double inputTokens, double hitRate)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        var tokens = inputTokens * (1 - Math.Clamp(hitRate, 0, MaxHitRate));
        var seconds = Chunked(settings, time, tokens);
        return new(1, seconds, 1 / seconds);
    }

    /// <summary>Seconds to compute so many tokens.</summary>
    public static double Chunked(DynamoSettings settings, DynamoStepTime time, double tokens)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        var full = Math.Floor(tokens / settings.MaxBatchedTokens);
        var rest = tokens - full * settings.MaxBatchedTokens;
        return full * time.Of(0, settings.MaxBatchedTokens) + (rest > 0 || full == 0 ? time.Of(0, rest) : 0);
    }

    /// <summary>The largest batch within the target; 1 even where that misses it.</summary>
    public static DynamoEngineRate Decode(DynamoSettings settings, DynamoStepTime time, double inputTokens, double outputTokens)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        var context = inputTokens + outputTokens / 2;
        var (low, high) = (1, Math.Max(1, Math.Min(WholeReplicas.Truncate(settings.MaxKvTokens / context), settings.MaxSequences)));
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (time.Of(middle, middle * context) * 1000 <= settings.TokenTarget) low = middle;
            else high = middle - 1;
        }

        var seconds = time.Of(low, low * context);
        return new(low, seconds, low / (outputTokens * seconds));
    }

    /// <param name="demand">Requests a second.</param>
    public static int PrefillReplicas(DynamoSettings settings, DynamoEngineRate rate, double demand)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(rate);
        var replicas = Math.Max(WholeReplicas.Ceiling(demand / rate.PerSecond), settings.Least.Prefill);
        // A prompt that alone misses the target asks the second generation for more replicas, which do not make it faster.
        return settings.Generation == DynamoGeneration.Second && rate.Seconds * 1000 > settings.FirstTokenTarget
            ? Math.Max(replicas, WholeReplicas.Ceiling(rate.Seconds * 1000 / settings.FirstTokenTarget))
            : replicas;
    }

    public static int DecodeReplicas(DynamoSettings settings, DynamoEngineRate rate, double demand)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(rate);
        return Math.Max(WholeReplicas.Ceiling(demand / rate.PerSecond), settings.Least.Decode);
    }
}
