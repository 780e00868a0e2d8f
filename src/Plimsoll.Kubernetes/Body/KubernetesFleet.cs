using System.Collections.Immutable;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Templates;

namespace Plimsoll.Kubernetes.Body;

/// <summary>The cluster cannot be seen whole, so nothing may be decided on it; the sentence says why.</summary>
public sealed class ClusterUnseenException(string message) : Exception(message);

/// <summary>What a fleet of the cluster needs beside it.</summary>
public sealed record KubernetesFleetParts
{
    public required ClusterWatch Cluster { get; init; }

    public required FootprintStore Footprints { get; init; }

    /// <summary>Reads what pods tell: from themselves, or from a Prometheus that asks them already.</summary>
    public required Func<IReadOnlyList<PodEndpoint>, CancellationToken, Task<ImmutableArray<PodReading>>> ReadPods { get; init; }

    /// <summary>Reads what stands in front of the pods, where a Prometheus can be asked.</summary>
    public Func<IReadOnlyList<FrontQuery>, CancellationToken, Task<ImmutableSortedDictionary<ModelId, Signal<FrontSample>>>>? ReadFronts { get; init; }

    /// <summary>The gateway, which counts what comes through it; null where none is asked.</summary>
    public GatewaySource? Gateway { get; init; }

    public required DesiredScales Desired { get; init; }

    /// <summary>Asked before every write; false once another may believe that it leads.</summary>
    public required Func<bool> MayWrite { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Where nodes are asked for; empty asks for none.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>Which Fleet is read.</summary>
    public string FleetName { get; init; } = FleetResource.DefaultName;

    /// <summary>Whether the webhook is in the way of a namespace's new pods; null where there is none.</summary>
    public Func<string, bool>? Patched { get; init; }

    public required Action<string> Log { get; init; }
}

/// <summary>A turn as it is told of: what it decided, of which models, and why some could not be observed.</summary>
/// <param name="Tick">The turn.</param>
/// <param name="Models">The models as resolved.</param>
/// <param name="Unobserved">Models without a count of arrivals, and why.</param>
/// <param name="Wanted">Replicas that the plan wants of each model.</param>
/// <param name="WantedOf">The same of each workload.</param>
/// <param name="Jobs">The training jobs as resolved.</param>
internal sealed record ToldTurn(
    Tick Tick, ImmutableArray<ResolvedModel> Models, ImmutableSortedDictionary<ModelId, string> Unobserved,
    IReadOnlyDictionary<ModelId, int> Wanted, IReadOnlyDictionary<string, int> WantedOf, ImmutableArray<ResolvedJob> Jobs);

/// <summary>
/// The cluster as a body: it looks at what watches keep up and writes replicas into scale subresources. The scheduler
/// chooses nodes and devices, the cluster's controllers choose pods; it says so in its capabilities.
/// </summary>
public sealed class KubernetesFleet : IFleet
{
    private readonly KubernetesFleetParts _parts;
    private readonly ModelResolver _resolver;

    // Of the last plan: what is predicted for a model goes by the lengths of its requests.
    private Knowledge _learned = Knowledge.Empty;

    // The Fleet has a mistake, so that all is only shown though it may have been planned before.
    private bool _isMistaken;
    private readonly TemplateWorkloads _templates;
    private readonly ClusterNodes _nodes;
    private readonly TrainingJobs _jobs;
    private readonly TrafficMeter _meter = new();
    private readonly GatewayMeter? _gateway;
    private readonly PodHistory _history = new();
    private readonly NodeCaches _caches;
    private readonly Victims _victims;
    private readonly Endpoints _endpoints = new();
    private readonly ScaleWriter _scales;
    private readonly Dictionary<string, Promised> _promised = new(StringComparer.Ordinal);
    private Dictionary<ReplicaId, VariantId> _variants = [];
    private Dictionary<ModelId, int> _serving = [];
    private Dictionary<ModelId, int> _coming = [];
    private FleetMode _most = FleetMode.Recommend;
    private string? _partly;
    private readonly Dictionary<ModelId, HashSet<string>> _workloadsOf = [];
    private double _overdueFactor = new PlannerSettings().OverdueFactor;
    private IReadOnlyDictionary<string, PodLoad> _loads = new Dictionary<string, PodLoad>();
    private readonly SnapshotMemory _memory = new();

