using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Templates;

/// <summary>How far the variants that are listed of a model have come.</summary>
/// <param name="Verdict">The plan's.</param>
/// <param name="Serving">Their replicas that serve.</param>
/// <param name="Coming">Those that are on their way.</param>
public sealed record ListedVariants(ModelVerdict Verdict, int Serving, int Coming);

/// <summary>
/// Makes templates into workloads, one for each variant that is listed, and keeps them as their template says. Replicas are no
/// part of what is applied: a new workload starts with none, and from then on only its scale is written. One whose variant is no
/// longer listed is scaled down as others take over, or makes room for them (<see cref="Replacement"/>), and is deleted once it is empty.
/// </summary>
public sealed class TemplateWorkloads(KubernetesFleetParts parts)
{
    private const int WritesAtOnceMax = 20;

    // Whoever deletes it or changes it by hand sees it put right within this time at the latest.
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(10);
    private static readonly string[] Kinds = [TargetKinds.Deployment, TargetKinds.LeaderWorkerSet];

    private sealed record Kept(string Digest, long Generation, long At, string? Refused);

    private readonly Dictionary<string, Kept> _kept = new(StringComparer.Ordinal);
    private readonly Dictionary<ModelId, long> _unroomed = [];
    private readonly Dictionary<ObjectName, int> _began = [];
    private ImmutableDictionary<ObjectName, string> _refused = ImmutableDictionary<ObjectName, string>.Empty;

    /// <summary>Why a workload could not be made or changed, in the API server's words; null when it could or was not tried.</summary>
    public string? Refused(ObjectName workload) => _refused.GetValueOrDefault(workload);

    /// <summary>What to say of a workload that a template is to be made into and is not there, or is somebody else's.</summary>
    public static Finding NotMade(ScaleTarget target, WorkloadView? there, FleetMode mode, string? refused) => there is not null
        ? new Finding(ConditionTypes.TargetFound, false, "NameTaken",
            $"{target} is there and was not made for this ScaledModel, so it is left alone; another name of the variant would do, or deleting it")
        : mode != FleetMode.Act
            ? new Finding(ConditionTypes.TargetFound, false, "NotMade", $"mode act would make {target} of the template, with 0 replicas at first")
            : refused is not null ? new Finding(ConditionTypes.TargetFound, false, "TemplateRefused", $"{target} could not be made: {refused}")
            : new Finding(ConditionTypes.TargetFound, null, "Making", $"{target} is being made of the template");

    /// <summary>Makes what is missing, puts right what differs, and lets go what is no longer listed.</summary>
    /// <param name="models">As resolved.</param>
    /// <param name="listed">Of each model that is planned, how far what is listed has come.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async ValueTask KeepAsync(ImmutableArray<ResolvedModel> models, IReadOnlyDictionary<ModelId, ListedVariants> listed, CancellationToken cancellationToken)
    {
        var writes = 0;
        var now = new Dictionary<ObjectName, string>();
        var owners = new Dictionary<string, ResolvedModel>(StringComparer.Ordinal);
        foreach (var model in models)
        {
            if (model.View is not { Model: { Spec.Template.Variants: { } variants } resource, Problem: null } view || model.Mode != FleetMode.Act
                || model.Findings.Any(finding => finding is { Type: ConditionTypes.Ready, Holds: false, Reason: "Invalid" })) continue;
            owners[view.Uid] = model;
            foreach (var variant in variants)
            {
                var kind = resource.Spec!.Template!.Kind ?? TargetKinds.Deployment;
                var name = view.Name with { Name = $"{view.Name.Name}-{variant.Name}" };
                if (await KeepAsync(view, resource, variant, kind, name, writes < WritesAtOnceMax, cancellationToken).ConfigureAwait(false)) writes++;
                if (_kept.GetValueOrDefault($"{kind}/{name}")?.Refused is { } refused) now[name] = refused;
            }
        }

        // What is gone is forgotten.
        foreach (var model in _unroomed.Keys.Where(model => !listed.ContainsKey(model)).ToArray()) _unroomed.Remove(model);
        foreach (var name in _began.Keys.Where(name => !Kinds.Any(kind => parts.Cluster.Workload(kind, name) is not null)).ToArray()) _began.Remove(name);
        foreach (var (model, its) in listed)
        {
            if (!Replacement.FindsNoRoom(its.Verdict.Reason)) _unroomed.Remove(model);
            else _unroomed.TryAdd(model, parts.Time.GetTimestamp());
        }

        foreach (var workload in Kinds.SelectMany(parts.Cluster.Workloads).Where(one => one is { ControllerUid: not null, MadeForVariant: not null }))
        {
            if (writes >= WritesAtOnceMax) break;
            // Of a model that is not planned nobody knows what must go on serving.
            if (!owners.TryGetValue(workload.ControllerUid!, out var owner) || !listed.TryGetValue(owner.Id, out var its)) continue;
            if (IsListed(owner, workload)) _began.Remove(workload.Name);
            else if (await LetGoAsync(workload, its, cancellationToken).ConfigureAwait(false)) writes++;
        }

        _refused = now.ToImmutableDictionary();
    }

