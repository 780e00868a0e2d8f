using System.Collections.Immutable;

namespace Plimsoll.Cli.Fleets;

/// <summary>A fleet's training jobs as lines of text.</summary>
internal static class JobTable
{
    /// <summary>A heading and a row for each job of the fleet or that still runs; none where there are none.</summary>
    public static ImmutableArray<string> Rows(FleetSpec spec, FleetSnapshot seen, int width)
    {
        var jobs = spec.Training.Select(job => job.Id).Union(seen.Training.Where(gang => gang.Holds).Select(gang => gang.Job)).Order().ToList();
        if (jobs.Count == 0) return [];
        var name = Math.Clamp(jobs.Max(job => job.Value.Length), 5, Math.Max(5, width - 50));
        return [Row(name, "JOB", "STATE", "SINCE", "MEMORY", "DEVICES"), .. jobs.Select(job => Row(spec, seen, job, name))];
    }

    /// <summary>One per job; none in plans of before there were any.</summary>
    public static ImmutableArray<JobVerdict> Verdicts(Plan plan) => plan.Jobs.IsDefault ? [] : plan.Jobs;

    /// <summary>"running", or "waiting" of one that was never launched.</summary>
    public static string State(TrainingGang? gang) => gang is null ? "waiting" : FleetFiles.ScalarKind.NameOf(gang.State);

    /// <summary>Memory of a node that jobs are charged now.</summary>
    public static Bytes Held(NodeId node, FleetSnapshot seen) => seen.Training.SelectMany(gang => gang.Members.Where(member => member.Node == node)
        .Select(_ => gang.ReservedPerMember.Host.Highest)).Aggregate(Bytes.Zero, (sum, one) => sum + one);

    private static string Row(FleetSpec spec, FleetSnapshot seen, JobId job, int name)
    {
        var gang = seen.Training.FirstOrDefault(one => one.Job == job);
        var needs = spec.Training.FirstOrDefault(one => one.Id == job)?.NeedsPerMember ?? gang?.ReservedPerMember;
        var since = gang?.StateSince ?? spec.Training.FirstOrDefault(one => one.Id == job)?.SubmittedAt;
        return Row(name, job.Value, State(gang), since is { } from && from <= seen.At ? Durations.Show(seen.At - from) : "-",
            needs?.Host.Highest.ToString() ?? "?", needs is { Devices: > 0, PerDevice: { } each } ? $"{needs.Devices} x {each.Highest}" : "-");
    }

    private static string Row(int name, string job, string state, string since, string memory, string devices) =>
        $"{FleetTable.CutName(job, name).PadRight(name)} {state,-13} {since,10} {memory,9}  {devices}".TrimEnd();
}
