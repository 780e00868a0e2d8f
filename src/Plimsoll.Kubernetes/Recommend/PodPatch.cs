using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>
/// What a pod is made to ask beyond what it asks itself: missing requests filled in, too small ones raised with the limits
/// that they would pass, nodes on which it does not fit left out, a memory volume at /dev/shm. Nothing that was stated is
/// lowered or taken away, a pod of another template than the recommendation is left as it is, and one that was patched once
/// needs no patch again. Pure.
/// </summary>
public sealed record PodPatch
{
    /// <summary>Tells on the pod what was done to it.</summary>
    public const string Annotation = "plimsoll.dev/applied";

    private const string SharedMemoryPath = "/dev/shm";
    private const string SharedMemoryVolume = "plimsoll-shm";
    private const int LongestNote = 1024;

    /// <summary>JSON patch (RFC 6902); empty where nothing is to be done.</summary>
    public required ImmutableArray<JsonObject> Operations { get; init; }

    /// <summary>The pod with the patch applied.</summary>
    public required JsonObject Pod { get; init; }

    /// <summary>Derives the patch of a pod (metadata and spec).</summary>
    /// <exception cref="JsonException">It is no pod, or a field that is read has another form than a pod's.</exception>
    public static PodPatch Of(JsonObject pod, RecommendedPod recommended)
    {
        ArgumentNullException.ThrowIfNull(pod);
        ArgumentNullException.ThrowIfNull(recommended);
        try
        {
            return IsOfAnother(pod, recommended) ? new PodPatch { Operations = [], Pod = (JsonObject)pod.DeepClone() }
                : new Making((JsonObject)pod.DeepClone()).Apply(recommended);
        }
        catch (Exception odd) when (odd is InvalidOperationException or InvalidCastException or FormatException)
        {
            throw new JsonException($"this is not a pod as the API server takes it: {odd.Message}", odd);
        }
    }

    // A pod that was patched already, which the API server asks about again, may ask for more devices than its template.
    private static bool IsOfAnother(JsonObject pod, RecommendedPod recommended) =>
        recommended is { Template: { } template, Container: { } container } && pod["metadata"]?["annotations"]?[Annotation] is null
        && pod["spec"] is { } spec && !TemplateDigest.Covers(template, KubernetesJson.Deserialize<V1PodSpec>(spec.ToJsonString()), container);

    // Works on a copy of its own.
    private sealed class Making(JsonObject pod)
    {
        private readonly List<JsonObject> _operations = [];
        private readonly List<string> _done = [];

        private JsonObject Spec => pod["spec"] as JsonObject ?? throw new JsonException("a pod has a spec");

        public PodPatch Apply(RecommendedPod recommended)
        {
            var containers = Spec["containers"] as JsonArray ?? throw new JsonException("a pod has containers");
            var index = containers.ToList().FindIndex(one => one is JsonObject container && (string?)container["name"] == recommended.Container);
            if (index >= 0)
            {
                var container = (JsonObject)containers[index]!;
                // Where the pod as a whole states its resources, what containers state must stay below that.
                if (Spec["resources"] is not JsonObject { Count: > 0 }) Amounts(container, index, recommended.Requests ?? ImmutableDictionary<string, string>.Empty);
                if (recommended.SharedMemory is { } size) SharedMemory(container, index, size);
            }

            Nodes([.. (recommended.Nodes ?? []).Where(one => one is { Label.Length: > 0, Value: not null }).Select(one => new NodeLabel(one.Label!, one.Value!))]);
            if (_done.Count > 0) Annotate();
            return new PodPatch { Operations = [.. _operations], Pod = pod };
        }

        private void Amounts(JsonObject container, int index, IReadOnlyDictionary<string, string> wanted)
        {
            var resources = container["resources"] as JsonObject ?? [];
            var (requests, limits) = (resources["requests"] as JsonObject ?? [], resources["limits"] as JsonObject ?? []);
            var before = _done.Count;
            foreach (var (name, text) in wanted.OrderBy(one => one.Key, StringComparer.Ordinal))
            {
                if (PodRequests.Amount(text, name) is not { } need || need == 0) continue;
                var (asked, limit) = (TextOf(requests[name]), TextOf(limits[name]));
                // The API server takes a limit for the request that is left out.
                if (PodRequests.Amount(asked ?? limit ?? "", name) is { } have && have >= need) continue;
                if (PodRequests.IsDevice(name))
                {
                    // Claimed devices are not counted here, and a device's request is its limit.
                    if (resources["claims"] is JsonArray { Count: > 0 }) continue;
                    limits[name] = text;
                }
                else if (limit is not null && PodRequests.Amount(limit, name) is { } bound && bound < need) limits[name] = text;

                requests[name] = text;
                _done.Add($"{name} {asked ?? limit ?? "none"} to {text}");
            }

            if (_done.Count == before) return;
            if (requests.Parent is null) resources["requests"] = requests;
            if (limits.Count > 0 && limits.Parent is null) resources["limits"] = limits;
            if (resources.Parent is null) container["resources"] = resources;
            Add(string.Create(CultureInfo.InvariantCulture, $"/spec/containers/{index}/resources"), resources);
        }

