using System.Collections.Immutable;
using System.Text.Json;
using k8s;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>A ScaledModel as read, or why it could not be.</summary>
public sealed record ScaledModelView(ObjectName Name, string Uid, string ResourceVersion, ScaledModel? Model, string? Problem);

/// <summary>A kind whose objects have a scale subresource, where the server has it.</summary>
public sealed record ScalableKind(string Kind, string ApiVersion, string Plural)
{
    public string PathOf(ObjectName name) => $"{Root}/namespaces/{name.Namespace}/{Plural}/{name.Name}";

    public string ListPath => $"{Root}/{Plural}";

    private string Root => RootOf(ApiVersion);

    /// <summary>Where a group and version is served.</summary>
    public static string RootOf(string apiVersion)
    {
        ArgumentNullException.ThrowIfNull(apiVersion);
        return (apiVersion.Contains('/', StringComparison.Ordinal) ? "apis/" : "api/") + apiVersion;
    }
}

/// <summary>Everything of the cluster that decisions rest on, kept up by watches: no list is asked for while planning.</summary>
public sealed class ClusterWatch : IAsyncDisposable
{
    /// <summary>How long a picture may be out of date before nothing is decided on it.</summary>
    public static readonly TimeSpan OutdatedAfter = TimeSpan.FromSeconds(30);

    /// <summary>Kinds that are scaled, where the server has them.</summary>
    public static readonly ImmutableArray<ScalableKind> ScalableKinds =
    [
        new("Deployment", "apps/v1", "deployments"),
        new("StatefulSet", "apps/v1", "statefulsets"),
        new("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1", "leaderworkersets"),
        new("InferenceService", "serving.kserve.io/v1beta1", "inferenceservices"),
    ];

    /// <summary>Kinds of job that PlannedJobs may name, where the server has them.</summary>
    public static readonly ImmutableArray<JobKind> JobKinds = [new("Job", "batch/v1", "jobs"), new("JobSet", "jobset.x-k8s.io/v1alpha2", "jobsets")];

    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly List<IWatched> _lists = [];

    // Of kinds that others install, which only the models that rest on them need: where one cannot be read nothing else waits for it.
    private readonly HashSet<IWatched> _optional = [];
    private readonly List<Task> _running = [];
    private readonly Dictionary<string, (ScalableKind Kind, WatchedList<WorkloadView> List)> _workloads = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (JobKind Kind, WatchedList<JobView> List)> _jobs = new(StringComparer.Ordinal);
    private readonly List<WatchedList<ScalerView>> _scalers = [];
    private WatchedList<BudgetView>? _budgets;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ClusterWatch(KubernetesApi api, TimeProvider time, string cacheFolder)
    {
        (Api, _time) = (api, time);
        Nodes = new WatchedList<NodeView>(api, "api/v1/nodes", NodeView.Of, Changed, time);
        Pods = new WatchedList<PodView>(api, "api/v1/pods", pod => PodView.Of(pod) is { } view ? view with { Cache = CacheUse.OfPod(pod, cacheFolder) } : null, Changed, time);
        ScaledModels = new WatchedList<ScaledModelView>(
            api, $"apis/{ResourceGroup.ApiVersion}/{ScaledModel.KubePluralName}", Read, Changed, time);
        Fleets = new WatchedList<FleetResource>(
            api, $"apis/{ResourceGroup.ApiVersion}/{FleetResource.KubePluralName}", item => Typed<FleetResource>(item), Changed, time);
        _lists.AddRange([Nodes, Pods, ScaledModels, Fleets]);
        Others = new OtherWorkloads(this, Changed, time);
    }

    public KubernetesApi Api { get; }

    /// <summary>The server's minor version ("1.31" is 31); 0 when it does not say.</summary>
    public int ServerMinor { get; internal set; }

    public WatchedList<NodeView> Nodes { get; }

    public WatchedList<PodView> Pods { get; }

    public WatchedList<ScaledModelView> ScaledModels { get; }

    public WatchedList<FleetResource> Fleets { get; }

    /// <summary>Karpenter's NodePools; null where there is no Karpenter.</summary>
    public WatchedList<KarpenterPool>? KarpenterPools { get; private set; }

