namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>A replica of a pool: its gauges are its share of the pool's.</summary>
internal class FluidReplica : IReplicaGauges
{
    /// <summary>Where its requests are; null before it serves.</summary>
    public FluidPool? Pool { get; set; }

    /// <summary>Its place in the pool.</summary>
    public int Index { get; set; }

    public int Outstanding => Share(Pool?.InFlight ?? 0);

    public int Waiting => Share(Pool?.Waiting ?? 0);

    public virtual double CacheUse => 0;

    public double Slowdown
    {
        get;
        set
        {
            field = value;
            Pool?.Slowed();
        }
    }
    = 1;

    public double BusyUntil(double time) => Pool?.BusyUntil(time) ?? 0;

    /// <summary>Whole requests, the first replicas one more, so that all together have all.</summary>
    private int Share(int of) => Pool is { Replicas.Count: > 0 and var count } ? (of / count) + (Index < of % count ? 1 : 0) : 0;
}

/// <summary>One that generates text.</summary>
internal sealed class FluidTextReplica(ReplicaLimits limits) : FluidReplica, ITokenGauges
{
    public long TokenRoom { get; } = limits.Blocks * limits.BlockTokens;

    public long TokensHeld => Pool is TextPool { Replicas.Count: > 0 } pool ? Math.Min(TokenRoom, (long)(pool.Tokens / pool.Replicas.Count)) : 0;

    public override double CacheUse => TokensHeld / (double)TokenRoom;

    public (long Tokens, double Seconds) LastPrompt => Pool is TextPool pool ? pool.LastPrompt : default;

    public (int Sequences, long Context, double Seconds) LastDecode => Pool is TextPool pool ? pool.LastDecode : default;
}
