using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>What a gateway keeps of a pod: where its requests go, and whether they should.</summary>
internal sealed record GatewayPod
{
    public required ObjectName Name { get; init; }

    public required string Uid { get; init; }

    /// <summary>The workload that made it ("Deployment/llama"); null of a pod of its own.</summary>
    public string? Workload { get; init; }

    /// <summary>By which scales of other kinds select it.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    public IPAddress? Address { get; init; }

    public bool Ready { get; init; }

    /// <summary>It is being deleted.</summary>
    public bool Ends { get; init; }

    /// <summary>Somebody would rather end it than its siblings: its deletion cost is below zero.</summary>
    public bool Marked { get; init; }

    /// <summary>What its arguments and ports say of its server.</summary>
    public required ServerPort Server { get; init; }
}

/// <summary>A pod's server as its spec has it; what it does not say is null.</summary>
/// <param name="Port">Where requests go.</param>
/// <param name="Concurrency">Requests it works on at once.</param>
/// <param name="Tls">Whether it speaks TLS there.</param>
/// <param name="Generates">Whether it is a server of models that generate text.</param>
internal sealed record ServerPort(int? Port, int? Concurrency, bool Tls, bool Generates);

/// <summary>
/// Reads pods for one watch. Reading a spec's arguments takes longer than all else, and siblings have the same, so each
/// workload's revision is read once.
/// </summary>
internal sealed class GatewayPodReader
{
    private const string DeletionCost = "controller.kubernetes.io/pod-deletion-cost";
    private const int KnownMax = 20_000;

    private readonly Dictionary<string, ServerPort> _servers = new(StringComparer.Ordinal);

    public GatewayPod? Read(JsonElement item)
    {
        if (PodView.Of(item) is not { IsOver: false } pod || pod.WorkerIndex > 0 || item.At("metadata") is not { } metadata) return null;
        var labels = metadata.Texts("labels").ToDictionary(StringComparer.Ordinal);
        return new GatewayPod
        {
            Name = pod.Name,
            Uid = pod.Uid,
            Workload = pod.Workload,
            Labels = pod.Labels,
            Address = IPAddress.TryParse(pod.Ip, out var address) ? address : null,
            Ready = pod.Ready,
            Ends = pod.DeletedAt is not null,
            Marked = long.TryParse(
                metadata.Texts("annotations").FirstOrDefault(one => one.Key == DeletionCost).Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var cost)
                && cost < 0,
            Server = pod.Workload is null ? new ServerPort(null, null, false, false) : ServerOf(item, metadata, labels),
        };
    }

    private ServerPort ServerOf(JsonElement item, JsonElement metadata, Dictionary<string, string> labels)
    {
        var owner = metadata.List("ownerReferences").FirstOrDefault(one => one.Flag("controller")).Text("uid");
        var key = $"{owner}/{labels.GetValueOrDefault("controller-revision-hash")}/{labels.GetValueOrDefault("leaderworkerset.sigs.k8s.io/template-revision-hash")}";
        if (owner is not null && _servers.TryGetValue(key, out var known)) return known;
        var spec = KubernetesJson.Deserialize<V1PodSpec>(Encoding.UTF8.GetString(item.GetProperty("spec").Raw()));
        var served = ServedModel.Of(spec, metadata.Texts("annotations").ToDictionary(StringComparer.Ordinal));
        var read = new ServerPort(served.Port, served.MaxSequences, served.Tls, served.Server is "vllm" or "sglang" or "tgi" or "llama-server");
        if (_servers.Count >= KnownMax) _servers.Clear();
        if (owner is not null) _servers[key] = read;
        return read;
    }
}