    /// <summary>The nodes' model caches; null where the kind is not installed.</summary>
    public WatchedList<NodeCacheView>? NodeCaches { get; private set; }

    /// <summary>Training jobs to plan; null where the kind is not installed, and then no job is watched.</summary>
    public WatchedList<PlannedJobView>? PlannedJobs { get; private set; }

    /// <summary>The folder of the model cache on each node.</summary>
    public string CacheFolder { get; private init; } = CachePaths.DefaultFolder;

    /// <summary>Targets of kinds that are not known beforehand.</summary>
    public OtherWorkloads Others { get; }

    /// <summary>PodDisruptionBudgets; none where the server has no such kind.</summary>
    public IEnumerable<BudgetView> Budgets => _budgets?.Items.Values ?? [];

    /// <summary>HorizontalPodAutoscalers and, where KEDA is, ScaledObjects.</summary>
    public IEnumerable<ScalerView> Scalers => _scalers.SelectMany(list => list.Items.Values);

    /// <summary>Why the picture is not whole or not up to date; null when it can be relied on.</summary>
    public string? Problem
    {
        get
        {
            var outdated = _lists.Where(list => !_optional.Contains(list) && IsOutdated(list)).ToArray();
            if (outdated.Length == 0) return null;

            // All at once, those too that decisions would go on without: whoever mends a role or a server wants to do it once.
            var told = outdated.Concat(_lists.Where(list => _optional.Contains(list) && IsOutdated(list))).Where(list => list.Problem is not null).Select(list => $"{list.Path}: {list.Problem}").ToArray();
            return told.Length > 0 ? string.Join("; ", told) : $"{outdated[0].Path}: not listed yet";
        }
    }

    /// <summary>Kinds that cannot be read and that decisions go on without, and why; null when there are none.</summary>
    public string? Partly
    {
        get
        {
            var outdated = _optional.Where(IsOutdated).OrderBy(list => list.Path, StringComparer.Ordinal).ToArray();
            return outdated.Length == 0 ? null : string.Join("; ", outdated.Select(list => $"{list.Path}: {list.Problem ?? "not listed yet"}"));
        }
    }

    /// <summary>Why nothing can be said of the workloads of a kind; null when it can.</summary>
    public string? ProblemOf(ScalableKind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        return _workloads.TryGetValue(kind.Kind, out var found) && _optional.Contains(found.List) && IsOutdated(found.List)
            ? $"the {kind.Kind}s of the cluster cannot be read: {found.List.Problem ?? "they are not listed yet"}" : null;
    }

    private static bool IsOutdated(IWatched list) => !list.Synced || list.SinceHeard > OutdatedAfter;

