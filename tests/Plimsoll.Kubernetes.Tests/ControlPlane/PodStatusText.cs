using System.Globalization;
using System.Net;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>The statuses of one pod as a kubelet writes them; conditions keep the time of their last change.</summary>
internal sealed class PodStatusText
{
    private readonly Dictionary<string, V1PodCondition> _conditions = [];
    private readonly DateTime _from = Now();
    private DateTime _serverFrom = Now();
    private V1ContainerState? _lastState;
    private int _restarts;

    public PodStatusText(V1Pod pod)
    {
        Containers = [.. pod.Spec.Containers];
        InitContainers = [.. pod.Spec.InitContainers ?? []];
        if (pod.Status?.PodIP is { } had) (Address, _from) = (IPAddress.Parse(had), pod.Status.StartTime ?? _from);
        else Address = KubeletStandIn.NextAddress();
    }

    public IPAddress Address { get; }

    private V1Container[] Containers { get; }

    private V1Container[] InitContainers { get; }

    public static bool IsReady(V1Pod pod) =>
        pod.Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true;

    public void Crashed() => Ended("Error", 1);

    public void KilledForMemory() => Ended("OOMKilled", 137);

    public V1PodStatus Running(bool ready)
    {
        if (!ready) _serverFrom = Now();
        return Status("Running", ready, new V1ContainerState { Running = new() { StartedAt = _serverFrom } });
    }

    public V1PodStatus Waiting(string reason, string message) =>
        Status("Running", false, new V1ContainerState { Waiting = new() { Reason = reason, Message = message } });

    public V1PodStatus Completed(int exitCode) => Status(
        exitCode == 0 ? "Succeeded" : "Failed", false, Terminated(exitCode == 0 ? "Completed" : "Error", exitCode));

    private static DateTime Now() => TimeProvider.System.GetUtcNow().UtcDateTime;

    private void Ended(string reason, int exitCode)
    {
        _lastState = Terminated(reason, exitCode);
        _restarts++;
    }

    private V1ContainerState Terminated(string reason, int exitCode) =>
        new() { Terminated = new() { Reason = reason, ExitCode = exitCode, StartedAt = _serverFrom, FinishedAt = Now() } };

    private V1PodStatus Status(string phase, bool ready, V1ContainerState state) => new()
    {
        Phase = phase,
        StartTime = _from,
        HostIP = "127.0.0.1",
        PodIP = Address.ToString(),
        PodIPs = [new V1PodIP { Ip = Address.ToString() }],
        Conditions =
        [
            Condition("Initialized", true, null),
            Condition("ContainersReady", ready, "ContainersNotReady"),
            Condition("Ready", ready, "ContainersNotReady"),
        ],
        InitContainerStatuses = InitContainers.Length == 0 ? null : [.. InitContainers.Select(Initial)],
        ContainerStatuses = [.. Containers.Select(container => Container(container, ready, state))],
    };

    private V1PodCondition Condition(string type, bool holds, string? reason)
    {
        var status = holds ? "True" : "False";
        if (_conditions.TryGetValue(type, out var known) && known.Status == status) return known;
        return _conditions[type] = new V1PodCondition
        {
            Type = type,
            Status = status,
            Reason = holds ? "" : reason, // an absent one would leave the old reason standing
            LastTransitionTime = Now(),
        };
    }

    private V1ContainerStatus Container(V1Container container, bool ready, V1ContainerState state) => new()
    {
        Name = container.Name,
        Image = container.Image,
        ImageID = "stand-in",
        ContainerID = string.Create(CultureInfo.InvariantCulture, $"stand-in://{Address}/{container.Name}/{_restarts}"),
        Ready = ready,
        Started = state.Running is not null,
        RestartCount = _restarts,
        State = state,
        LastState = _lastState,
    };

    private V1ContainerStatus Initial(V1Container container) => new()
    {
        Name = container.Name,
        Image = container.Image,
        ImageID = "stand-in",
        Ready = true,
        RestartCount = 0,
        State = new() { Terminated = new() { Reason = "Completed", ExitCode = 0, StartedAt = _from, FinishedAt = _serverFrom } },
    };
}
