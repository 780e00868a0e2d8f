using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// What size and hardware say of a replica's pace before it was seen at work, in the numbers that a planner asks for:
/// <see cref="GroupCapacity"/> at a few paces and numbers of replicas, and the seconds of a request of mean lengths.
/// Computed once by <see cref="ServicePriors"/>; what is seen corrects it (<see cref="Slowness"/>, <see cref="TokenMeans"/>).
/// </summary>
public sealed record ServicePrior
{
    /// <summary>How many times as long as predicted all steps take, at each element of <see cref="TermCapacity.PerSecond"/>.</summary>
    public static readonly ImmutableArray<double> Paces = [0.4, 0.63, 1, 1.6, 2.5];

    /// <summary>How many replicas share the requests, at each element of <see cref="Pooled"/>.</summary>
    public static readonly ImmutableArray<int> Together = [1, 2, 4, 8, 16];

    /// <summary>For each term of the objective what one replica carries within it; within all it carries the least of them.</summary>
    public required ImmutableArray<TermCapacity> Terms { get; init; }

    /// <summary>What each of several replicas carries over what one by itself does, at each of <see cref="Together"/>; rising from 1.</summary>
    public required ImmutableArray<double> Pooled { get; init; }

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
        var work = Work(PromptTokens, AnswerTokens) / Work(promptTokens, answerTokens);
        var most = ThroughputPerSecond(pace, promptTokens, answerTokens);
        var within = most;
        foreach (var term in Terms)
        {
            // Longer requests leave less of a limit, as slower steps do; but steps are no slower for it, and that is in the work.
            var longer = Longer(term.Metric, promptTokens, answerTokens);
            within = Math.Min(within, term.At(pace * longer) * longer * work);
        }

        return within > 0 ? within * PooledAt(replicas) : most * BestEffort;
    }

    /// <summary>Requests a second that one replica gets through, however long they wait.</summary>
    public double ThroughputPerSecond(double pace, double promptTokens, double answerTokens) =>
        MostPerSecond / pace * (Work(PromptTokens, AnswerTokens) / Work(promptTokens, answerTokens));

    /// <summary>Whether requests that are alone keep the objective, at such a pace and lengths.</summary>
    public bool Keeps(double pace, double promptTokens, double answerTokens)
    {
        foreach (var term in Terms)
            if (term.At(pace * Longer(term.Metric, promptTokens, answerTokens)) <= 0) return false;
        return true;
    }

    /// <summary>The fewest replicas that carry a rate, at most so many.</summary>
    public int ReplicasFor(double perSecond, double capacityOfOne, int most)
    {
        if (!(perSecond > 0) || !(capacityOfOne > 0)) return perSecond > 0 ? 1 : 0;
        for (var n = Math.Max(1, (int)Math.Min(most, Math.Floor(perSecond / (capacityOfOne * Pooled[^1])))); n < most; n++)
            if (n * capacityOfOne * PooledAt(n) >= perSecond) return n;
        return Math.Max(1, most);
    }

    // Where the objective is missed even alone, more replicas do not mend it: as many as keep their queues short.
    private const double BestEffort = 0.8;

    // Seconds of a replica that a request takes where it is as full as it gets.
    private double Work(double promptTokens, double answerTokens)
    {
        if (Profiled) return 1;
        var places = Math.Max(1, Places);
        return Math.Max(1e-12, (promptTokens * PromptTokenSeconds)
            + (Math.Max(0, answerTokens - 1) * ((StepSeconds / places) + SequenceSeconds)));
    }

    /// <summary>What each of so many replicas carries over what one by itself does; at least 1.</summary>
    public double PooledAt(int replicas)
    {
        var at = 0;
        while (at < Together.Length - 1 && Together[at + 1] <= replicas) at++;
        if (at == Together.Length - 1) return Pooled[^1];
        var part = Math.Log((double)Math.Max(1, replicas) / Together[at]) / Math.Log((double)Together[at + 1] / Together[at]);
        return Pooled[at] + (part * (Pooled[at + 1] - Pooled[at]));
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

/// <summary>Requests a second that one replica carries within one term of an objective.</summary>
/// <param name="Metric">What the term limits.</param>
/// <param name="PerSecond">At each of <see cref="ServicePrior.Paces"/>; 0 where requests that are alone miss it.</param>
public sealed record TermCapacity(LatencyMetric Metric, ImmutableArray<double> PerSecond)
{
    /// <summary>At any pace: linear in its logarithm between those computed, and never below 0.</summary>
    internal double At(double pace)
    {
        var paces = ServicePrior.Paces;
        var log = Math.Log(Math.Clamp(pace, 1e-3, 1e3));
        var at = 0;
        while (at < paces.Length - 2 && Math.Log(paces[at + 1]) < log) at++;
        var (from, to) = (Math.Log(paces[at]), Math.Log(paces[at + 1]));

        // Faster than any computed: at least as much more as all is faster. Slower: no more than in proportion.
        if (log <= from) return PerSecond[at] * Math.Exp(from - log);
        if (log > to) return PerSecond[at + 1] <= 0 ? 0 : Math.Max(0, PerSecond[at + 1] + ((PerSecond[at + 1] - PerSecond[at]) * (log - to) / (to - from)));
        return PerSecond[at] + ((PerSecond[at + 1] - PerSecond[at]) * (log - from) / (to - from));
    }
}
