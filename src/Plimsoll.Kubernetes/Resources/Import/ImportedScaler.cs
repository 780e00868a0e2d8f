using System.Text.Json;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>What one manifest says of one target.</summary>
internal sealed class ImportedScaler
{
    private readonly List<ImportNote> _notes;

    public ImportedScaler(JsonElement manifest, List<ImportNote> notes)
    {
        Manifest = manifest;
        _notes = notes;
        Namespace = Json.Text(manifest, "metadata", "namespace") ?? "";
        var name = Json.Text(manifest, "metadata", "name") ?? "";
        From = $"{Shown.Text(Json.Text(manifest, "kind") ?? "")} {(Namespace.Length == 0 ? "" : Shown.Text(Namespace) + "/")}{Shown.Text(name)}";
        Name = name;
    }

    public JsonElement Manifest { get; }

    public string Name { get; }

    public string Namespace { get; }

    /// <summary>"HorizontalPodAutoscaler prod/llama".</summary>
    public string From { get; }

    public TargetReference Target { get; set; } = new();

    public int? MinReplicas { get; set; }

    public int? MaxReplicas { get; set; }

    public string? Source { get; set; }

    public int? Concurrency { get; set; }

    /// <summary>Something held requests while nothing ran.</summary>
    public bool HoldsRequests { get; set; }

    /// <summary>It scales by our own metric already.</summary>
    public bool ReadsOurMetric { get; set; }

    /// <summary>The model that this is a variant of, where the manifest says so.</summary>
    public string? ModelId { get; set; }

    public void Note(string text) => _notes.Add(new ImportNote(From, text));

    /// <summary>Says why nothing comes of it.</summary>
    public ImportedScaler? LeftOut(string why)
    {
        Note($"left out: {why}");
        return null;
    }

    public string? Annotation(string name) => Text(Json.At(Manifest, "metadata", "annotations", name));

    /// <summary>A scalar as a text, for a message: nobody promises that a number is one.</summary>
    public static string? Text(JsonElement? value) => value switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False } other => other.GetRawText(),
        _ => null,
    };

    /// <summary>Takes the target from a reference; false where it has no name.</summary>
    public bool TakeTarget(params ReadOnlySpan<string> path)
    {
        if (Json.At(Manifest, path) is not { } reference || Json.Text(reference, "name") is not { Length: > 0 } name) return false;
        var kind = Json.Text(reference, "kind") ?? TargetKinds.Deployment;
        var version = Json.Text(reference, "apiVersion");
        // apps/v1beta1 and the like are served no more.
        var known = TargetKinds.ApiVersionOf(kind);
        if (version is null || (known is not null && (TargetKinds.GroupOf(version) == TargetKinds.GroupOf(known) || TargetKinds.GroupOf(version) == "extensions"))) version = known;
        Target = new TargetReference { ApiVersion = version, Kind = kind, Name = name };
        return true;
    }

    /// <summary>A number of replicas; what is none is told and left out.</summary>
    public int? Replicas(JsonElement? value, string field)
    {
        if (value is not { } found) return null;
        if (found.ValueKind == JsonValueKind.Number && found.TryGetInt32(out var number) && number >= 0) return number;
        if (found.ValueKind == JsonValueKind.String && int.TryParse(found.GetString(), out number) && number >= 0) return number;
        Note($"{field} is {Shown.Text(Text(found) ?? "no number")}, which is no number of replicas; left out");
        return null;
    }

    /// <summary>Fills in from a second manifest on the same target what this one leaves open.</summary>
    public void Complete(ImportedScaler other, List<ImportNote> notes)
    {
        // A VariantAutoscaling has no bounds; the autoscaler beside it has nothing else.
        var complements = (ModelId is null) != (other.ModelId is null);
        if (complements)
        {
            MinReplicas ??= other.MinReplicas;
            MaxReplicas ??= other.MaxReplicas;
            ModelId ??= other.ModelId;
            Source ??= other.Source;
            return;
        }

        notes.Add(new ImportNote(other.From, $"left out: {From} scales the same {Target.Kind} {Shown.Text(Target.Name ?? "")}; only that one was taken"));
    }
}
