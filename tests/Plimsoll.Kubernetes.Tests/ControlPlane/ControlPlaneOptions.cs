using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>How a control plane is started. Arguments are added at the end, where the last of a kind wins.</summary>
public sealed record ControlPlaneOptions
{
    /// <summary>Such as --etcd-compaction-interval=5s, after which an old watch gets 410 Gone.</summary>
    public ImmutableArray<string> ApiServer { get; init; } = [];

    public ImmutableArray<string> ControllerManager { get; init; } = [];

    public ImmutableArray<string> Scheduler { get; init; } = [];

    /// <summary>Whether the controller manager and the scheduler run: not where a test is about storage alone.</summary>
    public bool Controllers { get; init; } = true;

    /// <summary>Whether the minimal definitions in <c>crds/</c> are installed.</summary>
    public bool CustomResources { get; init; } = true;
}
