using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Kubectl;

/// <summary>What the operator thinks of one PlannedJob, for a person.</summary>
internal static class JobExplanation
{
    public static IEnumerable<string> Lines(PlannedJob job, IReadOnlyList<ObjectEvent> events, DateTimeOffset now, int width)
    {
        var (name, spec) = (ClusterReader.NameOf(job), job.Spec);
        if (job.Status is not { } status)
        {
            foreach (var line in FleetTable.Wrap($"{name}: no operator looked at it yet; kubectl get pods -n plimsoll-system shows whether one runs", width)) yield return line;
            yield break;
        }

        foreach (var line in FleetTable.Wrap($"{name}, {status.Mode ?? "no mode"}: {Show.Text(status.Reason ?? "nothing was said of it", 600)}", width)) yield return line;
        if (job.Metadata?.Generation is { } generation && status.ObservedGeneration is { } observed && observed < generation)
            yield return $"  (of generation {observed}; what is asked for now is generation {generation})";
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
