using System.Net;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>Writes a kubelet's side of a pod, and tries again while the API server can't be reached.</summary>
internal sealed class PodWriter(k8s.Kubernetes client, SemaphoreSlim writes, CancellationToken stop)
{
    public CancellationToken Stop => stop;

    /// <summary>Patches the status of this very pod, not of a namesake that came after it.</summary>
    public Task WriteAsync(V1Pod pod, V1PodStatus status)
    {
        var body = KubernetesJson.Serialize(new V1Pod { Metadata = new() { Uid = pod.Metadata.Uid }, Status = status });
        return TryAsync(cancel => client.CoreV1.PatchNamespacedPodStatusAsync(
            new V1Patch(body, V1Patch.PatchType.StrategicMergePatch), pod.Metadata.Name, pod.Metadata.NamespaceProperty, cancellationToken: cancel));
    }

    /// <summary>Removes the object of a pod that has ended.</summary>
    public Task RemoveAsync(V1Pod pod)
    {
        var options = new V1DeleteOptions { GracePeriodSeconds = 0, Preconditions = new() { Uid = pod.Metadata.Uid } };
        return TryAsync(cancel => client.CoreV1.DeleteNamespacedPodAsync(
            pod.Metadata.Name, pod.Metadata.NamespaceProperty, options, cancellationToken: cancel));
    }

    private async Task TryAsync(Func<CancellationToken, Task> write)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await writes.WaitAsync(stop);
                try
                {
                    await write(stop);
                }
                finally
                {
                    writes.Release();
                }

                return;
            }
            catch (HttpOperationException e) when (e.Response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
            {
                return; // that pod is gone
            }
            catch (Exception e) when (e is HttpOperationException or HttpRequestException or IOException or OperationCanceledException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, CancellationToken.None);
            }
        }
    }
}
