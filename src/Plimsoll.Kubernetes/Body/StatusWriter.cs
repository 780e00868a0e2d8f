using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Writes what is seen and thought into the ScaledModels' status. Numbers that drift with every second are refreshed only
/// now and then, and so many at once: ten thousand models must not turn into ten thousand writes per plan.
/// </summary>
internal sealed class StatusWriter(KubernetesFleetParts parts)
{
    private const int WritesAtOnceMax = 50;

    // What one observed load tells moves a number of every model; thousands of them wait for it in turn.
    private const int RefreshesAtOnceMax = 5;
    private static readonly TimeSpan Refresh = TimeSpan.FromMinutes(1);

    // Demand that doubled or halved is not told a minute late.
    private static readonly TimeSpan RefreshOfDemand = TimeSpan.FromSeconds(5);

    private readonly Dictionary<ObjectName, (string Essence, long At, string Text, double? Demand)> _written = [];

    // Since when each has had something to say.
    private readonly Dictionary<ObjectName, long> _waiting = [];

    private readonly RefusedWrites _refused = new(parts.Time);

    /// <summary>How many had something new to say the last time, were not refused, and are left for the next.</summary>
    public int Left { get; private set; }

    /// <summary>
    /// Writes the statuses that changed, at most fifty: those that are planned for before thousands that cannot be, and of
    /// either those that were refused last and the longest waiting first. Of those in which only numbers drifted, a few.
    /// </summary>
    public Task WriteAsync(ToldTurn told, CancellationToken cancellationToken)
    {
        var verdicts = told.Tick.Plan.Models.ToDictionary(verdict => verdict.Model);
        var replicas = told.Tick.Snapshot.Replicas.ToLookup(replica => replica.Model);
        var due = new List<(long Since, ResolvedModel Model, string Essence, ScaledModelStatus Status)>();
        var drifted = new List<(long Since, ResolvedModel Model, string Essence, ScaledModelStatus Status)>();
        foreach (var model in told.Models)
        {
            var verdict = verdicts.GetValueOrDefault(model.Id);
            var mine = replicas[model.Id].Where(replica => replica.State != ReplicaState.Stopping).ToArray();
            var status = Status(model, verdict, mine, told);
            var essence = Essence(status, verdict);
            var known = _written.TryGetValue(model.View.Name, out var last);
            if (known && last.Essence == essence)
            {
                var refresh = AreFar(last.Demand, status.DemandPerSecond) ? RefreshOfDemand : Refresh;
                if (parts.Time.GetElapsedTime(last.At) < refresh || verdict is null) continue;

                // What reads as it did is not written again: a fleet at rest costs the server nothing.
                if (last.Text == Text(status))
                {
                    _written[model.View.Name] = last with { At = parts.Time.GetTimestamp() };
                    continue;
                }
            }

            if (!_waiting.TryGetValue(model.View.Name, out var since)) _waiting[model.View.Name] = since = parts.Time.GetTimestamp();
            if (!_refused.Waits(model.View.Name)) (known && last.Essence == essence ? drifted : due).Add((since, model, essence, status));
        }

        // Of what was asked for and has changed back nothing waits any more.
        foreach (var settled in _waiting.Keys.Except(due.Concat(drifted).Select(one => one.Model.View.Name)).ToArray()) _waiting.Remove(settled);
        _refused.Keep(told.Models.Select(model => model.View.Name));
        foreach (var gone in _written.Keys.Except(told.Models.Select(model => model.View.Name)).ToArray()) _written.Remove(gone);
        Left = Math.Max(0, due.Count - WritesAtOnceMax);
        return Parallel.ForEachAsync(
            due.OrderBy(one => one.Model.Spec is null).ThenBy(one => _refused.Times(one.Model.View.Name)).ThenBy(one => one.Since).ThenBy(one => one.Model.View.Name).Take(WritesAtOnceMax)
                .Concat(drifted.OrderBy(one => _refused.Times(one.Model.View.Name)).ThenBy(one => one.Since).ThenBy(one => one.Model.View.Name).Take(RefreshesAtOnceMax)),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (one, token) =>
            {
                if (!parts.MayWrite()) return;
                try
                {
                    var view = one.Model.View;
                    await StatusPatch.ApplyAsync(
                        parts.Cluster.Api, ScaledModel.KubeKind, ScaledModel.KubePluralName, view.Name, view.Uid, one.Status, token).ConfigureAwait(false);
                    _refused.Remove(view.Name);
                    lock (_written)
                    {
                        _written[one.Model.View.Name] = (one.Essence, parts.Time.GetTimestamp(), Text(one.Status), one.Status.DemandPerSecond);
                        _waiting.Remove(one.Model.View.Name);
                    }
                }
                catch (ApiException refused)
                {
                    if (_refused.Add(one.Model.View.Name, refused.Message) && refused.Status != System.Net.HttpStatusCode.NotFound) parts.Log($"{one.Model.Id}: its status could not be written: {refused.Message}");
                }
            });
    }

    // Requests a second; below one in ten seconds they are as good as none.
    private static bool AreFar(double? one, double? other) =>
        Math.Max(one ?? 0, other ?? 0) is > 0.1 and var more && Math.Min(one ?? 0, other ?? 0) <= more / 2;

