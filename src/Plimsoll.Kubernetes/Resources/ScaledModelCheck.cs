using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;
using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Says what is wrong with a ScaledModel: its fields by themselves, and what no single field can tell.</summary>
public static partial class ScaledModelCheck
{
    /// <summary>
    /// What a workload's name may be long: of it and a number the pods' names are made, which are values of labels, and
    /// those have 63 characters at most.
    /// </summary>
    public const int WorkloadNameMax = 52;

    /// <summary>All problems, at most <see cref="FieldCheck.ProblemsMax"/>; none when the object can be acted on.</summary>
    public static ImmutableArray<FieldProblem> Of(ScaledModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var check = new FieldCheck();
        if (model.Spec is not { } spec)
        {
            check.Add("spec", "missing; spec with a target would do");
            return check.Problems;
        }

        check.Group(spec, "spec");
        if (spec.Target is { } target) Check(target, "spec.target", check);
        if (spec.Variants is { } variants) Check(variants, check);
        if (spec.Template is { } template) Check(template, model.Metadata?.Name ?? "", spec.Context, check);
        if (spec.Source is { } source) Check(source, spec.Revision, check);
        else if (spec.Revision is not null)
            check.Add("spec.revision", "found without a source; spec.source with an address would do, or leave it to the pods' arguments");
        if (spec.Events is { } events) Check(events, check);
        CheckProfiles(spec, check);
        if (spec.MinReplicas > spec.MaxReplicas)
            check.Add("spec.minReplicas", $"found {spec.MinReplicas}, above maxReplicas ({spec.MaxReplicas}); at most that would do");
        if (spec is { Template: not null, Actuation: "metric" })
            check.Add("spec.actuation", "found \"metric\" with a template; what Plimsoll makes it scales itself, scale would do");
        if (spec.Metrics?.Arrivals is { } arrivals && Rates().Match(arrivals) is { Success: true } rate)
            check.Add("spec.metrics.arrivals", $"found {rate.Groups[1].Value}(); the counter itself would do, what is new in it is counted here");
        if (spec.Slo is { Latency: { } latency, Ttft: { } first } && DurationText.TryParse(latency, out var whole) && DurationText.TryParse(first, out var token) && token > whole)
            check.Add("spec.slo.ttft", $"found \"{Shown.Text(first)}\", above latency ({Shown.Text(latency)}); the first token comes before the last");
        return check.Problems;
    }

    private static void Check(TargetReference target, string path, FieldCheck check)
    {
        if (target.ApiVersion is null && TargetKinds.ApiVersionOf(target.Kind ?? TargetKinds.Deployment) is null)
            check.Add($"{path}.apiVersion", $"missing; the group and version of {Shown.Text(target.Kind!)} would do, such as apps/v1");
    }

    private static void Check(IReadOnlyList<ModelEvent> events, FieldCheck check)
    {
        for (var i = 0; i < Math.Min(events.Count, DemandEvent.PerModelMost) && !Full(check); i++)
        {
            if (events[i] is not { From: { } from, To: { } to } one) continue;
            if (ScaledModelSettings.EventOf(one) is { } read)
            {
                if (read.Problem() is (var field, var message) && !check.Problems.Any(problem => problem.Field == $"spec.events[{i}].{field}")) check.Add($"spec.events[{i}].{field}", message);
            }
            // What looks like a moment need not be one: the 31st of February.
            else foreach (var (field, text) in (ReadOnlySpan<(string, string)>)[("from", from), ("to", to)])
            {
                if (!MomentText.TryParse(text, out _) && !check.Problems.Any(problem => problem.Field == $"spec.events[{i}].{field}"))
                    check.Add($"spec.events[{i}].{field}", $"found \"{Shown.Text(text)}\"; {MomentText.WouldDo} would do");
            }
        }
    }