        private void SharedMemory(JsonObject container, int index, string size)
        {
            if (Spec["hostIPC"] is JsonValue host && host.TryGetValue<bool>(out var shared) && shared) return;
            var mounts = container["volumeMounts"] as JsonArray;
            if (mounts?.Any(mount => ((string?)mount?["mountPath"])?.TrimEnd('/') == SharedMemoryPath) == true) return;
            var volumes = Spec["volumes"] as JsonArray;
            if (volumes?.Any(volume => (string?)volume?["name"] == SharedMemoryVolume) != true)
            {
                var volume = new JsonObject { ["name"] = SharedMemoryVolume, ["emptyDir"] = new JsonObject { ["medium"] = "Memory", ["sizeLimit"] = size } };
                Append(Spec, "volumes", "/spec/volumes", volume);
            }

            Append(container, "volumeMounts", string.Create(CultureInfo.InvariantCulture, $"/spec/containers/{index}/volumeMounts"),
                new JsonObject { ["name"] = SharedMemoryVolume, ["mountPath"] = SharedMemoryPath });
            _done.Add($"{size} at {SharedMemoryPath}");
        }

        private void Nodes(NodeLabel[] labels)
        {
            if (labels.Length == 0 || Spec["nodeName"] is JsonValue) return;
            var selector = Spec["nodeSelector"] as JsonObject;
            // What it selects itself is believed, also where it is none of these: of both together there would be no node.
            if (selector is not null && (labels.Any(one => (string?)selector[one.Label] == one.Value) || labels.All(one => selector.ContainsKey(one.Label)))) return;
            var affinity = Spec["affinity"] as JsonObject ?? [];
            var node = affinity["nodeAffinity"] as JsonObject ?? [];
            var required = node["requiredDuringSchedulingIgnoredDuringExecution"] as JsonObject ?? [];
            var terms = required["nodeSelectorTerms"] as JsonArray ?? [];
            if (NodeTerms.Narrowed(terms, labels) is not { } narrowed) return;
            required["nodeSelectorTerms"] = narrowed;
            if (required.Parent is null) node["requiredDuringSchedulingIgnoredDuringExecution"] = required;
            if (node.Parent is null) affinity["nodeAffinity"] = node;
            if (affinity.Parent is null) Spec["affinity"] = affinity;
            Add("/spec/affinity", affinity);
            _done.Add($"nodes with {string.Join(" or ", labels.Select(one => $"{one.Label}={one.Value}"))}");
        }

        private void Annotate()
        {
            var metadata = pod["metadata"] as JsonObject;
            if (metadata is null) pod["metadata"] = metadata = [];
            var annotations = metadata["annotations"] as JsonObject;
            var said = TextOf(annotations?[Annotation]);
            var note = string.Join("; ", said is null ? _done : _done.Prepend(said));
            note = note.Length > LongestNote ? note[..LongestNote] : note;
            if (annotations is null)
            {
                metadata["annotations"] = annotations = new JsonObject { [Annotation] = note };
                Add("/metadata/annotations", annotations);
                return;
            }

            annotations[Annotation] = note;
            Add("/metadata/annotations/plimsoll.dev~1applied", JsonValue.Create(note));
        }

        private void Append(JsonObject parent, string field, string path, JsonObject item)
        {
            if (parent[field] is JsonArray list)
            {
                list.Add((JsonNode)item);
                Add(path + "/-", item);
                return;
            }

            var made = new JsonArray(item);
            parent[field] = made;
            Add(path, made);
        }

        // On a field that is there "add" replaces it.
        private void Add(string path, JsonNode value) =>
            _operations.Add(new JsonObject { ["op"] = "add", ["path"] = path, ["value"] = value.DeepClone() });

        private static string? TextOf(JsonNode? value) => value switch
        {
            JsonValue one when one.TryGetValue<string>(out var text) => text,
            JsonValue one => one.ToJsonString(),
            _ => null,
        };
    }
}