    /// <summary>Asks what kinds the server has and starts to watch them; returns once all were listed.</summary>
    /// <exception cref="ApiException">Our own resources are not installed, or the server cannot be reached.</exception>
    public static async Task<ClusterWatch> StartAsync(
        KubernetesApi api, TimeProvider time, CancellationToken cancellationToken, string cacheFolder = CachePaths.DefaultFolder)
    {
        var watch = new ClusterWatch(api, time, cacheFolder) { CacheFolder = cacheFolder };
        try
        {
            if (!await HasAsync(api, ResourceGroup.ApiVersion, ScaledModel.KubePluralName, cancellationToken).ConfigureAwait(false))
                throw new ApiException($"the server has no {ScaledModel.KubePluralName}.{ResourceGroup.Group}; kubectl apply -k deploy/crds would do");
            using (var version = await api.GetAsync("version", cancellationToken).ConfigureAwait(false))
                watch.ServerMinor = int.TryParse(version.RootElement.Text("minor")?.TrimEnd('+'), out var minor) ? minor : 0;
            foreach (var kind in ScalableKinds)
            {
                if (await HasAsync(api, kind.ApiVersion, kind.Plural, cancellationToken).ConfigureAwait(false)) watch.Add(kind);
            }

            if (await HasAsync(api, ResourceGroup.ApiVersion, NodeModelCache.KubePluralName, cancellationToken).ConfigureAwait(false))
                watch._lists.Add(watch.NodeCaches = new NodeCacheWatch(api, watch.Changed, time).List);
            if (await HasAsync(api, ResourceGroup.ApiVersion, PlannedJob.KubePluralName, cancellationToken).ConfigureAwait(false)) await watch.AddJobsAsync(cancellationToken).ConfigureAwait(false);
            foreach (var version in (string[])["autoscaling/v2", "autoscaling/v2beta2"])
            {
                if (!await HasAsync(api, version, "horizontalpodautoscalers", cancellationToken).ConfigureAwait(false)) continue;
                watch.AddScalers($"apis/{version}/horizontalpodautoscalers", "HorizontalPodAutoscaler");
                break;
            }

            if (await HasAsync(api, "keda.sh/v1alpha1", "scaledobjects", cancellationToken).ConfigureAwait(false))
                watch.AddScalers("apis/keda.sh/v1alpha1/scaledobjects", "ScaledObject");
            if (await HasAsync(api, "karpenter.sh/v1", "nodepools", cancellationToken).ConfigureAwait(false))
            {
                watch.KarpenterPools = new WatchedList<KarpenterPool>(api, "apis/karpenter.sh/v1/nodepools", KarpenterPool.Of, watch.Changed, time, removable: true);
                watch.AddOptional(watch.KarpenterPools);
            }

            // v1beta1 before 1.21; they differ in what an empty selector selects.
            foreach (var version in (string[])["policy/v1", "policy/v1beta1"])
            {
                if (!await HasAsync(api, version, "poddisruptionbudgets", cancellationToken).ConfigureAwait(false)) continue;
                watch.AddBudgets(version);
                break;
            }

            watch.Run();
            while (watch._lists.Any(list => !list.Synced && !watch.IsGivenUp(list)))
            {
                await Task.WhenAny(watch.WaitForChangeAsync(cancellationToken), Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken))
                    .ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                // One that is only slow is waited for; its requests have a time of their own to fail in. Once one has failed for long,
                // all that fail are told at once: on a busy server their first answers lie seconds apart.
                var failing = watch._lists.Where(list => !list.Synced && list.Problem is not null).ToArray();
                if (failing.Any(list => !watch._optional.Contains(list) && list.SinceHeard > OutdatedAfter))
                    throw new ApiException(string.Join("; ", failing.Select(list => $"{list.Path} could not be listed: {list.Problem}")));
            }

            return watch;
        }
        catch
        {
            await watch.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The kind, when the server has it.</summary>
    public ScalableKind? KindOf(string kind) => _workloads.TryGetValue(kind, out var found) ? found.Kind : null;

    /// <summary>What shows the workloads of a kind; null of kinds that are not known beforehand.</summary>
    internal IWatched? ListOf(string kind) => _workloads.TryGetValue(kind, out var found) ? found.List : null;

    /// <summary>What shows the jobs of a kind.</summary>
    internal IWatched? ListOfJobs(string kind) => _jobs.TryGetValue(kind, out var found) ? found.List : null;

    public WorkloadView? Workload(string kind, ObjectName name) =>
        _workloads.TryGetValue(kind, out var found) ? found.List.Items.GetValueOrDefault(name) : null;

    /// <summary>All that there is of a kind.</summary>
    public IEnumerable<WorkloadView> Workloads(string kind) => _workloads.TryGetValue(kind, out var found) ? found.List.Items.Values : [];

    /// <summary>All PlannedJobs; null where they cannot be read now, so that nothing is done to what they name, and nothing of it forgotten.</summary>
    public IEnumerable<PlannedJobView>? JobsToPlan => PlannedJobs is not { } list ? [] : IsOutdated(list) ? null : list.Items.Values;

    /// <summary>The kind of job, when the server has it and jobs are planned.</summary>
    public JobKind? JobKindOf(string kind) => _jobs.TryGetValue(kind, out var found) ? found.Kind : null;

    /// <summary>A job; null where it is not there, and where nothing can be said of its kind.</summary>
    public JobView? Job(string kind, ObjectName name) =>
        _jobs.TryGetValue(kind, out var found) && !IsOutdated(found.List) ? found.List.Items.GetValueOrDefault(name) : null;

    /// <summary>Why nothing can be said of a kind's jobs; null when it can.</summary>
    public string? ProblemOf(JobKind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        return _jobs.TryGetValue(kind.Kind, out var found) && IsOutdated(found.List)
            ? $"the {kind.Kind}s of the cluster cannot be read: {found.List.Problem ?? "they are not listed yet"}" : null;
    }

    /// <summary>Ends at the next change of anything that is watched.</summary>
    public Task WaitForChangeAsync(CancellationToken cancellationToken) => Volatile.Read(ref _changed).Task.WaitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private static async Task<bool> HasAsync(KubernetesApi api, string version, string plural, CancellationToken cancellationToken)
    {
        using var resources = await api.FindAsync($"apis/{version}", cancellationToken).ConfigureAwait(false);
        return resources?.RootElement.List("resources").Any(one => one.Text("name") == plural) == true;
    }

    internal static ScaledModelView? Read(JsonElement item)
    {
        if (item.At("metadata") is not { } metadata) return null;
        var name = new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? "");
        var (uid, version) = (metadata.Text("uid") ?? "", metadata.Text("resourceVersion") ?? "");
        try
        {
            return new ScaledModelView(name, uid, version, KubernetesJson.Deserialize<ScaledModel>(item), null);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException or OverflowException)
        {
            return new ScaledModelView(name, uid, version, null, $"it cannot be read: {unreadable.Message}");
        }
    }

