using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// The fast loop: one replica more or fewer by what engines report, every 5 s; rivals-rules §8.4, after
/// components/src/dynamo/planner/core/load_scaling.py.
/// </summary>
public static class DynamoLoad
{
    /// <param name="ratios">Queued prompt tokens over the context length, by engine.</param>
    public static int PrefillByRatio(DynamoTarget target, IReadOnlyCollection<double> ratios, int workers)
    {
        var latency = target == DynamoTarget.Latency;
        if (ratios.Any(ratio => ratio >= (latency ? 0.1 : 1.0))) return workers + 1;
        return workers > 1 && ratios.All(ratio => latency ? ratio == 0 : ratio < 0.1) ? workers - 1 : workers;
    }

    /// <param name="ratios">Scheduled and queued KV tokens over the most there is room for, by engine; prompts too where aggregated.</param>
    public static int DecodeByRatio(DynamoTarget target, IReadOnlyCollection<double> ratios, int workers)
    {
        var latency = target == DynamoTarget.Latency;
        if (ratios.Any(ratio => ratio > (latency ? 0.4 : 1.0))) return workers + 1;
        return workers > 1 && ratios.All(ratio => ratio < (latency ? 0.1 : 0.6)) ? workers - 1 : workers;
    }

    /// <summary>Up only if every engine would miss the target; down only if none comes near it with one engine fewer.</summary>
    public static int PrefillBySla(DynamoSettings settings, DynamoStepTime time, ImmutableArray<DynamoEngine> engines, DynamoAverages averages, double hitRate)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(averages);
        var missed = 1 - hitRate;
        var target = settings.FirstTokenTarget / 1000;
        if (engines.All(engine => FirstToken(engine.QueuedPrefillTokens) > target)) return engines.Length + 1;
        var own = FirstToken(0);
        var fewer = (double)engines.Length / (engines.Length - 1);
        return engines.Length > 1 && engines.All(engine =>
            FirstToken(engine.QueuedPrefillTokens * fewer) - own < (target - own) * settings.Sensitivity) ? engines.Length - 1 : engines.Length;

        double FirstToken(double queued) => DynamoCapacity.Chunked(settings, time, (queued + averages.InputTokens) * missed);
    }

    public static int DecodeBySla(DynamoSettings settings, DynamoStepTime time, ImmutableArray<DynamoEngine> engines, DynamoAverages averages)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(averages);
        var target = settings.TokenTarget / 1000;
        var batch = averages.Batch + 1;
        if (engines.All(engine => time.Of(batch, Kv(engine) + averages.DecodeTokens) > target)) return engines.Length + 1;
        var fewer = (double)engines.Length / (engines.Length - 1);
        return engines.Length > 1 && engines.All(engine =>
            time.Of(batch, Kv(engine) * fewer + averages.DecodeTokens) < target * settings.Sensitivity && Kv(engine) * fewer < settings.MaxKvTokens)
            ? engines.Length - 1 : engines.Length;
    }

    /// <summary>
    /// The first generation's: a line fitted to latency over load gives the load at the target; for prefill, less the prompt to come.
    /// </summary>
    /// <param name="loads">Of each worker: prompt tokens being computed, or decode blocks in use.</param>
    public static int ByLine(DynamoSettings settings, double slope, double intercept, double target, double own, IReadOnlyCollection<double> loads)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(loads);
        if (slope <= 0) return loads.Count;
        var most = (target - intercept) / slope - own;
        if (loads.All(load => load > most)) return loads.Count + 1;
        var least = most * (loads.Count - 1) / loads.Count * settings.Sensitivity;
        return loads.Count > 1 && loads.All(load => load < least) ? loads.Count - 1 : loads.Count;
    }

    /// <summary>Tokens held and waiting to be.</summary>
    public static double Kv(DynamoEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        return engine.KvTokens + engine.QueuedKvTokens;
    }

    /// <summary>
    /// Where an engine prefills and decodes and both ask: up if either asks for it, down only if both do, and then the larger.
    /// </summary>
    public static int Aggregated(int prefill, int decode, int workers)
    {
        if (prefill > workers || decode > workers) return workers + 1;
        return prefill < workers && decode < workers ? Math.Max(prefill, decode) : workers;
    }
}