    public KubernetesFleet(KubernetesFleetParts parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        _parts = parts;
        _victims = new Victims(parts);
        _scales = new ScaleWriter(parts);
        _templates = new TemplateWorkloads(parts);
        _resolver = new ModelResolver(parts.Cluster, parts.Footprints, parts.Time, _templates, parts.Patched)
        {
            ReadsFronts = parts.ReadFronts is not null,
            LengthsSeen = model => _learned.Of(model).Tokens,
        };
        _nodes = new ClusterNodes(parts);
        _jobs = new TrainingJobs(parts);
        _gateway = parts.Gateway is { } gateway ? new GatewayMeter(gateway.Workload) : null;
        _caches = new NodeCaches(parts.Cluster, parts.Time, parts.Log);
    }

    // Of a Deployment's pods that with the least deletion cost ends first: since 1.22, and only there the victim is ours to choose.
    private Capabilities Can => Capabilities.TakeBack | _jobs.Can | (_parts.Cluster.ServerMinor >= 22 ? Capabilities.ChooseVictim : Capabilities.None);

    /// <summary>What a leader before this one learned.</summary>
    internal Knowledge Learned { init => _learned = value; }

    /// <summary>What the last <see cref="Look"/> came to.</summary>
    public ImmutableArray<ResolvedModel> Models { get; private set; } = [];

    /// <summary>The training jobs of the same look.</summary>
    public ImmutableArray<ResolvedJob> Jobs => _jobs.Jobs;

    /// <summary>Models without a count of arrivals, and why; of the last observation.</summary>
    public ImmutableSortedDictionary<ModelId, string> Unobserved { get; private set; } = ImmutableSortedDictionary<ModelId, string>.Empty;

    /// <summary>Replicas that the last plan wants of each model, as applied or recommended.</summary>
    public IReadOnlyDictionary<ModelId, int> Wanted { get; private set; } = new Dictionary<ModelId, int>();

    /// <summary>The same of each workload (<see cref="SnapshotBuilder.KeyOf"/>).</summary>
    internal IReadOnlyDictionary<string, int> WantedOf { get; private set; } = new Dictionary<string, int>();

    /// <summary>What there is to tell of a turn, as it stays while the next one goes on.</summary>
    internal ToldTurn Told(Tick tick) => new(tick, Models, Unobserved, Wanted, WantedOf, Jobs);

    /// <summary>What is asked for, by the cluster's objects of this moment.</summary>
    /// <exception cref="ClusterUnseenException">The cluster cannot be seen whole.</exception>
    public FleetSpec Look()
    {
        if (_parts.Cluster.Problem is { } problem) throw new ClusterUnseenException(problem);
        var partly = _parts.Cluster.Partly;
        if (partly is not null && partly != _partly) _parts.Log($"decided without some kinds, and nothing of the models that rest on them: {partly}");
        _partly = partly;
        var resource = _parts.Cluster.Fleets.Items.GetValueOrDefault(new ObjectName("", _parts.FleetName));
        _isMistaken = resource is not null && !FleetSettings.Check(resource).IsEmpty;
        var fleet = _isMistaken ? FleetSettings.Of(null) with { Mode = FleetMode.Recommend } : FleetSettings.Of(resource);
        Models = _resolver.Resolve(fleet, _nodes.Read(fleet, resource), _jobs.Look(fleet));
        _overdueFactor = fleet.Planner.OverdueFactor;
        _most = fleet.Cap(FleetMode.Act);
        return new FleetSpec
        {
            Models = [.. Models.Where(model => model.Spec is not null).Select(model => model.Spec!).OrderBy(model => model.Id)],
            Training = _jobs.Resolve(_resolver.Groups),
            Settings = fleet.Planner,
            Prices = resource?.Spec?.Prices is null ? ListPrices.Of(_parts.Cluster.Nodes.Items.Values) : fleet.Prices,
            Mode = FleetMode.Act,
            NodePools = _nodes.Pools(_resolver.Groups),
            Quotas = fleet.DeviceQuotas,
            UnplannedJobs = _jobs.Unplanned(_learned.Training?.Jobs.Keys ?? []),
            Unplanned = Models.Any(model => model.Spec is null) ? [.. Models.Where(model => model.Spec is null).Select(model => model.Id).Order()] : default,
        };
    }

