using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// The least seconds of a replica that a request takes of one that keeps its objective, whoever schedules: its prompt at the rate of the
/// largest step, and for each further token its part of a step with as many sequences as memory, engine and objective allow.
/// </summary>
/// <param name="PromptTokenSeconds">For each token of a prompt.</param>
/// <param name="AnswerTokenSeconds">For each token of an answer after the first.</param>
/// <param name="RequestSeconds">For each request.</param>
internal readonly record struct ReplicaWork(double PromptTokenSeconds, double AnswerTokenSeconds, double RequestSeconds)
{
    public double Of(int prompt, int answer) => RequestSeconds + (prompt * PromptTokenSeconds) + ((answer - 1) * AnswerTokenSeconds);

    public static ReplicaWork Of(SimulatedModel model, VariantSpec variant)
    {
        var truth = model.Truth[variant.Id];
        return truth is { Limits: { } limits, StepSeconds: { } seconds }
            ? Generating(model, variant, limits, seconds)
            : Batch(model.Spec.Slo, variant.Concurrency, truth);
    }

    // n at once take a + b·n each, so a + b·n over n of the replica; the more the better, as long as one is answered in time.
    private static ReplicaWork Batch(Slo slo, int concurrency, ReplicaTruth truth)
    {
        var n = concurrency;
        while (n > 1 && truth.Batch.Seconds(n) > slo.Latency.TotalSeconds) n--;
        return new ReplicaWork(0, 0, truth.Batch.Seconds(n) / n);
    }

    private static ReplicaWork Generating(SimulatedModel model, VariantSpec variant, ReplicaLimits limits, Func<StepBatch, double> seconds)
    {
        var trace = model.Trace;
        var (prompt, answer) = trace.Count == 0 ? (1.0, 1.0) : (trace.Prompts.Average(), trace.Answers.Average());
        var perPrompt = seconds(StepBatch.Prefill(1, limits.StepTokens)) / limits.StepTokens;

        // Sequences of which half the answer is there, on the mean; memory may hold fewer than the engine takes.
        var context = prompt + (answer / 2);
        var most = Math.Min(Math.Min(limits.Sequences, variant.Concurrency), Math.Max(1, limits.Blocks * limits.BlockTokens / Math.Max(1, context)));
        var best = double.PositiveInfinity;
        for (double n = 1; ; n = Math.Min(most, n * 1.25))
        {
            var step = seconds(StepBatch.Decode(n, context));
            if (n > 1 && model.Spec.Slo.TimePerOutputToken is { } each && step > each.TotalSeconds) break;
            best = Math.Min(best, step / n);
            if (n >= most) break;
        }

        return new ReplicaWork(perPrompt, best, 0);
    }
}
