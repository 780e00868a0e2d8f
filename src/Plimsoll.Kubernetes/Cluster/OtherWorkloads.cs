using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>A target of a kind that is not known beforehand: the kind and the object, or why there is none.</summary>
public sealed record OtherTarget(ScalableKind? Kind, WorkloadView? Workload, string? Reason, string? Problem);

/// <summary>
/// Targets of any kind with a scale subresource that ScaledModels name. A kind is looked up when it is first named and watched
/// while it is; after each change of an object its scale says how many replicas it has and which pods are its. What of this cannot
/// be read is the affair of the models that name it, and of no others.
/// </summary>
public sealed class OtherWorkloads(ClusterWatch cluster, Action changed, TimeProvider time)
{
    private const int KindsMax = 64;
    private const int ReadsAtOnce = 8;
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ReadAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<TargetKey, (string Version, long At)> _read = [];

    // What objects without a template had pods like, for when they have none.
    private readonly ConcurrentDictionary<TargetKey, WorkloadView> _made = new();
    private Named _named = new(null, [], []);
    private ImmutableDictionary<(string ApiVersion, string Kind), KindWatch> _kinds = ImmutableDictionary<(string, string), KindWatch>.Empty;
    private ImmutableDictionary<TargetKey, OtherTarget> _targets = ImmutableDictionary<TargetKey, OtherTarget>.Empty;
    private Claims _claims = new(FrozenDictionary<string, ImmutableArray<Claim>>.Empty, []);
    private Dictionary<string, (PodView Pod, PodView Owned)> _owned = new(StringComparer.Ordinal);
    private Claims? _ownedBy;

    private readonly record struct TargetKey(string ApiVersion, string Kind, ObjectName Name);

    // Of one version of all ScaledModels: the other kinds' targets, and the known kinds' by the pods' key.
    private sealed record Named(object? Of, HashSet<TargetKey> Targets, HashSet<string> Known);

    private sealed record Claim(LabelSelector Selector, string Workload);

    private sealed record Claims(FrozenDictionary<string, ImmutableArray<Claim>> ByNamespace, HashSet<string> Known);

    private sealed class KindWatch
    {
        public FoundKind Found { get; set; } = new(null, "Reading", "its kind is being looked up");

        public long AskedAt { get; set; }

        public WatchedList<WorkloadView>? List { get; set; }

        public CancellationTokenSource? Ending { get; set; }

        public Task Running { get; set; } = Task.CompletedTask;
    }

    /// <summary>Whether a target is of a kind that is known beforehand.</summary>
    public static bool IsKnown(ScaleTarget target) =>
        ClusterWatch.ScalableKinds.FirstOrDefault(kind => kind.Kind == target.Kind) is { } known && TargetKinds.GroupOf(known.ApiVersion) == target.Group;

    /// <summary>A target as its pods' keys have it ("Deployment/llama", "Rollout.argoproj.io/llama").</summary>
    public static string KeyOf(ScaleTarget target) => IsKnown(target) ? $"{target.Workload.Kind}/{target.Workload.Name}" : $"{TargetKinds.WithGroup(target.Kind, target.ApiVersion)}/{target.Name}";

    /// <summary>What a target came to.</summary>
    public OtherTarget Find(ScaleTarget target, string space)
    {
        if (Volatile.Read(ref _targets).TryGetValue(new TargetKey(target.ApiVersion, target.Kind, new ObjectName(space, target.Name)), out var read)) return read;
        return new OtherTarget(null, null, "Reading", $"{target} is being looked up");
    }

    /// <summary>The pods, and of those that an other kind's selector selects the workload that it is. A pod of a known kind's target stays that one's.</summary>
    public IReadOnlyCollection<PodView> Owned(IReadOnlyCollection<PodView> pods)
    {
        ArgumentNullException.ThrowIfNull(pods);
        var claims = Volatile.Read(ref _claims);
        if (claims.ByNamespace.Count == 0) return pods;
        var before = ReferenceEquals(claims, _ownedBy) ? _owned : [];
        (_owned, _ownedBy) = (new Dictionary<string, (PodView, PodView)>(StringComparer.Ordinal), claims);
        var owned = new List<PodView>(pods.Count);
        foreach (var pod in pods)
        {
            if (!claims.ByNamespace.ContainsKey(pod.Name.Namespace))
            {
                owned.Add(pod);
                continue;
            }

            var its = before.TryGetValue(pod.Uid, out var known) && ReferenceEquals(known.Pod, pod) ? known.Owned : Of(pod, claims);
            _owned[pod.Uid] = (pod, its);
            owned.Add(its);
        }

        return owned;
    }

