namespace Plimsoll.Prediction.Capacity;

/// <summary>
/// The queue of llm-inferno as Workload-Variant-Autoscaler has it (pkg/analyzer at b08b1c7): a step of n requests takes
/// T(n) = α + n·(β·(I + O)/(O + 1) + γ·(I + O/2)), a prompt T + (β + γ)·I, a token T + β + γ·(I + O/2); a request is
/// served at n/(prompt + O·token); a birth and death chain of batch and queue gives mean waits, and no percentile. Targets
/// are held by means, each replica by itself. α, β and γ are fitted here on the same step times as ours.
/// </summary>
internal static class Inferno
{
    /// <summary>Waiting requests for each place: ours, and hardly matters, as a queue that long keeps no limit.</summary>
    private const int QueuePerPlace = 10;

    public static double PerSecond(CapacityCase asked, double places)
    {
        var lengths = asked.Lengths;
        var (input, output) = (lengths.Prompt, lengths.Steps + 1);
        var (alpha, beta, gamma) = Fit(asked);
        var batch = Math.Max(1, (int)places);
        double Step(double n) => alpha + (n * ((beta * (input + output) / (output + 1)) + (gamma * (input + (output / 2)))));
        double Prompt(double n) => Step(n) + ((beta + gamma) * input);
        double Token(double n) => Step(n) + beta + (gamma * (input + (output / 2)));
        bool Keeps(double rate)
        {
            // Logarithms: a queue of thousands over- and underflows otherwise.
            var states = batch * (1 + QueuePerPlace);
            var logs = new double[states + 1];
            for (var n = 1; n <= states; n++)
            {
                var m = Math.Min(n, batch);
                logs[n] = logs[n - 1] + Math.Log(rate * (Prompt(m) + (lengths.Steps * Token(m))) / m);
            }

            var top = logs.Max();
            double total = 0, waiting = 0, serving = 0;
            for (var n = 0; n <= states; n++)
            {
                var p = Math.Exp(logs[n] - top);
                (total, serving, waiting) = (total + p, serving + (p * Math.Min(n, batch)), waiting + (p * Math.Max(0, n - batch)));
            }

            var taken = rate * (1 - (Math.Exp(logs[states] - top) / total));
            var wait = waiting / total / taken;
            var inService = serving / total;
            var (ttft, itl) = (wait + Prompt(inService), Token(inService));
            return taken > 0.99 * rate && asked.Targets.All(target => target.Metric switch
            {
                LatencyMetric.Ttft => ttft,
                LatencyMetric.Tpot => itl,
                _ => ttft + (lengths.Steps * itl),
            } <= target.Seconds);
        }

        var (low, high) = (0.0, batch / Math.Max(1e-9, Prompt(batch) + (lengths.Steps * Token(batch))) * 1.05);
        for (var i = 0; i < 14; i++)
        {
            var middle = (low + high) / 2;
            if (Keeps(middle)) low = middle;
            else high = middle;
        }

        return low * asked.Replicas;
    }

    /// <summary>Least squares of relative errors over steps of the sizes the case has.</summary>
    private static (double Alpha, double Beta, double Gamma) Fit(CapacityCase asked)
    {
        var rows = new List<(double Tokens, double Held, double Seconds)>();
        foreach (var share in new[] { 0.02, 0.1, 0.3, 0.6, 1.0 })
        {
            var n = Math.Max(1, asked.Limits.Sequences * share);
            var context = asked.Lengths.Context;
            rows.Add((n, n * context, asked.Times.Seconds(StepBatch.Decode(n, context))));
            var prompt = Math.Min(asked.Lengths.Prompt, asked.Limits.StepTokens - 1);
            rows.Add((n + prompt, (n * context) + prompt, asked.Times.Seconds(StepBatch.Prefill(1, prompt).With(StepBatch.Decode(n, context)))));
        }

        var normal = MathNet.Numerics.LinearAlgebra.Matrix<double>.Build.DenseOfRows(rows.Select(row => new[] { 1 / row.Seconds, row.Tokens / row.Seconds, row.Held / row.Seconds }));
        var ones = MathNet.Numerics.LinearAlgebra.Vector<double>.Build.Dense(rows.Count, 1);
        var found = normal.TransposeThisAndMultiply(normal).Solve(normal.TransposeThisAndMultiply(ones));
        return (Math.Max(0, found[0]), Math.Max(0, found[1]), Math.Max(0, found[2]));
    }
}