    private static bool IsListed(ResolvedModel owner, WorkloadView workload) =>
        owner.View.Model!.Spec!.Template is { Variants: { } variants } template && workload.Kind == (template.Kind ?? TargetKinds.Deployment)
        && variants.Any(variant => variant.Name == workload.MadeForVariant);

    private async ValueTask<bool> KeepAsync(
        ScaledModelView view, ScaledModel resource, TemplateVariant variant, string kind, ObjectName name, bool mayTry, CancellationToken cancellationToken)
    {
        if (parts.Cluster.KindOf(kind) is not { } scalable) return false;
        var there = parts.Cluster.Workload(kind, name);
        if (there is not null && there.ControllerUid != view.Uid) return false;
        var body = TemplateWorkload.Of(resource, variant);
        var digest = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject)));
        var key = $"{kind}/{name}";
        if (_kept.TryGetValue(key, out var kept) && kept.Digest == digest)
        {
            var since = parts.Time.GetElapsedTime(kept.At);
            if (since < TryAgain || kept.Refused is null && there?.Generation == kept.Generation && since < LookAgain) return false;
        }

        if (!mayTry || !parts.MayWrite()) return false;
        var path = scalable.PathOf(name);
        try
        {
            if (there is null) await MakeAsync(path, resource, variant, name, cancellationToken).ConfigureAwait(false);
            using var applied = await parts.Cluster.Api.PatchAsync(path, Bytes(body), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
            if (there is null || StillHasAll(there)) await OnlyReplicasAsync(path, scalable, name, there?.Replicas ?? 0, cancellationToken).ConfigureAwait(false);
            _kept[key] = new Kept(digest, applied.RootElement.At("metadata", "generation") is { } number && number.TryGetInt64(out var generation) ? generation : 0, parts.Time.GetTimestamp(), null);
            if (there is null) parts.Log($"{view.Name}: {kind} {name.Name} was made of the template");
        }
        catch (ApiException refused)
        {
            _kept[key] = new Kept(digest, 0, parts.Time.GetTimestamp(), refused.Message);
            if (kept?.Refused != refused.Message) parts.Log($"{view.Name}: {kind} {name.Name} could not be made as the template says: {refused.Message}");
        }

        return true;
    }

    // With no replicas, which are ours under a name of their own: an apply that never mentions them must not set them to one.
    private async Task MakeAsync(string path, ScaledModel resource, TemplateVariant variant, ObjectName name, CancellationToken cancellationToken)
    {
        using var already = await parts.Cluster.Api.FindAsync(path, cancellationToken).ConfigureAwait(false);
        if (already is not null) throw new ApiException($"{name} was made a moment ago; it is looked at again");
        using var made = await parts.Cluster.Api.PatchAsync(
            path, Bytes(TemplateWorkload.Of(resource, variant, replicas: 0)), PatchKind.Apply, cancellationToken, KubernetesApi.ReplicasManager).ConfigureAwait(false);
    }

    // The name under which it was made gives up all but the replicas, or what a template no longer has would stay.
    private async Task OnlyReplicasAsync(string path, ScalableKind kind, ObjectName name, int replicas, CancellationToken cancellationToken)
    {
        var body = new JsonObject
        {
            ["apiVersion"] = kind.ApiVersion,
            ["kind"] = kind.Kind,
            ["metadata"] = new JsonObject { ["name"] = name.Name, ["namespace"] = name.Namespace },
            ["spec"] = new JsonObject { ["replicas"] = replicas },
        };
        using var given = await parts.Cluster.Api.PatchAsync(path, Bytes(body), PatchKind.Apply, cancellationToken, KubernetesApi.ReplicasManager).ConfigureAwait(false);
    }

    // Whoever made it was interrupted.
    private static bool StillHasAll(WorkloadView there)
    {
        if (there.ManagedFieldsJson is not { } fields) return false;
        using var json = JsonDocument.Parse(fields);
        return json.RootElement.EnumerateArray().Any(entry => entry.Text("manager") == KubernetesApi.ReplicasManager
            && entry.At("fieldsV1", "f:spec") is { } spec && spec.EnumerateObject().Any(field => field.Name != "f:replicas"));
    }

    private async ValueTask<bool> LetGoAsync(WorkloadView workload, ListedVariants listed, CancellationToken cancellationToken)
    {
        var pods = parts.Cluster.Pods.Items.Values.Where(pod =>
            pod.Name.Namespace == workload.Name.Namespace && pod.Workload == $"{workload.Kind}/{workload.Name.Name}" && !pod.IsOver).ToArray();
        var leaders = pods.Where(pod => pod.WorkerIndex is null or 0).ToArray();
        if (!_began.TryGetValue(workload.Name, out var began)) _began[workload.Name] = began = workload.Replicas + listed.Serving;
        var replacement = new Replacement(workload.Replicas, leaders.Count(pod => pod.Ready), Math.Max(0, leaders.Length - workload.Replicas), began);
        TimeSpan? unroomed = _unroomed.TryGetValue(listed.Verdict.Model, out var since) ? parts.Time.GetElapsedTime(since) : null;
        var keep = replacement.Stay(listed.Verdict.Wanted, listed.Serving, listed.Coming, unroomed, listed.Verdict.LoadTime);
        var makesRoom = keep < Math.Min(workload.Replicas, Math.Max(0, listed.Verdict.Wanted - listed.Serving));
        var empty = workload.Replicas == 0 && pods.Length == 0;
        if (keep == workload.Replicas && !empty || !parts.MayWrite()) return false;
        var path = parts.Cluster.KindOf(workload.Kind)!.PathOf(workload.Name);
        try
        {
            if (empty)
            {
                using var deleted = await parts.Cluster.Api.DeleteAsync(path, cancellationToken).ConfigureAwait(false);
                parts.Log($"{workload.Kind} {workload.Name}: its variant is no longer listed and it is empty; deleted");
                _kept.Remove($"{workload.Kind}/{workload.Name}");
                _began.Remove(workload.Name);
            }
            else
            {
                var body = new JsonObject { ["spec"] = new JsonObject { ["replicas"] = keep } };
                using var scaled = await parts.Cluster.Api.PatchAsync(path + "/scale", Bytes(body), PatchKind.Merge, cancellationToken).ConfigureAwait(false);
                parts.Log($"{workload.Kind} {workload.Name}: its variant is no longer listed; {keep} of {workload.Replicas} replicas stay until others serve{(makesRoom ? ", as there is no room for those before one goes" : "")}");
                if (makesRoom) _unroomed.Remove(listed.Verdict.Model);
            }
        }
        catch (ApiException refused)
        {
            parts.Log($"{workload.Kind} {workload.Name}: {refused.Message}");
        }

        return true;
    }

    private static byte[] Bytes(JsonObject body) => JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject);
}
