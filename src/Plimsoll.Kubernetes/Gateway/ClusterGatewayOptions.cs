using Plimsoll.Gateway;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>How one replica of the gateway runs in a cluster.</summary>
public sealed record ClusterGatewayOptions
{
    /// <summary>The usual name of the Deployment that runs the gateway.</summary>
    public const string UsualName = "plimsoll-gateway";

    /// <summary>The usual port for health, metrics and demand.</summary>
    public const int UsualAdminPort = 8081;

    /// <summary>The Deployment (StatefulSet, DaemonSet) that runs it: its ready pods share the replicas' places.</summary>
    public required ObjectName Workload { get; init; }

    /// <summary>Ports and bounds.</summary>
    public required GatewayOptions Gateway { get; init; }

    /// <summary>How long it goes on serving at its end before it looks whether it is idle: until others know that it ends.</summary>
    public TimeSpan EndNotice { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time at its end in which requests held and under way are waited for.</summary>
    public TimeSpan EndTime { get; init; } = TimeSpan.FromMinutes(2);
}
