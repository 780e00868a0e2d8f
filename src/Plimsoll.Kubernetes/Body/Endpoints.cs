using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Where the models' pods tell of their work. Of thousands of pods few change between two looks.</summary>
internal sealed class Endpoints
{
    private Dictionary<string, (PodView Pod, ResolvedModel Owner, PodEndpoint Endpoint)> _known = new(StringComparer.Ordinal);

    /// <summary>Models that pods of variants that are no longer listed serve too, at the last look: how long requests take tells nothing of one variant.</summary>
    public IReadOnlySet<ModelId> ServedByOthers { get; private set; } = new HashSet<ModelId>();

    /// <param name="pods">All pods.</param>
    /// <param name="finder">Whose they are.</param>
    /// <param name="models">
    /// Of those with a template, pods of variants that are no longer listed count too: they serve until others do, and the little that the first of
    /// the others is asked would pass for all of the demand.
    /// </param>
    public IReadOnlyList<PodEndpoint> Of(IEnumerable<PodView> pods, SnapshotBuilder finder, IEnumerable<ResolvedModel>? models = null)
    {
        var made = (models ?? []).Where(model => model is { Spec: not null, View.Model.Spec.Template: not null }).ToDictionary(model => model.View.Name);
        var found = new List<PodEndpoint>();
        var others = new HashSet<ModelId>();
        var before = _known;
        _known = new(StringComparer.Ordinal);
        foreach (var pod in pods)
        {
            if (pod is not { Ip: { } ip, IsOver: false } || pod.WorkerIndex > 0) continue;
            var listed = finder.OwnerOf(pod);
            if ((listed ?? Unlisted(pod)) is not { Settings: { } settings } owner) continue;
            if (listed is null) others.Add(owner.Id);
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

        ServedByOthers = others;
        return found;

        // What its server is, the others of its template say.
        ResolvedModel? Unlisted(PodView pod) => pod.Labels.GetValueOrDefault(TemplateWorkload.ModelLabel) is { } name
            && made.GetValueOrDefault(pod.Name with { Name = name }) is { } model && TemplateWorkload.IsMadeFor(name, pod.Labels, pod.Workload)
                ? model.Targets.FirstOrDefault(target => target.Served is not null) ?? model : null;
    }
}