    /// <inheritdoc/>
    /// <exception cref="ClusterUnseenException">The cluster cannot be seen whole.</exception>
    public async ValueTask<FleetSnapshot> ObserveAsync(CancellationToken cancellationToken)
    {
        var pods = Pods();
        var finder = new SnapshotBuilder(_parts.Time.GetUtcNow(), _resolver.Groups, Models, _loads, _overdueFactor);
        var endpoints = _endpoints.Of(pods, finder, Models);
        var reading = _parts.ReadPods(endpoints, cancellationToken);
        var asking = ReadFrontsAsync(cancellationToken);
        var counted = _parts.Gateway is { } source && Models.Any(model => model is { Spec: not null, Settings.Gateway: true })
            ? await source.ReadAsync(source.Find(pods), cancellationToken).ConfigureAwait(false) : [];
        var readings = await reading.ConfigureAwait(false);
        var fronts = await asking.ConfigureAwait(false);

        // Watches went on meanwhile; one moment is looked at.
        if (_parts.Cluster.Problem is { } problem) throw new ClusterUnseenException(problem);
        pods = _nodes.WithoutPlaceholders(Pods());
        var at = _parts.Time.GetUtcNow();
        var planned = Models.Where(model => model.Spec is not null).ToArray();
        var traffic = _meter.Advance(
            [.. planned.Select(model => new MeteredModel { Model = model.Id, Slo = model.Spec!.Slo, Front = fronts.TryGetValue(model.Id, out var front) ? front : null })], readings, at);
        var through = _gateway?.Advance([.. planned.Where(model => model.Settings!.Gateway).Select(model => model.Id)], counted, at);
        (_loads, (var rows, Unobserved)) = (traffic.Pods, through is null ? (traffic.Traffic, traffic.Unobserved) : GatewayDemand.Merge(traffic, through));
        Promise(planned, pods, finder, at);
        foreach (var (model, why, when) in _scales.TakeRefused()) _history.Failed(StepId.Of($"scale/{model}"), model, why, when);
        var builder = new SnapshotBuilder(at, _resolver.Groups, Models, _loads, _overdueFactor, _parts.Cluster.ServerMinor, _memory, _history.HasServed, _jobs.Keys);
        var snapshot = builder.Build(_parts.Cluster.Nodes.Items.Values, pods, _promised, Can);
        _serving = snapshot.Replicas.Where(replica => replica.State == ReplicaState.Ready).CountBy(replica => replica.Model).ToDictionary();
        _coming = snapshot.Replicas.Where(replica => replica.State == ReplicaState.Loading).CountBy(replica => replica.Model).ToDictionary();
        _variants = snapshot.Replicas.ToDictionary(replica => replica.Id, replica => replica.Variant);
        snapshot = snapshot with
        {
            Traffic = [.. rows.Select(row => _endpoints.ServedByOthers.Contains(row.Model) ? row with { Service = null } : row)],
            Outcomes = _history.Advance(pods, builder, at),
            Floors = Budgets.Of(_parts.Cluster.Budgets, pods, builder),
        };
        return _jobs.Onto(_caches.Onto(_nodes.Complete(snapshot), pods, Models), pods, builder.GangPods);
    }

