using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>
/// A request for a node as a cluster understands it: a pod of the lowest priority that still makes an autoscaler add a node,
/// as large as the replicas that will displace it, that nothing but a node of its pool can take.
/// </summary>
internal static class PlaceholderManifest
{
    public const string RequestAnnotation = "plimsoll.dev/node-request";
    public const string PriorityClass = "plimsoll-placeholder";
    public const string Label = "plimsoll.dev/placeholder";

    private const int LongestRequest = 16 << 10;
    private const int ModelsMax = 64;

    /// <summary>The same for the same pool and ordinal, whoever leads.</summary>
    public static string NameOf(string pool, int ordinal)
    {
        var named = pool.Length <= 200 ? pool : pool[..180].TrimEnd('.', '-') + "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(pool)))[..12];
        return string.Create(CultureInfo.InvariantCulture, $"placeholder-{named}-{ordinal}");
    }

    /// <summary>The pod to apply.</summary>
    /// <param name="step">What is asked for.</param>
    /// <param name="pool">Of which pool.</param>
    /// <param name="image">What its container runs.</param>
    /// <param name="space">Where.</param>
    /// <param name="owner">With which it goes; null for nobody.</param>
    public static byte[] Write(Step.AddNode step, OfferedPool pool, string image, string space, FleetResource? owner)
    {
        var metadata = new JsonObject
        {
            ["name"] = NameOf(step.Pool, step.Ordinal),
            ["namespace"] = space,
            ["labels"] = new JsonObject
            {
                ["app.kubernetes.io/name"] = "plimsoll",
                ["app.kubernetes.io/component"] = "placeholder",
                [Label] = "true",
            },
            ["annotations"] = new JsonObject
            {
                [RequestAnnotation] = RequestOf(step),
                // It never keeps a node that nothing else needs.
                ["cluster-autoscaler.kubernetes.io/safe-to-evict"] = "true",
            },
        };
        if (owner?.Metadata is { Uid: { Length: > 0 } uid, Name: { } name })
        {
            metadata["ownerReferences"] = new JsonArray(new JsonObject
            {
                ["apiVersion"] = ResourceGroup.ApiVersion,
                ["kind"] = FleetResource.KubeKind,
                ["name"] = name,
                ["uid"] = uid,
            });
        }

        return JsonSerializer.SerializeToUtf8Bytes(
            new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = metadata, ["spec"] = Spec(step, pool, image) }, BodyJson.Default.JsonObject);
    }

    /// <summary>What a pod asks for, if it is a placeholder; null for all others and for what cannot be read.</summary>
    public static NodeRequest? RequestOf(PodView pod)
    {
        if (pod.NodeRequest is not { Length: > 0 and <= LongestRequest } text) return null;
        try
        {
            using var json = JsonDocument.Parse(text);
            var root = json.RootElement;
            if (root.Text("pool") is not { } pool || root.Number("ordinal") is not (> 0 and var ordinal)) return null;
            var models = root.At("for") is { ValueKind: JsonValueKind.Object } map
                ? map.EnumerateObject().Take(ModelsMax).Where(one => one.Value.ValueKind == JsonValueKind.Number && one.Value.TryGetInt32(out _))
                    .Select(one => new ModelCount(new ModelId(one.Name), Math.Clamp(one.Value.GetInt32(), 0, 100_000)))
                : [];
            return new NodeRequest(pool, ordinal, [.. models.OrderBy(one => one.Model)]) { At = pod.CreatedAt };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string RequestOf(Step.AddNode step)
    {
        var models = new JsonObject();
        foreach (var (model, replicas) in step.For.Take(ModelsMax)) models[model.Value] = replicas;
        return new JsonObject { ["pool"] = step.Pool, ["ordinal"] = step.Ordinal, ["for"] = models }.ToJsonString();
    }

    private static JsonObject Spec(Step.AddNode step, OfferedPool pool, string image)
    {
        var selector = new JsonObject();
        foreach (var (key, value) in pool.Selector) selector[key] = value;
        var tolerations = new JsonArray();
        foreach (var taint in pool.Node.Taints)
        {
            var toleration = new JsonObject { ["key"] = taint.Key, ["effect"] = taint.Effect };
            if (taint.Value.Length == 0) toleration["operator"] = "Exists";
            else (toleration["operator"], toleration["value"]) = ("Equal", taint.Value);
            tolerations.Add((JsonNode)toleration);
        }

        return new JsonObject
        {
            ["priorityClassName"] = PriorityClass,
            ["preemptionPolicy"] = "Never",
            // It has nothing to finish: who displaces it need not wait.
            ["terminationGracePeriodSeconds"] = 0,
            ["automountServiceAccountToken"] = false,
            ["enableServiceLinks"] = false,
            ["nodeSelector"] = selector,
            ["tolerations"] = tolerations,
            ["securityContext"] = new JsonObject
            {
                ["runAsNonRoot"] = true,
                ["runAsUser"] = 65535,
                ["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" },
            },
            ["containers"] = new JsonArray(new JsonObject
            {
                ["name"] = "placeholder",
                ["image"] = image,
                ["resources"] = Resources(step.Room),
                ["securityContext"] = new JsonObject
                {
                    ["allowPrivilegeEscalation"] = false,
                    ["readOnlyRootFilesystem"] = true,
                    ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") },
                },
            }),
        };
    }

    private static JsonObject Resources(SchedulerRoom? room)
    {
        var (requests, limits) = (new JsonObject(), new JsonObject());
        static string Number(long amount) => amount.ToString(CultureInfo.InvariantCulture);
        if (room is null) return [];
        requests["cpu"] = Number(room.Cores.Milli) + "m";
        requests["memory"] = Number(room.Memory.Value);
        if (room.EphemeralStorage > Bytes.Zero) requests["ephemeral-storage"] = Number(room.EphemeralStorage.Value);
        foreach (var one in room.Resources.Where(one => one.Count > 0))
        {
            // Devices are not overcommitted: the server wants both alike.
            requests[one.Resource] = Number(one.Count);
            limits[one.Resource] = Number(one.Count);
        }

        return new JsonObject { ["requests"] = requests, ["limits"] = limits };
    }
}