    /// <summary>The workload ("Rollout.argoproj.io/llama") whose selector selects such a pod; null where none does.</summary>
    public string? WorkloadOf(string space, string? workload, IReadOnlyDictionary<string, string> labels) => WorkloadOf(Volatile.Read(ref _claims), space, workload, labels);

    /// <summary>Looks and watches until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var change = cluster.WaitForChangeAsync(cancellationToken);
                try
                {
                    if (await LookAsync(cancellationToken).ConfigureAwait(false)) changed();
                }
#pragma warning disable CA1031 // What nobody keeps up any more must not be taken for what is there.
                catch (Exception unexpected) when (!cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
                {
                    Fail($"targets of other kinds could not be looked at: {unexpected.Message}");
                    changed();
                    await Task.Delay(TryAgain, time, cancellationToken).ConfigureAwait(false);
                }

                await Task.Delay(Turn, time, cancellationToken).ConfigureAwait(false);
                // Without a change there are kinds to ask for again, and scales that could not be read.
                await Task.WhenAny(change, Task.Delay(_named.Targets.Count == 0 ? Timeout.InfiniteTimeSpan : ReadAgain, time, cancellationToken)).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It was to end.
        }
        finally
        {
            foreach (var kind in _kinds.Values) await EndAsync(kind).ConfigureAwait(false);
        }
    }

    private static PodView Of(PodView pod, Claims claims) => pod.WorkerIndex is null or 0
        && WorkloadOf(claims, pod.Name.Namespace, pod.Workload, pod.Labels) is { } workload
        ? pod with { Workload = workload, WorkloadKey = $"{pod.Name.Namespace}/{workload}" } : pod;

    private static string? WorkloadOf(Claims claims, string space, string? workload, IReadOnlyDictionary<string, string> labels) =>
        claims.Known.Contains($"{space}/{workload}") || !claims.ByNamespace.TryGetValue(space, out var here) ? null
        : here.FirstOrDefault(claim => claim.Selector.Matches(labels))?.Workload;

    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        Name();
        if (_named.Targets.Count == 0 && _kinds.IsEmpty) return false;
        await KeepKindsAsync(cancellationToken).ConfigureAwait(false);
        var due = _named.Targets.Where(IsDue).ToArray();
        var read = new (TargetKey Key, OtherTarget Target)[due.Length];
        await Parallel.ForAsync(0, due.Length, new ParallelOptions { MaxDegreeOfParallelism = ReadsAtOnce, CancellationToken = cancellationToken }, async (i, token) =>
            read[i] = (due[i], await ReadAsync(due[i], token).ConfigureAwait(false))).ConfigureAwait(false);
        var targets = _targets.RemoveRange(_targets.Keys.Where(key => !_named.Targets.Contains(key)))
            .SetItems(read.Select(one => KeyValuePair.Create(one.Key, one.Target)));
        foreach (var gone in _read.Keys.Where(key => !_named.Targets.Contains(key)).ToArray()) _read.Remove(gone);
        foreach (var gone in _made.Keys.Where(key => !_named.Targets.Contains(key))) _made.TryRemove(gone, out _);
        // A list that is no longer kept up says nothing of its objects.
        foreach (var (key, target) in targets)
        {
            if (ProblemOf(key) is not { } problem || target.Problem == problem.Problem) continue;
            targets = targets.SetItem(key, new OtherTarget(target.Kind, null, problem.Reason, problem.Problem));
            _read.Remove(key);
        }

        var before = _targets;
        if (ReferenceEquals(_claims.Known, _named.Known) && targets.Count == before.Count && targets.All(one => before.TryGetValue(one.Key, out var its) && ReferenceEquals(its, one.Value))) return false;
        Volatile.Write(ref _targets, targets);
        Volatile.Write(ref _claims, new Claims(
            targets.Where(one => one.Value.Workload?.Selector is not null).OrderBy(one => one.Value.Workload!.CreatedAt).ThenBy(one => one.Key.Name)
                .GroupBy(one => one.Key.Name.Namespace, StringComparer.Ordinal).ToFrozenDictionary(
                    group => group.Key, group => group.Select(one => new Claim(one.Value.Workload!.Selector!, $"{one.Value.Workload!.KeyKind}/{one.Key.Name.Name}")).ToImmutableArray(),
                    StringComparer.Ordinal), _named.Known));
        return true;
    }

    private void Fail(string problem)
    {
        _read.Clear();
        Volatile.Write(ref _targets, _named.Targets.ToImmutableDictionary(key => key, _ => new OtherTarget(null, null, "Unreadable", problem)));
        Volatile.Write(ref _claims, _claims with { ByNamespace = FrozenDictionary<string, ImmutableArray<Claim>>.Empty });
    }

    private void Name()
    {
        var models = cluster.ScaledModels.Items;
        if (ReferenceEquals(models, _named.Of)) return;
        var named = new Named(models, [], new HashSet<string>(StringComparer.Ordinal));
        foreach (var view in models.Values)
        {
            if (view.Model?.Spec is not { } spec) continue;
            var references = spec.Target is { } only ? [only] : (spec.Variants ?? []).Select(variant => variant?.Target);
            foreach (var reference in references)
            {
                if (reference?.Name is null) continue;
                var target = ScaleTarget.Of(reference);
                if (IsKnown(target)) named.Known.Add($"{view.Name.Namespace}/{target.Kind}/{target.Name}");
                else if (TargetKinds.IsApiVersion(target.ApiVersion)) named.Targets.Add(new TargetKey(target.ApiVersion, target.Kind, new ObjectName(view.Name.Namespace, target.Name)));
            }
        }

        // Statuses change with every turn, and what they name hardly ever.
        _named = named.Known.SetEquals(_named.Known) ? named with { Known = _named.Known } : named;
    }

    private async Task KeepKindsAsync(CancellationToken cancellationToken)
    {
        var wanted = _named.Targets.Select(target => (target.ApiVersion, target.Kind)).Distinct().Order().Take(KindsMax).ToHashSet();
        foreach (var (kind, watch) in _kinds)
        {
            if (wanted.Contains(kind)) continue;
            await EndAsync(watch).ConfigureAwait(false);
            _kinds = _kinds.Remove(kind);
        }

        foreach (var kind in wanted)
        {
            if (!_kinds.TryGetValue(kind, out var watch)) _kinds = _kinds.Add(kind, watch = new KindWatch());
            else if (watch.List is not null || time.GetElapsedTime(watch.AskedAt) < AskAgain) continue;
            watch.AskedAt = time.GetTimestamp();
            try
            {
                watch.Found = await ScaleSubresource.FindKindAsync(cluster.Api, kind.ApiVersion, kind.Kind, cancellationToken).ConfigureAwait(false);
            }
            catch (ApiException refused)
            {
                watch.Found = new FoundKind(null, "Unreadable", $"whether the server has {kind.Kind} of {kind.ApiVersion} cannot be seen: {refused.Message}");
            }

            if (watch.Found.Kind is not { } found) continue;
            var list = watch.List = new WatchedList<WorkloadView>(
                cluster.Api, found.ListPath, item => WorkloadView.Of(item, found.ApiVersion, found.Kind), changed, time);
            var ending = watch.Ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            watch.Running = Task.Run(() => list.RunAsync(ending.Token), CancellationToken.None);
        }
    }

    private static async Task EndAsync(KindWatch watch)
    {
        if (watch.Ending is not { } ending) return;
        await ending.CancelAsync().ConfigureAwait(false);
        await watch.Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ending.Dispose();
    }

    private FoundKind? ProblemOf(TargetKey key)
    {
        if (!_kinds.TryGetValue((key.ApiVersion, key.Kind), out var kind))
            return new FoundKind(null, "TooManyKinds", $"ScaledModels name more than {KindsMax} kinds, and no more are watched");
        if (kind.List is not { } list) return kind.Found;
        if (list.Synced && list.SinceHeard <= ClusterWatch.OutdatedAfter) return null;
        return list.Problem is { } why ? new FoundKind(null, "Unreadable", $"{list.Path}: {why}") : new FoundKind(null, "Reading", $"{list.Path} is being listed");
    }

    private bool IsDue(TargetKey key)
    {
        if (!_targets.TryGetValue(key, out var target)) return true;
        if (ProblemOf(key) is not null) return false;
        var now = _kinds[(key.ApiVersion, key.Kind)].List!.Items.GetValueOrDefault(key.Name)?.ResourceVersion ?? "";
        if (!_read.TryGetValue(key, out var read)) return true;
        var since = time.GetElapsedTime(read.At);
        return read.Version != now ? since >= ReadAgain : target is { Problem: not null, Reason: not "NotFound" } or { Workload.PodSpecJson: null } && since >= TryAgain;
    }

    private async Task<OtherTarget> ReadAsync(TargetKey key, CancellationToken cancellationToken)
    {
        if (ProblemOf(key) is { } problem) return new OtherTarget(null, null, problem.Reason, problem.Problem);
        var kind = _kinds[(key.ApiVersion, key.Kind)];
        var item = kind.List!.Items.GetValueOrDefault(key.Name);
        lock (_read) _read[key] = (item?.ResourceVersion ?? "", time.GetTimestamp());
        var found = kind.Found.Kind!;
        if (item is null) return new OtherTarget(found, null, "NotFound", $"{key.Kind} {key.Name.Name} is not there; it is planned for once it is");
        try
        {
            if (await ScaleSubresource.ReadAsync(cluster.Api, found, key.Name, cancellationToken).ConfigureAwait(false) is not { } scale)
                return new OtherTarget(found, null, "NoScale", $"{key.Kind} {key.Name.Name} has no scale");
            if (scale.Selector is not { Length: > 0 } text)
                return new OtherTarget(found, null, "NoSelector", $"the scale of {key.Kind} {key.Name.Name} has no status.selector, so nobody knows which pods are its");
            if (!LabelSelector.TryParse(text, out var selector, out var why))
                return new OtherTarget(found, null, "NoSelector", $"the scale of {key.Kind} {key.Name.Name} has a selector that cannot be read: {why}");
            return new OtherTarget(found, await WithPodAsync(item with { Replicas = scale.Replicas, Selector = selector, SelectorText = text }, key, cancellationToken).ConfigureAwait(false), null, null);
        }
        catch (ApiException refused)
        {
            return new OtherTarget(found, null, "Unreadable", refused.Message);
        }
    }

    // Without a template of its own, what its newest pod is made like; without a pod, what the last one was.
    private async Task<WorkloadView> WithPodAsync(WorkloadView workload, TargetKey key, CancellationToken cancellationToken)
    {
        if (workload.PodSpecJson is not null) return workload;
        if (_made.TryGetValue(key, out var made) && made.Uid == workload.Uid) workload = workload with { PodSpecJson = made.PodSpecJson, PodAnnotations = made.PodAnnotations, LeavesPodsAlone = made.LeavesPodsAlone, MadeLike = made.MadeLike };
        var newest = cluster.Pods.Items.Values.Where(pod => pod.Name.Namespace == key.Name.Namespace && pod is { IsOver: false, DeletedAt: null } && workload.Selector!.Matches(pod.Labels))
            .MaxBy(pod => (pod.CreatedAt, pod.Name));
        if (newest is null || newest.Uid == workload.MadeLike) return workload;
        if (await ScaleSubresource.PodAsync(cluster.Api, newest.Name, cancellationToken).ConfigureAwait(false) is not { } pod) return workload;
        return _made[key] = workload with
        {
            PodSpecJson = pod.Spec,
            PodAnnotations = pod.Metadata.Texts("annotations").ToImmutableSortedDictionary(StringComparer.Ordinal),
            LeavesPodsAlone = WorkloadView.IsLeftAlone(pod.Metadata.At("labels")),
            MadeLike = newest.Uid,
        };
    }
}
