using System.Collections.Immutable;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Resources;

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

    public required DesiredScales Desired { get; init; }

    /// <summary>Asked before every write; false once another may believe that it leads.</summary>
    public required Func<bool> MayWrite { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Which Fleet is read.</summary>
    public string FleetName { get; init; } = FleetResource.DefaultName;

    /// <summary>Whether the webhook is in the way of a namespace's new pods; null where there is none.</summary>
    public Func<string, bool>? Patched { get; init; }

    public required Action<string> Log { get; init; }
}

/// <summary>
/// The cluster as a body: it looks at what watches keep up and writes replicas into scale subresources. The scheduler
/// chooses nodes and devices, the cluster's controllers choose pods; it says so in its capabilities.
/// </summary>
public sealed class KubernetesFleet : IFleet
{
    // What we wrote is believed for so long while the watch has not shown it.
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(10);

    private readonly KubernetesFleetParts _parts;
    private readonly ModelResolver _resolver;
    private readonly TrafficMeter _meter = new();
    private readonly PodHistory _history = new();
    private readonly Victims _victims;
    private readonly Dictionary<ModelId, (int Replicas, string Over, long At)> _asked = [];
    private readonly Dictionary<ModelId, Promised> _promised = [];
    private double _overdueFactor = new PlannerSettings().OverdueFactor;
    private ImmutableSortedDictionary<string, PodLoad> _loads = ImmutableSortedDictionary<string, PodLoad>.Empty;

    public KubernetesFleet(KubernetesFleetParts parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        _parts = parts;
        _victims = new Victims(parts);
        _resolver = new ModelResolver(parts.Cluster, parts.Footprints, parts.Time, parts.Patched);
    }

    // Of a Deployment's pods that with the least deletion cost ends first: since 1.22, and only there the victim is ours to choose.
    private Capabilities Can => Capabilities.TakeBack | (_parts.Cluster.ServerMinor >= 22 ? Capabilities.ChooseVictim : Capabilities.None);

    /// <summary>What the last <see cref="Look"/> came to.</summary>
    public ImmutableArray<ResolvedModel> Models { get; private set; } = [];

    /// <summary>Models without a count of arrivals, and why; of the last observation.</summary>
    public ImmutableSortedDictionary<ModelId, string> Unobserved { get; private set; } = ImmutableSortedDictionary<ModelId, string>.Empty;

    /// <summary>Replicas that the last plan wants of each model, as applied or recommended.</summary>
    public IReadOnlyDictionary<ModelId, int> Wanted { get; private set; } = new Dictionary<ModelId, int>();

    /// <summary>What is asked for, by the cluster's objects of this moment.</summary>
    /// <exception cref="ClusterUnseenException">The cluster cannot be seen whole.</exception>
    public FleetSpec Look()
    {
        if (_parts.Cluster.Problem is { } problem) throw new ClusterUnseenException(problem);
        var resource = _parts.Cluster.Fleets.Items.GetValueOrDefault(new ObjectName("", _parts.FleetName));
        var fleet = resource is null || FleetSettings.Check(resource).IsEmpty ? FleetSettings.Of(resource) : FleetSettings.Of(null) with { Mode = FleetMode.Recommend };
        Models = _resolver.Resolve(fleet);
        _overdueFactor = fleet.Planner.OverdueFactor;
        return new FleetSpec
        {
            Models = [.. Models.Where(model => model.Spec is not null).Select(model => model.Spec!).OrderBy(model => model.Id)],
            Settings = fleet.Planner,
            Prices = resource?.Spec?.Prices is null ? ListPrices.Of(_parts.Cluster.Nodes.Items.Values) : fleet.Prices,
            Mode = FleetMode.Act,
        };
    }

