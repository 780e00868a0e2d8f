using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Events;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>Planned jobs on a real server: launched, suspended, resumed, seen as gangs, and remembered.</summary>
public sealed class GangOnAClusterTests : OperatorTest
{
    private const string Act = "\"mode\":\"act\",\"checkpoint\":{\"size\":\"140GB\"}";

    [Fact]
    public async Task A_suspended_set_is_launched_gives_way_goes_on_and_ends()
    {
        await using var scene = await JobScene.StartAsync(Cluster);
        await scene.CreateSetAsync("train");
        await scene.PlanAsync("train", Act);
        var spec = (await Patience.UntilAsync("the job is planned", async _ => (await scene.LookAsync()).Spec.Training, jobs => jobs.Length == 1, _ => scene.Said()))[0];
        Assert.Equal((JobScene.Id("train"), 2, -1, true, true, false), (spec.Id, spec.GangSize, spec.Priority, spec.Preemptible, spec.SavesOnStop, spec.OnlyShown));
        var (_, before) = await scene.LookAsync();
        Assert.Empty(before.Training);
        Assert.True(before.Can.HasFlag(Capabilities.Train));

        var applied = await scene.ApplyAsync(JobScene.Launch("train"));
        Assert.Equal([JobScene.Launch("train").Id], applied.Started);
        // Whatever the watch shows by now.
        var (_, launched) = await scene.LookAsync();
        Assert.Equal((GangState.Starting, 2), (launched.Training[0].State, launched.Training[0].Members.Length));
        Assert.Empty((await scene.ApplyAsync(JobScene.Launch("train"))).Started);

        var running = await scene.UntilAsync(GangState.Running);
        Assert.All(running.Members, member => Assert.Equal("node-h100", member.Node.Value));
        Assert.Equal(2, running.Members.SelectMany(member => member.Devices).Distinct().Count());
        Assert.DoesNotContain((await scene.LookAsync()).Snapshot.Foreign, use => use.Device is not null);
        Assert.False(await scene.IsSuspendedAsync("train"));
        var status = await JobScene.StatusAsync(Cluster, "train", Cancel);
        Assert.NotNull(status!.LaunchedAt);
        var started = Assert.Single(scene.Outcomes.OfType<Outcome.GangStarted>());
        Assert.Equal((JobScene.Id("train"), Bytes.Zero), (started.Job, started.Size));

        Assert.Single((await scene.ApplyAsync(JobScene.Suspend("train"))).Started);
        var stopping = (await scene.LookAsync()).Snapshot.Training[0];
        Assert.Equal((GangState.Stopping, 2), (stopping.State, stopping.Members.Length));
        var suspended = await scene.UntilAsync(GangState.Suspended);
        Assert.Empty(suspended.Members);
        Assert.True(await scene.IsSuspendedAsync("train"));
        var written = Assert.Single(scene.Outcomes.OfType<Outcome.CheckpointWritten>());
        Assert.Equal(140_000_000_000, written.Size.Value);

        // Another leader knows by the status alone that it goes on from something.
        scene.Anew();
        Assert.Equal(GangState.Suspended, (await scene.LookAsync()).Snapshot.Training[0].State);
        Assert.Single((await scene.ApplyAsync(JobScene.Resume("train"))).Started);
        await scene.UntilAsync(GangState.Running);
        Assert.Equal(140_000_000_000, Assert.Single(scene.Outcomes.OfType<Outcome.GangStarted>().Skip(1)).Size.Value);
        Assert.Equal(status.LaunchedAt, (await JobScene.StatusAsync(Cluster, "train", Cancel))!.LaunchedAt);

        foreach (var pod in (await PodsAsync("train")).Where(pod => pod.Metadata.DeletionTimestamp is null)) await Cluster.Kubelet.CompleteAsync(pod.Metadata.Name);
        Assert.Empty((await scene.UntilAsync(GangState.Ended)).Members);
        Assert.Single(scene.Outcomes.OfType<Outcome.CheckpointWritten>());
        Assert.Equal(2, scene.Outcomes.OfType<Outcome.GangStarted>().Count());
    }

