using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// What size and hardware say of a replica's pace before it was seen at work, in the numbers that a planner asks for:
/// <see cref="GroupCapacity"/> at a few paces and numbers of replicas, and the seconds of a request of mean lengths.
/// Computed once by <see cref="ServicePriors"/>; what is seen corrects it (<see cref="Slowness"/>, <see cref="TokenMeans"/>).
/// </summary>
public sealed record ServicePrior
{
    /// <summary>How many times as long as predicted all steps take, at each element of a <see cref="TermCapacity.PerSecond"/> that says nothing else.</summary>
    public static readonly ImmutableArray<double> Paces = [0.4, 0.63, 1, 1.6, 2.5];

    /// <summary>How many replicas share the requests, at each element of <see cref="Pooled"/>.</summary>
    public static readonly ImmutableArray<int> Together = [1, 2, 4, 8, 16];

    /// <summary>For each term of the objective what one replica carries within it; within all it carries the least of them.</summary>
    public required ImmutableArray<TermCapacity> Terms { get; init; }

    /// <summary>
    /// What each of several replicas carries over what one by itself does at the predicted pace, at each of <see cref="Together"/>; rising
    /// from 1. What counts where there are no <see cref="Shared"/>, as in older journals.
    /// </summary>
    public required ImmutableArray<double> Pooled { get; init; }

    /// <summary>How full each of several replicas may be at a few paces, rising; the slowest is just below where even a request that is alone is late.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<SharedCapacity> Shared { get; init; }

    /// <summary>Requests a second that one replica gets through at all, as predicted, with no objective.</summary>
    public required double MostPerSecond { get; init; }

    /// <summary>Mean tokens of a prompt and of an answer that the numbers above are for.</summary>
    public required double PromptTokens { get; init; }

    public required double AnswerTokens { get; init; }

    /// <summary>Seconds that a token of a prompt is computed for.</summary>
    public required double PromptTokenSeconds { get; init; }

    /// <summary>Seconds of a step whatever runs in it.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>What each sequence adds to a step.</summary>
    public required double SequenceSeconds { get; init; }

    /// <summary>Sequences that a replica holds at once.</summary>
    public required double Places { get; init; }

    /// <summary>
    /// Whether it is of a <see cref="BatchProfile"/>: requests are then alike, tokens are not counted, and it stays what is planned by
    /// however many were served, as measurements know a server's bounds. Left out of JSON where it is not, as in older journals.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Profiled { get; init; }

    /// <summary>Spread of the logarithm of true over predicted step times.</summary>
    public required double LogSpread { get; init; }

    /// <summary>What it was computed of: the device, the measurements behind the step times, the lengths.</summary>
    public required string From { get; init; }

    /// <summary>
    /// Mean seconds of a request in a replica with so many, itself among them, at the predicted pace: its own prompt and steps,
    /// and the prompts of those that come meanwhile, who are as many as are there (Little). More than it has places for wait their turn.
    /// </summary>
    public double Seconds(double inReplica, double promptTokens, double answerTokens)
    {
        var steps = Profiled ? 1 : Math.Max(0, answerTokens - 1);
        var n = Math.Clamp(inReplica, 1, Math.Max(1, Places));
        return Math.Max(1, inReplica / n) * ((n * promptTokens * PromptTokenSeconds) + (steps * (StepSeconds + (n * SequenceSeconds))));
    }

    /// <summary>Requests a second that one replica carries within the objective, of so many replicas that share them.</summary>
    /// <param name="pace">How many times as long as predicted steps take.</param>
    /// <param name="promptTokens">Mean tokens of a prompt, as seen.</param>
    /// <param name="answerTokens">Mean tokens of an answer, as seen.</param>
    /// <param name="replicas">How many share the requests.</param>
    public double CapacityPerSecond(double pace, double promptTokens, double answerTokens, int replicas = 1)
    {
        var (one, _, _) = Alone(pace, promptTokens, answerTokens);
        return replicas <= 1 ? one : one * PooledAt(PooledAt(pace, promptTokens, answerTokens).AsSpan(), replicas);
    }

    /// <summary>What each of several replicas carries over what one by itself does, at each of <see cref="Together"/>; rising from 1.</summary>
    public ImmutableArray<double> PooledAt(double pace, double promptTokens, double answerTokens)
    {
        if (Shared.IsDefault) return Pooled;
        var (one, longer, beyond) = Alone(pace, promptTokens, answerTokens);
        var most = ThroughputPerSecond(pace, promptTokens, answerTokens);
        var pooled = new double[Together.Length];
        if (!Shared.IsEmpty) SharedCapacity.At(Shared, pace * longer, pooled);
        pooled[0] = 1;
        for (var k = 1; k < pooled.Length; k++)
            pooled[k] = Math.Max(pooled[k - 1], one > 0 ? Math.Min(Blended(pooled[k] * most, most, beyond), most) / one : 1);

        return ImmutableCollectionsMarshal.AsImmutableArray(pooled);
    }

