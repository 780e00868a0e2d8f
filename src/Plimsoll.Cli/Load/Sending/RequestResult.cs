namespace Plimsoll.Cli.Load.Sending;

/// <summary>What became of one scheduled request.</summary>
public readonly record struct RequestResult
{
    public required ScheduledRequest Request { get; init; }

    /// <summary>False when as many requests were in flight as the bound allows: it was left out, and is reported.</summary>
    public required bool IsSent { get; init; }

    /// <summary>Null when it was answered with success; else the kind of failure, one of few.</summary>
    public string? Failure { get; init; }

    /// <summary>From the moment it was meant to be sent to the last byte of its answer.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>How late it was sent: the load generator's own fault.</summary>
    public TimeSpan Lag { get; init; }

    /// <summary>How long the gateway says it held it for want of a replica; null when it says nothing.</summary>
    public TimeSpan? Held { get; init; }
}
