using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using Plimsoll.Artifacts;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>
/// A fleet on a real control plane, without an operator around it: plans are made by hand, and looks are taken when a test says. JobSets
/// have a controller that stands in for theirs, Jobs have the real one.
/// </summary>
internal sealed class JobScene : IAsyncDisposable
{
    private static readonly ReplicaNeeds Nothing = new() { Host = MemoryNeed.None, Cores = Cores.Zero, Disk = Bytes.Zero };

    private readonly KubernetesApi _api;
    private readonly FootprintStore _footprints;
    private readonly JobSetsStandIn _sets;

    private JobScene(OperatedCluster cluster, KubernetesApi api, ClusterWatch watch, FootprintStore footprints)
    {
        (Cluster, _api, Watch, _footprints, _sets) = (cluster, api, watch, footprints, JobSetsStandIn.Start(cluster.Client, OperatedCluster.Space));
        Fleet = Anew();
    }

    public OperatedCluster Cluster { get; }

    public ClusterWatch Watch { get; }

    public KubernetesFleet Fleet { get; private set; }

    public List<string> Log { get; } = [];

    public bool MayWrite { get; set; } = true;

    /// <summary>What happened, in all looks together.</summary>
    public List<Outcome> Outcomes { get; } = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="cluster">The cluster.</param>
    /// <param name="who">As whom it looks and writes; the administrator when null.</param>
    /// <param name="serverMinor">What is believed to be the server's minor version; as it says when null.</param>
    public static async Task<JobScene> StartAsync(OperatedCluster cluster, KubernetesClientConfiguration? who = null, int? serverMinor = null)
    {
        var api = new KubernetesApi(who ?? cluster.Plane.Admin(), TimeProvider.System);
        var watch = await ClusterWatch.StartAsync(api, api.Time, Cancel);
        if (serverMinor is { } minor) watch.ServerMinor = minor;
        return new JobScene(cluster, api, watch, new FootprintStore(new SourceSettings { Variable = _ => null }, TimeProvider.System));
    }

    /// <summary>The fleet as another leader has it, which knows nothing but what the cluster says.</summary>
    public KubernetesFleet Anew() => Fleet = new KubernetesFleet(Parts);

    public KubernetesFleetParts Parts => new()
    {
        Cluster = Watch,
        Footprints = _footprints,
        ReadPods = (_, _) => Task.FromResult(ImmutableArray<PodReading>.Empty),
        Desired = new DesiredScales(TimeProvider.System),
        MayWrite = () => MayWrite,
        Time = _api.Time,
        Namespace = OperatedCluster.Space,
        Log = line =>
        {
            lock (Log) Log.Add(line);
        },
    };

    /// <summary>Looks once.</summary>
    public async Task<(FleetSpec Spec, FleetSnapshot Snapshot)> LookAsync()
    {
        var spec = Fleet.Look();
        var snapshot = await Fleet.ObserveAsync(Cancel);
        Outcomes.AddRange(snapshot.Outcomes);
        return (spec, snapshot);
    }

    /// <summary>Looks until the one gang is in a state.</summary>
    public async Task<TrainingGang> UntilAsync(GangState state, Func<TrainingGang, bool>? wanted = null) => (await Patience.UntilAsync(
        $"the gang is {state}", async _ => (await LookAsync()).Snapshot.Training,
        gangs => gangs is [var gang] && gang.State == state && (wanted is null || wanted(gang)), gangs => JsonSerializer.Serialize(gangs) + "\n" + Said()))[0];

    /// <summary>Applies a plan of these steps.</summary>
    public async Task<Control.ApplyResult> ApplyAsync(params Step[] steps) =>
        await Fleet.ApplyAsync(new Plan(new InputHashes("", "", ""), [.. steps], [], Knowledge.Empty), Cancel);

    public static Step.Launch Launch(string job, params StepId[] after) =>
        new(Id(job), [Placement.Pending], Nothing) { Reason = new Reason(Rule.StopDrained, []), After = [.. after] };

    public static Step.Resume Resume(string job) => new(Id(job), [Placement.Pending], Nothing) { Reason = new Reason(Rule.StopDrained, []) };

    public static Step.Suspend Suspend(string job) => new(Id(job)) { Reason = new Reason(Rule.StopDrained, []) };

    public static JobId Id(string job) => new($"{OperatedCluster.Space}/{job}");

    /// <summary>A suspended JobSet of one kind of pods with one GPU each.</summary>
    public Task<object> CreateSetAsync(string name, int pods = 2, bool suspend = true) => Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
        Set(name, pods, suspend), "jobset.x-k8s.io", "v1alpha2", OperatedCluster.Space, "jobsets", cancellationToken: Cancel);

    public static JsonNode Set(string name, int pods, bool suspend) => JsonNode.Parse($$$$"""
        {"apiVersion":"jobset.x-k8s.io/v1alpha2","kind":"JobSet","metadata":{"name":"{{{{name}}}}"},
         "spec":{"suspend":{{{{(suspend ? "true" : "false")}}}},"replicatedJobs":[{"name":"workers","replicas":{{{{pods.ToString(CultureInfo.InvariantCulture)}}}},"template":{"spec":{"template":{{{{Template}}}}}}}]}}
        """)!;

    /// <summary>A pod template of one GPU and 32 GiB, which may have 48.</summary>
    public const string Template = """
        {"spec":{"restartPolicy":"Never","containers":[{"name":"trainer","image":"example.com/trainer:1",
        "resources":{"requests":{"cpu":"4","memory":"32Gi","nvidia.com/gpu":"1"},"limits":{"memory":"48Gi","nvidia.com/gpu":"1"}}}]}}
        """;

    public Task PlanAsync(string name, string spec, string kind = "JobSet", string? target = null) => Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
        JsonNode.Parse($$$"""
            {"apiVersion":"{{{ResourceGroup.ApiVersion}}}","kind":"PlannedJob","metadata":{"name":"{{{name}}}"},
             "spec":{"targetRef":{"kind":"{{{kind}}}","name":"{{{target ?? name}}}"}{{{(spec.Length > 0 ? "," + spec : "")}}}}}
            """)!, ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, PlannedJob.KubePluralName, cancellationToken: Cancel);

    public async Task<bool> IsSuspendedAsync(string set) =>
        (await Cluster.Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>("jobset.x-k8s.io", "v1alpha2", OperatedCluster.Space, "jobsets", set, Cancel))
            .GetProperty("spec").TryGetProperty("suspend", out var suspend) && suspend.GetBoolean();

    public static async Task<PlannedJobStatus?> StatusAsync(OperatedCluster cluster, string name, CancellationToken cancel) => KubernetesJson.Deserialize<PlannedJob>(
        await cluster.Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>(
            ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, PlannedJob.KubePluralName, name, cancel)).Status;

    public string Said()
    {
        lock (Log) return string.Join('\n', Log.TakeLast(12));
    }

    public async ValueTask DisposeAsync()
    {
        await Fleet.EndAsync();
        await _sets.DisposeAsync();
        await Watch.DisposeAsync();
        _footprints.Dispose();
        _api.Dispose();
    }
}
