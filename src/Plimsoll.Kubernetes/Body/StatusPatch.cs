using System.Text.Json;
using System.Text.Json.Nodes;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>How a status of ours is written, whichever kind's it is.</summary>
internal static class StatusPatch
{
    /// <summary>Applies it to the very object that was looked at: one that was made anew under its name has another uid.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public static async Task ApplyAsync<T>(
        KubernetesApi api, string kind, string plural, ObjectName name, string uid, T status, CancellationToken cancellationToken)
    {
        var metadata = new JsonObject { ["name"] = name.Name, ["uid"] = uid };
        if (name.Namespace.Length > 0) metadata["namespace"] = name.Namespace;
        var body = new JsonObject
        {
            ["apiVersion"] = ResourceGroup.ApiVersion,
            ["kind"] = kind,
            ["metadata"] = metadata,
            ["status"] = JsonSerializer.SerializeToNode(status, ResourceJson.Options),
        };
        var space = name.Namespace.Length > 0 ? $"namespaces/{name.Namespace}/" : "";
        using var written = await api.PatchAsync(
            $"apis/{ResourceGroup.ApiVersion}/{space}{plural}/{name.Name}/status",
            JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A finding as a condition; its time is that of its last change.</summary>
    /// <param name="finding">What is so.</param>
    /// <param name="before">The conditions as they stand.</param>
    /// <param name="generation">The generation of the spec that it is about.</param>
    /// <param name="at">The time for what changes now.</param>
    public static V1Condition Condition(Finding finding, IReadOnlyList<V1Condition?>? before, long generation, DateTimeOffset at)
    {
        var word = finding.Holds switch { true => "True", false => "False", null => "Unknown" };
        var stood = before?.FirstOrDefault(one => one?.Type == finding.Type);
        return new V1Condition
        {
            Type = finding.Type,
            Status = word,
            Reason = finding.Reason,
            Message = finding.Message,
            LastTransitionTime = stood?.Status == word && stood.LastTransitionTime is { } changed ? changed : at.UtcDateTime,
            ObservedGeneration = generation,
        };
    }
}
