using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs;

/// <summary>How somebody else scales one model's replicas.</summary>
internal interface IScalingRule
{
    /// <summary>How long from one look to the next.</summary>
    TimeSpan Period { get; }

    /// <summary>Replicas wanted, from what is seen now.</summary>
    int Desired(ModelView seen);
}

/// <summary>What metrics and the API tell of one model.</summary>
internal sealed record ModelView
{
    public required DateTimeOffset Now { get; init; }

    /// <summary>Replicas asked for so far.</summary>
    public required int Spec { get; init; }

    /// <summary>Replicas that are not going: ready, loading, or without a place.</summary>
    public required ImmutableArray<PodView> Pods { get; init; }

    /// <summary>Requests the gateway holds.</summary>
    public required int Held { get; init; }

    /// <summary>Requests that arrived since the beginning.</summary>
    public required long Arrived { get; init; }

    public int Ready => Pods.Count(pod => pod.Ready);

    /// <summary>Requests in replicas and at the gateway.</summary>
    public int InFlight => Held + Pods.Sum(pod => pod.Running + pod.Waiting);
}

/// <param name="Name">The replica's name.</param>
/// <param name="Ready">Whether it serves.</param>
/// <param name="Since">When it was made.</param>
/// <param name="Running">Requests being worked on.</param>
/// <param name="Waiting">Requests that wait in it.</param>
/// <param name="CacheUse">Share of the memory for keys and values in use.</param>
internal sealed record PodView(string Name, bool Ready, DateTimeOffset Since, int Running, int Waiting, double CacheUse);
