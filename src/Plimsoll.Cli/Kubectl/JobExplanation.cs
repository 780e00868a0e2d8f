using System.Globalization;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Kubectl;

/// <summary>What the operator thinks of one PlannedJob, for a person.</summary>
internal static class JobExplanation
{
    public static IEnumerable<string> Lines(PlannedJob job, IReadOnlyList<ObjectEvent> events, DateTimeOffset now, int width)
    {
        var spec = job.Spec;
        foreach (var line in ModelExplanation.Head(job, job.Status is { } said ? (said.Mode, said.Reason, said.ObservedGeneration) : null, width)) yield return line;
        if (job.Status is not { } status) yield break;
        yield return ModelExplanation.Row("target", $"{spec?.TargetRef?.Kind ?? "Job"} {spec?.TargetRef?.Name ?? "of no name"}", width);
        yield return ModelExplanation.Row("state", string.Create(CultureInfo.InvariantCulture,
            $"{status.State ?? "not known"}{(status.Members is { } members ? $", {members} {(members == 1 ? "pod" : "pods, all or none")}" : "")}"), width);
        if (DateTimeOffset.TryParse(status.LaunchedAt, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var launched) && now > launched)
            yield return ModelExplanation.Row("launched", $"{Durations.Show(now - launched)} ago", width);
        yield return ModelExplanation.Row("priority", string.Create(CultureInfo.InvariantCulture,
            $"{spec?.Priority ?? PlannedJobSettings.PriorityDefault}{(spec?.Preemptible == false ? "; it keeps its place to its end" : "")}"), width);
        yield return ModelExplanation.Row("saves", spec?.Checkpoint?.Size is { } size ? $"{size} when its pods are told to end" : "nothing: giving way costs all that it did", width);
        foreach (var line in ModelExplanation.Conditions(status.Conditions, width)) yield return line;
        foreach (var line in ModelExplanation.Events(events, now, width)) yield return line;
    }
}
