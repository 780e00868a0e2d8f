using System.Collections.Immutable;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>What a ScaledModel's conditions came to.</summary>
internal sealed record ModelConditions(ObjectName Name, Bytes? Weights, ImmutableArray<Finding> Conditions);

/// <summary>A ScaledModel's conditions.</summary>
internal static class Conditions
{
    /// <summary>All seven, in a fixed order, and Cached where its pods use the model cache; Ready sums up the seven.</summary>
    public static ImmutableArray<Finding> Of(ResolvedModel model, ModelVerdict? verdict, string? unobserved)
    {
        Finding Found(string type, Finding otherwise) => model.Findings.LastOrDefault(finding => finding.Type == type) ?? otherwise;
        Finding Unknown(string type, string message) => new(type, null, "Unknown", message);
        var target = Found(ConditionTypes.TargetFound, Unknown(ConditionTypes.TargetFound, "not looked for yet"));
        var weighed = Found(ConditionTypes.Weighed, Unknown(ConditionTypes.Weighed, "not weighed yet"));
        var fits = verdict is { Refused: true } ? new Finding(ConditionTypes.Fits, false, "DoesNotFit", verdict.Reason.ToString())
            : verdict?.Reason.Rule == Rule.HoldUnsafeNode ? new Finding(ConditionTypes.Fits, false, "UnsafeNode", verdict.Reason.ToString())
            : Found(ConditionTypes.Fits, Unknown(ConditionTypes.Fits, "not known before it is weighed"));
        var floor = model is { Spec.MinReplicas: > 0, Settings: { Gateway: false } settings } && settings.MinReplicas is null or 0
            ? settings.HasFront ? "; spec.metrics names a query and this operator asks no Prometheus, so one replica is kept; --prometheus would do"
                : "; nothing would tell of a request at zero replicas, so one is kept" : "";
        var seen = model.Spec is null ? Unknown(ConditionTypes.MetricsSeen, "not looked for yet")
            : unobserved is not null ? new Finding(ConditionTypes.MetricsSeen, false, "NotSeen", unobserved + floor)
            : new Finding(ConditionTypes.MetricsSeen, true, "Seen", (model.Settings is { Gateway: true } ? "the gateway counts its requests" : "its pods tell of their work") + floor);
        var conflict = Found(ConditionTypes.Conflict, new Finding(ConditionTypes.Conflict, false, "None", "nobody else scales it"));
        var ready = model.Findings.FirstOrDefault(finding => finding.Type == ConditionTypes.Ready) ?? Sum(target, weighed, fits, conflict, model);
        return [ready, target, weighed, seen, fits, Requests(model), conflict, .. model.Findings.Where(finding => finding.Type == ConditionTypes.Cached)];
    }

    private static Finding Requests(ResolvedModel model)
    {
        if (model.Recommended is not { } recommended) return new Finding(ConditionTypes.Requests, null, "Unknown", "not known before it is known on what it fits");
        var differs = recommended.Differs.IsEmpty ? "" : string.Join("; ", recommended.Differs);
        if (model.Applied && recommended.Verdict == RequestsVerdict.TooLittle)
            return new Finding(ConditionTypes.Requests, true, "Applied", $"new pods are made to ask for what they take; their template has {differs}");
        return recommended.Verdict switch
        {
            RequestsVerdict.TooLittle => new Finding(ConditionTypes.Requests, false, "TooLittle",
                $"a pod could be put where it does not fit: {differs}"
                + (model.Settings is { AppliesRequests: true } ? "; no webhook of Plimsoll's is in the way of its pods" : "; apply: requests would let Plimsoll's webhook see to it")),
            RequestsVerdict.TooMuch => new Finding(ConditionTypes.Requests, false, "TooMuch", $"it keeps from others what it does not need: {differs}"),
            _ => new Finding(ConditionTypes.Requests, true, "Enough", differs.Length > 0 ? $"they cover what it takes; beside that, {differs}" : "they cover what it takes"),
        };
    }

    private static Finding Sum(Finding target, Finding weighed, Finding fits, Finding conflict, ResolvedModel model)
    {
        if (conflict.Holds == true) return new Finding(ConditionTypes.Ready, false, conflict.Reason, conflict.Message);
        foreach (var one in (Finding[])[target, weighed, fits])
        {
            if (one.Holds != true) return new Finding(ConditionTypes.Ready, one.Holds, one.Reason, one.Message);
        }

        return new Finding(ConditionTypes.Ready, true, "Planned", model.Mode switch
        {
            FleetMode.Act when model.Acts => "planned for, and scaled",
            FleetMode.Act => "planned for; who reads the metric scales",
            FleetMode.Recommend => "planned for; mode recommend changes nothing",
            _ => "looked at; mode observe changes nothing",
        });
    }
}
