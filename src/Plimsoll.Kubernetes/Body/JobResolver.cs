using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Turns what PlannedJobs and their targets say into what the planner can plan with. What is missing, or somebody else's to
/// suspend, is a finding, and its job is left as it is.
/// </summary>
internal sealed class JobResolver(ClusterWatch cluster)
{
    // Since then a Job can be suspended without a feature gate; older servers drop the field without a word.
    private const int SuspendsSinceMinor = 22;

    // No node has more for one pod; sums over any number of pods stay countable.
    private static readonly Bytes MemoryMost = Bytes.GiB(16 * 1024);

    // By the target as it was read: objects that changed are other objects.
    private readonly ConditionalWeakTable<JobView, JobPodAsk[]> _asks = [];

    private readonly Dictionary<ObjectName, (object Key, ResolvedJob Job)> _known = [];
    private Looked[] _looked = [];

    /// <summary>Whether PlannedJobs could not be read at the last look, so that nobody knows what they name.</summary>
    public bool IsUnread { get; private set; }

    private sealed record Looked(PlannedJobView View, PlannedJobSettings? Settings, JobView? Target, string? Path, FleetMode Mode, JobPodAsk? Ask, Finding Planned);

    /// <summary>Looks at all of one moment.</summary>
    /// <returns>A spec for each key by which nodes are grouped.</returns>
    public IReadOnlyDictionary<string, V1PodSpec> Look(FleetSettings fleet)
    {
        var read = cluster.JobsToPlan;
        IsUnread = read is null;
        PlannedJobView[] views = [.. read ?? []];
        var owners = views.Where(view => view.Job is not null).GroupBy(view => TargetOf(view.Job!))
            .ToDictionary(group => group.Key, group => group.OrderBy(view => view.Job!.Metadata?.CreationTimestamp ?? DateTime.MaxValue).ThenBy(view => view.Name).First().Name);
        _looked = [.. views.Select(view => Look(view, fleet, owners))];
        var specs = new Dictionary<string, V1PodSpec>(StringComparer.Ordinal);
        foreach (var ask in _looked.Select(one => one.Ask).OfType<JobPodAsk>()) specs.TryAdd(ask.SelectorKey, ask.Pod);
        return specs;
    }

    /// <summary>What was looked at, with the nodes that its pods may go to; ordered by name.</summary>
    public ImmutableArray<ResolvedJob> Resolve(NodeGroups groups)
    {
        var names = new HashSet<ObjectName>();
        var jobs = ImmutableArray.CreateBuilder<ResolvedJob>(_looked.Length);
        foreach (var one in _looked)
        {
            names.Add(one.View.Name);
            var pools = one.Ask is { } ask ? groups.GroupsFor(ask.SelectorKey) : [];
            var key = (one.View, one.Target, one.Mode, one.Planned, string.Join(',', pools));
            if (!_known.TryGetValue(one.View.Name, out var known) || !known.Key.Equals(key)) _known[one.View.Name] = known = (key, Finish(one, pools));
            jobs.Add(known.Job);
        }

        foreach (var gone in _known.Keys.Where(name => !names.Contains(name)).ToArray()) _known.Remove(gone);
        return jobs.MoveToImmutable();
    }

    private static (ObjectName, string) TargetOf(PlannedJob job)
    {
        var settings = PlannedJobSettings.Of(job);
        return (settings.Target, settings.Kind);
    }

    private static ResolvedJob Finish(Looked one, ImmutableArray<string> pools) => new()
    {
        View = one.View,
        Settings = one.Settings,
        Target = one.Target,
        TargetPath = one.Path,
        Mode = one.Mode,
        Grace = one.Ask?.Grace ?? JobPodAsk.GraceDefault,
        Planned = one.Planned,
        Spec = one is { Ask: { } ask, Settings: { } settings, Target: { } target } ? new TrainingSpec
        {
            Id = new JobId(one.View.Name.ToString()),
            GangSize = target.Size,
            NeedsPerMember = ask.Needs(settings.DeviceMemory),
            Requests = ask.Asked(pools),
            OnlyShown = one.Mode < FleetMode.Act,
            Priority = settings.Priority,
            Preemptible = settings.Preemptible,
            CheckpointSize = settings.Checkpoint,
            SavesOnStop = true,
            SubmittedAt = target.CreatedAt,
        } : null,
    };

