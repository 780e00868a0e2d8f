using System.Text.Json;
using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>KServe's InferenceServices.</summary>
internal static class KServeImport
{
    public static ImportedScaler? Of(ImportedScaler scaler)
    {
        if (scaler.Name.Length == 0) return scaler.LeftOut("it has no name");
        if (Json.At(scaler.Manifest, "spec", "predictor") is not { } predictor) return scaler.LeftOut("it has no predictor");
        scaler.Target = new TargetReference { ApiVersion = "serving.kserve.io/v1beta1", Kind = TargetKinds.InferenceService, Name = scaler.Name };
        scaler.MinReplicas = scaler.Replicas(Json.At(predictor, "minReplicas"), "minReplicas") ?? 1;
        var most = scaler.Replicas(Json.At(predictor, "maxReplicas"), "maxReplicas");
        if (most is > 0) scaler.MaxReplicas = most;
        if (Json.Whole(predictor, "containerConcurrency") is > 0 and <= 100_000 and var atOnce) scaler.Concurrency = (int)atOnce;
        scaler.Source = SourceOf(scaler, predictor);
        Mode(scaler);
        if (scaler.Annotation("autoscaling.knative.dev/min-scale") is not null || scaler.Annotation("autoscaling.knative.dev/max-scale") is not null || scaler.Annotation("autoscaling.knative.dev/target") is not null)
            KnativeImport.Annotations(scaler, Json.At(scaler.Manifest, "metadata", "annotations"));
        if (ImportedScaler.Text(Json.At(predictor, "scaleTarget")) is { } target)
            scaler.Note($"scaleTarget {Shown.Text(target)} ({Shown.Text(Json.Text(predictor, "scaleMetric") ?? "by default")}) is dropped: Plimsoll goes by requests, and what a replica serves within the SLO");
        if (Json.At(predictor, "autoScaling") is not null) scaler.Note("predictor.autoScaling is dropped: Plimsoll goes by requests, and replicas come and go as their load time asks");
        if (Json.At(predictor, "canaryTrafficPercent") is not null) scaler.Note("canaryTrafficPercent stays with KServe: both revisions are counted as one");
        foreach (var part in (string[])["transformer", "explainer"])
        {
            if (Json.At(scaler.Manifest, "spec", part) is not null) scaler.Note($"its {part} is not scaled: it holds no model's weights; KServe goes on with it");
        }

        return scaler;
    }

    private static void Mode(ImportedScaler scaler)
    {
        var deployment = scaler.Annotation("serving.kserve.io/deploymentMode");
        if (deployment is not ("RawDeployment" or "Standard"))
            scaler.Note($"its deployment mode is {Shown.Text(deployment ?? "the cluster's default")}; only RawDeployment (Standard) leaves the replicas to somebody else");
        var by = scaler.Annotation("serving.kserve.io/autoscalerClass");
        if (by != "external")
            scaler.Note($"KServe scales it itself ({(by is null ? "by default" : $"autoscalerClass {Shown.Text(by)}")}); before mode act annotate it with serving.kserve.io/autoscalerClass: external");
        if (scaler.Annotation("serving.kserve.io/targetUtilizationPercentage") is { } percent)
            scaler.Note($"targetUtilizationPercentage {Shown.Text(percent)} is dropped: Plimsoll goes by requests, and what a replica serves within the SLO");
    }

    // model.storageUri, or that of an older form such as predictor.huggingface.storageUri.
    private static string? SourceOf(ImportedScaler scaler, JsonElement predictor)
    {
        var uri = Json.Text(predictor, "model", "storageUri");
        if (uri is null && predictor.ValueKind == JsonValueKind.Object)
            uri = predictor.EnumerateObject().Take(64).Select(part => Json.Text(part.Value, "storageUri")).FirstOrDefault(found => found is not null);
        if (uri is null) return null;
        try
        {
            // What is known to be readable; a secret in it stays where it was.
            if (SourceAddress.IsAddress(uri) && SourceAddress.Parse(uri) is var address && address.Shown == uri) return uri;
        }
        catch (ArtifactException)
        {
            // Said below.
        }

        scaler.Note($"storageUri {Shown.Text(SourceAddress.ShownOf(uri))} is not taken for the source: an address with hf://, s3://, gs://, https:// or pvc://, and without secrets, would do");
        return null;
    }
}
