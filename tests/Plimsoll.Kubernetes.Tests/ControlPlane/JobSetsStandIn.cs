using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// Stands in for the JobSet's controller: makes the Jobs of a set that is not suspended, which the real Job controller gives their
/// pods, and says in the set's conditions what became of it. A server before 1.21 cannot suspend a Job: those of a suspended set are
/// deleted, which ends their pods as suspending does.
/// </summary>
public sealed class JobSetsStandIn : ControllerStandIn
{
    public const string Label = "jobset.sigs.k8s.io/jobset-name";

    private const string Group = "jobset.x-k8s.io";
    private const string Version = "v1alpha2";

    private JobSetsStandIn(k8s.Kubernetes client, string space)
        : base(client, space)
    {
    }

    public static JobSetsStandIn Start(k8s.Kubernetes client, string space)
    {
        var made = new JobSetsStandIn(client, space);
        made.Run(TimeSpan.FromMilliseconds(100));
        return made;
    }

    private protected override async Task LookAsync()
    {
        var sets = await Client.CustomObjects.ListNamespacedCustomObjectAsync<JsonElement>(Group, Version, Space, "jobsets", cancellationToken: Stop);
        var jobs = await Client.BatchV1.ListNamespacedJobAsync(Space, labelSelector: Label, cancellationToken: Stop);
        foreach (var set in sets.GetProperty("items").EnumerateArray())
        {
            var node = JsonNode.Parse(set.GetRawText())!;
            await LookAsync(node, [.. jobs.Items.Where(job => job.Metadata.Labels[Label] == (string)node["metadata"]!["name"]!)]);
        }
    }

    private async Task LookAsync(JsonNode set, V1Job[] jobs)
    {
        if (Is(set, "Completed", "True")) return;
        if (set["spec"]!["suspend"]?.GetValue<bool>() == true)
        {
            foreach (var job in jobs.Where(job => job.Metadata.DeletionTimestamp is null))
                await Client.BatchV1.DeleteNamespacedJobAsync(job.Metadata.Name, Space, propagationPolicy: "Background", cancellationToken: Stop);
            await SayAsync(set, "Suspended", "True");
            return;
        }

        if (Is(set, "Suspended", "True")) await SayAsync(set, "Suspended", "False");
        var wanted = set["spec"]!["replicatedJobs"]!.AsArray()
            .SelectMany(one => Enumerable.Range(0, one!["replicas"]?.GetValue<int>() ?? 1).Select(at => (Replicated: one!, Name: Name(set, one!, at)))).ToArray();
        foreach (var (replicated, name) in wanted.Where(one => jobs.All(job => job.Metadata.Name != one.Name))) await CreateAsync(set, replicated, name);
        if (wanted.All(one => jobs.Any(job => job.Metadata.Name == one.Name && job.Status?.Conditions?.Any(condition => condition is { Type: "Complete", Status: "True" }) == true)))
            await SayAsync(set, "Completed", "True");
    }

    private static string Name(JsonNode set, JsonNode replicated, int at) =>
        string.Create(CultureInfo.InvariantCulture, $"{(string)set["metadata"]!["name"]!}-{(string)replicated["name"]!}-{at}");

    private async Task CreateAsync(JsonNode set, JsonNode replicated, string name)
    {
        var job = KubernetesJson.Deserialize<V1Job>(replicated["template"]!.ToJsonString());
        var labels = new Dictionary<string, string> { [Label] = (string)set["metadata"]!["name"]! };
        (job.ApiVersion, job.Kind) = ("batch/v1", "Job");
        job.Metadata = new()
        {
            Name = name,
            Labels = labels,
            OwnerReferences = [new V1OwnerReference { ApiVersion = $"{Group}/{Version}", Kind = "JobSet", Name = labels[Label], Uid = (string)set["metadata"]!["uid"]!, Controller = true }],
        };
        job.Spec.Template.Metadata = new() { Labels = labels };
        job.Spec.Template.Spec.RestartPolicy = "Never";
        try
        {
            await Client.BatchV1.CreateNamespacedJobAsync(job, Space, cancellationToken: Stop);
        }
        catch (HttpOperationException there) when (there.Response.StatusCode == HttpStatusCode.Conflict)
        {
            // One of before it was suspended, which is still going.
        }
    }

    private static bool Is(JsonNode set, string type, string status) =>
        set["status"]?["conditions"]?.AsArray().Any(one => (string?)one!["type"] == type && (string?)one["status"] == status) == true;

    private async Task SayAsync(JsonNode set, string type, string status)
    {
        if (Is(set, type, status)) return;
        var others = (set["status"]?["conditions"]?.AsArray() ?? []).Where(one => (string?)one!["type"] != type).Select(one => one!.DeepClone());
        var said = new JsonObject
        {
            ["type"] = type,
            ["status"] = status,
            ["lastTransitionTime"] = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        };
        await Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync(
            new V1Patch(new JsonObject { ["status"] = new JsonObject { ["conditions"] = new JsonArray([.. others, said]) } }.ToJsonString(), V1Patch.PatchType.MergePatch),
            Group, Version, Space, "jobsets", (string)set["metadata"]!["name"]!, cancellationToken: Stop);
    }
}
