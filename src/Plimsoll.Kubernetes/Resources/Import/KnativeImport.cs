using System.Text.Json;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>Knative's autoscaler (KPA): the annotations of a Service's template, or of a PodAutoscaler.</summary>
internal static class KnativeImport
{
    private const string Prefix = "autoscaling.knative.dev/";

    public static ImportedScaler? OfService(ImportedScaler scaler)
    {
        if (scaler.Name.Length == 0) return scaler.LeftOut("it has no name");
        var template = Json.At(scaler.Manifest, "spec", "template") ?? scaler.Manifest;
        scaler.Target = new TargetReference { ApiVersion = "apps/v1", Kind = TargetKinds.Deployment, Name = scaler.Name };
        scaler.Note($"Knative scales its revisions itself, and they have no scale subresource: run the model as a Deployment; {Shown.Text(scaler.Name)} is taken for its name");
        if (Json.Whole(template, "spec", "containerConcurrency") is > 0 and <= 100_000 and var atOnce) scaler.Concurrency = (int)atOnce;
        if (Json.At(template, "spec", "timeoutSeconds") is not null) scaler.Note("timeoutSeconds is dropped: gateway.wait bounds how long a request waits for a load");
        Annotations(scaler, Json.At(template, "metadata", "annotations"));
        return scaler;
    }

    public static ImportedScaler? OfAutoscaler(ImportedScaler scaler)
    {
        if (!scaler.TakeTarget("spec", "scaleTargetRef")) return scaler.LeftOut("it names no target (spec.scaleTargetRef.name)");
        if (Json.Whole(scaler.Manifest, "spec", "containerConcurrency") is > 0 and <= 100_000 and var atOnce) scaler.Concurrency = (int)atOnce;
        scaler.Note($"Knative goes on scaling {scaler.Target.Kind} {Shown.Text(scaler.Target.Name ?? "")} as long as its revision is there");
        Annotations(scaler, Json.At(scaler.Manifest, "metadata", "annotations"));
        return scaler;
    }

    /// <summary>The annotations that have an equivalent, and a note for each that has none.</summary>
    public static void Annotations(ImportedScaler scaler, JsonElement? annotations)
    {
        string? Of(string name) => annotations is { } all ? ImportedScaler.Text(Json.At(all, Prefix + name)) : null;
        scaler.MinReplicas = Number(scaler, Of("min-scale") ?? Of("minScale"), "min-scale") ?? scaler.MinReplicas ?? 0;
        // Zero is Knative's word for no bound.
        scaler.MaxReplicas = Number(scaler, Of("max-scale") ?? Of("maxScale"), "max-scale") is > 0 and var most ? most : scaler.MaxReplicas;
        if (scaler.MinReplicas == 0)
        {
            scaler.HoldsRequests = true;
            scaler.Note("at zero replicas Knative's activator held requests; spec.gateway lets Plimsoll's gateway do it, which requests must then go through");
        }

        if (Of("target") is { } target)
        {
            scaler.Note($"its target of {Shown.Text(target)} ({Shown.Text(Of("metric") ?? "concurrency")}) is dropped: how much a replica serves within the SLO is measured; concurrency bounds what it works on at once");
        }
        else if (Of("metric") is { } metric) scaler.Note($"its metric {Shown.Text(metric)} is dropped: Plimsoll goes by requests, and what a replica serves within the SLO");
        if (Of("scale-to-zero-pod-retention-period") is { } retention)
            scaler.Note($"scale-to-zero-pod-retention-period {Shown.Text(retention)} is dropped: an idle replica is held as long as loading it again would cost; idleLimit bounds it");
        foreach (var name in (string[])["class", "initial-scale", "initialScale", "activation-scale", "scale-down-delay", "window", "panic-window-percentage", "panic-threshold-percentage", "target-burst-capacity", "target-utilization-percentage"])
        {
            if (Of(name) is { } value) scaler.Note($"{name} {Shown.Text(value)} is dropped: it has no equivalent, for replicas come as early and stay as long as their load time asks");
        }
    }

    private static int? Number(ImportedScaler scaler, string? text, string name)
    {
        if (text is null) return null;
        if (int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)) return number;
        scaler.Note($"{name} is {Shown.Text(text)}, which is no number of replicas; left out");
        return null;
    }
}
