namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>llm-d's VariantAutoscalings: several with one modelID are variants of one model.</summary>
internal static class VariantImport
{
    public static ImportedScaler? Of(ImportedScaler scaler)
    {
        // Before there was a reference the Deployment had the object's own name.
        if (!scaler.TakeTarget("spec", "scaleTargetRef"))
        {
            if (scaler.Name.Length == 0) return scaler.LeftOut("it names no target (spec.scaleTargetRef.name)");
            scaler.Target = new TargetReference { ApiVersion = "apps/v1", Kind = TargetKinds.Deployment, Name = scaler.Name };
            scaler.Note($"it names no target; the Deployment {Shown.Text(scaler.Name)} is taken");
        }

        var spec = Json.At(scaler.Manifest, "spec");
        scaler.ModelId = spec is { } known ? Json.Text(known, "modelID") : null;
        if (scaler.ModelId is { } id)
        {
            if (ModelSource.IsHubName(id)) scaler.Source = $"hf://{id}";
            else scaler.Note($"modelID {Shown.Text(id)} is no ORGANISATION/NAME of a hub: the pods' arguments tell the source");
        }

        if (spec is not { } fields) return scaler;
        scaler.MinReplicas = scaler.Replicas(Json.At(fields, "minReplicas"), "minReplicas");
        scaler.MaxReplicas = scaler.Replicas(Json.At(fields, "maxReplicas"), "maxReplicas");
        if ((Json.Text(fields, "accelerator") ?? scaler.Annotation("inference.optimization/acceleratorName")) is { } accelerator)
            scaler.Note($"accelerator {Shown.Text(accelerator)} is dropped: the nodes tell it; variants[].device would state it, by a name of plimsoll devices");
        if (ImportedScaler.Text(Json.At(fields, "variantCost")) is { } cost)
            scaler.Note($"variantCost {Shown.Text(cost)} is dropped: prices stand in the Fleet, by device and hour");
        if (Json.At(fields, "sloClassRef") is not null) scaler.Note("sloClassRef is dropped: spec.slo states latency, ttft, tpot and attainment");
        if (Json.At(fields, "variantProfile") is not null || Json.At(fields, "modelProfile") is not null)
            scaler.Note("its performance profile is dropped: speeds are derived from the model and the device, then measured");
        return scaler;
    }
}
