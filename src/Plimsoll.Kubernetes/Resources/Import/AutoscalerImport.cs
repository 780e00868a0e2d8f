using System.Text.Json;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>HorizontalPodAutoscalers, autoscaling/v1 to v2.</summary>
internal static class AutoscalerImport
{
    private const string VariantMetric = "wva_desired_replicas";

    public static ImportedScaler? Of(ImportedScaler scaler)
    {
        if (!scaler.TakeTarget("spec", "scaleTargetRef")) return scaler.LeftOut("it names no target (spec.scaleTargetRef.name)");
        scaler.MinReplicas = scaler.Replicas(Json.At(scaler.Manifest, "spec", "minReplicas"), "minReplicas") ?? 1;
        scaler.MaxReplicas = scaler.Replicas(Json.At(scaler.Manifest, "spec", "maxReplicas"), "maxReplicas");
        scaler.ModelId = scaler.Annotation("llm-d.ai/model-id");
        if (scaler.ModelId is { } id && ModelSource.IsHubName(id)) scaler.Source = $"hf://{id}";
        if (scaler.Annotation("llm-d.ai/variant-cost") is { } cost)
            scaler.Note($"llm-d.ai/variant-cost {Shown.Text(cost)} is dropped: prices stand in the Fleet, by device and hour");
        if (Json.Whole(scaler.Manifest, "spec", "targetCPUUtilizationPercentage") is { } percent)
            scaler.Note($"its target of {percent} % of CPU is dropped: Plimsoll goes by requests, and what a replica serves within the SLO");
        foreach (var metric in Json.Items(scaler.Manifest, "spec", "metrics").Take(32)) Metric(scaler, metric);
        if (Json.At(scaler.Manifest, "spec", "behavior") is not null)
            scaler.Note("its behavior is dropped: how fast replicas come and go follows from how long they take to load");
        return scaler;
    }

    private static void Metric(ImportedScaler scaler, JsonElement metric)
    {
        // v2 has external.metric.name and v2beta1 external.metricName, and so of the others.
        var kind = Json.Text(metric, "type") ?? "";
        var source = kind switch { "External" => "external", "Pods" => "pods", "Object" => "object", "Resource" => "resource", "ContainerResource" => "containerResource", _ => "" };
        var name = Json.Text(metric, source, "metric", "name") ?? Json.Text(metric, source, "metricName") ?? Json.Text(metric, source, "name") ?? "";
        if (name == Ownership.Metric)
        {
            scaler.ReadsOurMetric = true;
            scaler.Note($"it reads {Ownership.Metric}, so actuation is metric: it goes on scaling");
        }
        else if (name == VariantMetric)
        {
            scaler.Note($"it scales by {VariantMetric}; delete it before mode act, or let it read {Ownership.Metric} with actuation metric");
        }
        else scaler.Note($"its {Shown.Text(kind)} metric {Shown.Text(name)} is dropped: Plimsoll goes by requests, and what a replica serves within the SLO");
    }
}
