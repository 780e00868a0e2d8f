using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>Something of a manifest that a ScaledModel does otherwise, or not at all.</summary>
/// <param name="From">"HorizontalPodAutoscaler prod/llama".</param>
/// <param name="Text">What it was and what to do instead.</param>
public sealed record ImportNote(string From, string Text)
{
    public override string ToString() => $"{From}: {Text}";
}

/// <summary>What came of an import.</summary>
/// <param name="Models">The ScaledModels, in mode recommend.</param>
/// <param name="Yaml">The same as YAML, a document each.</param>
/// <param name="Notes">In the order of the manifests.</param>
public sealed record ImportedManifests(ImmutableArray<ScaledModel> Models, string Yaml, ImmutableArray<ImportNote> Notes);

/// <summary>
/// Turns manifests of other autoscalers into ScaledModels: HorizontalPodAutoscalers, KEDA's ScaledObjects, Knative's
/// annotations, KServe's InferenceServices and llm-d's VariantAutoscalings. Nothing is lost silently.
/// </summary>
public static class ManifestImport
{
    private const int ReplicasMax = 1000;

    /// <summary>Reads one YAML text of any number of documents; kinds that scale nothing are passed over.</summary>
    /// <exception cref="YamlUnreadableException">It is no YAML.</exception>
    public static ImportedManifests Of(string yaml) => Of([(null, yaml)]);

    /// <summary>The same of several files, of which one may complete what another says.</summary>
    /// <param name="files">Each with the name that it is to be called by; null for one that needs none.</param>
    /// <exception cref="YamlUnreadableException">One is no YAML; its name comes first.</exception>
    public static ImportedManifests Of(IEnumerable<(string? Name, string Yaml)> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var notes = new List<ImportNote>();
        var scalers = new List<ImportedScaler>();
        foreach (var manifest in files.SelectMany(file => Read(file.Name, file.Yaml)).SelectMany(Items))
        {
            if (ScalerOf(manifest, notes) is { } scaler) scalers.Add(scaler);
        }

        var models = new List<ScaledModel>();
        var text = new StringBuilder();
        foreach (var group in Grouped(scalers, notes))
        {
            var model = ModelOf(group, models, notes);
            if (ScaledModelCheck.Of(model) is { Length: > 0 } problems)
            {
                notes.AddRange(problems.Select(problem => new ImportNote(group[0].From, $"left out, because {problem}")));
                continue;
            }

            models.Add(model);
            if (text.Length > 0) text.Append("---\n");
            text.Append("# from ").AppendJoin(", ", group.Select(scaler => scaler.From)).Append('\n');
            text.Append(YamlText.Write(JsonSerializer.SerializeToNode(model, ResourceJson.Options)!));
        }

        return new ImportedManifests([.. models], text.ToString(), [.. notes]);
    }

    private static ImmutableArray<JsonElement> Read(string? name, string yaml)
    {
        try
        {
            return YamlDocuments.Read(yaml);
        }
        catch (YamlUnreadableException unreadable)
        {
            var hint = yaml.Contains("{{", StringComparison.Ordinal) ? "; it has {{ in it: of a Helm chart what helm template prints would do" : "";
            throw new YamlUnreadableException((name is null ? "" : name + ": ") + unreadable.Message + hint);
        }
    }

    private static IEnumerable<JsonElement> Items(JsonElement manifest) =>
        Json.Text(manifest, "kind") is { } kind && kind.EndsWith("List", StringComparison.Ordinal) && Json.At(manifest, "items") is not null
            ? Json.Items(manifest, "items") : [manifest];

    private static ImportedScaler? ScalerOf(JsonElement manifest, List<ImportNote> notes)
    {
        var kind = Json.Text(manifest, "kind") ?? "";
        var group = TargetKinds.GroupOf(Json.Text(manifest, "apiVersion") ?? "");
        var scaler = new ImportedScaler(manifest, notes);
        return (group, kind) switch
        {
            ("autoscaling", "HorizontalPodAutoscaler") => AutoscalerImport.Of(scaler),
            ("keda.sh", "ScaledObject") => KedaImport.Of(scaler),
            ("keda.sh", "ScaledJob") => scaler.LeftOut("a ScaledJob starts jobs, which Plimsoll does not scale"),
            ("serving.knative.dev", "Service" or "Configuration" or "Revision") => KnativeImport.OfService(scaler),
            ("autoscaling.internal.knative.dev", "PodAutoscaler") => KnativeImport.OfAutoscaler(scaler),
            ("serving.kserve.io", "InferenceService") => KServeImport.Of(scaler),
            ("serving.kserve.io", "LLMInferenceService") => scaler.LeftOut("an LLMInferenceService makes its own workloads; a ScaledModel with one of those as its target would do"),
            (_, "VariantAutoscaling") => VariantImport.Of(scaler),
            _ => null,
        };
    }