    private static void CheckProfiles(ScaledModelSpec spec, FieldCheck check)
    {
        Check(spec.Profile, "spec.profile");
        for (var i = 0; i < spec.Variants?.Count && !Full(check); i++) Check(spec.Variants[i]?.Profile, $"spec.variants[{i}].profile");
        for (var i = 0; i < spec.Template?.Variants?.Count && !Full(check); i++) Check(spec.Template.Variants[i]?.Profile, $"spec.template.variants[{i}].profile");

        void Check(IReadOnlyList<ModelBatch>? rows, string path)
        {
            if (ScaledModelSettings.ProfileOf(rows).Problem is { } problem && !check.Problems.Any(one => one.Field.StartsWith(path, StringComparison.Ordinal))) check.Add(path, problem);
        }
    }

    private static void Check(IReadOnlyList<TargetVariant> variants, FieldCheck check)
    {
        var first = new Dictionary<ScaleTarget, int>();
        for (var i = 0; i < variants.Count && !Full(check); i++)
        {
            if (variants[i]?.Target is not { } target) continue;
            Check(target, $"spec.variants[{i}].target", check);
            var same = ScaleTarget.Of(target);
            if (target.Name is not null && !first.TryAdd(same.Workload, i))
                check.Add($"spec.variants[{i}].target", $"found {Shown.Text(same.Workload.Kind)} {Shown.Text(same.Workload.Name)} a second time, first in [{first[same.Workload]}]; targets must differ");
        }
    }

    private static void Check(ModelTemplate template, string name, long? context, FieldCheck check)
    {
        if (template.PodTemplate is { } pod) PodTemplateCheck.Of(pod, "spec.template.podTemplate", check);
        if (template.WorkerTemplate is { } worker)
        {
            PodTemplateCheck.Of(worker, "spec.template.workerTemplate", check);
            if (template.Kind is not TargetKinds.LeaderWorkerSet)
                check.Add("spec.template.workerTemplate", "a Deployment has no workers; kind LeaderWorkerSet would do, or leave it out");
        }

        var mentionsLength = Mentions(template.PodTemplate) || Mentions(template.WorkerTemplate);
        for (var i = 0; i < template.Variants?.Count && !Full(check); i++)
        {
            if (template.Variants[i] is not { Name: { } variant } one) continue;
            if (name.Length + 1 + variant.Length > WorkloadNameMax)
                check.Add($"spec.template.variants[{i}].name", $"the workload's name, the ScaledModel's with \"-{Shown.Text(variant)}\", has {name.Length + 1 + variant.Length} characters; {WorkloadNameMax} together would do");
            if (mentionsLength && one.MaxModelLen is null && context is null)
                check.Add($"spec.template.variants[{i}].maxModelLen", "missing, and the template has {maxModelLen}; a number of tokens would do, here or in spec.context");
            if ((one.Tp ?? 1L) * (one.Pp ?? 1L) > 1024)
                check.Add($"spec.template.variants[{i}].tp", $"found {one.Tp ?? 1} × {one.Pp ?? 1} devices; 1024 at most would do");
        }
    }

    private static void Check(string source, string? revision, FieldCheck check)
    {
        // A path would be one of the operator's own disk.
        if (SourceAddress.IsAddress(source))
        {
            try
            {
                if (SourceAddress.Parse(source) is SourceAddress.Hub hub)
                {
                    if (revision is not null && hub.Revision != "main" && hub.Revision != revision)
                        check.Add("spec.revision", $"found \"{Shown.Text(revision)}\", and the source says \"{Shown.Text(hub.Revision)}\"; one of the two would do");
                }
                else if (revision is not null) check.Add("spec.revision", "only a source with hf:// has revisions; leave it out");
                return;
            }
            catch (ArtifactException)
            {
                // Said below: the exception's sentence is for a command line.
            }
        }

        check.Add("spec.source", $"found \"{Shown.Text(SourceAddress.ShownOf(source))}\"; an address with hf://, s3://, gs://, https:// or pvc:// would do");
    }

    private static bool Mentions(JsonElement? pod) =>
        pod is { ValueKind: JsonValueKind.Object } given && given.GetRawText().Contains("{maxModelLen}", StringComparison.Ordinal);

    [GeneratedRegex(@"\b(rate|irate|increase|delta|idelta|deriv)\s*\(")]
    private static partial Regex Rates();

    private static bool Full(FieldCheck check) => check.Problems.Length >= FieldCheck.ProblemsMax;
}
