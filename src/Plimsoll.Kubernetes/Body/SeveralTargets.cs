using System.Collections.Immutable;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>One model out of its targets, each of which was looked at as if it were the only one.</summary>
internal static class SeveralTargets
{
    /// <param name="targets">In the user's order of preference, two or more, all of one ScaledModel.</param>
    public static ResolvedModel Of(IReadOnlyList<ResolvedModel> targets)
    {
        // Its pods may serve, and would be taken for others': how many more are wanted is not known then.
        if (targets.Any(target => target.Findings.Any(finding => finding is { Type: ConditionTypes.TargetFound, Holds: false, Reason: ModelLookup.Unreadable })))
            targets = [.. targets.Select(target => target with { Spec = null })];
        var planned = targets.Where(target => target.Spec is not null).ToArray();
        var first = planned.FirstOrDefault() ?? targets[0];
        // What somebody else scales too is left alone, and so is the rest: how many there are in all would not be ours.
        var conflict = targets.SelectMany(target => target.Findings).FirstOrDefault(finding => finding is { Type: ConditionTypes.Conflict, Holds: true });
        var acts = planned.Length > 0 && conflict is null && planned.All(target => target.Spec!.Acts);
        var parts = targets.Select(target => target.Spec is { } spec ? target with { Spec = Renamed(spec, target, first.Spec!, acts) } : target).ToImmutableArray();
        var specs = parts.Where(part => part.Spec is not null).Select(part => part.Spec!).ToArray();
        return first with
        {
            Settings = first.View.Model is { } model && first.Settings is not null ? ScaledModelSettings.Of(model) : first.Settings,
            Targets = parts,
            Spec = specs.Length == 0 ? null : specs[0] with { Variants = [.. specs.SelectMany(spec => spec.Variants)] },
            Findings = Findings(targets, planned, first, conflict),
            Misfits = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal, targets.SelectMany(target =>
                target.Misfits.Select(one => KeyValuePair.Create($"{NameOf(target)}/{one.Key}", one.Value)))),
        };
    }

    /// <summary>The variant's name in the ScaledModel.</summary>
    public static string NameOf(ResolvedModel target) => target.Settings is { Variants: [var only, ..] } ? only.Name : "";

    // All of them are one model to the planner, with one version: of the artefact that its first target serves.
    private static ModelSpec Renamed(ModelSpec spec, ResolvedModel target, ModelSpec first, bool acts) => spec with
    {
        Version = first.Version,
        Acts = acts,
        Variants = [.. spec.Variants.Select(variant => variant with
        {
            Id = VariantId.Of($"{NameOf(target)}/{variant.Id}"),
            Target = NameOf(target),
            Requests = spec.Requests,
        })],
    };

    private static ImmutableArray<Finding> Findings(
        IReadOnlyList<ResolvedModel> targets, ResolvedModel[] planned, ResolvedModel first, Finding? conflict)
    {
        if (planned.Length == 0) return first.Findings;
        var missing = targets.Where(target => target.Spec is null).Select(target => $"{NameOf(target)} is left as it is: {Why(target)}").ToArray();
        var found = string.Join(", ", planned.Select(target => $"{NameOf(target)} ({target.Workload!.Kind} {target.Workload.Name.Name})"));
        var fits = planned.Select(target => target.Findings.Last(finding => finding.Type == ConditionTypes.Fits)).ToArray();
        return
        [
            .. first.Findings.Where(finding => finding.Type is not (ConditionTypes.TargetFound or ConditionTypes.Fits or ConditionTypes.Conflict)),
            new Finding(ConditionTypes.TargetFound, true, missing.Length > 0 ? "SomeFound" : "Found", string.Join("; ", missing.Prepend(found))),
            new Finding(ConditionTypes.Fits, true, fits.FirstOrDefault(one => one.Reason != "Fits")?.Reason ?? "Fits",
                string.Join("; ", planned.Zip(fits, (target, one) => $"{NameOf(target)}: {one.Message}"))),
            .. conflict is null ? [] : (Finding[])[conflict],
        ];
    }

    /// <summary>Why a target is not planned, or on what it fits.</summary>
    public static string Why(ResolvedModel target) =>
        (target.Findings.LastOrDefault(finding => finding.Type != ConditionTypes.Conflict && finding.Holds != true)
            ?? target.Findings.LastOrDefault(finding => finding.Type == ConditionTypes.Fits))?.Message ?? "not looked at yet";
}
