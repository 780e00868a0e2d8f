using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// The least seconds of a replica that requests take, whoever schedules them. Of a model that generates text either their prompts alone, at the rate
/// of the largest step, or their answers alone, whichever is more over the whole trace: in one step the one may hide behind the other, so
/// that their sum would be too much. An answer's token takes its part of a step with as many sequences as engine and objective allow,
/// and the reading of its own context, which steps add up.
/// </summary>
/// <param name="PromptTokenSeconds">For each token of a prompt.</param>
/// <param name="AnswerTokenSeconds">For each token of an answer after the first.</param>
/// <param name="ContextTokenSeconds">For each token of context at each of those.</param>
/// <param name="RequestSeconds">For each request.</param>
internal readonly record struct ReplicaWork(double PromptTokenSeconds, double AnswerTokenSeconds, double ContextTokenSeconds, double RequestSeconds)
{
    public double Of(int prompt, int answer) => RequestSeconds + (prompt * PromptTokenSeconds)
        + ((answer - 1) * (AnswerTokenSeconds + ((prompt + (answer / 2.0)) * ContextTokenSeconds)));

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
        if (truth.Profile is { } profile) return new ReplicaWork(0, 0, 0, 1 / profile.MostPerSecond(Math.Min(concurrency, profile.BatchMax), slo.Latency.TotalSeconds));
        var n = concurrency;
        while (n > 1 && truth.Batch.Seconds(n) > slo.Latency.TotalSeconds) n--;
        return new ReplicaWork(0, 0, 0, truth.Batch.Seconds(n) / n);
    }

    private static ReplicaWork Generating(SimulatedModel model, VariantSpec variant, ReplicaLimits limits, Func<StepBatch, double> seconds)
    {
        // A step of one long prompt or of many short ones: the second attends to less.
        var perPrompt = Math.Min(seconds(StepBatch.Prefill(1, limits.StepTokens)), seconds(StepBatch.Prefill(limits.StepTokens / 16.0, 16))) / limits.StepTokens;
        double most = Math.Min(limits.Sequences, variant.Concurrency);
        var best = double.PositiveInfinity;
        for (double n = 1; ; n = Math.Min(most, n + 1))
        {
            var step = seconds(StepBatch.Decode(n, 0));
            if (n > 1 && model.Spec.Slo.TimePerOutputToken is { } each && step > each.TotalSeconds) break;
            best = Math.Min(best, step / n);
            if (n >= most) break;
        }

        // Windows make it rise less and less, so that the mean rise to the longest is no more than the rise to any other.
        var longest = Math.Max(1, limits.Blocks * limits.BlockTokens);
        var perContext = (seconds(StepBatch.Decode(1, longest)) - seconds(StepBatch.Decode(1, 0))) / longest;
        var (prompts, answers) = (new ReplicaWork(perPrompt, 0, 0, 0), new ReplicaWork(0, best, perContext, 0));
        double Total(ReplicaWork work) => model.Trace.Prompts.Zip(model.Trace.Answers, work.Of).Sum();
        return Total(prompts) > Total(answers) ? prompts : answers;
    }
}
