using System.Collections.Immutable;
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
public sealed class StatusWriter(KubernetesFleetParts parts)
{
    private const int WritesAtOnceMax = 50;
    private static readonly TimeSpan Refresh = TimeSpan.FromMinutes(1);

    private readonly Dictionary<ObjectName, (string Essence, string Version, long At)> _written = [];

    /// <summary>Writes the statuses that changed, at most fifty; the longest waiting first.</summary>
    /// <param name="fleet">The models as resolved.</param>
    /// <param name="tick">The last turn; null when nothing could be planned.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many are left for the next time.</returns>
    public async Task<int> WriteAsync(KubernetesFleet fleet, Tick? tick, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        var verdicts = tick?.Plan.Models.ToDictionary(verdict => verdict.Model) ?? [];
        var replicas = tick?.Snapshot.Replicas.ToLookup(replica => replica.Model);
        var due = new List<(long At, ResolvedModel Model, string Essence, JsonObject Status)>();
        foreach (var model in fleet.Models)
        {
            var verdict = verdicts.GetValueOrDefault(model.Id);
            var mine = replicas?[model.Id].Where(replica => replica.State != ReplicaState.Stopping).ToArray() ?? [];
            var status = Status(model, verdict, mine, fleet);
            var essence = Essence(status, verdict);
            var known = _written.TryGetValue(model.View.Name, out var last);
            if (known && last.Essence == essence && (parts.Time.GetElapsedTime(last.At) < Refresh || verdict is null)) continue;
            due.Add((known ? last.At : long.MinValue, model, essence, status));
        }

        foreach (var gone in _written.Keys.Except(fleet.Models.Select(model => model.View.Name)).ToArray()) _written.Remove(gone);
        var left = due.Count;
        await Parallel.ForEachAsync(
            due.OrderBy(one => one.At).ThenBy(one => one.Model.View.Name).Take(WritesAtOnceMax),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (one, token) =>
            {
                if (!parts.MayWrite()) return;
                try
                {
                    await WriteAsync(one.Model, one.Status, token).ConfigureAwait(false);
                    lock (_written) _written[one.Model.View.Name] = (one.Essence, one.Model.View.ResourceVersion, parts.Time.GetTimestamp());
                    Interlocked.Decrement(ref left);
                }
                catch (ApiException refused)
                {
                    if (refused.Status != System.Net.HttpStatusCode.NotFound) parts.Log($"{one.Model.Id}: its status could not be written: {refused.Message}");
                }
            }).ConfigureAwait(false);
        return left;
    }