    /// <inheritdoc/>
    public async ValueTask<ApplyResult> ApplyAsync(Plan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        _learned = plan.Next;
        var (started, waiting) = (new List<StepId>(), new List<StepId>());
        var steps = plan.Steps.Where(step => step is Step.Start or Step.Drain or Step.Stop).ToLookup(Step.ModelOf);
        var targets = new List<TargetSteps>();
        foreach (var model in Models.Where(model => model.Spec is not null))
        {
            waiting.AddRange(steps[model.Id].Where(step => !step.After.IsEmpty).Select(step => step.Id));
            var now = steps[model.Id].Where(step => step.After.IsEmpty).ToLookup(step => TargetOf(model.Spec!, step));
            foreach (var target in model.Targets.Where(target => target.Spec is not null))
            {
                var its = now[target.Spec!.Variants[0].Target].ToArray();

                // One that hangs goes first, and one is started in its place at the next look: a number that stays as it is ends nobody.
                if (its.Any(IsEndOfHanging))
                {
                    waiting.AddRange(its.OfType<Step.Start>().Select(start => start.Id));
                    its = [.. its.Where(step => step is not Step.Start)];
                }

                targets.Add(new TargetSteps(model, target, its));
            }
        }

        // A pod that is known to be the one to go finishes first, and the replicas are lowered when it has.
        var drains = targets.Where(one => one.Model.Acts && Victims.AreKnown(one.Target.Workload!.KeyKind, _parts.Cluster.ServerMinor))
            .SelectMany(one => one.Now.OfType<Step.Drain>()).ToArray();
        var marks = await _victims.MarkAsync([.. drains.Select(drain => drain.Replica)], cancellationToken).ConfigureAwait(false);
        var draining = drains.Where(drain => marks[drain.Replica] != Victims.Marking.Refused).Select(drain => drain.Id).ToHashSet();
        started.AddRange(drains.Where(drain => marks[drain.Replica] == Victims.Marking.Marked).Select(drain => drain.Id));

        var acting = targets.Where(one => one.Model.Acts).Select(one => one.Model.Id).ToHashSet();
        var going = plan.Steps.Where(step => step is Step.Drain or Step.Stop).Where(step => Step.ModelOf(step) is { } model && acting.Contains(model))
            .Select(step => step.Subject).OfType<ReplicaId>().ToHashSet();
        var due = new List<(TargetSteps Of, ScaleRequest Request)>();
        var (wanted, wantedOf) = (new Dictionary<ModelId, int>(), new Dictionary<string, int>(StringComparer.Ordinal));
        foreach (var one in targets)
        {
            var replicas = Wants(one, draining, going);
            wantedOf[SnapshotBuilder.KeyOf(one.Target.Workload!)] = replicas;
            wanted[one.Model.Id] = wanted.GetValueOrDefault(one.Model.Id) + replicas;
            if (one.Model.Acts && replicas != _scales.Asked(one.Target)) due.Add((one, new ScaleRequest(one.Target, replicas)));
        }

        await _victims.UnmarkAsync(going, cancellationToken).ConfigureAwait(false);
        await _victims.MarkAsync(
            [.. due.Where(one => one.Request.Replicas < _scales.Asked(one.Of.Target) && Victims.GoByCost(one.Of.Target.Workload!.KeyKind, _parts.Cluster.ServerMinor))
                .SelectMany(one => one.Of.Now.OfType<Step.Stop>()).Select(stop => stop.Replica)],
            cancellationToken).ConfigureAwait(false);
        WantedOf = wantedOf;
        var ours = targets.Where(one => one.Model.Acts).Select(one => SnapshotBuilder.KeyOf(one.Target.Workload!)).ToHashSet(StringComparer.Ordinal);
        var written = await _scales.WriteAsync([.. due.Select(one => one.Request)], ours, cancellationToken).ConfigureAwait(false);
        started.AddRange(due.Where(one => written.Contains(one.Request.Key)).SelectMany(one => one.Of.Now).Select(step => step.Id).Where(step => !draining.Contains(step)));
        var listed = plan.Models.ToDictionary(verdict => verdict.Model, verdict => new ListedVariants(verdict, _serving.GetValueOrDefault(verdict.Model), _coming.GetValueOrDefault(verdict.Model)));
        await _templates.KeepAsync(Models, listed, cancellationToken).ConfigureAwait(false);
        var jobs = await _jobs.ApplyAsync(plan, cancellationToken).ConfigureAwait(false);
        started.AddRange(jobs.Started);
        waiting.AddRange(jobs.Waiting);
        started.AddRange(await _nodes.ApplyAsync(plan, _jobs.Kept(plan), Unplanned(), cancellationToken).ConfigureAwait(false));
        started.AddRange(await _caches.ApplyAsync(plan, Models, _most, _parts.MayWrite, cancellationToken).ConfigureAwait(false));
        Wanted = wanted;
        Publish(plan, wanted);
        return new ApplyResult([.. started.Order()], [.. waiting.Order()]);
    }

