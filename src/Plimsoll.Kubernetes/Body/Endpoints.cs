using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Where the models' pods tell of their work.</summary>
internal static class Endpoints
{
    public static IReadOnlyList<PodEndpoint> Of(IEnumerable<PodView> pods, SnapshotBuilder finder, IEnumerable<ResolvedModel> models)
    {
        var found = new List<PodEndpoint>();
        foreach (var pod in pods)
        {
            if (pod is not { Ip: { } ip, IsOver: false } || pod.WorkerIndex > 0 || finder.OwnerOf(pod) is not { Settings: { } settings } owner) continue;
            var port = settings.MetricsPort ?? owner.Served?.MetricsPort;
            if (port is null || !System.Net.IPAddress.TryParse(ip, out var address)) continue;
            var host = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
            found.Add(new PodEndpoint
            {
                Pod = pod.Name,
                Uid = pod.Uid,
                Model = owner.Id,
                Metrics = new Uri($"{(owner.Served?.Tls == true ? "https" : "http")}://{host}:{port}{settings.MetricsPath ?? owner.Served?.MetricsPath ?? "/metrics"}"),
                ServedName = owner.Served?.ServedName,
                ReadySince = pod.Ready ? pod.ReadyChangedAt : null,
                Concurrency = settings.Concurrency ?? owner.Served?.MaxSequences,
            });
        }

        return found;
    }
}