    private async Task WriteAsync(ResolvedModel model, JsonObject status, CancellationToken cancellationToken)
    {
        var name = model.View.Name;
        var body = new JsonObject
        {
            ["apiVersion"] = ResourceGroup.ApiVersion,
            ["kind"] = ScaledModel.KubeKind,
            ["metadata"] = new JsonObject { ["name"] = name.Name, ["namespace"] = name.Namespace, ["uid"] = model.View.Uid },
            ["status"] = status,
        };
        using var written = await parts.Cluster.Api.PatchAsync(
            $"apis/{ResourceGroup.ApiVersion}/namespaces/{name.Namespace}/{ScaledModel.KubePluralName}/{name.Name}/status",
            JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
    }

    private JsonObject Status(ResolvedModel model, ModelVerdict? verdict, InferenceReplica[] replicas, KubernetesFleet fleet)
    {
        var findings = Conditions.Of(model, verdict, fleet.Unobserved.GetValueOrDefault(model.Id));
        var status = new JsonObject
        {
            ["observedGeneration"] = model.View.Model?.Metadata?.Generation ?? 0,
            ["conditions"] = new JsonArray([.. findings.Select(finding => Condition(model, finding))]),
            ["mode"] = model.Mode.ToString().ToLowerInvariant(),
            ["reason"] = Short(verdict?.Reason.ToString() ?? findings.First(finding => finding.Type == ConditionTypes.Ready).Message),
        };
        if (model.Weighed is { Footprint: { } footprint } weighed)
        {
            if (weighed.Shown.Length > 0) status["model"] = Short(weighed.Shown);
            status["weight"] = footprint.Weights.ToString();
            status["weightBytes"] = footprint.Weights.Value;
        }

        if (model.Workload is { } workload)
        {
            status["replicas"] = verdict is null ? workload.Replicas : replicas.Length;
            if (verdict is not null) status["readyReplicas"] = replicas.Count(replica => replica.State == ReplicaState.Ready);
        }

        if (verdict is null) return status;
        if (fleet.Wanted.TryGetValue(model.Id, out var wanted)) status["desiredReplicas"] = wanted;
        if (verdict.DemandPerSecond.TryGetLast(out var demand)) status["demandPerSecond"] = Rounded(demand);
        if (verdict.ForecastPerSecond.TryGetLast(out var forecast)) status["forecastPerSecond"] = Rounded(forecast);
        status["loadTime"] = Durations.Show(verdict.LoadTime);
        status["hold"] = verdict.Hold is { } hold ? Durations.Show(hold) : "owned";
        status["recommendedRequests"] = Requests(model, verdict.Needs);
        return status;
    }

    private static JsonObject Requests(ResolvedModel model, ReplicaNeeds needs)
    {
        var mebi = (needs.Host.Highest.Value + (1L << 20) - 1) >> 20;
        var requests = new JsonObject
        {
            ["memory"] = string.Create(CultureInfo.InvariantCulture, $"{mebi}Mi"),
            ["ephemeral-storage"] = string.Create(CultureInfo.InvariantCulture, $"{((model.Spec!.Footprint.OnDisk.Value >> 20) + 1024)}Mi"),
            ["cpu"] = string.Create(CultureInfo.InvariantCulture, $"{Math.Max(needs.Cores.Milli, EngineProfile.CoresFor(model.Spec.Footprint.Weights, needs.Devices).Milli)}m"),
        };
        if (model.Spec.Requests is { Resource: { } resource }) requests[resource] = needs.Devices.ToString(CultureInfo.InvariantCulture);
        return requests;
    }

    private JsonObject Condition(ResolvedModel model, Finding finding)
    {
        var word = finding.Holds switch { true => "True", false => "False", null => "Unknown" };
        var before = model.View.Model?.Status?.Conditions?.FirstOrDefault(one => one?.Type == finding.Type);
        var since = before?.Status == word && before.LastTransitionTime is { } changed ? changed : parts.Time.GetUtcNow().UtcDateTime;
        return new JsonObject
        {
            ["type"] = finding.Type,
            ["status"] = word,
            ["reason"] = finding.Reason,
            ["message"] = Short(finding.Message),
            ["lastTransitionTime"] = since.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["observedGeneration"] = model.View.Model?.Metadata?.Generation ?? 0,
        };
    }

    // What a person must learn of at once: not the seconds and rates that move by themselves.
    private static string Essence(JsonObject status, ModelVerdict? verdict)
    {
        var conditions = string.Join(';', status["conditions"]!.AsArray().Select(one => $"{one!["type"]}{one["status"]}{one["reason"]}"));
        return $"{status["observedGeneration"]}|{status["mode"]}|{status["weight"]}|{status["replicas"]}|{status["readyReplicas"]}|{status["desiredReplicas"]}|{verdict?.Reason.Rule}|{conditions}";
    }

    private static double Rounded(double rate) => Math.Round(rate, rate < 1 ? 3 : 1);

    // An API server before 1.23 takes an empty text for none, which a field with a schema may not be.
    private static string Short(string text) => text.Length > 1000 ? text[..1000] + "…" : text.Length == 0 ? "-" : text;
}

/// <summary>A ScaledModel's conditions.</summary>
internal static class Conditions
{
    /// <summary>All six, in a fixed order; Ready sums them up.</summary>
    public static ImmutableArray<Finding> Of(ResolvedModel model, ModelVerdict? verdict, string? unobserved)
    {
        Finding Found(string type, Finding otherwise) => model.Findings.LastOrDefault(finding => finding.Type == type) ?? otherwise;
        Finding Unknown(string type, string message) => new(type, null, "Unknown", message);
        var target = Found(ConditionTypes.TargetFound, Unknown(ConditionTypes.TargetFound, "not looked for yet"));
        var weighed = Found(ConditionTypes.Weighed, Unknown(ConditionTypes.Weighed, "not weighed yet"));
        var fits = verdict is { Refused: true } ? new Finding(ConditionTypes.Fits, false, "DoesNotFit", verdict.Reason.ToString())
            : verdict?.Reason.Rule == Rule.HoldUnsafeNode ? new Finding(ConditionTypes.Fits, false, "UnsafeNode", verdict.Reason.ToString())
            : Found(ConditionTypes.Fits, Unknown(ConditionTypes.Fits, "not known before it is weighed"));
        var floor = model is { Spec.MinReplicas: > 0, Settings: { Gateway: false } settings } && settings.MinReplicas is null or 0
            ? "; nothing would tell of a request at zero replicas, so one is kept" : "";
        var seen = model.Spec is null ? Unknown(ConditionTypes.MetricsSeen, "not looked for yet")
            : unobserved is not null ? new Finding(ConditionTypes.MetricsSeen, false, "NotSeen", unobserved + floor)
            : new Finding(ConditionTypes.MetricsSeen, true, "Seen", "its pods tell of their work" + floor);
        var conflict = Found(ConditionTypes.Conflict, new Finding(ConditionTypes.Conflict, false, "None", "nobody else scales it"));
        var ready = model.Findings.FirstOrDefault(finding => finding.Type == ConditionTypes.Ready) ?? Sum(target, weighed, fits, conflict, model);
        return [ready, target, weighed, seen, fits, conflict];
    }

    private static Finding Sum(Finding target, Finding weighed, Finding fits, Finding conflict, ResolvedModel model)
    {
        if (conflict.Holds == true) return new Finding(ConditionTypes.Ready, false, conflict.Reason, conflict.Message);
        foreach (var one in (Finding[])[target, weighed, fits])
        {
            if (one.Holds != true) return new Finding(ConditionTypes.Ready, one.Holds, one.Reason, one.Message);
        }

        return new Finding(ConditionTypes.Ready, true, "Planned", model.Mode switch
        {
            FleetMode.Act when model.Acts => "planned for, and scaled",
            FleetMode.Act => "planned for; who reads the metric scales",
            FleetMode.Recommend => "planned for; mode recommend changes nothing",
            _ => "looked at; mode observe changes nothing",
        });
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(JsonObject))]
internal sealed partial class BodyJson : System.Text.Json.Serialization.JsonSerializerContext;