    /// <summary>Waits until nothing is written any more; what it is written under is to be cancelled before.</summary>
    internal Task EndAsync() => Task.WhenAll(_scales.EndAsync(), _jobs.EndAsync());

    private bool IsEndOfHanging(Step step) => step is Step.Stop { Reason.Rule: Rule.StopLoadOverdue } stop
        && SnapshotBuilder.PodOf(stop.Replica) is not null && !_history.IsEnding(stop.Replica);

    // Workloads of which nothing is planned now though they are named: what was known of them last, where they cannot be read or their model
    // has a slip, or the Fleet.
    private HashSet<string> Unplanned()
    {
        foreach (var target in Models.SelectMany(model => model.Targets).Where(target => target.Workload is not null))
        {
            if (!_workloadsOf.TryGetValue(target.Id, out var known)) _workloadsOf[target.Id] = known = new HashSet<string>(StringComparer.Ordinal);
            known.Add(SnapshotBuilder.KeyOf(target.Workload!));
        }

        var named = Models.Select(model => model.Id).ToHashSet();
        foreach (var gone in _workloadsOf.Keys.Where(model => !named.Contains(model)).ToArray()) _workloadsOf.Remove(gone);
        if (_isMistaken) return [.. _workloadsOf.Values.SelectMany(keys => keys), .. _jobs.UnplannedKeys(_isMistaken)];
        var planned = Models.SelectMany(model => model.Targets).Where(target => target is { Spec: not null, Workload: not null }).Select(target => SnapshotBuilder.KeyOf(target.Workload!));
        var unplanned = Models.Where(model => model.Targets.Any(target => target.Spec is null)).SelectMany(model => _workloadsOf.GetValueOrDefault(model.Id, []))
            .ToHashSet(StringComparer.Ordinal);
        unplanned.ExceptWith(planned);
        unplanned.UnionWith(_jobs.UnplannedKeys(_isMistaken));
        return unplanned;
    }

    // What a plan asks of one target now.
    private sealed record TargetSteps(ResolvedModel Model, ResolvedModel Target, Step[] Now);

    // The replicas of one target, which the plan's steps on it come to.
    private int Wants(TargetSteps one, HashSet<StepId> draining, HashSet<ReplicaId> going)
    {
        var replicas = _scales.Asked(one.Target);
        var starts = one.Now.Count(step => step is Step.Start);
        var ends = one.Now.Count(step => step is Step.Drain drain && !draining.Contains(drain.Id) || step is Step.Stop stop && !_history.IsEnding(stop.Replica));
        // More pods than were asked for (an update under way): those that end are taken from the surplus first.
        ends = Math.Max(0, ends - Math.Max(0, _history.Live(SnapshotBuilder.KeyOf(one.Target.Workload!)) - replicas));
        var wanted = Math.Max(0, replicas + starts - ends);
        // As many come as go: a number says no more than that they stay.
        if (starts > 0 && wanted == replicas) going.ExceptWith(one.Now.Select(step => step.Subject).OfType<ReplicaId>());
        return wanted;
    }

