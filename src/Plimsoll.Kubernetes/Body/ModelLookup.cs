using System.Collections.Immutable;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;
using Plimsoll.Kubernetes.Templates;

namespace Plimsoll.Kubernetes.Body;

/// <summary>A ScaledModel, or one of its targets, and what its object and its target say.</summary>
internal sealed record Looked(ScaledModelView View)
{
    public (ObjectName, string) Key => (View.Name, Settings is { Variants: [var only] } ? only.Name : "");

    public ScaledModelSettings? Settings { get; init; }

    public VariantSettings? Variant { get; init; }

    public WorkloadView? Workload { get; init; }

    public ScalableKind? Kind { get; init; }

    public V1PodSpec? Pod { get; init; }

    public string? SelectorKey { get; init; }

    /// <summary>Of a group, its workers' spec.</summary>
    public V1PodSpec? Worker { get; init; }

    public string? WorkerKey { get; init; }

    public ServedModel? Served { get; init; }

    /// <summary>The pods as the webhook makes them; null where it changes nothing.</summary>
    public AppliedPod? Applied { get; init; }

    /// <summary>Whether the webhook is in the way of its new pods.</summary>
    public bool IsPatched { get; init; }

    public WeighedSource? Weighed { get; init; }

    public string Rivals { get; init; } = "";

    public ImmutableArray<Finding> Findings { get; init; } = [];
}