    /// <inheritdoc/>
    /// <exception cref="ClusterUnseenException">The cluster cannot be seen whole.</exception>
    public async ValueTask<FleetSnapshot> ObserveAsync(CancellationToken cancellationToken)
    {
        var pods = _parts.Cluster.Pods.Items.Values.ToArray();
        var finder = new SnapshotBuilder(_parts.Time.GetUtcNow(), _resolver.Groups, Models, [], _overdueFactor);
        var endpoints = Endpoints.Of(pods, finder, Models);
        var readings = await _parts.ReadPods(endpoints, cancellationToken).ConfigureAwait(false);

        // Watches went on meanwhile; one moment is looked at.
        if (_parts.Cluster.Problem is { } problem) throw new ClusterUnseenException(problem);
        pods = [.. _parts.Cluster.Pods.Items.Values];
        var at = _parts.Time.GetUtcNow();
        var planned = Models.Where(model => model.Spec is not null).ToArray();
        var traffic = _meter.Advance([.. planned.Select(model => new MeteredModel { Model = model.Id, Slo = model.Spec!.Slo })], readings, at);
        (_loads, Unobserved) = (traffic.Pods, traffic.Unobserved);
        Promise(planned, pods, finder, at);
        var builder = new SnapshotBuilder(at, _resolver.Groups, Models, _loads, _overdueFactor, _parts.Cluster.ServerMinor);
        var snapshot = builder.Build(_parts.Cluster.Nodes.Items.Values, pods, _promised, Can);
        return snapshot with
        {
            Traffic = traffic.Traffic,
            Outcomes = _history.Advance(pods, builder, at),
            Floors = Budgets.Of(_parts.Cluster.Budgets, pods, builder),
        };
    }

    /// <inheritdoc/>
    public async ValueTask<ApplyResult> ApplyAsync(Plan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var (started, waiting) = (new List<StepId>(), new List<StepId>());
        var wanted = new Dictionary<ModelId, int>();
        var acting = Models.Where(model => model.Acts).Select(model => model.Id).ToHashSet();
        var going = plan.Steps.Where(step => step is Step.Drain or Step.Stop && acting.Contains(ModelOf(step)))
            .Select(step => step.Subject).OfType<ReplicaId>().ToHashSet();
        var steps = plan.Steps.Where(step => step is Step.Start or Step.Drain or Step.Stop).ToLookup(ModelOf);
        foreach (var model in Models.Where(model => model.Spec is not null))
        {
            var now = steps[model.Id].Where(step => step.After.IsEmpty).ToArray();
            waiting.AddRange(steps[model.Id].Where(step => !step.After.IsEmpty).Select(step => step.Id));
            var replicas = Asked(model);
            var starts = now.Count(step => step is Step.Start);
            // A pod that is known to be the one to go finishes first, and the replicas are lowered when it has.
            var draining = await DrainAsync(model, now, started, cancellationToken).ConfigureAwait(false);
            var ends = now.Count(step => step is Step.Drain drain && !draining.Contains(drain.Id) || step is Step.Stop stop && !_history.IsEnding(stop.Replica));
            // More pods than were asked for (an update under way): those that end are taken from the surplus first.
            ends = Math.Max(0, ends - Math.Max(0, _history.Live(model.Id) - replicas));
            wanted[model.Id] = Math.Max(0, replicas + starts - ends);
            // As many come as go: a number says no more than that they stay.
            if (starts > 0 && wanted[model.Id] == replicas) going.ExceptWith(now.Select(step => step.Subject).OfType<ReplicaId>());
            if (!model.Acts || wanted[model.Id] == replicas) continue;
            if (wanted[model.Id] < replicas && model.Workload!.Kind == TargetKinds.Deployment && Can.HasFlag(Capabilities.ChooseVictim))
            {
                foreach (var stop in now.OfType<Step.Stop>()) await _victims.MarkAsync(stop.Replica, cancellationToken).ConfigureAwait(false);
            }

            if (await ScaleAsync(model, wanted[model.Id], cancellationToken).ConfigureAwait(false))
                started.AddRange(now.Where(step => !draining.Contains(step.Id)).Select(step => step.Id));
        }

        await _victims.UnmarkAsync(going, cancellationToken).ConfigureAwait(false);

        Wanted = wanted;
        Publish(plan, wanted);
        return new ApplyResult([.. started.Order()], [.. waiting.Order()]);
    }

    /// <inheritdoc/>
    public Task WaitForChangeAsync(CancellationToken cancellationToken) => _parts.Cluster.WaitForChangeAsync(cancellationToken);