    private static T? Typed<T>(JsonElement item) where T : class
    {
        try
        {
            return KubernetesJson.Deserialize<T>(item);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private bool IsGivenUp(IWatched list) => _optional.Contains(list) && list is { Problem: not null } && list.SinceHeard > OutdatedAfter;

    private void Add(ScalableKind kind)
    {
        var own = kind.ApiVersion == "apps/v1";
        var list = new WatchedList<WorkloadView>(Api, kind.ListPath, item => WorkloadView.Of(item, kind.ApiVersion, kind.Kind), Changed, _time, removable: !own);
        if (!own) _optional.Add(list);
        _workloads[kind.Kind] = (kind, list);
        _lists.Add(list);
    }

    // What cannot be read of jobs is theirs to wait for: models are planned all the same.
    private async Task AddJobsAsync(CancellationToken cancellationToken)
    {
        PlannedJobs = new WatchedList<PlannedJobView>(
            Api, $"apis/{ResourceGroup.ApiVersion}/{PlannedJob.KubePluralName}", PlannedJobView.Of, Changed, _time, removable: true);
        AddOptional(PlannedJobs);
        foreach (var kind in JobKinds)
        {
            if (!await HasAsync(Api, kind.ApiVersion, kind.Plural, cancellationToken).ConfigureAwait(false)) continue;
            var list = new WatchedList<JobView>(Api, kind.ListPath, item => JobView.Of(item, kind), Changed, _time, removable: kind.Kind != "Job");
            _jobs[kind.Kind] = (kind, list);
            AddOptional(list);
        }
    }

    private void AddOptional(IWatched list)
    {
        _lists.Add(list);
        _optional.Add(list);
    }

    private void AddScalers(string path, string kind)
    {
        var list = new WatchedList<ScalerView>(Api, path, item => ScalerView.Of(item, kind), Changed, _time, removable: kind == "ScaledObject");
        _scalers.Add(list);
        _lists.Add(list);
    }

    private void AddBudgets(string version)
    {
        _budgets = new WatchedList<BudgetView>(
            Api, $"apis/{version}/poddisruptionbudgets", item => BudgetView.Of(item, emptySelectsAll: version == "policy/v1"), Changed, _time);
        _lists.Add(_budgets);
    }

    private void Run()
    {
        var token = _ending.Token;
        _running.AddRange(_lists.Select(list => Task.Run(() => list.RunAsync(token), token)));
        _running.Add(Task.Run(() => Others.RunAsync(token), token));
    }

    private void Changed() =>
        Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}

/// <summary>Another scaler, and what it scales; with the whole object as written.</summary>
public sealed record ScalerView(ObjectName Name, string Kind, string ResourceVersion, string TargetKind, string TargetName, byte[] Json)
{
    public static ScalerView? Of(JsonElement item, string kind)
    {
        if (item.At("metadata") is not { } metadata || item.At("spec", "scaleTargetRef") is not { } target) return null;
        return new ScalerView(
            new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? ""), kind, metadata.Text("resourceVersion") ?? "",
            target.Text("kind") ?? "Deployment", target.Text("name") ?? "", item.Raw());
    }
}