    private Looked Look(PlannedJobView view, FleetSettings fleet, Dictionary<(ObjectName, string), ObjectName> owners)
    {
        var looked = new Looked(view, null, null, null, FleetMode.Observe, null, No("Unreadable", view.Problem ?? "it cannot be read"));
        if (view.Job is not { } job) return looked;
        var problems = PlannedJobCheck.Of(job);
        if (!problems.IsEmpty) return looked with { Planned = No("Invalid", string.Join("; ", problems.Select(problem => problem.ToString()))) };
        var settings = PlannedJobSettings.Of(job);
        looked = looked with { Settings = settings, Mode = fleet.Cap(settings.Mode) };
        var name = $"{settings.Kind} {settings.Target.Name}";
        if (cluster.JobKindOf(settings.Kind) is not { } kind)
        {
            var missing = ClusterWatch.JobKinds.First(one => one.Kind == settings.Kind);
            return looked with { Planned = No("NoSuchKind", $"the server had no {missing.Plural} of {missing.ApiVersion} when this operator started") };
        }

        if (cluster.ProblemOf(kind) is { } unread) return looked with { Planned = new Finding(JobConditionTypes.Planned, null, ModelLookup.Unreadable, unread) };
        if (cluster.Job(kind.Kind, settings.Target) is not { } target) return looked with { Planned = No("NotFound", $"{name} is not there; it is planned once it is") };
        looked = looked with { Target = target, Path = kind.PathOf(settings.Target) };
        var (ask, refused) = owners[(settings.Target, settings.Kind)] is var owner && owner != view.Name
            ? (null, No("OtherPlannedJob", $"{name} is the PlannedJob {owner}'s already, which is older; one of the two would do"))
            : Ask(target, name);
        if (refused is not null) return looked with { Planned = refused };
        return looked.Mode switch
        {
            FleetMode.Observe => looked with { Planned = No("Observed", "mode observe: it is left alone, and its pods count as anybody's") },
            FleetMode.Recommend => looked with { Ask = ask, Planned = new Finding(JobConditionTypes.Planned, true, "Planned", "planned; mode recommend changes nothing") },
            _ => looked with { Ask = ask, Planned = new Finding(JobConditionTypes.Planned, true, "Planned", "planned, and launched and suspended as the plan has it") },
        };
    }

    private (JobPodAsk? Ask, Finding? Refused) Ask(JobView target, string name)
    {
        if (target.Kind == "Job" && cluster.ServerMinor is > 0 and < SuspendsSinceMinor)
            return (null, No("NoSuspend", $"Jobs of this server cannot be suspended; one of 1.{SuspendsSinceMinor} or later would do"));

        // Two hands on one switch.
        if (target.Queue is { } queue) return (null, No("Kueue", $"{name} waits in Kueue's queue {Shown.Text(queue)}, which suspends and resumes it; without the label {JobView.QueueLabel} it would be planned"));
        if (target.ManagedBy is { } other) return (null, No("ManagedElsewhere", $"{name} is {Shown.Text(other)}'s to suspend and resume"));
        JobPodAsk[] asks;
        try
        {
            if (!_asks.TryGetValue(target, out asks!)) _asks.Add(target, asks = [.. target.Pods.Select(JobPodAsk.Of)]);
        }
        catch (Exception none) when (none is JsonException or FormatException or InvalidOperationException or OverflowException)
        {
            return (null, No("PodSpecUnreadable", $"{name} has a pod template that is none: {Shown.Text(none.Message)}"));
        }

        if (asks is not [var ask, ..]) return (null, No("NoPods", $"{name} has no pods to run"));
        if (!asks.All(ask.IsLike)) return (null, No("UnlikePods", $"the pods of {name} differ in what they ask of their nodes; a gang's are alike"));
        if (ask.Memory == Bytes.Zero) return (null, No("NoMemory", $"the pods of {name} state no memory; a limit or a request would do"));
        if (ask.Memory > MemoryMost) return (null, No("TooMuchMemory", $"each pod of {name} may take {ask.Memory} of memory, and no node has that; {MemoryMost} is the most"));
        if (target.Pods.Select(pods => pods.Apart).FirstOrDefault(apart => apart is not null) is { } apart)
            return (null, No("ApartByRule", $"the pods of {name} have {apart}, which says where one may be beside another and is not counted with; without it, or only preferred, it would be planned"));
        if (target.InPhases) return (null, No("InPhases", $"the pods of {name} come one kind after the other (dependsOn); a gang's run at once"));
        return ask.Requests.Devices.Count > 1
            ? (null, No("SeveralDevices", $"the pods of {name} ask for {string.Join(" and ", ask.Requests.Devices.Keys.Select(one => Shown.Text(one)))}; one kind of device would do"))
            : (ask, null);
    }

    private static Finding No(string reason, string message) => new(JobConditionTypes.Planned, false, reason, message);
}
