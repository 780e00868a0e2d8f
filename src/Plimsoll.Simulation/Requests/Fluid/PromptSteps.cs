namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>
/// Seconds that prompts take beside sequences, in steps of chunks as the engine makes them. Asked of the step times once for each of a
/// grid of tokens (a fiftieth apart), sequences and contexts (doublings), and remembered.
/// </summary>
internal sealed class PromptSteps(ReplicaLimits limits, StepTimes times)
{
    private static readonly double LogStep = Math.Log(1.02);

    private readonly Dictionary<(int Tokens, int Chunk, int Sequences, int Context), double> _seconds = [];

    /// <param name="tokens">Of prompts that are computed one after the other.</param>
    /// <param name="sequences">Beside them.</param>
    /// <param name="context">Of each.</param>
    /// <returns>Seconds, and steps.</returns>
    public (double Seconds, int Steps) Of(double tokens, double sequences, double context)
    {
        var beside = Beside(sequences);
        var budget = Budget(sequences);
        var (seconds, chunks) = (0.0, 0);
        for (; tokens > 0.5; tokens -= budget) seconds += Step(Math.Min(tokens, budget), chunks++, budget, beside, context);
        return (seconds, chunks);
    }

    /// <summary>Tokens of prompts that a step has room for.</summary>
    public double Budget(double sequences) => Math.Max(1, limits.StepTokens - Beside(sequences));

    private int Beside(double sequences) => (int)Math.Min(Math.Round(sequences), limits.Sequences);

    private double Step(double tokens, int chunk, double budget, int sequences, double context)
    {
        var level = (int)Math.Round(Math.Log(Math.Max(1, tokens)) / LogStep);
        var octave = sequences == 0 ? 0 : (int)Math.Round(Math.Log2(Math.Max(16, context)));
        // Long ones attend to more with each chunk; what is beyond the hundredth is as that one.
        var key = (level, Math.Min(chunk, 100), sequences, octave);
        if (_seconds.TryGetValue(key, out var known)) return known;
        var batch = StepBatch.Prefill(1, Math.Exp(level * LogStep), key.Item2 * budget);
        return _seconds[key] = times.Seconds(sequences == 0 ? batch : batch.With(StepBatch.Decode(sequences, Math.Pow(2, octave))));
    }
}
