namespace Plimsoll.Simulation.Rivals.Inferno;

/// <summary>A server on an accelerator; times in milliseconds.</summary>
/// <param name="Alpha">Of an iteration, whatever its batch.</param>
/// <param name="Beta">A token computed.</param>
/// <param name="Gamma">A token of context read.</param>
public sealed record InfernoService(double Alpha, double Beta, double Gamma, double InputTokens, double OutputTokens)
{
    /// <summary>Of one iteration with a batch, ms.</summary>
    public double Iteration(double batch) => Alpha + batch
        * (Beta * (InputTokens + OutputTokens) / (OutputTokens + 1) + Gamma * (InputTokens + OutputTokens / 2));

    public double Prefill(double batch) => InputTokens == 0 ? 0 : Iteration(batch) + (Beta + Gamma) * InputTokens;

    public double Decode(double batch) => Iteration(batch) + Beta + Gamma * (InputTokens + OutputTokens / 2);
}

/// <summary>A queue at one arrival rate; times in milliseconds.</summary>
/// <param name="Throughput">Requests a second that are not turned away.</param>
/// <param name="Utilization">Mean batch over the largest.</param>
public sealed record InfernoMetrics(
    double Throughput, double Wait, double InService, double PrefillTime, double TokenTime, double FirstTokenTime, double Utilization);

/// <param name="Rate">Arrivals a second.</param>
/// <param name="Throughput">What then comes through: a little less where the queue is sometimes full.</param>
public sealed record InfernoSize(double Rate, double Throughput);

/// <summary>
/// Inferno's state-dependent M/M/1/K queue: rivals-rules §7.5 steps 2 to 6, after llm-d-workload-variant-autoscaler
/// pkg/analyzer. It knows means only, no percentile. The peer computes in 32-bit numbers.
/// </summary>
public sealed class InfernoQueue
{
    private readonly InfernoService _service;
    private readonly int _maxBatch;
    private readonly double[] _rates;
    private readonly int _slots;

    /// <param name="queueSlots">Requests that may wait; 10 times the batch by default.</param>
    public InfernoQueue(InfernoService service, int maxBatch, int? queueSlots = null)
    {
        ArgumentNullException.ThrowIfNull(service);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBatch, 1);
        (_service, _maxBatch, _slots) = (service, maxBatch, maxBatch + (queueSlots ?? 10 * maxBatch));
        _rates = [.. Enumerable.Range(1, maxBatch).Select(batch => batch / (service.Prefill(batch) + service.OutputTokens * service.Decode(batch)))];
    }

    /// <summary>Requests a second that are searched: from 0.1 % of one request's rate to 99.9 % of the full batch's.</summary>
    public (double Least, double Most) RateRange => (0.001 * _rates[0] * 1000, 0.999 * _rates[^1] * 1000);

    /// <summary>Of a model and objective that gives the batch at a reference length: fewer where answers are longer.</summary>
    public static int BatchFor(int referenceBatch, double referenceLength, double outputTokens) =>
        Math.Max(1, WholeReplicas.Truncate(referenceBatch * referenceLength / outputTokens));

    /// <param name="perSecond">Arrivals, above 0.</param>
    public InfernoMetrics Analyze(double perSecond)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(perSecond);
        var arrivals = perSecond / 1000;
        // Probabilities relative to the largest: a chain of thousands of states would over- or underflow otherwise.
        var logs = new double[_slots + 1];
        for (var state = 0; state < _slots; state++)
            logs[state + 1] = logs[state] + Math.Log(arrivals / _rates[Math.Min(state, _maxBatch - 1)]);
        var largest = logs.Max();
        double sum = 0, inSystem = 0, inService = 0, last = 0;
        for (var state = 0; state <= _slots; state++)
        {
            last = Math.Exp(logs[state] - largest);
            sum += last;
            inSystem += state * last;
            inService += Math.Min(state, _maxBatch) * last;
        }

        (inSystem, inService) = (inSystem / sum, inService / sum);
        var through = arrivals * (1 - last / sum);
        var serviceTime = inService / through;
        var wait = Math.Max(0, inSystem / through - serviceTime);
        var prefill = _service.Prefill(inService);
        var token = (serviceTime - prefill) / _service.OutputTokens;
        return new(through * 1000, wait, inService, prefill, token, wait + prefill + token, inService / _maxBatch);
    }

    /// <summary>The largest rate that keeps all targets.</summary>
    /// <param name="firstToken">Mean, ms; 0: no target.</param>
    /// <param name="perToken">Mean, ms; 0: no target.</param>
    /// <param name="tokensPerSecond">0: no target; otherwise the rate keeps 10 % from the top.</param>
    /// <returns>Null: not even the smallest rate keeps them.</returns>
    public InfernoSize? Size(double firstToken, double perToken, double tokensPerSecond)
    {
        var (least, most) = RateRange;
        var rate = most;
        if (firstToken > 0)
        {
            if (Largest(firstToken, metrics => metrics.FirstTokenTime) is not { } bounded) return null;
            rate = Math.Min(rate, bounded);
        }

        if (perToken > 0)
        {
            if (Largest(perToken, metrics => metrics.TokenTime) is not { } bounded) return null;
            rate = Math.Min(rate, bounded);
        }

        if (tokensPerSecond > 0) rate = Math.Min(rate, 0.9 * most);
        return new(rate, Analyze(rate).Throughput);

        double? Largest(double target, Func<InfernoMetrics, double> time)
        {
            if (time(Analyze(most)) <= target) return most;
            if (time(Analyze(least)) > target) return null;
            var (low, high) = (least, most);
            for (var step = 0; step < 100 && high - low > 1e-6 * high; step++)
            {
                var middle = (low + high) / 2;
                if (time(Analyze(middle)) <= target) low = middle;
                else high = middle;
            }

            return (low + high) / 2;
        }
    }
}
