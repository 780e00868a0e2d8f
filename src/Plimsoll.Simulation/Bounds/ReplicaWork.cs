using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// What requests of a model take of a replica at the least, whoever schedules them; both columns are by request.
/// <para>
/// <see cref="Labours"/>, seconds of a replica that are shared with others. Of a model that generates text, the share that its prompt's tokens and
/// its answer's have of steps (<see cref="StepShares"/>), with as many sequences as engine and objective allow and as can be worked
/// on in time at once (<see cref="Concurrency"/>; who is late besides makes steps only longer), and the reading of its own
/// context, which steps add up. Other models compute batches, likewise.
/// </para>
/// <para>
/// <see cref="Alone"/>, seconds from its first token to its last, or of its batch, with the replica to itself: for so long a replica is there.
/// </para>
/// </summary>
internal readonly record struct ReplicaWork(double[] Labours, double[] Alone)
{
    private const int Prices = 20;

    public static ReplicaWork Of(SimulatedModel model, VariantSpec variant)
    {
        var truth = model.Truth[variant.Id];
        return truth is { Limits: { } limits, StepSeconds: { } seconds }
            ? Generating(model, variant, limits, seconds)
            : Batch(model, variant.Concurrency, truth);
    }

    /// <summary>The longest after its arrival that the first token of request <paramref name="i"/> may come, or its batch begin, given <see cref="Alone"/>.</summary>
    public static double Slack(SimulatedModel model, int i, double alone)
    {
        var slo = model.Spec.Slo;
        var slack = slo.Latency.TotalSeconds - alone;
        if (Generates(model) && slo.TimeToFirstToken is { } first) slack = Math.Min(slack, first.TotalSeconds);
        return Math.Max(0, slack);
    }

    /// <summary>The longest after its arrival that request <paramref name="i"/> may end in time.</summary>
    public static double Window(SimulatedModel model, int i)
    {
        var slo = model.Spec.Slo;
        var latency = slo.Latency.TotalSeconds;
        if (!Generates(model) || slo is not { TimeToFirstToken: { } first, TimePerOutputToken: { } each }) return latency;
        return Math.Min(latency, first.TotalSeconds + ((model.Trace.Answers[i] - 1) * each.TotalSeconds));
    }

    private static bool Generates(SimulatedModel model) => model.Truth.Values.Any(truth => truth.StepSeconds is not null);

    // n at once take a + b·n each, so a + b·n over n of the replica; the more the better, as long as one is answered in time.
    private static ReplicaWork Batch(SimulatedModel model, int concurrency, ReplicaTruth truth)
    {
        var latency = model.Spec.Slo.Latency.TotalSeconds;
        var together = new Concurrency(model.Trace, i => Window(model, i));
        var most = truth.Profile is { } rows ? Math.Min(concurrency, rows.BatchMax) : concurrency;
        var each = new double[most + 1];
        for (var n = 1; n <= most; n++)
        {
            if (truth.Profile is { } profile) each[n] = 1 / profile.MostPerSecond(n, latency);
            else each[n] = n > 1 && truth.Batch.Seconds(n) > latency ? each[n - 1] : truth.Batch.Seconds(n) / n;
        }

        var alone = truth.Profile is null ? truth.Batch.Seconds(1) : 0;
        var labours = new double[model.Trace.Count];
        for (var i = 0; i < labours.Length; i++) labours[i] = each[Math.Min(most, together.Beside(i))];
        return new ReplicaWork(labours, [.. labours.Select(_ => alone)]);
    }

    private static ReplicaWork Generating(SimulatedModel model, VariantSpec variant, ReplicaLimits limits, Func<StepBatch, double> seconds)
    {
        var trace = model.Trace;
        var together = new Concurrency(trace, i => Window(model, i));
        var beside = new int[trace.Count];
        var (prompts, contexts, most) = (0.0, 0.0, 1);
        for (var i = 0; i < beside.Length; i++)
        {
            most = Math.Max(most, beside[i] = together.Beside(i));
            prompts += trace.Prompts[i];
            contexts += ContextTokens(trace, i);
        }

        var shares = new StepShares(
            limits, seconds, (int)Math.Min(most, Math.Max(1, Math.Min(limits.Sequences, variant.Concurrency))), model.Spec.Slo.TimePerOutputToken?.TotalSeconds);
        // Every price gives a bound; the best is that at which all requests together take most.
        var (best, price, left, perContext) = (double.NegativeInfinity, 0.0, Array.Empty<double>(), 0.0);
        for (var k = 0; k <= Prices; k++)
        {
            var one = shares.MostPerPromptToken * k / Prices;
            var ofSequences = shares.Left(one);
            var ofContext = k == 0 ? shares.PerContextTokenAlone : shares.PerContextToken;
            var total = (prompts * one) + (contexts * ofContext);
            for (var i = 0; i < beside.Length; i++) total += (trace.Answers[i] - 1) * ofSequences[Math.Min(beside[i], ofSequences.Length - 1)];
            if (total > best) (best, price, left, perContext) = (total, one, ofSequences, ofContext);
        }

        var (labours, alone) = (new double[trace.Count], new double[trace.Count]);
        for (var i = 0; i < labours.Length; i++)
        {
            var (tokens, context) = (trace.Answers[i] - 1, ContextTokens(trace, i));
            labours[i] = (trace.Prompts[i] * price) + (tokens * left[Math.Min(beside[i], left.Length - 1)]) + (context * perContext);
            alone[i] = (tokens * shares.Alone) + (context * shares.PerContextTokenAlone);
        }

        return new ReplicaWork(labours, alone);
    }

    // Those that its answer's tokens after the first attend to, all together.
    private static double ContextTokens(RequestTrace trace, int i) => (trace.Answers[i] - 1) * (trace.Prompts[i] + (trace.Answers[i] / 2.0));
}
