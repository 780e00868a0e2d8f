using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Plimsoll.Gateway;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

/// <summary>What a <see cref="LocalFleet"/> is made of.</summary>
public sealed record LocalFleetParts
{
    /// <summary>The fleet's name; with the state folder it tells this fleet's processes from those of others.</summary>
    public required string Name { get; init; }

    /// <summary>Records, logs and the lock; made when it is not there. One controller at a time.</summary>
    public required string StateFolder { get; init; }

    public LocalNodeOptions Node { get; init; } = new();

    /// <summary>How a variant is started; null when it cannot be on this machine.</summary>
    public required Func<ModelId, VariantId, LaunchSpec?> Launch { get; init; }

    /// <summary>How a training job is started; null when it cannot be on this machine.</summary>
    public Func<JobId, JobLaunch?> Job { get; init; } = _ => null;

    /// <summary>Where a cached model comes from; null when its source did not answer at the start.</summary>
    public Func<ModelId, FetchSpec?> Fetch { get; init; } = _ => null;

    /// <summary>The fleet as asked for now, for the routes' SLOs and priorities.</summary>
    public required Func<FleetSpec> Spec { get; init; }

    /// <summary>Where requests come in.</summary>
    public required Routing Routing { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Variables of this process's environment that no replica and no job is to have, unless its own environment sets them.</summary>
    public ImmutableArray<string> Withheld { get; init; } = [];

    /// <summary>A port for a replica, none of those given.</summary>
    internal Func<IReadOnlySet<int>, int> ChoosePort { get; init; } = LoopbackPorts.Choose;

    /// <summary>When a replica that was ready and answers nothing is given up.</summary>
    internal Silence Silence { get; init; } = Silence.Usual;

    /// <summary>How long a replica that was woken may take until it is ready.</summary>
    internal TimeSpan WakePatience { get; init; } = TimeSpan.FromMinutes(5);

    public required ILogger Log { get; init; }
}

/// <summary>What the fleet asks of the gateway's router.</summary>
/// <param name="Publish">Makes a route table the current one.</param>
/// <param name="ReadTraffic">What arrived per model since the last call.</param>
/// <param name="Outstanding">Requests in a replica now.</param>
/// <param name="WaitForChangeAsync">Ends when a request waits for a model that nobody serves.</param>
/// <param name="Answered">Requests that a replica has answered so far, which show that it lives; null where nobody counts them.</param>
public sealed record Routing(
    Action<RouteTable> Publish,
    Func<DateTimeOffset, ImmutableArray<ModelTraffic>> ReadTraffic,
    Func<ReplicaId, int> Outstanding,
    Func<CancellationToken, Task> WaitForChangeAsync,
    Func<ReplicaId, long>? Answered = null);

/// <summary>How long a ready replica may answer nothing before it is taken to hang.</summary>
/// <param name="Period">From one answer of its ready path to the next question.</param>
/// <param name="Patience">How long an answer may take. A server of one thread answers between its requests.</param>
/// <param name="Most">Questions in a row without an answer.</param>
internal sealed record Silence(TimeSpan Period, TimeSpan Patience, int Most)
{
    /// <summary>Three minutes of silence; one where connections are refused, which is told at once.</summary>
    public static readonly Silence Usual = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(20), 6);
}

/// <summary>A fleet that cannot be opened; the message is one sentence that says what would do.</summary>
public sealed class LocalFleetException : Exception
{
    public LocalFleetException(string message)
        : base(message)
    {
    }

    public LocalFleetException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public LocalFleetException()
    {
    }
}