    // Which of a model's targets a step is about; null of a model with one.
    private string? TargetOf(ModelSpec model, Step step)
    {
        var variant = step is Step.Start start ? start.Variant
            : step.Subject is { } replica && _variants.TryGetValue(replica, out var its) ? its : (VariantId?)null;
        return (model.Variants.FirstOrDefault(one => one.Id == variant) ?? model.Variants[0]).Target;
    }

    /// <inheritdoc/>
    public Task WaitForChangeAsync(CancellationToken cancellationToken) => _parts.Gateway is { } gateway
        ? Task.WhenAny(_parts.Cluster.WaitForChangeAsync(cancellationToken), gateway.WaitForHeldAsync(cancellationToken))
        : _parts.Cluster.WaitForChangeAsync(cancellationToken);

    private IReadOnlyCollection<PodView> Pods() => _parts.Cluster.Others.Owned([.. _parts.Cluster.Pods.Items.Values]);

    // Where a model has a gateway too, that one counts: no request must count twice.
    private async Task<ImmutableSortedDictionary<ModelId, Signal<FrontSample>>> ReadFrontsAsync(CancellationToken cancellationToken)
    {
        var queries = Models.Where(model => model is { Spec: not null, Settings: { HasFront: true, Gateway: false } })
            .Select(model => new FrontQuery(model.Id, model.Settings!.ArrivalsQuery, model.Settings.QueueQuery)).ToArray();
        return queries.Length > 0 && _parts.ReadFronts is { } read ? await read(queries, cancellationToken).ConfigureAwait(false)
            : ImmutableSortedDictionary<ModelId, Signal<FrontSample>>.Empty;
    }

    // Of a model that is only shown, or that somebody else scales, no number is given out: KEDA and the HPA would scale by it.
    private void Publish(Plan plan, Dictionary<ModelId, int> wanted)
    {
        var at = plan.Next.FoldedAt ?? _parts.Time.GetUtcNow();
        var verdicts = plan.Models.ToDictionary(verdict => verdict.Model);
        _parts.Desired.Publish(Models.Where(model => model.Spec is { Acts: true } && wanted.ContainsKey(model.Id) && verdicts.ContainsKey(model.Id)).Select(model => new DesiredScale
        {
            ScaledModel = model.View.Name,
            Replicas = wanted[model.Id],
            Active = wanted[model.Id] > 0 || verdicts[model.Id].Wanted > 0,
            DecidedAt = at,
            Reason = verdicts[model.Id].Reason.ToString(),
        }));
    }

    private void Promise(ResolvedModel[] planned, IReadOnlyCollection<PodView> pods, SnapshotBuilder finder, DateTimeOffset at)
    {
        // A pod of a node that is gone is over, and whoever made it makes another as soon as the cluster has collected it: until
        // then that one is promised, and nobody starts a further one in its place.
        var nodes = _parts.Cluster.Nodes.Items.Keys.Select(node => node.Name).ToHashSet(StringComparer.Ordinal);
        var live = pods.Where(pod => pod is { IsOver: false, DeletedAt: null } && pod.WorkerIndex is null or 0
                && (pod.Node is null || nodes.Contains(pod.Node)) && finder.OwnerOf(pod) is not null)
            .CountBy(pod => pod.WorkloadKey!, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        // Of two targets of one workload the first has it, as for its pods.
        var targets = planned.SelectMany(model => model.Targets).Where(target => target.Spec is not null)
            .GroupBy(target => SnapshotBuilder.KeyOf(target.Workload!), StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        foreach (var (key, target) in targets)
        {
            var missing = _scales.Asked(target) - live.GetValueOrDefault(key);
            if (missing <= 0) _promised.Remove(key);
            else _promised[key] = new Promised(Math.Min(missing, 1000), _promised.TryGetValue(key, out var before) ? before.Since : at);
        }

        foreach (var gone in _promised.Keys.Except(targets.Keys).ToArray()) _promised.Remove(gone);
    }
}
