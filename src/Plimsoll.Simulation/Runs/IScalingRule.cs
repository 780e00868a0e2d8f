using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs;

/// <summary>How somebody else scales one model's replicas.</summary>
internal interface IScalingRule
{
    /// <summary>How long from one look to the next; may differ from look to look.</summary>
    TimeSpan Period { get; }

    /// <summary>Whether it reads answered requests one by one (<see cref="ModelView.Answered"/>).</summary>
    bool ReadsRequests => false;

    /// <summary>Replicas wanted, from what is seen now.</summary>
    ScalingWish Desired(ModelView seen);
}

/// <summary>Replicas wanted.</summary>
/// <param name="Total">Of the model.</param>
/// <param name="ByVariant">In the order of the model's variants, for rules that choose among them; default: whichever variant has a place.</param>
internal readonly record struct ScalingWish(int Total, ImmutableArray<int> ByVariant)
{
    public static implicit operator ScalingWish(int total) => new(total, default);

    public static ScalingWish Of(ImmutableArray<int> byVariant) => new(byVariant.Sum(), byVariant);

    /// <summary>No more than the model may have; what goes over is taken from the variants that are preferred least.</summary>
    public ScalingWish Within(int least, int most)
    {
        if (ByVariant.IsDefault) return Math.Clamp(Total, least, most);
        var left = most;
        var counts = ByVariant.ToBuilder();
        for (var i = 0; i < counts.Count; i++)
        {
            counts[i] = Math.Clamp(counts[i], 0, left);
            left -= counts[i];
        }

        counts[0] += Math.Max(0, least - counts.Sum());
        return Of(counts.ToImmutable());
    }
}

/// <summary>What metrics and the API tell of one model.</summary>
internal sealed record ModelView
{
    public required DateTimeOffset Now { get; init; }

    /// <summary>Replicas asked for so far.</summary>
    public required int Spec { get; init; }

    /// <summary>The same by variant, where the rule asks by variant.</summary>
    public ImmutableArray<int> SpecByVariant { get; init; }

    /// <summary>Replicas that are not going: ready, loading, or without a place.</summary>
    public required ImmutableArray<PodView> Pods { get; init; }

    /// <summary>Requests the gateway holds.</summary>
    public required int Held { get; init; }

    /// <summary>Requests that arrived since the beginning.</summary>
    public required long Arrived { get; init; }

    /// <summary>Requests answered since the beginning, and the tokens of their prompts and answers: counters of the engines.</summary>
    public (long Requests, double Prompts, double Answers) Served { get; init; }

    /// <summary>When requests were answered since the last look, and their tokens, for rules that read them.</summary>
    public ImmutableArray<(DateTimeOffset At, int Prompt, int Answer)> Answered { get; init; } = [];

    public int Ready => Pods.Count(pod => pod.Ready);

    /// <summary>Requests in replicas and at the gateway.</summary>
    public int InFlight => Held + Pods.Sum(pod => pod.Running + pod.Waiting);

    /// <summary>
    /// Requests that would wait in a replica. The gateway here holds what a replica has no place for; where an engine's own router
    /// spreads all of them over the replicas that serve, they wait there.
    /// </summary>
    public double WaitingIn(PodView pod) => pod.Waiting + (pod.Ready ? Held / (double)Ready : 0);
}

/// <param name="Name">The replica's name.</param>
/// <param name="Ready">Whether it serves.</param>
/// <param name="Since">When it was made.</param>
/// <param name="Running">Requests being worked on.</param>
/// <param name="Waiting">Requests that wait in it.</param>
/// <param name="CacheUse">Share of the memory for keys and values in use.</param>
internal sealed record PodView(string Name, bool Ready, DateTimeOffset Since, int Running, int Waiting, double CacheUse)
{
    /// <summary>Its place among the model's variants; the first where it has no place yet.</summary>
    public int Variant { get; init; }

    /// <summary>Tokens its memory for keys and values has room for, as the engine reports; 0 where it keeps none.</summary>
    public long TokenRoom { get; init; }

    public long TokensHeld { get; init; }

    /// <summary>Tokens of prompts and seconds of the last iteration that computed some.</summary>
    public (long Tokens, double Seconds) LastPrompt { get; init; }

    /// <summary>Sequences, their context and seconds of the last iteration without prompts.</summary>
    public (int Sequences, long Context, double Seconds) LastDecode { get; init; }
}