    private static ModelId ModelOf(Step step) => step switch
    {
        Step.Start start => start.Model,
        Step.Drain drain => drain.Model,
        Step.Stop stop => stop.Model,
        _ => default,
    };

    private void Publish(Plan plan, Dictionary<ModelId, int> wanted)
    {
        var at = plan.Next.FoldedAt ?? _parts.Time.GetUtcNow();
        var verdicts = plan.Models.ToDictionary(verdict => verdict.Model);
        _parts.Desired.Publish(Models.Where(model => wanted.ContainsKey(model.Id) && verdicts.ContainsKey(model.Id)).Select(model => new DesiredScale
        {
            ScaledModel = model.View.Name,
            Replicas = wanted[model.Id],
            Active = wanted[model.Id] > 0 || verdicts[model.Id].Wanted > 0,
            DecidedAt = at,
            Reason = verdicts[model.Id].Reason.ToString(),
        }));
    }

    // What we asked for, until the watch shows it or it should have.
    private int Asked(ResolvedModel model)
    {
        var workload = model.Workload!;
        if (!_asked.TryGetValue(model.Id, out var asked)) return workload.Replicas;
        if (workload.ResourceVersion == asked.Over && _parts.Time.GetElapsedTime(asked.At) < Believed) return asked.Replicas;
        _asked.Remove(model.Id);
        return workload.Replicas;
    }

    private void Promise(ResolvedModel[] planned, PodView[] pods, SnapshotBuilder finder, DateTimeOffset at)
    {
        var live = pods.Where(pod => pod is { IsOver: false, DeletedAt: null } && pod.WorkerIndex is null or 0)
            .Select(pod => finder.OwnerOf(pod)?.Id).OfType<ModelId>().CountBy(id => id).ToDictionary();
        foreach (var model in planned)
        {
            var missing = Asked(model) - live.GetValueOrDefault(model.Id);
            if (missing <= 0) _promised.Remove(model.Id);
            else _promised[model.Id] = new Promised(Math.Min(missing, 1000), _promised.TryGetValue(model.Id, out var before) ? before.Since : at);
        }

        foreach (var gone in _promised.Keys.Where(id => planned.All(model => model.Id != id)).ToArray()) _promised.Remove(gone);
    }

    // Steps that only mark their pod: what drains counts until it is stopped. What cannot be marked is no reason not to scale.
    private async ValueTask<HashSet<StepId>> DrainAsync(ResolvedModel model, Step[] now, List<StepId> started, CancellationToken cancellationToken)
    {
        var draining = new HashSet<StepId>();
        if (!model.Acts || !Victims.AreKnown(model.Workload!.Kind, _parts.Cluster.ServerMinor)) return draining;
        foreach (var drain in now.OfType<Step.Drain>())
        {
            var marking = await _victims.MarkAsync(drain.Replica, cancellationToken).ConfigureAwait(false);
            if (marking != Victims.Marking.Refused) draining.Add(drain.Id);
            if (marking == Victims.Marking.Marked) started.Add(drain.Id);
        }

        return draining;
    }

    private async ValueTask<bool> ScaleAsync(ResolvedModel model, int replicas, CancellationToken cancellationToken)
    {
        if (!_parts.MayWrite()) return false;
        var body = Encoding.UTF8.GetBytes(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = replicas } }.ToJsonString());
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                // Absolute, so that a second try of the same plan changes nothing more.
                using var written = await _parts.Cluster.Api.PatchAsync(model.ScalePath!, body, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
                _asked[model.Id] = (replicas, model.Workload!.ResourceVersion, _parts.Time.GetTimestamp());
                _parts.Log($"{model.Id}: {model.Workload.Kind} {model.Workload.Name.Name} is asked for {replicas} replicas");
                return true;
            }
            catch (ApiException raced) when (raced.Status == HttpStatusCode.Conflict && attempt < 5 && _parts.MayWrite())
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20 << attempt), _parts.Time, cancellationToken).ConfigureAwait(false);
            }
            catch (ApiException refused)
            {
                _history.Failed(StepId.Of($"scale/{model.Id}"), model.Id, refused.Message, _parts.Time.GetUtcNow());
                _parts.Log($"{model.Id}: {refused.Message}");
                return false;
            }
        }
    }
}
