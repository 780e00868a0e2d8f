using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>What PlannedJobs and their targets come to, by a real server's objects.</summary>
public sealed class JobResolverTests(SharedControlPlane shared) : ClusterTest(shared)
{
    private const string Pod = """{"resources":{"requests":{"cpu":"4","memory":"32Gi","nvidia.com/gpu":"2"},"limits":{"memory":"48Gi","nvidia.com/gpu":"2"}}}""";

    private KubernetesApi _api = null!;
    private ClusterWatch _watch = null!;
    private JobResolver _resolver = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        foreach (var resource in Manifest.Resources) await CustomResources.InstallAsync(Client, Manifest.Write(resource));
        _api = new KubernetesApi(ControlPlane.Admin(), TimeProvider.System);
        _watch = await ClusterWatch.StartAsync(_api, TimeProvider.System, Cancel);
        _resolver = new JobResolver(_watch);
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_watch is not null) await _watch.DisposeAsync();
        _api?.Dispose();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task What_is_planned_has_the_jobs_size_its_pods_requests_and_the_nodes_that_they_may_go_to()
    {
        await SetAsync("train", Replicated("a", 2, Pod), Replicated("b", 1, Pod));
        await PlanAsync("train", """,{"mode":"act","priority":7,"preemptible":false,"deviceMemory":"40Gi","checkpoint":{"size":"140GB"}}""");
        var job = await ResolvedAsync("train", one => one.Spec is not null);
        var spec = job.Spec!;
        Assert.Equal(new JobId($"{Namespace.Name}/train"), spec.Id);
        Assert.Equal((3, 7, false, 140_000_000_000, true, false), (spec.GangSize, spec.Priority, spec.Preemptible, spec.CheckpointSize.Value, spec.SavesOnStop, spec.OnlyShown));
        Assert.Equal((Bytes.GiB(48), Bytes.GiB(40), 2, new Cores(4000)), (spec.NeedsPerMember.Host.Highest, spec.NeedsPerMember.PerDevice!.Highest, spec.NeedsPerMember.Devices, spec.NeedsPerMember.Cores));
        Assert.Equal((Bytes.GiB(32), "nvidia.com/gpu", 2), (spec.Requests!.Memory, spec.Requests.Resource, spec.Requests.Devices));
        Assert.Equal(job.Target!.CreatedAt, spec.SubmittedAt);
        Assert.Equal(2, job.Target.Pods.Length);
        Assert.Same(job, await ResolvedAsync("train", _ => true));

        // The same target a second time: the older of the two has it, of one second the first by name.
        await PlanAsync("z-second", ",{}", "train");
        var second = await ResolvedAsync("z-second", one => one.Planned.Reason == "OtherPlannedJob");
        Assert.Null(second.Spec);
        Assert.Contains($"the PlannedJob {Namespace.Name}/train's", second.Planned.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nodes_are_grouped_by_what_its_pods_ask_of_them()
    {
        const string Picky = """{"resources":{"requests":{"memory":"1Gi"}}}""";
        var set = Replicated("a", 1, Picky);
        set["template"]!["spec"]!["template"]!["spec"]!["nodeSelector"] = new JsonObject { ["pool"] = "train" };
        await SetAsync("picky", set);
        await PlanAsync("picky", ",{}");
        await ResolvedAsync("picky", one => one.Spec is not null);
        var specs = _resolver.Look(FleetSettings.Of(null));
        var groups = new NodeGroups([Labelled("mine", "train"), Labelled("theirs", "serve")], specs);
        var job = _resolver.Resolve(groups).Single(one => one.View.Name.Namespace == Namespace.Name);
        Assert.Equal([groups.GroupOf("mine")], job.Spec!.Requests!.Pools);
        Assert.NotEqual(groups.GroupOf("mine"), groups.GroupOf("theirs"));
        Assert.True(job.Spec.OnlyShown);
    }

    [Theory]
    [InlineData("Kueue", "labelled", "queue research")]
    [InlineData("ManagedElsewhere", "managed", "kueue.x-k8s.io/multikueue")]
    [InlineData("UnlikePods", "unlike", "differ in what they ask")]
    [InlineData("NoMemory", "light", "state no memory")]
    [InlineData("SeveralDevices", "mixed", "amd.com/gpu and nvidia.com/gpu")]
    [InlineData("NoPods", "empty", "no pods")]
    [InlineData("TooMuchMemory", "huge", "no node has that")]
    [InlineData("InPhases", "phases", "one kind after the other")]
    [InlineData("ApartByRule", "apart", "topologySpreadConstraints")]
    [InlineData("Observed", "seen", "mode observe")]
    [InlineData("NotFound", "missing", "is not there")]
    public async Task What_is_in_the_way_is_said_and_nothing_is_planned(string reason, string name, string says)
    {
        var larger = Pod.Replace("48Gi", "49Gi", StringComparison.Ordinal);
        await (name switch
        {
            "labelled" => SetAsync(name, set => set["metadata"]!["labels"] = new JsonObject { [JobView.QueueLabel] = "research" }, Replicated("a", 1, Pod)),
            "managed" => SetAsync(name, set => set["spec"]!["managedBy"] = "kueue.x-k8s.io/multikueue", Replicated("a", 1, Pod)),
            "unlike" => SetAsync(name, Replicated("a", 1, Pod), Replicated("b", 1, larger)),
            "light" => SetAsync(name, Replicated("a", 1, """{"resources":{"limits":{"nvidia.com/gpu":"2"}}}""")),
            "mixed" => SetAsync(name, Replicated("a", 1, """{"resources":{"limits":{"memory":"1Gi","nvidia.com/gpu":"2","amd.com/gpu":"1"}}}""")),
            "empty" => SetAsync(name),
            "huge" => SetAsync(name, Replicated("a", 1, Pod.Replace("48Gi", "2Ei", StringComparison.Ordinal))),
            "phases" => SetAsync(name, Replicated("a", 1, Pod), Depending("b")),
            "apart" => SetAsync(name, set => set["spec"]!["replicatedJobs"]![0]!["template"]!["spec"]!["template"]!["spec"]!["topologySpreadConstraints"] = new JsonArray(
                new JsonObject { ["whenUnsatisfiable"] = "DoNotSchedule", ["topologyKey"] = "zone", ["maxSkew"] = 1 }), Replicated("a", 1, Pod)),
            "missing" => Task.FromResult<object>(name),
            _ => SetAsync(name, Replicated("a", 1, Pod)),
        });
        await PlanAsync(name, name == "seen" ? """,{"mode":"observe"}""" : """,{"mode":"act"}""");
        var job = await ResolvedAsync(name, one => one.Planned.Reason == reason);
        Assert.Null(job.Spec);
        Assert.False(job.Acts);
        Assert.Equal(false, job.Planned.Holds);
        Assert.Contains(says, job.Planned.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Job_of_a_server_that_cannot_suspend_one_is_refused_and_a_set_is_not()
    {
        await Client.BatchV1.CreateNamespacedJobAsync(
            new V1Job
            {
                Metadata = new() { Name = "job" },
                Spec = new() { Parallelism = 2, Template = KubernetesJson.Deserialize<V1PodTemplateSpec>(JobScene.Template) },
            }, Namespace.Name, cancellationToken: Cancel);
        await PlanAsync("job", ",{}", kind: "Job");
        _watch.ServerMinor = 21;
        Assert.Null((await ResolvedAsync("job", one => one.Planned.Reason == "NoSuspend")).Spec);
        _watch.ServerMinor = 22;
        var spec = (await ResolvedAsync("job", one => one.Spec is not null)).Spec!;
        Assert.Equal((2, Bytes.GiB(48)), (spec.GangSize, spec.NeedsPerMember.Host.Highest));

        // The Fleet's mode holds it lower.
        Assert.True(Resolve(FleetMode.Recommend, "job")!.Spec!.OnlyShown);
        Assert.Null(Resolve(FleetMode.Observe, "job")!.Spec);
    }

    private static NodeView Labelled(string name, string pool)
    {
        using var json = System.Text.Json.JsonDocument.Parse($$$"""{"metadata":{"name":"{{{name}}}","labels":{"pool":"{{{pool}}}"}},"status":{"conditions":[{"type":"Ready","status":"True"}]}}""");
        return NodeView.Of(json.RootElement)!;
    }

    private Task<ResolvedJob> ResolvedAsync(string name, Func<ResolvedJob, bool> wanted) => Patience.UntilAsync(
        $"{name} is resolved", _ => Task.FromResult(Resolve(FleetMode.Act, name)!), job => job is not null && wanted(job), job => job?.Planned.ToString() ?? "nothing");

    private ResolvedJob? Resolve(FleetMode mode, string name)
    {
        var specs = _resolver.Look(FleetSettings.Of(null) with { Mode = mode });
        return _resolver.Resolve(new NodeGroups([], specs)).FirstOrDefault(job => job.View.Name == new ObjectName(Namespace.Name, name));
    }

    private static JsonNode Replicated(string name, int replicas, string container)
    {
        var made = JsonNode.Parse("""{"template":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"trainer","image":"example.com/trainer:1"}]}}}}}""")!;
        (made["name"], made["replicas"]) = (name, replicas);
        made["template"]!["spec"]!["template"]!["spec"]!["containers"]![0]!["resources"] = JsonNode.Parse(container)!["resources"]!.DeepClone();
        return made;
    }

    private static JsonNode Depending(string name)
    {
        var made = Replicated(name, 1, Pod);
        made["dependsOn"] = new JsonArray(new JsonObject { ["name"] = "a", ["status"] = "Complete" });
        return made;
    }

    private Task<object> SetAsync(string name, params JsonNode[] replicated) => SetAsync(name, _ => { }, replicated);

    private Task<object> SetAsync(string name, Action<JsonNode> change, params JsonNode[] replicated)
    {
        var set = JobScene.Set(name, 1, suspend: true);
        set["spec"]!["replicatedJobs"] = new JsonArray(replicated);
        change(set);
        return Client.CustomObjects.CreateNamespacedCustomObjectAsync(set, "jobset.x-k8s.io", "v1alpha2", Namespace.Name, "jobsets", cancellationToken: Cancel);
    }

    // spec: fields beside targetRef, as JSON behind a comma.
    private Task<object> PlanAsync(string name, string spec, string? target = null, string kind = "JobSet")
    {
        var fields = JsonNode.Parse(spec[1..])!;
        fields["targetRef"] = new JsonObject { ["kind"] = kind, ["name"] = target ?? name };
        var body = new JsonObject { ["apiVersion"] = ResourceGroup.ApiVersion, ["kind"] = PlannedJob.KubeKind, ["metadata"] = new JsonObject { ["name"] = name }, ["spec"] = fields };
        return Client.CustomObjects.CreateNamespacedCustomObjectAsync(body, ResourceGroup.Group, ResourceGroup.Version, Namespace.Name, PlannedJob.KubePluralName, cancellationToken: Cancel);
    }
}
