using System.Text.Json;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>KEDA's ScaledObjects.</summary>
internal static class KedaImport
{
    public static ImportedScaler? Of(ImportedScaler scaler)
    {
        if (!scaler.TakeTarget("spec", "scaleTargetRef")) return scaler.LeftOut("it names no target (spec.scaleTargetRef.name)");
        var spec = Json.At(scaler.Manifest, "spec")!.Value;
        scaler.MinReplicas = scaler.Replicas(Json.At(spec, "minReplicaCount"), "minReplicaCount") ?? 0;
        scaler.MaxReplicas = scaler.Replicas(Json.At(spec, "maxReplicaCount"), "maxReplicaCount") ?? 100;
        if (Json.Whole(spec, "idleReplicaCount") is { } idle)
        {
            scaler.Note($"idleReplicaCount {idle} and minReplicaCount {scaler.MinReplicas} have one equivalent, minReplicas: {idle} is taken, and demand decides above it");
            scaler.MinReplicas = (int)Math.Clamp(idle, 0, 1000);
        }

        foreach (var trigger in Json.Items(spec, "triggers").Take(32)) Trigger(scaler, trigger);
        if (scaler.MinReplicas == 0)
            scaler.Note("at zero replicas the pods tell of no requests: the floor is 1 until spec.gateway lets Plimsoll hold them");
        if (Json.Whole(spec, "cooldownPeriod") is { } cooldown)
            scaler.Note($"cooldownPeriod {cooldown} is dropped: an idle replica is held as long as loading it again would cost; idleLimit: {cooldown}s would release it as KEDA did");
        if (Json.At(spec, "pollingInterval") is not null) scaler.Note("pollingInterval is dropped: the Fleet's planner.review says how often is planned");
        if (Json.At(spec, "initialCooldownPeriod") is not null) scaler.Note("initialCooldownPeriod is dropped: a replica that loads is never let go");
        if (Json.At(spec, "fallback") is not null)
            scaler.Note("fallback is dropped: where metrics are missing Plimsoll keeps what runs");
        if (Json.At(spec, "advanced", "horizontalPodAutoscalerConfig") is not null)
            scaler.Note("advanced.horizontalPodAutoscalerConfig is dropped: how fast replicas come and go follows from how long they take to load");
        if (Json.At(spec, "advanced", "scalingModifiers") is not null) scaler.Note("advanced.scalingModifiers is dropped: there are no formulas over metrics");
        if (Json.At(spec, "advanced", "restoreToOriginalReplicaCount") is { ValueKind: JsonValueKind.True })
            scaler.Note("advanced.restoreToOriginalReplicaCount is dropped: a ScaledModel that is deleted leaves its target as it is");
        if (scaler.Annotation("autoscaling.keda.sh/paused") is not null || scaler.Annotation("autoscaling.keda.sh/paused-replicas") is not null)
            scaler.Note("it is paused; mode observe would be the same here");
        return scaler;
    }

    private static void Trigger(ImportedScaler scaler, JsonElement trigger)
    {
        var kind = Json.Text(trigger, "type") ?? "";
        if (Ownership.IsOurs(trigger))
        {
            scaler.ReadsOurMetric = true;
            scaler.Note($"its trigger {Shown.Text(kind)} reads {Ownership.Metric}, so actuation is metric: it goes on scaling");
        }
        else if (kind == "cron")
        {
            scaler.Note("its trigger cron is dropped: there are no schedules of replicas; spec.events tells of demand that is known beforehand, and minReplicas keeps a floor");
        }
        else scaler.Note($"its trigger {Shown.Text(kind)} is dropped: Plimsoll goes by requests, and what a replica serves within the SLO");
    }
}