    [Fact]
    public async Task What_was_done_is_told_in_Events_of_the_PlannedJob()
    {
        await using var scene = await JobScene.StartAsync(Cluster);
        await scene.CreateSetAsync("train");
        await scene.PlanAsync("train", Act);
        await Patience.UntilAsync("the job is planned", async _ => (await scene.LookAsync()).Spec.Training.Length == 1);
        var (spec, snapshot) = await scene.LookAsync();
        var plan = new Plan(new InputHashes("", "", ""), [JobScene.Launch("train"), JobScene.Suspend("train")], [], Knowledge.Empty);
        var events = new EventWriter(scene.Parts, "here");
        events.Collect(scene.Fleet.Told(new Control.Tick(1, spec, snapshot, plan, new Control.ApplyResult([JobScene.Launch("train").Id], []))));
        await events.WriteAsync(Cancel);

        var told = (await Cluster.Client.CoreV1.ListNamespacedEventAsync(OperatedCluster.Space, cancellationToken: Cancel)).Items.Where(one => one.InvolvedObject.Kind == PlannedJob.KubeKind);
        Assert.Equal([("train", "Launched", "Normal")], told.Select(one => (one.InvolvedObject.Name, one.Reason, one.Type)));
    }

    [Fact]
    public async Task Nothing_is_done_of_what_waits_is_only_shown_or_may_not_be_written()
    {
        await using var scene = await JobScene.StartAsync(Cluster);
        foreach (var name in (string[])["acts", "shown", "seen"]) await scene.CreateSetAsync(name);
        await scene.PlanAsync("acts", "\"mode\":\"act\"");
        await scene.PlanAsync("shown", "");
        await scene.PlanAsync("seen", "\"mode\":\"observe\"");
        var jobs = await Patience.UntilAsync("three are looked at", async _ =>
        {
            await scene.LookAsync();
            return scene.Fleet.Jobs;
        }, jobs => jobs.Length == 3 && jobs.All(job => job.Target is not null));
        Assert.Equal([("models/acts", false), ("models/shown", true)], scene.Fleet.Look().Training.Select(job => (job.Id.Value, job.OnlyShown)));

        var suspend = JobScene.Suspend("acts").Id;
        var applied = await scene.ApplyAsync(JobScene.Launch("acts", suspend), JobScene.Launch("shown"), JobScene.Launch("seen"));
        Assert.Empty(applied.Started);
        Assert.Equal([JobScene.Launch("acts").Id], applied.Waiting);
        scene.MayWrite = false;
        Assert.Empty((await scene.ApplyAsync(JobScene.Launch("acts"))).Started);
        foreach (var job in jobs) Assert.True(await scene.IsSuspendedAsync(job.View.Name.Name));
        Assert.Null(await JobScene.StatusAsync(Cluster, "acts", Cancel));

        // The Fleet's mode holds all of them lower.
        scene.MayWrite = true;
        await Cluster.Client.CustomObjects.PatchClusterCustomObjectAsync(
            new V1Patch("""{"spec":{"mode":"recommend"}}""", V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, "fleets", "default", cancellationToken: Cancel);
        await Patience.UntilAsync("the job is only shown", _ => Task.FromResult(scene.Fleet.Look().Training.All(job => job.OnlyShown)));
        Assert.Empty((await scene.ApplyAsync(JobScene.Launch("acts"))).Started);
        Assert.True(await scene.IsSuspendedAsync("acts"));
    }

    [Fact]
    public async Task A_Job_of_the_real_controller_is_seen_to_start_to_run_and_to_end()
    {
        // This server is older and would drop spec.suspend: what it does with the pods is the same.
        await using var scene = await JobScene.StartAsync(Cluster, serverMinor: 31);
        await CreateJobAsync("train", parallelism: 2, completions: 3);
        await scene.PlanAsync("train", Act, "Job");
        var running = await scene.UntilAsync(GangState.Running);
        Assert.Equal(2, running.Members.Length);

        // Of three that are to succeed one has: two run at once until two have.
        await Cluster.Kubelet.CompleteAsync((await PodsAsync("train", "job-name"))[0].Metadata.Name);
        await scene.UntilAsync(GangState.Running, gang => gang.Members.Length == 2);
        await Patience.UntilAsync("one has succeeded", async _ => (await Cluster.Client.BatchV1.ReadNamespacedJobAsync("train", OperatedCluster.Space, cancellationToken: Cancel)).Status.Succeeded == 1);
        await scene.UntilAsync(GangState.Running);
        foreach (var pod in (await PodsAsync("train", "job-name")).Where(pod => pod.Status.Phase == "Running")) await Cluster.Kubelet.CompleteAsync(pod.Metadata.Name);
        await scene.UntilAsync(GangState.Ended);
    }

    [Fact]
    public async Task Without_the_right_to_patch_jobs_it_says_so()
    {
        Permission[] lacking = [new("patch", "jobs", "batch"), new("patch", "jobsets", "jobset.x-k8s.io")];
        Assert.Equal(lacking, lacking.Where(ShippedRole.Permissions.Contains));
        await using var scene = await JobScene.StartAsync(Cluster, await ShippedRole.InstallAsync(Cluster.Plane, "plimsoll-system", lacking), serverMinor: 31);
        await scene.CreateSetAsync("set");
        await CreateJobAsync("job", parallelism: 1, completions: 1);
        await scene.PlanAsync("set", "\"mode\":\"act\"");
        await scene.PlanAsync("job", "\"mode\":\"act\"", "Job");
        await Patience.UntilAsync("both are planned", _ => Task.FromResult(scene.Fleet.Look().Training.Length == 2));

        foreach (var one in lacking)
        {
            await Patience.UntilAsync($"{one} is named", async _ =>
            {
                await scene.ApplyAsync(JobScene.Suspend("job"), JobScene.Launch("set"));
                return scene.Said();
            }, said => said.Contains(one.Lacking, StringComparison.Ordinal));
        }

        // Nothing was launched, and the plan is told: it tries again after waits that double.
        Assert.True(await scene.IsSuspendedAsync("set"));
        Assert.Null((await JobScene.StatusAsync(Cluster, "set", Cancel))?.LaunchedAt);
        var (_, seen) = await scene.LookAsync();
        Assert.DoesNotContain(seen.Training, gang => gang.Job == JobScene.Id("set"));
        Assert.Contains(scene.Outcomes.OfType<Outcome.StepFailed>(), failed => failed.Step == JobScene.Launch("set").Id && failed.Why.Contains("jobsets", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Status_says_what_is_planned_what_is_in_the_way_and_whose_pods_are_whose()
    {
        await using var scene = await JobScene.StartAsync(Cluster);
        await scene.CreateSetAsync("train", suspend: false);
        await scene.PlanAsync("train", "\"mode\":\"recommend\",\"priority\":5");
        await scene.PlanAsync("none", "");
        await Cluster.OperateAsync();

        var missing = await StatusAsync("none", status => Condition(status, "Planned") is { Status: "False" });
        Assert.Equal("NotFound", Condition(missing, "Planned")!.Reason);
        Assert.Contains("JobSet none is not there", missing.Reason, StringComparison.Ordinal);
        var planned = await StatusAsync("train", status => status is { State: "Running", LaunchedAt: not null });
        Assert.Equal(("True", 2, "recommend"), (Condition(planned, "Planned")!.Status, planned.Members, planned.Mode));
        Assert.NotNull(planned.Reason);
        var table = await Kubectl.RunAsync(Cluster.Plane, "get", "ppj", "-n", OperatedCluster.Space);
        Assert.Matches(@"train +train +Running +2 +recommend +True", table);

        // At rest nothing is written.
        var version = await VersionAsync("train");
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("it is planned ten times more", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 10));
        Assert.Equal(version, await VersionAsync("train"));

        // Nobody plans it any more: its pods are anybody's.
        Assert.Single(Cluster.Ticks.Last().Snapshot.Training);
        await Cluster.Client.CustomObjects.DeleteNamespacedCustomObjectAsync(
            ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, PlannedJob.KubePluralName, "train", cancellationToken: Cancel);
        await Patience.UntilAsync("its pods are foreign", _ => Task.FromResult(Cluster.Ticks.Last().Snapshot),
            snapshot => snapshot.Training.IsEmpty && snapshot.Foreign.Count(use => use.Device is not null) == 2);
    }

    private Task<PlannedJobStatus> StatusAsync(string name, Func<PlannedJobStatus, bool> wanted) => Patience.UntilAsync(
        $"the status of {name}", async cancel => await JobScene.StatusAsync(Cluster, name, cancel) ?? new PlannedJobStatus(), wanted,
        status => KubernetesJson.Serialize(status) + "\n" + string.Join('\n', Cluster.Log.TakeLast(12)));

    private async Task<string> VersionAsync(string name) => (await Cluster.Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>(
        ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, PlannedJob.KubePluralName, name, Cancel)).GetProperty("metadata").GetProperty("resourceVersion").GetString()!;

    private static V1Condition? Condition(PlannedJobStatus status, string type) => status.Conditions?.FirstOrDefault(one => one.Type == type);

    private async Task<IList<V1Pod>> PodsAsync(string job, string label = JobSetsStandIn.Label) =>
        (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: $"{label}={job}", cancellationToken: Cancel)).Items;

    private Task<V1Job> CreateJobAsync(string name, int parallelism, int completions) => Cluster.Client.BatchV1.CreateNamespacedJobAsync(
        new V1Job
        {
            Metadata = new() { Name = name },
            Spec = new() { Parallelism = parallelism, Completions = completions, Template = KubernetesJson.Deserialize<V1PodTemplateSpec>(JobScene.Template) },
        }, OperatedCluster.Space, cancellationToken: Cancel);
}