    private ScaledModelStatus Status(ResolvedModel model, ModelVerdict? verdict, InferenceReplica[] replicas, ToldTurn told)
    {
        var findings = Conditions.Of(model, verdict, told.Unobserved.GetValueOrDefault(model.Id));
        var status = new ScaledModelStatus
        {
            ObservedGeneration = Generation(model),
            Conditions = [.. findings.Select(finding => StatusPatch.Condition(finding, model.View.Model?.Status?.Conditions, Generation(model), parts.Time.GetUtcNow()))],
            Mode = model.Mode.ToString().ToLowerInvariant(),
            Reason = verdict?.Reason.ToString() ?? findings.First(finding => finding.Type == ConditionTypes.Ready).Message,
            Model = model.Weighed?.Footprint is null ? null : model.Weighed.Shown,
            Weight = model.Weighed?.Footprint?.Weights.ToString(),
            WeightBytes = model.Weighed?.Footprint?.Weights.Value,
            Replicas = verdict is null ? model.Workload?.Replicas : replicas.Length,
            Recommended = model.Recommended?.Status(),
            RecommendedRequests = model.Recommended?.Requests(),
            Selector = model.Targets.Length > 1 ? null : model.Workload?.SelectorText,
        };
        if (model.Targets.Length > 1) status = status with { Variants = [.. model.Targets.Select(target => Variant(target, replicas, told))] };
        return (verdict is null ? status : status with
        {
            ReadyReplicas = replicas.Count(replica => replica.State == ReplicaState.Ready),
            DesiredReplicas = told.Wanted.TryGetValue(model.Id, out var wanted) ? wanted : null,
            DemandPerSecond = Demand(verdict, told.Tick, isCounted: !told.Unobserved.ContainsKey(model.Id)),
            ForecastPerSecond = verdict.ForecastPerSecond.TryGetLast(out var forecast) ? forecast : null,
            Capacity = Capacity(verdict),
            LoadTime = Durations.Show(verdict.LoadTime),
            Hold = verdict.Hold is { } hold ? Durations.Show(hold) : "owned",
        }).Writable();
    }

    // A number cannot say that it is old: where nobody counts any more it is left out. Metrics that merely come late still count.
    internal static double? Demand(ModelVerdict verdict, Tick tick, bool isCounted)
    {
        var demand = verdict.DemandAsOf(tick.Spec.Settings, tick.Snapshot.At);
        return demand.TryGetLast(out var rate) && (isCounted || demand.State == SignalState.Known) ? rate : null;
    }

    // In two digits: what moves with every request would be written with every request.
    private static string? Capacity(ModelVerdict verdict)
    {
        static string Rate(double perSecond) => Fact.Rate("", double.Parse(perSecond.ToString("G2", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)).Shown;
        return verdict switch
        {
            { CapacityExpected: { } estimate } =>
                $"{Rate(estimate.PerSecond)}, {Rate(estimate.LowPerSecond)} to {Rate(estimate.HighPerSecond)} by the error bar of its steps; "
                + (estimate.Requests == 0 ? $"predicted for {estimate.From}, as none was seen at work yet"
                    : string.Create(CultureInfo.InvariantCulture, $"its steps take {estimate.Pace:0.0} times what was predicted for {estimate.From}"))
                + (estimate.Keeps ? "" : "; the objective is missed even by requests that are alone, which more replicas do not mend"),
            { CapacityPerSecond: > 0 and var seen } => $"{Rate(seen)}, by the times of its requests",
            _ => null,
        };
    }

    private static VariantStatus Variant(ResolvedModel target, InferenceReplica[] replicas, ToldTurn told)
    {
        var ways = (target.Spec?.Variants ?? []).Select(variant => variant.Id).ToHashSet();
        var mine = replicas.Where(replica => ways.Contains(replica.Variant)).ToArray();
        return new VariantStatus
        {
            Name = SeveralTargets.NameOf(target),
            Target = target.Settings is { Variants: [var only, ..] } ? $"{only.Target.Kind}/{only.Target.Name}" : null,
            Replicas = target.Spec is null ? target.Workload?.Replicas : mine.Length,
            ReadyReplicas = target.Spec is null ? null : mine.Count(replica => replica.State == ReplicaState.Ready),
            DesiredReplicas = target.Workload is { } workload && told.WantedOf.TryGetValue(SnapshotBuilder.KeyOf(workload), out var wanted) ? wanted : null,
            Selector = target.Workload?.SelectorText,
            Reason = SeveralTargets.Why(target),
            RecommendedRequests = target.Recommended?.Requests(),
            Recommended = target.Recommended?.Status(),
        };
    }

    private static string Text(ScaledModelStatus status) => JsonSerializer.Serialize(status, ResourceJson.Options);

    private static long Generation(ResolvedModel model) => model.View.Model?.Metadata?.Generation ?? 0;

    // Whoever makes pods goes by it.
    private static string Shown(RecommendedPod? recommended) => recommended is null ? "" : string.Join(
        ',', [.. recommended.Requests!.Select(one => one.Key + one.Value), .. (recommended.Nodes ?? []).Select(one => one.Label + one.Value), recommended.SharedMemory, recommended.Template, recommended.Differs]);

    // What a person must learn of at once: not the seconds and rates that move by themselves.
    private static string Essence(ScaledModelStatus status, ModelVerdict? verdict)
    {
        var conditions = string.Join(';', status.Conditions!.Select(one => one.Type + one.Status + one.Reason));
        return string.Create(CultureInfo.InvariantCulture,
            $"{status.ObservedGeneration}|{status.Mode}|{status.Weight}|{status.Replicas}|{status.ReadyReplicas}|{status.DesiredReplicas}|{verdict?.Reason.Rule}|{conditions}|{Shown(status.Recommended)}|{string.Join('/', (status.Variants ?? []).Select(variant => Shown(variant.Recommended)))}|")
            + string.Join(';', (status.Variants ?? []).Select(one => $"{one.Name} {one.Replicas} {one.ReadyReplicas} {one.DesiredReplicas}"));
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(JsonObject))]
internal sealed partial class BodyJson : System.Text.Json.Serialization.JsonSerializerContext;
