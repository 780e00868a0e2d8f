using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Where the models' pods tell of their work. Of thousands of pods few change between two looks.</summary>
internal sealed class Endpoints
{
    private Dictionary<string, (PodView Pod, ResolvedModel Owner, PodEndpoint Endpoint)> _known = new(StringComparer.Ordinal);

    public IReadOnlyList<PodEndpoint> Of(IEnumerable<PodView> pods, SnapshotBuilder finder)
    {
        var found = new List<PodEndpoint>();
        var before = _known;
        _known = new(StringComparer.Ordinal);
        foreach (var pod in pods)
        {
            if (pod is not { Ip: { } ip, IsOver: false } || pod.WorkerIndex > 0 || finder.OwnerOf(pod) is not { Settings: { } settings } owner) continue;
            if (before.TryGetValue(pod.Uid, out var known) && ReferenceEquals(known.Pod, pod) && ReferenceEquals(known.Owner, owner))
            {
                _known[pod.Uid] = known;
                found.Add(known.Endpoint);
                continue;
            }

            var port = settings.MetricsPort ?? owner.Served?.MetricsPort;
            if (port is null || !System.Net.IPAddress.TryParse(ip, out var address)) continue;
            var host = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
            var endpoint = new PodEndpoint
            {
                Pod = pod.Name,
                Uid = pod.Uid,
                Model = owner.Id,
                Metrics = new Uri($"{(owner.Served?.Tls == true ? "https" : "http")}://{host}:{port}{settings.MetricsPath ?? owner.Served?.MetricsPath ?? "/metrics"}"),
                ServedName = settings.MetricsModel ?? owner.Served?.ServedName,
                ReadySince = pod.Ready ? pod.ReadyChangedAt : null,
                Concurrency = settings.Concurrency ?? owner.Served?.MaxSequences,
            };
            _known[pod.Uid] = (pod, owner, endpoint);
            found.Add(endpoint);
        }

        return found;
    }
}