    /// <summary>Scalers of one target, and variants of one model, belong together.</summary>
    private static IEnumerable<List<ImportedScaler>> Grouped(List<ImportedScaler> scalers, List<ImportNote> notes)
    {
        var targets = new Dictionary<(string, TargetReference), ImportedScaler>();
        foreach (var scaler in scalers)
        {
            if (!targets.TryAdd((scaler.Namespace, scaler.Target), scaler)) targets[(scaler.Namespace, scaler.Target)].Complete(scaler, notes);
        }

        // By where they stand in the manifests; a scaler without a model's name is a model by itself.
        return scalers.Where(scaler => targets[(scaler.Namespace, scaler.Target)] == scaler)
            .GroupBy(scaler => (scaler.Namespace, scaler.ModelId ?? scaler.From + scaler.Target.Kind))
            .Select(group => group.ToList());
    }

    private static ScaledModel ModelOf(List<ImportedScaler> group, List<ScaledModel> before, List<ImportNote> notes)
    {
        var first = group[0];
        var (least, most) = (group.Sum(scaler => (long)(scaler.MinReplicas ?? 0)), group.Sum(scaler => (long)(scaler.MaxReplicas ?? ScaledModelSettings.MaxReplicasDefault)));
        if (most > ReplicasMax || least > ReplicasMax)
            notes.Add(new ImportNote(first.From, $"it allows {Math.Max(least, most)} replicas; {ReplicasMax} are the most of a ScaledModel"));
        if (group.Count > 1)
            notes.Add(new ImportNote(first.From, $"its {group.Count} variants serve one model: their bounds were added up, for Plimsoll chooses between them"));
        return new ScaledModel
        {
            Metadata = new V1ObjectMeta { Name = NameOf(group, before), NamespaceProperty = first.Namespace.Length == 0 ? null : first.Namespace },
            Spec = new ScaledModelSpec
            {
                Target = group.Count == 1 ? first.Target : null,
                Variants = group.Count == 1 ? null : [.. group.Select((scaler, i) => new TargetVariant { Name = VariantName(scaler, i, group), Target = scaler.Target })],
                Source = group.Select(scaler => scaler.Source).FirstOrDefault(source => source is not null),
                MinReplicas = (int)Math.Min(least, ReplicasMax),
                MaxReplicas = (int)Math.Clamp(most, 1, ReplicasMax),
                Mode = "recommend",
                Concurrency = group.Select(scaler => scaler.Concurrency).FirstOrDefault(concurrency => concurrency is not null),
                Actuation = group.All(scaler => scaler.ReadsOurMetric) ? "metric" : null,
                Gateway = group.Any(scaler => scaler.HoldsRequests) ? new ModelGateway() : null,
            },
        };
    }

    // After the target, as people call their models; what is there already gets the kind behind it, then a number.
    private static string NameOf(List<ImportedScaler> group, List<ScaledModel> before)
    {
        var first = group[0];
        var wanted = group.Count > 1 && first.ModelId is { } id ? Label(id[(id.LastIndexOf('/') + 1)..]) : first.Target.Name ?? "";
        var taken = before.Where(model => (model.Metadata.NamespaceProperty ?? "") == first.Namespace).Select(model => model.Metadata.Name).ToHashSet(StringComparer.Ordinal);
        var name = wanted;
        for (var i = 1; taken.Contains(name); i++) name = i == 1 ? Label($"{wanted}-{first.Target.Kind}") : $"{wanted}-{i}";
        return name;
    }

    private static string VariantName(ImportedScaler scaler, int index, List<ImportedScaler> group)
    {
        var name = Label(scaler.Target.Name ?? "");
        return name.Length > 0 && group.Count(other => Label(other.Target.Name ?? "") == name) == 1 ? name : $"variant-{index + 1}";
    }

    private static string Label(string text)
    {
        var label = new string([.. text.ToLowerInvariant().Take(63).Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')]).Trim('-');
        return label.Length == 0 ? "model" : label;
    }
}