/// <summary>
/// Reads ScaledModels: the target found, its pods' arguments read, who else scales it, what the artefact weighs. What was read is
/// kept while nothing of it changes.
/// </summary>
/// <param name="cluster">What is there.</param>
/// <param name="footprints">What artefacts weigh.</param>
/// <param name="time">Tells how long ago somebody wrote replicas.</param>
/// <param name="made">What templates are made into; null where none are.</param>
/// <param name="patched">Whether the webhook is in the way of a namespace's new pods; null where there is none.</param>
internal sealed class ModelLookup(
    ClusterWatch cluster, FootprintStore footprints, TimeProvider time, TemplateWorkloads? made, Func<string, bool>? patched)
{
    /// <summary>The reason of a target of which nobody knows whether it is there, and what its pods do.</summary>
    public const string Unreadable = "Unreadable";

    private readonly Dictionary<(ObjectName, string), (object Key, Looked Looked)> _looks = [];
    private readonly Dictionary<string, ReplicaWrites> _writes = new(StringComparer.Ordinal);
    private ImmutableSortedDictionary<ObjectName, ObjectName> _usurped = ImmutableSortedDictionary<ObjectName, ObjectName>.Empty;
    private ILookup<(string, string, string), ScalerView> _scalers = Array.Empty<ScalerView>().ToLookup(scaler => ("", "", ""));
    private FleetSettings _fleet = FleetSettings.Of(null);

    /// <summary>All ScaledModels, of one moment: one that came in between would be looked at and not be known to have come too late.</summary>
    public Looked[] All(FleetSettings fleet)
    {
        _fleet = fleet;
        var views = cluster.ScaledModels.Items;
        _usurped = Ownership.Usurped(views.Values.Select(view => view.Model).OfType<ScaledModel>());
        _scalers = cluster.Scalers.ToLookup(scaler => (scaler.Name.Namespace, scaler.TargetKind, scaler.TargetName));
        var looked = views.Values.SelectMany(Each).ToArray();
        foreach (var gone in _looks.Keys.Except(looked.Select(one => one.Key)).ToArray()) _looks.Remove(gone);
        foreach (var gone in _writes.Keys.Except(looked.Select(one => one.Workload?.Uid).OfType<string>()).ToArray()) _writes.Remove(gone);
        return looked;
    }

    // Of several targets each is looked at as if it were the only one. Who reads a metric can be told of one number.
    private IEnumerable<Looked> Each(ScaledModelView view)
    {
        var settings = view.Model is { } model && view.Problem is null ? ScaledModelSettings.Of(model) : null;
        return settings is { Variants.Length: > 1, Actuation: Actuation.Scale }
            ? settings.Variants.Select(variant => Lookup(view, settings with { Variants = [variant] })) : [Lookup(view, settings)];
    }

    // Reading a pod's arguments takes longer than all else; of thousands of models few change between two ticks. A conflict is
    // looked at anew, as it ends by the passing of time alone.
    private Looked Lookup(ScaledModelView view, ScaledModelSettings? settings)
    {
        var (_, _, workload, missing) = settings is { Variants.IsEmpty: false } ? Target(settings) : default;
        var rivals = workload is null ? "" : string.Join(',', _scalers[(view.Name.Namespace, workload.Kind, workload.Name.Name)].Select(rival => rival.ResourceVersion));
        var key = (view.ResourceVersion, (workload?.Kind, missing?.Problem, workload?.MadeLike), workload?.ResourceVersion, rivals, _usurped.ContainsKey(view.Name), Refused(settings), (_fleet.Mode, IsPatched(settings)));
        var of = (view.Name, settings is { Variants: [var only] } ? only.Name : "");
        var looked = _looks.TryGetValue(of, out var known) && known.Key.Equals(key) && known.Looked.Rivals.Length == 0 ? known.Looked : Look(view, settings);
        _looks[of] = (key, looked);
        return looked is { Served: { } served, Settings: { } stated } && !looked.Findings.Any(finding => finding is { Type: ConditionTypes.Ready, Holds: false })
            ? looked with { Weighed = Weigh(stated, served) } : looked;
    }

    private Looked Look(ScaledModelView view, ScaledModelSettings? of)
    {
        if (view.Model is not { } model || of is not { } settings) return new Looked(view) { Findings = [No(ConditionTypes.Ready, "Unreadable", view.Problem ?? "it cannot be read")] };
        var problems = ScaledModelCheck.Of(model);
        if (!problems.IsEmpty)
            return new Looked(view) { Findings = [No(ConditionTypes.Ready, "Invalid", string.Join("; ", problems.Select(problem => problem.ToString())))] };
        var (variant, kind, workload, missing) = Target(settings);
        var looked = new Looked(view) { Settings = settings, Variant = variant, Kind = kind, Workload = workload, IsPatched = IsPatched(settings) && workload is not { LeavesPodsAlone: true } };
        if (missing is { Reason: { } reason, Problem: { } problem }) return looked with { Findings = [No(ConditionTypes.TargetFound, reason, problem)] };
        if (kind is null)
            return looked with { Findings = [No(ConditionTypes.TargetFound, "UnknownKind", $"the server has no kind {variant.Target.Kind} that is scaled here; Deployment, StatefulSet or LeaderWorkerSet would do")] };
        if (variant.Template is not null && (workload is null || workload.ControllerUid != view.Uid))
            return looked with { Workload = null, Findings = [TemplateWorkloads.NotMade(variant.Target, workload, _fleet.Cap(settings.Mode), Refused(settings))] };
        if (workload is null)
            return looked with { Findings = [No(ConditionTypes.TargetFound, "NotFound", $"{variant.Target.Kind} {variant.Target.Name} is not there; it is planned for once it is")] };
        var found = ImmutableArray.Create(Refused(settings) is { } refused
            ? No(ConditionTypes.TargetFound, "TemplateRefused", $"{workload.Kind} {workload.Name.Name} stays as it was: {refused}")
            : new Finding(ConditionTypes.TargetFound, true, "Found", $"{workload.Kind} {workload.Name.Name}"));
        if (settings.Variants.Length > 1)
            found = found.Add(new Finding(ConditionTypes.Fits, null, "FirstVariantOnly", $"of {settings.Variants.Length} variants only {variant.Name} is planned, as the metric is one number; actuation scale would do for all of them"));
        if (workload.PodSpecProblem is { } unreadable)
            return looked with { Findings = found.Add(No(ConditionTypes.Weighed, "PodSpecUnreadable", $"{workload.Kind} {workload.Name.Name} has a pod template that is none: {unreadable}")) };
        if (workload.PodSpec is not { } pod)
            return looked with { Findings = found.Add(No(ConditionTypes.Weighed, "NoPodSpec", $"{workload.Kind} {workload.Name.Name} has no pod template at spec.template and no pod to read; it is planned for once it has one")) };
        var served = ServedModel.Of(pod, workload.PodAnnotations, workload.PodsPerReplica, workload.WorkerSpec);
        looked = looked with { Pod = pod, SelectorKey = NodeGroups.KeyOf(pod), Served = served, Findings = found };
        // A group's pods are of two kinds, and the webhook is told of one: they stay as their templates have them.
        if (workload.PodsPerReplica > 1 && (workload.WorkerSpec ?? pod) is var worker) looked = looked with { Worker = worker, WorkerKey = NodeGroups.KeyOf(worker) };
        else if (looked.IsPatched) looked = looked with { Applied = AppliedPod.Of(workload, ScaledModelStatus.RecommendedFor(model, variant)) };
        if (Conflict(settings, variant, workload, view) is { } conflict)
            looked = looked with { Rivals = conflict, Findings = looked.Findings.Add(new Finding(ConditionTypes.Conflict, true, "OtherScaler", conflict)) };
        // The pods are the other ScaledModel's: were it planned for too, they would be taken for its own, and the other would
        // start new ones in their place for ever.
        if (_usurped.ContainsKey(view.Name)) looked = looked with { Findings = looked.Findings.Add(No(ConditionTypes.Ready, "OtherScaler", looked.Rivals)) };
        return looked;
    }

    private string? Refused(ScaledModelSettings? settings) =>
        settings is { Variants: [{ Template: not null } only] } ? made?.Refused(new ObjectName(settings.Name.Namespace, only.Target.Name)) : null;

    private bool IsPatched(ScaledModelSettings? settings) =>
        settings is { AppliesRequests: true } && patched?.Invoke(settings.Name.Namespace) == true;

    private string? Conflict(ScaledModelSettings settings, VariantSettings variant, WorkloadView workload, ScaledModelView view)
    {
        if (_usurped.TryGetValue(view.Name, out var owner)) return $"{variant.Target} is the ScaledModel {owner}'s already; one of the two would do";
        var rivals = _scalers[(view.Name.Namespace, workload.Kind, workload.Name.Name)].ToArray();
        if (rivals.Length == 0 && workload.ManagedFieldsJson is null) return null;
        List<V1ManagedFieldsEntry> writers = workload.ManagedFieldsJson is { } fields
            ? k8s.KubernetesJson.Deserialize<List<V1ManagedFieldsEntry>>(System.Text.Encoding.UTF8.GetString(fields)) : [];
        var writes = _writes[workload.Uid] = _writes.GetValueOrDefault(workload.Uid, ReplicaWrites.None).Then(workload.Uid, workload.Replicas, workload.Generation, writers);
        using var autoscalers = Parsed(rivals.Where(rival => rival.Kind == "HorizontalPodAutoscaler"));
        using var scaled = Parsed(rivals.Where(rival => rival.Kind == "ScaledObject"));
        return Ownership.Conflict(new OwnershipQuestion
        {
            Namespace = view.Name.Namespace,
            Target = variant.Target,
            Actuation = settings.Actuation,
            Autoscalers = autoscalers.RootElement.EnumerateArray(),
            ScaledObjects = scaled.RootElement.EnumerateArray(),
            ManagedFields = writers,
            Writes = writes,
            Annotations = workload.Annotations,
            Created = workload.CreatedAt,
            At = time.GetUtcNow(),
            OurManagers = [KubernetesApi.FieldManager, KubernetesApi.ReplicasManager],
        });
    }

    private static JsonDocument Parsed(IEnumerable<ScalerView> scalers) =>
        JsonDocument.Parse($"[{string.Join(',', scalers.Select(scaler => System.Text.Encoding.UTF8.GetString(scaler.Json)))}]");

    private (VariantSettings Variant, ScalableKind? Kind, WorkloadView? Workload, OtherTarget? Missing) Target(ScaledModelSettings settings)
    {
        OtherTarget? missing = null;
        foreach (var variant in settings.Variants)
        {
            if (!OtherWorkloads.IsKnown(variant.Target))
            {
                var other = cluster.Others.Find(variant.Target, settings.Name.Namespace);
                if (other.Workload is not null) return (variant, other.Kind, other.Workload, null);
                if (variant == settings.Variants[0]) missing = other;
                continue;
            }

            var scaled = variant.Target.Workload;
            if (cluster.KindOf(scaled.Kind) is { } unread && cluster.ProblemOf(unread) is { } problem)
            {
                if (variant == settings.Variants[0]) return (variant, unread, null, new OtherTarget(unread, null, Unreadable, problem));
                continue;
            }

            if (cluster.KindOf(scaled.Kind) is { } kind && cluster.Workload(kind.Kind, new ObjectName(settings.Name.Namespace, scaled.Name)) is { } workload) return (variant, kind, workload, null);
        }

        return (settings.Variants[0], missing is null ? cluster.KindOf(settings.Variants[0].Target.Kind) : missing.Kind, null, missing);
    }

    private WeighedSource? Weigh(ScaledModelSettings settings, ServedModel served)
    {
        if (settings.Weights is { } weights && settings.Source is null && served.Source is null)
            return new WeighedSource(Footprint.Declared(weights, "weights"), $"{weights} as stated", null);
        if ((settings.Source ?? served.Source) is not { } source) return null;
        var weighed = footprints.Find(source);
        return weighed.Footprint is null && settings.Weights is { } stated ? weighed with { Footprint = Footprint.Declared(stated, source) } : weighed;
    }

    private static Finding No(string type, string reason, string message) => new(type, false, reason, message);
}
