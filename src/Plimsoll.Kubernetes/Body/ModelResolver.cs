using System.Collections.Immutable;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;
using Plimsoll.Kubernetes.Templates;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Turns what ScaledModels and their targets say into what the planner can plan with: what a replica takes on each kind of device
/// that its pods could land on. What is missing is a finding, and its model is left as it is.
/// </summary>
/// <param name="cluster">What is there.</param>
/// <param name="footprints">What artefacts weigh.</param>
/// <param name="time">Tells how long ago somebody wrote replicas.</param>
/// <param name="made">What templates are made into; null where none are.</param>
/// <param name="patched">Whether the webhook is in the way of a namespace's new pods; null where there is none.</param>
public sealed class ModelResolver(
    ClusterWatch cluster, FootprintStore footprints, TimeProvider time, TemplateWorkloads? made = null, Func<string, bool>? patched = null)
{
    private const int ConcurrencyDefault = 8;

    private readonly ModelLookup _lookup = new(cluster, footprints, time, made, patched);

    // By ScaledModel: what it was made of, and what it came to. Most of thousands do not change between two ticks.
    private Dictionary<(ObjectName, string), (object Key, ResolvedModel Model)> _known = [];
    private readonly Dictionary<string, V1PodSpec> _specs = new(StringComparer.Ordinal);
    private readonly LabelledNodes _labelled = new();
    private readonly PaceStore _paces = new();

    /// <summary>Whether somebody asks what stands in front of the pods, so that a request at zero replicas is seen.</summary>
    public bool ReadsFronts { get; init; }

    /// <summary>How long a model's requests were seen to be; null where nobody learns it.</summary>
    public Func<ModelId, TokenMeans?>? LengthsSeen { get; init; }

    /// <summary>Node groups by what the models' pods ask of nodes; of the last <see cref="Resolve"/>.</summary>
    public NodeGroups Groups { get; private set; } = new([], new Dictionary<string, V1PodSpec>());

    // One node, empty, of each pool that nodes can be asked of: models may be planned for where no node is yet.
    private ImmutableArray<NodeView> _couldCome = [];

    /// <summary>All ScaledModels, ordered by name.</summary>
    /// <param name="fleet">What holds for all.</param>
    /// <param name="couldCome">A node, empty, of each kind that can be asked for.</param>
    /// <param name="alsoAsked">What pods beside the models' ask of nodes, by their key; null for none.</param>
    public ImmutableArray<ResolvedModel> Resolve(FleetSettings fleet, ImmutableArray<NodeView> couldCome, IReadOnlyDictionary<string, V1PodSpec>? alsoAsked = null)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        _couldCome = couldCome;
        var looked = _lookup.All(fleet);
        _specs.Clear();
        foreach (var one in looked)
        {
            if (one.Pod is { } pod) _specs.TryAdd(one.SelectorKey!, pod);
            if (one.Worker is { } worker) _specs.TryAdd(one.WorkerKey!, worker);
            if (one.Applied is { } applied) _specs.TryAdd(applied.SelectorKey, applied.Spec);
        }

        foreach (var (key, spec) in alsoAsked ?? ImmutableDictionary<string, V1PodSpec>.Empty) _specs.TryAdd(key, spec);
        Groups = new NodeGroups([.. cluster.Nodes.Items.Values, .. _couldCome], _specs, Groups);
        _labelled.Update(cluster.Nodes.Items.Values, Groups);
        var kinds = KindsByGroup();
        var before = _known;
        _known = new Dictionary<(ObjectName, string), (object, ResolvedModel)>(looked.Length);
        var models = ImmutableArray.CreateBuilder<ResolvedModel>(looked.Length);
        foreach (var one in looked)
        {
            var kindsHere = one.SelectorKey is { } key ? Groups.GroupsFor(key).Concat(one.WorkerKey is { } its ? Groups.GroupsFor(its) : [])
                .SelectMany(group => kinds.GetValueOrDefault(group, []))
                .DistinctBy(kind => NodeLayout.KindOf(kind)).OrderBy(kind => NodeLayout.KindOf(kind), StringComparer.Ordinal).ToArray() : [];
            var lengths = TypicalLengths.Of(LengthsSeen?.Invoke(one.View.Name.ModelId), one.Settings?.Tokens.Prompt, one.Settings?.Tokens.Answer);
            var madeOf = (one.View.ResourceVersion, (one.Workload?.ResourceVersion, one.Workload?.MadeLike, one.IsPatched, string.Join('|', one.Findings.Select(finding => finding.Message))), one.Weighed,
                string.Join(',', kindsHere.Select(kind => $"{kind.Resource}={NodeLayout.KindOf(kind)}")),
                one.SelectorKey is { } selector ? string.Join(',', Groups.GroupsFor(selector)) : "",
                (one.WorkerKey ?? one.Applied?.SelectorKey) is { } others ? string.Join(',', Groups.GroupsFor(others)) : "", fleet.Mode, one.Rivals, _labelled.Version, lengths);
            var model = before.TryGetValue(one.Key, out var known) && known.Key.Equals(madeOf) && !known.Model.AwaitsPace
                ? known.Model : Finish(one, kindsHere, fleet, known.Model, lengths);
            _known[one.Key] = (madeOf, model);
            models.Add(model);
        }

        return [.. models.GroupBy(model => model.View.Name).Select(targets => targets.ToArray() is { Length: > 1 } several ? SeveralTargets.Of(several) : targets.First())];
    }

    // A node that would do, and what keeps the pods from it; nothing where there is none.
    private string Barred(V1PodSpec pod, string resource)
    {
        foreach (var node in cluster.Nodes.Items.Values.OrderBy(node => node.Name, StringComparer.Ordinal))
        {
            if (node.Devices.Groups.Any(group => group.Resource == resource) && NodeEligibility.WhyNot(pod, node) is { } why) return $"; node {node.Name} has, and {why}";
        }

        return "";
    }

    private ResolvedModel Finish(Looked looked, DeviceGroup[] kinds, FleetSettings fleet, ResolvedModel? before, TypicalLengths lengths)
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
        var (source, finding) = CacheChoice.Of(looked.View, looked.Workload!, looked.Settings!.Source ?? looked.Served!.Source, footprint, cluster.CacheFolder);
        if (finding is not null) model = model with { CacheSource = source, Findings = model.Findings.Add(finding) };
        return Plan(model, looked, footprint, kinds, before, lengths);
    }

    private ResolvedModel Plan(ResolvedModel model, Looked looked, Footprint footprint, DeviceGroup[] kinds, ResolvedModel? before, TypicalLengths lengths)
    {
        // Where the webhook is in their way, pods are planned with as it makes them.
        var (settings, served) = (looked.Settings!, looked.Applied?.Served ?? looked.Served!);
        var cores = new Cores(served.Requests.CpuMilli);
        var variants = ImmutableArray.CreateBuilder<VariantSpec>();
        var misfits = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var (slo, awaited) = (settings.SloFor(footprint), false);
        var engine = settings.Server ?? served.Server ?? "unknown";
        // With a profile as many as fill the largest batch and the next one.
        var profile = looked.Variant!.Profile;
        var concurrency = looked.Variant.Concurrency ?? served.MaxSequences ?? (profile is null ? ConcurrencyDefault : 2 * profile.BatchMax);
        if (served.DeviceResource is not { } resource)
            variants.Add(Paced(GroupNeeds.Split(Variant("cpu", engine, null, EngineProfile.Named(engine).Needs(footprint, 0, cores, cached: false), concurrency, 1, 1), served, footprint, null), null));
        else
        {
            foreach (var kind in kinds.Where(kind => kind.Resource == resource))
            {
                var name = NodeLayout.KindOf(kind);
                if (looked.Variant.Device is { } stated && kind.Accelerator.Name != stated)
                {
                    misfits[name] = $"{name} is not the stated {stated}";
                    continue;
                }

                var (needs, fit, why) = OnDevice(footprint, kind, settings, served, engine, cores);
                if (needs is null)
                {
                    misfits[name] = why!;
                    continue;
                }

                var variant = GroupNeeds.Split(Variant(name, engine, name, needs, concurrency, served.TensorParallel, served.PipelineParallel), served, footprint, kind);
                variants.Add(Paced(variant, fit));
            }
        }

        VariantSpec Paced(VariantSpec variant, FitReport? fit)
        {
            ServicePrior? pace = null;

            // Copies behind one address share requests in their own way, which is not the gateway's.
            var isKnown = profile is not null ? _paces.TryFind(profile, concurrency, slo, out pace)
                : fit is null || served.DataParallel > 1 || served.AttentionGroups > 1 || _paces.TryFind(footprint, AsAsked(fit, settings, concurrency), slo, lengths, out pace);
            if (isKnown) return variant with { Service = pace };

            // Until it is known for the lengths that were seen, what was known for others is nearer than nothing.
            awaited = true;
            return variant with { Service = before?.Spec?.Variants.FirstOrDefault(known => known.Id == variant.Id)?.Service };
        }

        model = model with { AwaitsPace = awaited, Misfits = misfits.ToImmutable(), Applied = looked.IsPatched, Recommended = Recommend(looked, footprint, kinds, engine) };
        if (variants.Count == 0)
        {
            var why = misfits.Count > 0 ? string.Join("; ", misfits.Select(one => one.Value))
                : $"no node that its pods may go to has {served.DeviceResource} of a kind that is known{Barred(looked.Applied?.Spec ?? looked.Pod!, served.DeviceResource!)}";
            return model with { Findings = model.Findings.Add(No(ConditionTypes.Fits, misfits.Count > 0 ? "DoesNotFit" : "NoSuchDevice", why)) };
        }

        var leader = Asked(served.Requests, served.DeviceResource, looked.Applied?.SelectorKey ?? looked.SelectorKey!);
        if (looked.WorkerKey is { } key && Asked(served.WorkerRequests!, served.DeviceResource, key) is var each)
        {
            for (var i = 0; i < variants.Count; i++) variants[i] = variants[i] with { Workers = variants[i].Workers! with { Requests = each } };
        }

        var floor = settings.Gateway || (settings.HasFront && ReadsFronts) ? 0 : 1;
        return model with
        {
            Findings = model.Findings.Add(Links(looked, served) is { } link
                ? new Finding(ConditionTypes.Fits, true, "LinkNotKnownFast", $"{string.Join("; ", variants.Select(Fitting))}; {link}")
                : new Finding(ConditionTypes.Fits, true, "Fits", string.Join("; ", variants.Select(Fitting)))),
            Spec = new ModelSpec
            {
                Id = model.Id,
                Version = VersionOf(footprint),
                Source = looked.Weighed!.Shown,
                Cached = model.CacheSource is not null,
                Footprint = footprint,
                Slo = slo,
                Priority = settings.Priority,
                Events = settings.Events,
                MinReplicas = Math.Max(floor, settings.MinReplicas ?? 0),
                MaxReplicas = Math.Max(settings.MaxReplicas, Math.Max(floor, settings.MinReplicas ?? 0)),
                IdleLimit = settings.IdleLimit,
                Variants = variants.ToImmutable(),
                InOrder = settings.VariantsInOrder,
                Acts = model.Mode == FleetMode.Act && !model.InConflict,
                Requests = leader,
            },
        };
    }

    private string? Links(Looked looked, ServedModel served) => looked.Worker is null ? null : NodeLinks.Warning(
        served, cluster.Nodes.Items.Values.Where(node => Groups.GroupsFor(looked.WorkerKey!).Contains(Groups.GroupOf(node.Name))));

    private SchedulerRequests Asked(PodRequests requests, string? resource, string selectorKey)
    {
        var devices = resource is null ? 0 : (int)Math.Min(requests.Devices.GetValueOrDefault(resource), 1024);
        return new SchedulerRequests
        {
            Memory = new Bytes(requests.MemoryBytes),
            Cores = new Cores(requests.CpuMilli),
            EphemeralStorage = new Bytes(requests.EphemeralStorageBytes),
            Resource = devices > 0 ? resource : null,
            Devices = devices,
            Pools = Groups.GroupsFor(selectorKey),
        };
    }

    // Of the pod as its template has it: what is recommended must not depend on what was applied. Not of groups, whose pods are of two kinds.
    private PodRecommendation? Recommend(Looked looked, Footprint footprint, DeviceGroup[] kinds, string engine)
    {
        if (looked.Worker is not null) return null;
        var (settings, stated) = (looked.Settings!, looked.Served!);
        var served = stated with { Devices = PodRecommendation.DevicesOf(stated) };
        var fits = ImmutableSortedDictionary.CreateBuilder<string, ReplicaNeeds>(StringComparer.Ordinal);
        if (served.DeviceResource is not { } resource) fits["cpu"] = EngineProfile.Named(engine).Needs(footprint, 0, null, cached: false);
        else
        {
            foreach (var kind in kinds.Where(kind => kind.Resource == resource))
            {
                if (OnDevice(footprint, kind, settings, served, engine, Cores.Zero).Needs is { } needs) fits[NodeLayout.KindOf(kind)] = needs;
            }
        }

        var groups = Groups.GroupsFor(looked.SelectorKey!);
        return PodRecommendation.Of(new RecommendationQuestion
        {
            Pod = looked.Pod!,
            Served = served,
            FromTemplate = looked.Workload is { MadeLike: null, Kind: not "InferenceService" },
            Footprint = footprint,
            Latency = settings.SloFor(footprint).Latency,
            Fits = fits.ToImmutable(),
            Nodes = [.. _labelled.Rows.Where(row => row.Resource == served.DeviceResource && groups.Contains(row.Group))],
        });
    }

    // Through the gateway no more are let into a replica at once than it is said to work on.
    private static FitReport AsAsked(FitReport fit, ScaledModelSettings settings, int concurrency) => settings.Gateway
        ? fit with { Variant = fit.Variant with { MaxSequences = Math.Min(fit.Variant.MaxSequences ?? concurrency, concurrency) } } : fit;

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
    internal static (ReplicaNeeds? Needs, FitReport? Fit, string? Why) OnDevice(
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
            if (variant.Devices != devices)
                return (null, null, $"its arguments split it over {variant.Devices} devices and {(served.PodsPerReplica > 1 ? $"its {served.PodsPerReplica} pods ask" : "the pod asks")} for {devices}; the same number would do");
            var (needs, fit) = ServingNeeds.Of(footprint, variant, cores, cached: false, DeviceCatalogue.BuiltIn.Accelerators);
            return fit.Fits ? (needs, fit, null) : (null, null, $"{devices} × {NodeLayout.KindOf(kind)} with {rules.Name}: {fit.Reason}");
        }

        var prior = EngineProfile.Named(engine).Needs(footprint, devices, cores, cached: false);
        return prior.PerDevice is not { } each || each.Highest <= kind.MemoryPerReplica ? (prior, null, null)
            : (null, null, $"{each.Highest} per device against {kind.MemoryPerReplica} of {NodeLayout.KindOf(kind)}");
    }

    private static string Fitting(VariantSpec variant) => Fitting(variant.Needs, variant.DeviceKind)
        + (variant.Workers is { } workers ? $" for the leader, and for each of {workers.Count} workers {Fitting(workers.Needs, variant.DeviceKind)}" : "");

    private static string Fitting(ReplicaNeeds needs, string? kind) => needs.PerDevice is { } each
        ? $"{each.Highest} of each of {needs.Devices} {kind} and {needs.Host.Highest} of memory" : $"{needs.Host.Highest} of memory";

    private Dictionary<string, List<DeviceGroup>> KindsByGroup()
    {
        var kinds = new Dictionary<string, List<DeviceGroup>>(StringComparer.Ordinal);
        var seen = new HashSet<(string, string, string)>();
        foreach (var node in cluster.Nodes.Items.Values.Concat(_couldCome))
        {
            var group = Groups.GroupOf(node.Name);
            foreach (var devices in node.Devices.Groups)
            {
                if (!seen.Add((group, devices.Resource, NodeLayout.KindOf(devices)))) continue;
                if (!kinds.TryGetValue(group, out var list)) kinds[group] = list = [];
                list.Add(devices);
            }
        }

        return kinds;
    }

    /// <summary>The version that an artefact's copies go by: the beginning of its digest.</summary>
    public static string VersionOf(Footprint footprint)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        return Short(footprint.Digest);
    }

    private static string Short(string digest) => digest[(digest.LastIndexOf(':') + 1)..] is { Length: > 12 } hex ? hex[..12] : digest;

    private static Finding No(string type, string reason, string message) => new(type, false, reason, message);
}
