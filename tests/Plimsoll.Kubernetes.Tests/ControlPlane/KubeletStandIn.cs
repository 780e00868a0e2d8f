using System.Collections.Concurrent;
using System.Net;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// Stands in for the kubelets of a namespace (or of the whole cluster): pods that the scheduler has bound become Running,
/// after their load time Ready, each with a 127.x.y.z of its own where it may answer HTTP; pods that are deleted end
/// after their stop time, at most their grace period, and are then removed. Real processes and containers there are
/// none. It outlives restarts of the API server.
/// <see cref="CrashAsync"/>, <see cref="KillForMemoryAsync"/>, <see cref="RestartAsync"/> and <see cref="CompleteAsync"/>
/// do to a pod, by its name, what the day does to it; they end when the API server has taken the new status.
/// </summary>
public sealed class KubeletStandIn : IAsyncDisposable
{
    private readonly k8s.Kubernetes _client;
    private readonly string? _space;
    private readonly KubeletBehaviour _behaviour;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _writes = new(16); // at once, to the API server
    private readonly ConcurrentDictionary<string, PodLife> _lives = new(); // by the pod's uid
    private readonly Task _watching;

    private KubeletStandIn(k8s.Kubernetes client, string? space, KubeletBehaviour behaviour)
    {
        (_client, _space, _behaviour) = (client, space, behaviour);
        _watching = Task.Run(WatchAsync);
    }

    /// <summary>Begins to run the pods of a namespace, or of all where that is null.</summary>
    public static KubeletStandIn Start(k8s.Kubernetes client, string? space, KubeletBehaviour? behaviour = null) =>
        new(client, space, behaviour ?? new());

    /// <summary>The server ended with an error and waits in CrashLoopBackOff until <see cref="RestartAsync"/>.</summary>
    public Task CrashAsync(string pod) => Of(pod).CrashAsync();

    /// <summary>The kernel killed the server for its memory (OOMKilled, 137); it starts anew and loads again.</summary>
    public Task KillForMemoryAsync(string pod) => Of(pod).KillForMemoryAsync();

    /// <summary>The server starts anew and loads again.</summary>
    public Task RestartAsync(string pod) => Of(pod).RestartAsync();

    /// <summary>The server fails its readiness probe, or its node is lost: its pod is not ready, and its container runs on.</summary>
    public Task LoseReadinessAsync(string pod) => Of(pod).LoseReadinessAsync();

    /// <summary>It passes the probe again.</summary>
    public Task RegainReadinessAsync(string pod) => Of(pod).RegainReadinessAsync();

    /// <summary>The pod's work is done: Succeeded, or Failed with another exit code than 0.</summary>
    public Task CompleteAsync(string pod, int exitCode = 0) => Of(pod).CompleteAsync(exitCode);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        foreach (var life in _lives.Values) await life.EndAsync();
        _stop.Dispose();
        _writes.Dispose();
    }

    private PodLife Of(string pod) =>
        _lives.Values.FirstOrDefault(life => life.Pod.Metadata.Name == pod)
        ?? throw new InvalidOperationException($"the stand-in kubelet runs no pod {pod}");

    /// <summary>Lists, then watches from there; on any trouble, and once a minute, anew.</summary>
    private async Task WatchAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var list = _space is null
                    ? await _client.CoreV1.ListPodForAllNamespacesAsync(cancellationToken: _stop.Token)
                    : await _client.CoreV1.ListNamespacedPodAsync(_space, cancellationToken: _stop.Token);
                foreach (var pod in list.Items) Look(pod);
                foreach (var gone in _lives.Keys.Except(list.Items.Select(pod => pod.Metadata.Uid)).ToList()) await ForgetAsync(gone);
                await foreach (var (change, pod) in Changes(list.Metadata.ResourceVersion))
                {
                    if (change == WatchEventType.Deleted) await ForgetAsync(pod.Metadata.Uid);
                    else Look(pod);
                }
            }
            catch (Exception) when (!_stop.IsCancellationRequested)
            {
                // the server is being restarted, or the version is too old: list again
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, CancellationToken.None);
            }
            catch (Exception)
            {
                return; // stopped
            }
        }
    }

    private IAsyncEnumerable<(WatchEventType Change, V1Pod Pod)> Changes(string version) =>
        _space is null
            ? _client.CoreV1.WatchListPodForAllNamespacesAsync(resourceVersion: version, timeoutSeconds: 60, cancellationToken: _stop.Token)
            : _client.CoreV1.WatchListNamespacedPodAsync(_space, resourceVersion: version, timeoutSeconds: 60, cancellationToken: _stop.Token);

    private void Look(V1Pod pod)
    {
        if (pod.Spec.NodeName is not { Length: > 0 } node || !_behaviour.OwnsNode(node)) return;
        if (pod.Status?.Phase is "Succeeded" or "Failed" && pod.Metadata.DeletionTimestamp is null) return;
        var life = _lives.GetOrAdd(pod.Metadata.Uid, _ => new PodLife(new PodWriter(_client, _writes, _stop.Token), _behaviour, pod));
        life.Look(pod);
    }

    private async Task ForgetAsync(string uid)
    {
        if (_lives.TryRemove(uid, out var life)) await life.EndAsync();
    }

    /// <summary>Gives out addresses; two test hosts on one machine start from different places.</summary>
    internal static IPAddress NextAddress()
    {
        var count = Interlocked.Increment(ref _addresses);
        return new IPAddress([127, (byte)(64 + Environment.ProcessId % 160), (byte)(count / 250 % 250), (byte)(1 + count % 250)]);
    }

    private static int _addresses;
}
