using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// The workload that a template and one variant make: a Deployment, or a LeaderWorkerSet with a pod for each pipeline
/// stage. It belongs to its ScaledModel and goes with it.
/// </summary>
public static class TemplateWorkload
{
    /// <summary>The label with the ScaledModel's name, on workload and pods.</summary>
    public const string ModelLabel = "plimsoll.dev/scaledmodel";

    /// <summary>The label with the variant's name, on workload and pods.</summary>
    public const string VariantLabel = "plimsoll.dev/variant";

    /// <summary>Pods of one replica.</summary>
    public static int PodsOf(ModelTemplate template, TemplateVariant variant)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(variant);
        return template.Kind == TargetKinds.LeaderWorkerSet ? variant.Pp ?? 1 : 1;
    }

    /// <summary>Whether a pod is of a workload that a template was made into, of a variant that is listed or no longer is.</summary>
    /// <param name="model">The ScaledModel's name, of the pod's namespace.</param>
    /// <param name="labels">The pod's.</param>
    /// <param name="workload">What made the pod ("Deployment/llama-a").</param>
    public static bool IsMadeFor(string model, IReadOnlyDictionary<string, string> labels, string? workload)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return labels.GetValueOrDefault(ModelLabel) == model && labels.GetValueOrDefault(VariantLabel) is { } variant
            && (workload == $"{TargetKinds.Deployment}/{model}-{variant}" || workload == $"{TargetKinds.LeaderWorkerSet}/{model}-{variant}");
    }

    /// <summary>The object to apply. It states no replicas unless told to, so that applying it again scales nothing.</summary>
    /// <param name="model">One in which <see cref="ScaledModelCheck"/> finds no problem.</param>
    /// <param name="variant">One of its template's.</param>
    /// <param name="replicas">Replicas of a workload that is being made; null for one that is there.</param>
    public static JsonObject Of(ScaledModel model, TemplateVariant variant, int? replicas = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(variant);
        var template = model.Spec?.Template ?? throw new ArgumentException("the ScaledModel has no template", nameof(model));
        var target = ScaleTarget.Of(new TargetReference { Kind = template.Kind, Name = $"{model.Metadata.Name}-{variant.Name}" });
        var workload = new JsonObject
        {
            ["apiVersion"] = target.ApiVersion,
            ["kind"] = target.Kind,
            ["metadata"] = new JsonObject
            {
                ["name"] = target.Name,
                ["namespace"] = model.Metadata.NamespaceProperty,
                ["labels"] = Labels(model, variant),
                ["ownerReferences"] = new JsonArray(new JsonObject
                {
                    ["apiVersion"] = ResourceGroup.ApiVersion,
                    ["kind"] = ScaledModel.KubeKind,
                    ["name"] = model.Metadata.Name,
                    ["uid"] = model.Metadata.Uid,
                    ["controller"] = true,
                    ["blockOwnerDeletion"] = true,
                }),
            },
        };
        var spec = new JsonObject();
        if (replicas is { } count) spec["replicas"] = count;
        if (target.Kind == TargetKinds.LeaderWorkerSet)
        {
            spec["leaderWorkerTemplate"] = new JsonObject
            {
                ["size"] = PodsOf(template, variant),
                ["leaderTemplate"] = Pod(template.PodTemplate!.Value, model, template, variant),
                ["workerTemplate"] = Pod(template.WorkerTemplate ?? template.PodTemplate!.Value, model, template, variant),
            };
        }
        else
        {
            spec["selector"] = new JsonObject { ["matchLabels"] = Labels(model, variant) };
            spec["template"] = Pod(template.PodTemplate!.Value, model, template, variant);
        }

        workload["spec"] = spec;
        return workload;
    }

    private static JsonObject Labels(ScaledModel model, TemplateVariant variant) => new() { [ModelLabel] = model.Metadata.Name, [VariantLabel] = variant.Name };

    private static JsonObject Pod(JsonElement pod, ScaledModel model, ModelTemplate template, TemplateVariant variant)
    {
        var (tensor, pipeline) = (variant.Tp ?? 1, variant.Pp ?? 1);
        var filled = (JsonObject)Filled(JsonObject.Create(pod)!, text => text
            .Replace("{tp}", Text(tensor), StringComparison.Ordinal)
            .Replace("{pp}", Text(pipeline), StringComparison.Ordinal)
            .Replace("{devices}", Text((long)tensor * pipeline / PodsOf(template, variant)), StringComparison.Ordinal)
            .Replace("{maxModelLen}", Text(variant.MaxModelLen ?? model.Spec!.Context ?? 0), StringComparison.Ordinal))!;
        if (filled["metadata"] is not JsonObject metadata) filled["metadata"] = metadata = [];
        if (metadata["labels"] is not JsonObject labels) metadata["labels"] = labels = [];
        foreach (var (name, value) in Labels(model, variant)) labels[name] = value?.DeepClone();
        return filled;
    }

    /// <summary>A copy with every text replaced; names of fields stay.</summary>
    private static JsonNode? Filled(JsonNode? node, Func<string, string> fill) => node switch
    {
        JsonObject map => new JsonObject(map.Select(pair => KeyValuePair.Create(pair.Key, Filled(pair.Value, fill)))),
        JsonArray list => new JsonArray([.. list.Select(item => Filled(item, fill))]),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => fill(value.GetValue<string>()),
        _ => node?.DeepClone(),
    };

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
