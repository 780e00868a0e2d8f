using System.Collections.Immutable;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>What a PlannedJob comes to once its target and the nodes were looked at.</summary>
public sealed record ResolvedJob
{
    public required PlannedJobView View { get; init; }

    public JobId Id => new(View.Name.ToString());

    public PlannedJobSettings? Settings { get; init; }

    /// <summary>What is launched and suspended; null when it is not there or cannot be read.</summary>
    public JobView? Target { get; init; }

    /// <summary>The path of the target.</summary>
    public string? TargetPath { get; init; }

    /// <summary>For the planner; null when there is not enough to plan with, or it may not be planned, and then nothing is done.</summary>
    public TrainingSpec? Spec { get; init; }

    /// <summary>The job's own, or the Fleet's where that is less.</summary>
    public FleetMode Mode { get; init; }

    /// <summary>What its pods have between SIGTERM and SIGKILL.</summary>
    public TimeSpan Grace { get; init; } = JobPodAsk.GraceDefault;

    /// <summary>Whether it is planned, and why not.</summary>
    public required Finding Planned { get; init; }

    /// <summary>Whether it was launched before, the target being the one that it is now.</summary>
    public bool WasLaunched => View.Job?.Status is { LaunchedAt: not null, TargetUid: { } uid } && uid == Target?.Uid;

    public bool Acts => Spec is { OnlyShown: false };
}

/// <summary>What each pod of a job asks of its node and may take there.</summary>
/// <param name="Pod">Its spec, as far as it is kept.</param>
/// <param name="SelectorKey">Equal for specs that ask the same of nodes.</param>
/// <param name="Requests">What the scheduler counts.</param>
/// <param name="Memory">What it may take of host memory: its limit where it has one, else what it requests.</param>
/// <param name="Grace">Between SIGTERM and SIGKILL.</param>
internal sealed record JobPodAsk(V1PodSpec Pod, string SelectorKey, PodRequests Requests, Bytes Memory, TimeSpan Grace)
{
    /// <summary>Kubernetes' own.</summary>
    public static readonly TimeSpan GraceDefault = TimeSpan.FromSeconds(30);

    private const string Host = "memory";

    /// <exception cref="JsonException">It is no pod spec.</exception>
    public static JobPodAsk Of(JobPods pods)
    {
        var pod = pods.Pod;
        // Another copy, in which what it may take stands for what it requests.
        var most = pods.Pod;
        foreach (var container in (most.Containers ?? []).Concat(most.InitContainers ?? []))
        {
            if (container?.Resources?.Limits?.TryGetValue(Host, out var limit) != true) continue;
            container.Resources.Requests = new Dictionary<string, ResourceQuantity>(container.Resources.Requests ?? new Dictionary<string, ResourceQuantity>()) { [Host] = limit! };
        }

        if (most.Resources?.Limits?.TryGetValue(Host, out var whole) == true)
            most.Resources.Requests = new Dictionary<string, ResourceQuantity>(most.Resources.Requests ?? new Dictionary<string, ResourceQuantity>()) { [Host] = whole! };
        return new JobPodAsk(
            pod, NodeGroups.KeyOf(pod), PodRequests.Of(pod), new Bytes(PodRequests.Of(most).MemoryBytes),
            TimeSpan.FromSeconds(Math.Clamp(pod.TerminationGracePeriodSeconds ?? (long)GraceDefault.TotalSeconds, 0, 31_536_000)));
    }

    /// <summary>Whether one is as good as the other to the scheduler and to its node.</summary>
    public bool IsLike(JobPodAsk other) =>
        SelectorKey == other.SelectorKey && Memory == other.Memory
        && (Requests.CpuMilli, Requests.MemoryBytes, Requests.EphemeralStorageBytes) == (other.Requests.CpuMilli, other.Requests.MemoryBytes, other.Requests.EphemeralStorageBytes)
        && Requests.Devices.SequenceEqual(other.Requests.Devices);

    /// <summary>What each is charged.</summary>
    /// <param name="deviceMemory">What it uses of each device; null for all of it.</param>
    public ReplicaNeeds Needs(Bytes? deviceMemory) => new()
    {
        Host = new MemoryNeed(Memory, Memory),
        Cores = new Cores(Requests.CpuMilli),
        Devices = Devices,
        PerDevice = Devices > 0 && deviceMemory is { } each ? new MemoryNeed(each, each) : null,
        Disk = Bytes.Zero,
    };

    /// <summary>What each asks of the scheduler.</summary>
    /// <param name="pools">Node groups that it may go to.</param>
    public SchedulerRequests Asked(ImmutableArray<string> pools) => new()
    {
        Memory = new Bytes(Requests.MemoryBytes),
        Cores = new Cores(Requests.CpuMilli),
        EphemeralStorage = new Bytes(Requests.EphemeralStorageBytes),
        Resource = Requests.Devices.Keys.FirstOrDefault(),
        Devices = Devices,
        Pools = pools,
    };

    private int Devices => (int)Math.Min(Requests.Devices.Values.FirstOrDefault(), 1024);
}
