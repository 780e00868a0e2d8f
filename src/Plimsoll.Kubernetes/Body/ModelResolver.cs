using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Turns ScaledModels into what the planner can plan with: the target found, its pods' arguments read, the artefact
/// weighed, and what a replica takes on each kind of device that its pods could land on. What is missing is a finding, and
/// its model is left as it is.
/// </summary>
/// <param name="cluster">What is there.</param>
/// <param name="footprints">What artefacts weigh.</param>
/// <param name="time">Tells how long ago somebody wrote replicas.</param>
/// <param name="patched">Whether the webhook is in the way of a namespace's new pods; null where there is none.</param>
public sealed class ModelResolver(ClusterWatch cluster, FootprintStore footprints, TimeProvider time, Func<string, bool>? patched = null)
{
    private const int ConcurrencyDefault = 8;

    private ImmutableSortedDictionary<ObjectName, ObjectName> _usurped = ImmutableSortedDictionary<ObjectName, ObjectName>.Empty;
    private ILookup<(string, string, string), ScalerView> _scalers = Array.Empty<ScalerView>().ToLookup(scaler => ("", "", ""));

    // By ScaledModel: what it was made of, and what it came to. Most of thousands do not change between two ticks.
    private Dictionary<ObjectName, (object Key, ResolvedModel Model)> _known = [];
    private readonly Dictionary<ObjectName, (object Key, Looked Looked)> _looks = [];
    private readonly Dictionary<string, V1PodSpec> _specs = new(StringComparer.Ordinal);
    private readonly LabelledNodes _labelled = new();

    /// <summary>Node groups by what the models' pods ask of nodes; of the last <see cref="Resolve"/>.</summary>
    public NodeGroups Groups { get; private set; } = new([], new Dictionary<string, V1PodSpec>());

    /// <summary>All ScaledModels, ordered by name.</summary>
    public ImmutableArray<ResolvedModel> Resolve(FleetSettings fleet)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        _usurped = Ownership.Usurped(cluster.ScaledModels.Items.Values.Select(view => view.Model).OfType<ScaledModel>());
        _scalers = cluster.Scalers.ToLookup(scaler => (scaler.Name.Namespace, scaler.TargetKind, scaler.TargetName));
        var looked = cluster.ScaledModels.Items.Values.Select(Lookup).ToArray();
        foreach (var gone in _looks.Keys.Except(looked.Select(one => one.View.Name)).ToArray()) _looks.Remove(gone);
        _specs.Clear();
        foreach (var one in looked)
        {
            if (one.Pod is { } pod) _specs.TryAdd(one.SelectorKey!, pod);
            if (one.Applied is { } applied) _specs.TryAdd(applied.SelectorKey, applied.Spec);
        }

        Groups = new NodeGroups([.. cluster.Nodes.Items.Values], _specs);
        _labelled.Update(cluster.Nodes.Items.Values, Groups);
        var kinds = KindsByGroup();
        var before = _known;
        _known = new Dictionary<ObjectName, (object, ResolvedModel)>(looked.Length);
        var models = ImmutableArray.CreateBuilder<ResolvedModel>(looked.Length);
        foreach (var one in looked)
        {
            var kindsHere = one.SelectorKey is { } key ? Groups.GroupsFor(key).SelectMany(group => kinds.GetValueOrDefault(group, []))
                .DistinctBy(kind => SnapshotBuilder.KindOf(kind)).OrderBy(kind => SnapshotBuilder.KindOf(kind), StringComparer.Ordinal).ToArray() : [];
            var madeOf = (one.View.ResourceVersion, one.Workload?.ResourceVersion, one.Weighed,
                string.Join(',', kindsHere.Select(kind => $"{kind.Resource}={SnapshotBuilder.KindOf(kind)}")),
                one.SelectorKey is { } selector ? string.Join(',', Groups.GroupsFor(selector)) : "", fleet.Mode, one.Rivals,
                one.Applied is { } applied ? string.Join(',', Groups.GroupsFor(applied.SelectorKey)) : "", _labelled.Version);
            var model = before.TryGetValue(one.View.Name, out var known) && known.Key.Equals(madeOf)
                ? known.Model : Finish(one, kindsHere, fleet);
            _known[one.View.Name] = (madeOf, model);
            models.Add(model);
        }

