using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Webhook;

/// <summary>
/// Answers AdmissionReviews (admission.k8s.io/v1) of pods that are created: every pod is allowed, and one of a ScaledModel
/// that says so is made to ask for what it takes. It keeps and writes nothing, so a dry run is answered like any other.
/// </summary>
public static class Admission
{
    /// <summary>As the API server takes pods, and not deeper.</summary>
    public static readonly JsonDocumentOptions Depth = new() { MaxDepth = 128 };

    private const string ApiVersion = "admission.k8s.io/v1";

    /// <summary>The answer.</summary>
    /// <param name="review">The AdmissionReview as sent.</param>
    /// <param name="find">What the pods of a workload ("Deployment/llama") in a namespace are made to ask; null for nothing.</param>
    /// <param name="others">The workload whose selector selects a pod, by namespace, what made it, and its labels; null of most.</param>
    /// <exception cref="JsonException">It is no AdmissionReview of this version; the message says what is wrong.</exception>
    public static JsonObject Answer(
        ReadOnlyMemory<byte> review, Func<string, string, RecommendedPod?> find, Func<string, string?, IReadOnlyDictionary<string, string>, string?>? others = null)
    {
        ArgumentNullException.ThrowIfNull(find);
        using var json = JsonDocument.Parse(review, Depth);
        var root = json.RootElement;
        if (root.Text("kind") != "AdmissionReview" || root.Text("apiVersion") != ApiVersion)
            throw new JsonException($"found kind {Shown.Text(root.Text("kind") ?? "none")} of {Shown.Text(root.Text("apiVersion") ?? "no version")}; an AdmissionReview of {ApiVersion} would do");
        if (root.At("request") is not { ValueKind: JsonValueKind.Object } request || request.Text("uid") is not { Length: > 0 and <= 256 } uid)
            throw new JsonException("request.uid: missing; the API server's own would do");
        var response = new JsonObject { ["uid"] = uid, ["allowed"] = true };
        if (Patch(request, find, others) is { IsEmpty: false } patch)
        {
            response["patchType"] = "JSONPatch";
            response["patch"] = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(new JsonArray([.. patch]).ToJsonString()));
        }

        return new JsonObject { ["apiVersion"] = ApiVersion, ["kind"] = "AdmissionReview", ["response"] = response };
    }

    private static ImmutableArray<JsonObject> Patch(
        JsonElement request, Func<string, string, RecommendedPod?> find, Func<string, string?, IReadOnlyDictionary<string, string>, string?>? others)
    {
        if (request.At("kind")?.Text("kind") != "Pod" || request.Text("operation") != "CREATE" || !string.IsNullOrEmpty(request.Text("subResource"))) return [];
        if (request.Text("namespace") is not { } space || request.At("object") is not { ValueKind: JsonValueKind.Object } pod || pod.At("metadata") is not { } metadata) return [];
        var labels = metadata.At("labels") ?? default;
        // The others of a group serve what their leader does, and it is the leader's requests that are recommended.
        if (int.TryParse(labels.Text("leaderworkerset.sigs.k8s.io/worker-index"), out var index) && index > 0) return [];
        var workload = PodView.WorkloadOf(metadata, labels);
        workload = others?.Invoke(space, workload, metadata.Texts("labels").ToDictionary(StringComparer.Ordinal)) ?? workload;
        if (workload is null || find(space, workload) is not { } recommended) return [];
        try
        {
            return JsonObject.Create(pod) is { } parsed ? PodPatch.Of(parsed, recommended).Operations : [];
        }
        catch (JsonException)
        {
            // What the API server itself will refuse is not ours to.
            return [];
        }
    }
}