    // What one carries by itself, by how much longer what binds it takes for the lengths, and how far beyond where a request that is alone keeps it.
    private (double One, double Longer, double Beyond) Alone(double pace, double promptTokens, double answerTokens)
    {
        var work = Work(PromptTokens, AnswerTokens) / Work(promptTokens, answerTokens);
        var most = ThroughputPerSecond(pace, promptTokens, answerTokens);
        var (within, binding, beyond) = (most, 1.0, 0.0);
        foreach (var term in Terms)
        {
            // Longer requests leave less of a limit, as slower steps do; but steps are no slower for it, and that is in the work.
            var longer = Longer(term.Metric, promptTokens, answerTokens);
            var carried = term.At(pace * longer) * longer * work;
            beyond = Math.Max(beyond, term.Beyond(pace * longer));
            if (carried < within) (within, binding) = (carried, longer);
        }

        return (Blended(within, most, beyond), binding, beyond);
    }

    // Where the objective is missed even alone, more replicas do not mend it: as many as keep their queues short. From one to the other is
    // a slope, as nobody knows a pace as well as an edge would need, and paces that move by a hundredth may not move a fleet.
    private static double Blended(double within, double most, double beyond)
    {
        if (beyond <= 0) return within > 0 ? within : most * BestEffort;
        if (beyond >= Slope || within <= 0) return most * BestEffort;
        return within * Math.Pow(Math.Max(1, most * BestEffort / within), beyond / Slope);
    }

    /// <summary>Requests a second that one replica gets through, however long they wait.</summary>
    public double ThroughputPerSecond(double pace, double promptTokens, double answerTokens) =>
        MostPerSecond / pace * (Work(PromptTokens, AnswerTokens) / Work(promptTokens, answerTokens));

    /// <summary>Whether requests that are alone keep the objective, at such a pace and lengths.</summary>
    public bool Keeps(double pace, double promptTokens, double answerTokens)
    {
        foreach (var term in Terms)
            if (!term.Keeps(pace * Longer(term.Metric, promptTokens, answerTokens))) return false;
        return true;
    }

    /// <summary>The fewest replicas that carry a rate, at most so many.</summary>
    /// <param name="perSecond">Requests a second.</param>
    /// <param name="capacityOfOne">What one by itself carries.</param>
    /// <param name="pooled">What each of several carries over that, at each of <see cref="Together"/>.</param>
    /// <param name="most">The answer at the most.</param>
    public static int ReplicasFor(double perSecond, double capacityOfOne, ReadOnlySpan<double> pooled, int most)
    {
        if (!(perSecond > 0) || !(capacityOfOne > 0)) return perSecond > 0 ? 1 : 0;
        for (var n = Math.Max(1, (int)Math.Min(most, Math.Floor(perSecond / (capacityOfOne * pooled[^1])))); n < most; n++)
            if (n * capacityOfOne * PooledAt(pooled, n) >= perSecond) return n;
        return Math.Max(1, most);
    }

    private const double BestEffort = 0.8;

    /// <summary>Of the pace's logarithm.</summary>
    private const double Slope = 0.1;

    // Seconds of a replica that a request takes where it is as full as it gets.
    private double Work(double promptTokens, double answerTokens)
    {
        if (Profiled) return 1;
        var places = Math.Max(1, Places);
        return Math.Max(1e-12, (promptTokens * PromptTokenSeconds)
            + (Math.Max(0, answerTokens - 1) * ((StepSeconds / places) + SequenceSeconds)));
    }

    /// <summary>What each of so many replicas carries over what one by itself does; at least 1.</summary>
    public static double PooledAt(ReadOnlySpan<double> pooled, int replicas)
    {
        var at = 0;
        while (at < Together.Length - 1 && Together[at + 1] <= replicas) at++;
        if (at == Together.Length - 1) return pooled[^1];
        var part = Math.Log((double)Math.Max(1, replicas) / Together[at]) / Math.Log((double)Together[at + 1] / Together[at]);
        return pooled[at] + (part * (pooled[at + 1] - pooled[at]));
    }

    // How many times as long as with the lengths computed for what a term times takes, of a request that is alone.
    private double Longer(LatencyMetric metric, double promptTokens, double answerTokens) => metric switch
    {
        _ when Profiled => 1,
        LatencyMetric.Ttft => ((promptTokens * PromptTokenSeconds) + StepSeconds) / ((PromptTokens * PromptTokenSeconds) + StepSeconds),
        LatencyMetric.EndToEnd => Seconds(1, promptTokens, answerTokens) / Seconds(1, PromptTokens, AnswerTokens),
        _ => 1,
    };
}