        return models.ToImmutable();
    }

    private sealed record Looked(ScaledModelView View)
    {
        public ScaledModelSettings? Settings { get; init; }

        public VariantSettings? Variant { get; init; }

        public WorkloadView? Workload { get; init; }

        public ScalableKind? Kind { get; init; }

        public V1PodSpec? Pod { get; init; }

        public string? SelectorKey { get; init; }

        public ServedModel? Served { get; init; }

        /// <summary>The pods as the webhook makes them; null where it changes nothing.</summary>
        public AppliedPod? Applied { get; init; }

        public WeighedSource? Weighed { get; init; }

        public string Rivals { get; init; } = "";

        public ImmutableArray<Finding> Findings { get; init; } = [];
    }

    // Reading a pod's arguments takes longer than all else; of thousands of models few change between two ticks. A conflict is
    // looked at anew, as it ends by the passing of time alone.
    private Looked Lookup(ScaledModelView view)
    {
        var settings = view.Model is { } model && view.Problem is null ? ScaledModelSettings.Of(model) : null;
        var workload = settings is { Variants.IsEmpty: false } ? Target(settings).Workload : null;
        var rivals = workload is null ? "" : string.Join(',', _scalers[(view.Name.Namespace, workload.Kind, workload.Name.Name)].Select(rival => rival.ResourceVersion));
        var key = (view.ResourceVersion, workload?.Kind, workload?.ResourceVersion, rivals, _usurped.ContainsKey(view.Name), IsPatched(settings));
        var looked = _looks.TryGetValue(view.Name, out var known) && known.Key.Equals(key) && known.Looked.Rivals.Length == 0 ? known.Looked : Look(view);
        _looks[view.Name] = (key, looked);
        return looked is { Served: { } served, Settings: { } stated } && !looked.Findings.Any(finding => finding is { Type: ConditionTypes.Ready, Holds: false })
            ? looked with { Weighed = Weigh(stated, served) } : looked;
    }

    private Looked Look(ScaledModelView view)
    {
        if (view.Model is not { } model) return new Looked(view) { Findings = [No(ConditionTypes.Ready, "Unreadable", view.Problem ?? "it cannot be read")] };
        var problems = ScaledModelCheck.Of(model);
        if (!problems.IsEmpty)
            return new Looked(view) { Findings = [No(ConditionTypes.Ready, "Invalid", string.Join("; ", problems.Select(problem => problem.ToString())))] };
        var settings = ScaledModelSettings.Of(model);
        var (variant, kind, workload) = Target(settings);
        var looked = new Looked(view) { Settings = settings, Variant = variant, Kind = kind, Workload = workload };
        if (kind is null)
            return looked with { Findings = [No(ConditionTypes.TargetFound, "UnknownKind", $"the server has no kind {variant.Target.Kind} that is scaled here; Deployment, StatefulSet or LeaderWorkerSet would do")] };
        if (workload is null)
            return looked with { Findings = [No(ConditionTypes.TargetFound, "NotFound", $"{variant.Target.Kind} {variant.Target.Name} is not there; it is planned for once it is")] };
        var found = ImmutableArray.Create(new Finding(ConditionTypes.TargetFound, true, "Found", $"{workload.Kind} {workload.Name.Name}"));
        if (settings.Variants.Length > 1)
            found = found.Add(new Finding(ConditionTypes.Fits, null, "FirstVariantOnly", $"of {settings.Variants.Length} variants only {variant.Name} is planned; the others stay as they are"));
        if (workload.PodSpec is not { } pod)
            return looked with { Findings = found.Add(No(ConditionTypes.Weighed, "NoPodSpec", $"{workload.Kind} {workload.Name.Name} has no pod spec to read")) };
        var served = ServedModel.Of(pod, workload.PodAnnotations, workload.PodsPerReplica, workload.WorkerSpec);
        looked = looked with { Pod = pod, SelectorKey = NodeGroups.KeyOf(pod), Served = served, Findings = found };
        if (IsPatched(settings)) looked = looked with { Applied = AppliedPod.Of(workload, model.Status?.Recommended) };
        if (workload.PodsPerReplica > 1)
            return looked with { Findings = found.Add(No(ConditionTypes.Ready, "SeveralPods", $"a replica is {workload.PodsPerReplica} pods; replicas over several nodes are not planned yet and stay as they are")) };
        if (Conflict(settings, variant, workload, view) is { } conflict)
            looked = looked with { Rivals = conflict, Findings = looked.Findings.Add(new Finding(ConditionTypes.Conflict, true, "OtherScaler", conflict)) };
        return looked;
    }

    private bool IsPatched(ScaledModelSettings? settings) =>
        settings is { AppliesRequests: true } && patched?.Invoke(settings.Name.Namespace) == true;

    private string? Conflict(ScaledModelSettings settings, VariantSettings variant, WorkloadView workload, ScaledModelView view)
    {
        if (_usurped.TryGetValue(view.Name, out var owner)) return $"{variant.Target} is the ScaledModel {owner}'s already; one of the two would do";
        var rivals = _scalers[(view.Name.Namespace, workload.Kind, workload.Name.Name)].ToArray();
        if (rivals.Length == 0 && workload.ManagedFieldsJson is null) return null;
        using var autoscalers = Parsed(rivals.Where(rival => rival.Kind == "HorizontalPodAutoscaler"));
        using var scaled = Parsed(rivals.Where(rival => rival.Kind == "ScaledObject"));
        return Ownership.Conflict(new OwnershipQuestion
        {
            Namespace = view.Name.Namespace,
            Target = variant.Target,
            Actuation = settings.Actuation,
            Autoscalers = autoscalers.RootElement.EnumerateArray(),
            ScaledObjects = scaled.RootElement.EnumerateArray(),
            ManagedFields = workload.ManagedFieldsJson is { } fields ? k8s.KubernetesJson.Deserialize<List<V1ManagedFieldsEntry>>(System.Text.Encoding.UTF8.GetString(fields)) : [],
            Annotations = workload.Annotations,
            Created = workload.CreatedAt,
            At = time.GetUtcNow(),
            OurManagers = [KubernetesApi.FieldManager],
        });
    }

    private static JsonDocument Parsed(IEnumerable<ScalerView> scalers) =>
        JsonDocument.Parse($"[{string.Join(',', scalers.Select(scaler => System.Text.Encoding.UTF8.GetString(scaler.Json)))}]");

    private (VariantSettings Variant, ScalableKind? Kind, WorkloadView? Workload) Target(ScaledModelSettings settings)
    {
        foreach (var variant in settings.Variants)
        {
            var (kind, name) = Scaled(variant.Target.Kind, new ObjectName(settings.Name.Namespace, variant.Target.Name));
            if (kind is not null && cluster.Workload(kind.Kind, name) is { } workload) return (variant, kind, workload);
        }

        return (settings.Variants[0], cluster.KindOf(settings.Variants[0].Target.Kind), null);
    }

    // Under autoscalerClass external, what is scaled of an InferenceService is the Deployment of its predictor.
    private (ScalableKind? Kind, ObjectName Name) Scaled(string kind, ObjectName name) => kind == TargetKinds.InferenceService
        ? (cluster.KindOf(TargetKinds.Deployment), name with { Name = name.Name + "-predictor" }) : (cluster.KindOf(kind), name);

    private WeighedSource? Weigh(ScaledModelSettings settings, ServedModel served)
    {
        if (settings.Weights is { } weights && settings.Source is null && served.Source is null)
            return new WeighedSource(Declared(weights, "weights"), $"{weights} as stated", null);
        if ((settings.Source ?? served.Source) is not { } source) return null;
        var weighed = footprints.Find(source);
        return weighed.Footprint is null && settings.Weights is { } stated ? weighed with { Footprint = Declared(stated, source) } : weighed;
    }

    private static Footprint Declared(Bytes weights, string what) => new()
    {
        Format = ArtifactFormat.Unknown,
        Source = FootprintSource.Declared,
        Digest = string.Create(CultureInfo.InvariantCulture, $"declared:{weights.Value}:{what}"),
        OnDisk = weights,
        Weights = weights,
    };

    private ResolvedModel Finish(Looked looked, DeviceGroup[] kinds, FleetSettings fleet)
    {
        var model = new ResolvedModel
        {
            View = looked.View,
            Settings = looked.Settings,
            Workload = looked.Workload,
            ScalePath = looked is { Kind: { } kind, Workload: { } workload } ? kind.PathOf(workload.Name) + "/scale" : null,
            Pod = looked.Pod,
            Served = looked.Served,
            Weighed = looked.Weighed,
            Mode = looked.Settings is { } settings ? fleet.Cap(settings.Mode) : FleetMode.Observe,
            Findings = looked.Findings,
        };
        if (looked.Pod is null || looked.Findings.Any(finding => finding is { Type: ConditionTypes.Ready, Holds: false })) return model;
        if (looked.Weighed is not { } weighed)
            return model with { Findings = model.Findings.Add(No(ConditionTypes.Weighed, "NoSource", looked.Served is { Notes.IsEmpty: false } served ? string.Join(' ', served.Notes) : "its pods do not say which model they serve; spec.source would do")) };
        if (weighed.Footprint is not { } footprint)
            return model with { Findings = model.Findings.Add(weighed.Problem is { } why ? No(ConditionTypes.Weighed, "Unreadable", why) : new Finding(ConditionTypes.Weighed, null, "Reading", "its header is being read")) };
        model = model with { Findings = model.Findings.Add(new Finding(ConditionTypes.Weighed, true, "Weighed", $"{footprint.Weights} of weights, from {(footprint.Source == FootprintSource.Declared ? "what was stated" : "its header")}")) };
        return Plan(model, looked, footprint, kinds);
    }

    private ResolvedModel Plan(ResolvedModel model, Looked looked, Footprint footprint, DeviceGroup[] kinds)
    {
        // Where the webhook is in their way, pods are planned with as it makes them.
        var (settings, served) = (looked.Settings!, looked.Applied?.Served ?? looked.Served!);
        var (cores, memory) = (new Cores(served.Requests.CpuMilli), new Bytes(served.Requests.MemoryBytes));
        var variants = ImmutableArray.CreateBuilder<VariantSpec>();
        var misfits = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var engine = settings.Server ?? served.Server ?? "unknown";
        var concurrency = settings.Concurrency ?? looked.Variant!.Concurrency ?? served.MaxSequences ?? ConcurrencyDefault;
        if (served.DeviceResource is not { } resource)
            variants.Add(Variant("cpu", engine, null, EngineProfile.Named(engine).Needs(footprint, 0, cores, cached: false), concurrency, 1, 1));
        else
        {
            foreach (var kind in kinds.Where(kind => kind.Resource == resource))
            {
                var name = SnapshotBuilder.KindOf(kind);
                var (needs, why) = OnDevice(footprint, kind, settings, served, engine, cores);
                if (needs is null) misfits[name] = why!;
                else variants.Add(Variant(name, engine, name, needs, concurrency, served.TensorParallel, served.PipelineParallel));
            }
        }

        model = model with { Misfits = misfits.ToImmutable(), Applied = IsPatched(settings), Recommended = Recommend(looked, footprint, kinds, engine) };
        if (variants.Count == 0)
        {
            var why = misfits.Count > 0 ? string.Join("; ", misfits.Select(one => one.Value))
                : $"no node that its pods may go to has {served.DeviceResource} of a kind that is known";
            return model with { Findings = model.Findings.Add(No(ConditionTypes.Fits, misfits.Count > 0 ? "DoesNotFit" : "NoSuchDevice", why)) };
        }

        var floor = settings.Gateway ? 0 : 1;
        return model with
        {
            Findings = model.Findings.Add(new Finding(ConditionTypes.Fits, true, "Fits", string.Join("; ", variants.Select(Fitting)))),
            Spec = new ModelSpec
            {
                Id = model.Id,
                Version = Short(footprint.Digest),
                Source = looked.Weighed!.Shown,
                Footprint = footprint,
                Slo = settings.SloFor(footprint),
                Priority = settings.Priority,
                MinReplicas = Math.Max(floor, settings.MinReplicas ?? 0),
                MaxReplicas = Math.Max(settings.MaxReplicas, Math.Max(floor, settings.MinReplicas ?? 0)),
                IdleLimit = settings.IdleLimit,
                Variants = variants.ToImmutable(),
                Acts = model.Mode == FleetMode.Act && !model.InConflict,
                Requests = new SchedulerRequests
                {
                    Memory = memory,
                    Cores = cores,
                    EphemeralStorage = new Bytes(served.Requests.EphemeralStorageBytes),
                    Resource = served.DeviceResource,
                    Devices = (int)Math.Min(served.Devices, 1024),
                    Pools = Groups.GroupsFor(looked.Applied?.SelectorKey ?? looked.SelectorKey!),
                },
            },
        };
    }

    // Of the pod as its template has it: what is recommended must not depend on what was applied.
    private PodRecommendation? Recommend(Looked looked, Footprint footprint, DeviceGroup[] kinds, string engine)
    {
        var (settings, stated) = (looked.Settings!, looked.Served!);
        var served = stated with { Devices = PodRecommendation.DevicesOf(stated) };
        var fits = ImmutableSortedDictionary.CreateBuilder<string, ReplicaNeeds>(StringComparer.Ordinal);
        if (served.DeviceResource is not { } resource) fits["cpu"] = EngineProfile.Named(engine).Needs(footprint, 0, null, cached: false);
        else
        {
            foreach (var kind in kinds.Where(kind => kind.Resource == resource))
            {
                if (OnDevice(footprint, kind, settings, served, engine, Cores.Zero).Needs is { } needs) fits[SnapshotBuilder.KindOf(kind)] = needs;
            }
        }

        var groups = Groups.GroupsFor(looked.SelectorKey!);
        return PodRecommendation.Of(new RecommendationQuestion
        {
            Pod = looked.Pod!,
            Served = served,
            Footprint = footprint,
            Latency = settings.SloFor(footprint).Latency,
            Fits = fits.ToImmutable(),
            Nodes = [.. _labelled.Rows.Where(row => row.Resource == served.DeviceResource && groups.Contains(row.Group))],
        });
    }

    private static VariantSpec Variant(
        string name, string engine, string? kind, ReplicaNeeds needs, int concurrency, int tensor, int pipeline) => new()
        {
            Id = VariantId.Of(name),
            Engine = engine,
            DeviceKind = kind,
            TensorParallel = Math.Max(1, tensor),
            PipelineParallel = Math.Max(1, pipeline),
            Needs = needs,
            Concurrency = concurrency,
        };

    // By the engine's own memory rules where they are known; else by its prior.
    internal static (ReplicaNeeds? Needs, string? Why) OnDevice(
        Footprint footprint, DeviceGroup kind, ScaledModelSettings settings, ServedModel served, string engine, Cores cores)
    {
        var devices = (int)Math.Min(served.Devices, 1024);
        if (footprint.Shape is not null && served.Engine is { } rules)
        {
            var variant = served.VariantOn(kind.Accelerator) with
            {
                Context = settings.Context ?? served.Context ?? 0,
                MemoryShare = kind.Sharing == DeviceSharing.Mps ? 1.0 / kind.ReplicasPerDevice : 1,
            };
            if ((long)variant.Devices * Math.Max(1, served.DataParallel) != devices)
                return (null, $"its arguments split it over {variant.Devices} devices and the pod asks for {devices}; the same number would do");
            var (needs, fit) = ServingNeeds.Of(footprint, variant, cores, cached: false, DeviceCatalogue.BuiltIn.Accelerators);
            return fit.Fits ? (needs with { Devices = devices }, null) : (null, $"{devices} × {SnapshotBuilder.KindOf(kind)} with {rules.Name}: {fit.Reason}");
        }

        var prior = EngineProfile.Named(engine).Needs(footprint, devices, cores, cached: false);
        return prior.PerDevice is not { } each || each.Highest <= kind.MemoryPerReplica ? (prior, null)
            : (null, $"{each.Highest} per device against {kind.MemoryPerReplica} of {SnapshotBuilder.KindOf(kind)}");
    }

    private static string Fitting(VariantSpec variant) => variant.Needs.PerDevice is { } each
        ? $"{each.Highest} of each of {variant.Needs.Devices} {variant.DeviceKind} and {variant.Needs.Host.Highest} of memory"
        : $"{variant.Needs.Host.Highest} of memory";

    private Dictionary<string, List<DeviceGroup>> KindsByGroup()
    {
        var kinds = new Dictionary<string, List<DeviceGroup>>(StringComparer.Ordinal);
        var seen = new HashSet<(string, string, string)>();
        foreach (var node in cluster.Nodes.Items.Values)
        {
            var group = Groups.GroupOf(node.Name);
            foreach (var devices in node.Devices.Groups)
            {
                if (!seen.Add((group, devices.Resource, SnapshotBuilder.KindOf(devices)))) continue;
                if (!kinds.TryGetValue(group, out var list)) kinds[group] = list = [];
                list.Add(devices);
            }
        }

        return kinds;
    }

    private static string Short(string digest) => digest[(digest.LastIndexOf(':') + 1)..] is { Length: > 12 } hex ? hex[..12] : digest;

    private static Finding No(string type, string reason, string message) => new(type, false, reason, message);
}
