using System.Collections.Concurrent;
using System.Globalization;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>A kind of node that the stand-in makes.</summary>
public sealed record StandInPool(string Name, IReadOnlyDictionary<string, string> Labels, int Gpus, TimeSpan Boot)
{
    public string Product { get; init; } = "NVIDIA-H100-80GB-HBM3";

    public int GpuMemoryMiB { get; init; } = 81_559;

    public string Memory { get; init; } = "512Gi";

    public string Cpu { get; init; } = "48";

    public IList<V1Taint> Taints { get; init; } = [];

    public int MaxNodes { get; init; } = 10;
}

/// <summary>
/// Stands in for an autoscaler of nodes: for each pod that the scheduler finds no place for and that a pool's node would
/// take, it makes such a node, as an object, after the pool's boot time. Pods that are about to displace others it leaves
/// alone, as the real ones do. It never takes a node away.
/// </summary>
public sealed class NodeAutoscalerStandIn : IAsyncDisposable
{
    private readonly k8s.Kubernetes _client;
    private readonly TestNodes _nodes;
    private readonly StandInPool[] _pools;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, Task> _booting = new();
    private readonly Task _running;

    private NodeAutoscalerStandIn(k8s.Kubernetes client, TestNodes nodes, StandInPool[] pools)
    {
        (_client, _nodes, _pools) = (client, nodes, pools);
        _running = Task.Run(RunAsync);
    }

    /// <summary>Nodes that it made, in the order in which they were asked for.</summary>
    public ConcurrentQueue<V1Node> Made { get; } = new();

    public static NodeAutoscalerStandIn Start(k8s.Kubernetes client, TestNodes nodes, params StandInPool[] pools) => new(client, nodes, pools);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await Task.WhenAll(_booting.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var pods = await _client.CoreV1.ListPodForAllNamespacesAsync(fieldSelector: "status.phase=Pending", cancellationToken: _stop.Token);
                foreach (var pod in pods.Items.Where(IsUnschedulable))
                {
                    if (_booting.ContainsKey(pod.Metadata.Uid) || _pools.FirstOrDefault(pool => Takes(pool, pod)) is not { } pool) continue;
                    if (_booting.Count < pool.MaxNodes) _booting[pod.Metadata.Uid] = BootAsync(pool, _booting.Count + 1);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, _stop.Token);
            }
            catch (Exception) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception broken) when (broken is HttpRequestException or k8s.Autorest.HttpOperationException)
            {
                // the server is being restarted
            }
        }
    }

    private async Task BootAsync(StandInPool pool, int number)
    {
        await Task.Delay(pool.Boot, TimeProvider.System, _stop.Token);
        Made.Enqueue(await _nodes.CreateAsync(
            string.Create(CultureInfo.InvariantCulture, $"{pool.Name}-{number}"), pool.Gpus, pool.Product, pool.GpuMemoryMiB, pool.Memory, pool.Cpu,
            labels: pool.Labels, taints: pool.Taints));
    }

    private static bool IsUnschedulable(V1Pod pod) =>
        pod.Spec.NodeName is null && pod.Metadata.DeletionTimestamp is null && string.IsNullOrEmpty(pod.Status.NominatedNodeName)
        && pod.Status.Conditions?.Any(one => one is { Type: "PodScheduled", Status: "False", Reason: "Unschedulable" }) == true;

    private static bool Takes(StandInPool pool, V1Pod pod)
    {
        var selected = pod.Spec.NodeSelector?.All(want => pool.Labels.TryGetValue(want.Key, out var value) && value == want.Value) != false;
        var tolerated = pool.Taints.All(taint => pod.Spec.Tolerations?.Any(one => one.Key == taint.Key && (one.OperatorProperty == "Exists" || one.Value == taint.Value)) == true);
        decimal Asked(string resource) => pod.Spec.Containers.Sum(one =>
            one.Resources?.Requests is { } asked && asked.TryGetValue(resource, out var amount) ? (decimal)amount.ToDouble() : 0);
        return selected && tolerated && Asked("nvidia.com/gpu") <= pool.Gpus
            && Asked("memory") <= (decimal)new ResourceQuantity(pool.Memory).ToDouble() && Asked("cpu") <= (decimal)new ResourceQuantity(pool.Cpu).ToDouble();
    }
}
