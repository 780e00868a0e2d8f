using System.Text;
using System.Text.Json;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>What is read of Jobs and JobSets.</summary>
public sealed class JobViewTests
{
    private static readonly JobKind Job = ClusterWatch.JobKinds[0];
    private static readonly JobKind Set = ClusterWatch.JobKinds[1];

    [Theory]
    [InlineData("{}", "{}", 1, 1)]
    [InlineData("{\"parallelism\":4}", "{}", 4, 4)]
    [InlineData("{\"parallelism\":4,\"completions\":6}", "{\"succeeded\":1}", 4, 4)]
    [InlineData("{\"parallelism\":4,\"completions\":6}", "{\"succeeded\":3}", 3, 3)]
    [InlineData("{\"parallelism\":4,\"completions\":2}", "{}", 2, 2)]
    // Without completions nobody makes a pod in the place of one that is done.
    [InlineData("{\"parallelism\":4}", "{\"succeeded\":3}", 4, 1)]
    [InlineData("{\"parallelism\":2,\"completions\":2}", "{\"succeeded\":2}", 1, 0)]
    public void A_Jobs_gang_is_what_runs_at_once(string spec, string status, int size, int left)
    {
        var view = Of(Job, spec, status);
        Assert.Equal((size, left), (view.Size, view.Left(0)));
    }

    [Theory]
    [InlineData("""[{"name":"a","replicas":2,"template":{"spec":{"parallelism":3,"completions":3,"template":{"spec":{}}}}},{"name":"b","template":{"spec":{"template":{"spec":{}}}}}]""", 7)]
    [InlineData("""[{"name":"a","replicas":0,"template":{"spec":{"template":{"spec":{}}}}},{"name":"b","replicas":2,"template":{"spec":{"template":{"spec":{}}}}}]""", 2)]
    public void A_sets_gang_is_all_its_Jobs_together(string jobs, int size) => Assert.Equal(size, Of(Set, $$"""{"replicatedJobs":{{jobs}}}""", "{}").Size);

    [Fact]
    public void Of_a_set_jobs_that_are_done_need_no_pods()
    {
        var view = Of(
            Set, """{"replicatedJobs":[{"name":"a","replicas":3,"template":{"spec":{"parallelism":2,"template":{"spec":{}}}}}]}""",
            """{"replicatedJobsStatus":[{"name":"a","succeeded":2}]}""");
        Assert.Equal((2, 1), (view.Left(0), view.Left(5)));
    }

    [Fact]
    public void Conditions_say_whether_it_is_over_and_since_when_it_is_suspended()
    {
        var done = Of(Job, "{}", Conditions("Complete", "True"));
        Assert.Equal(new DateTimeOffset(2026, 11, 30, 9, 0, 0, TimeSpan.Zero), done.EndedAt);
        Assert.NotNull(Of(Job, "{}", Conditions("Failed", "True")).EndedAt);
        Assert.Null(Of(Job, "{}", Conditions("Complete", "False")).EndedAt);
        Assert.NotNull(Of(Set, "{}", Conditions("Completed", "True")).EndedAt);
        Assert.Null(Of(Job, "{}", Conditions("Completed", "True")).EndedAt);
        Assert.Equal((true, true), (Of(Set, "{\"suspend\":true}", Conditions("Suspended", "True")) is { Suspended: true, SuspendedAt: not null, StartedAt: null }, Of(Set, "{}", Conditions("Suspended", "False")).StartedAt is not null));
        Assert.NotNull(Of(Job, "{}", """{"startTime":"2026-11-30T09:00:00Z"}""").StartedAt);
    }

    [Theory]
    [InlineData("""{"managedBy":"kueue.x-k8s.io/multikueue"}""", "kueue.x-k8s.io/multikueue")]
    [InlineData("""{"managedBy":"kubernetes.io/job-controller"}""", null)]
    public void Who_sees_to_it_is_read(string spec, string? by) => Assert.Equal(by, Of(Job, spec, "{}").ManagedBy);

    [Fact]
    public void What_an_object_made_that_suspends_it_is_that_ones_but_a_CronJobs_is_not()
    {
        static string By(string kind) => $$""","ownerReferences":[{"controller":true,"kind":"{{kind}}","name":"x"}]""";
        Assert.Equal("TrainJob x", Of(Set, "{}", "{}", By("TrainJob")).ManagedBy);
        Assert.Null(Of(Job, "{}", "{}", By("CronJob")).ManagedBy);
    }

    [Fact]
    public void Of_a_pod_template_nothing_is_kept_that_nobody_needs()
    {
        var view = Of(
            Job, """
            {"template":{"spec":{"nodeSelector":{"pool":"h100"},"volumes":[{"name":"secret"}],"terminationGracePeriodSeconds":120,
            "affinity":{"nodeAffinity":{},"podAffinity":{"far":1}},"tolerations":[{"key":"gpu","operator":"Exists"}],
            "containers":[{"name":"trainer","args":["--token=abc"],"env":[{"name":"KEY","value":"v"}],
            "resources":{"requests":{"cpu":"2","memory":"8Gi","nvidia.com/gpu":"4"},"limits":{"memory":"16Gi"}}},{"name":"side","resources":{"requests":{"memory":"1Gi"}}}]}}}
            """, "{}");
        var kept = Encoding.UTF8.GetString(view.Pods[0].Spec);
        foreach (var gone in (string[])["secret", "token", "KEY", "far"]) Assert.DoesNotContain(gone, kept, StringComparison.Ordinal);

        // The limit where one is stated, else the request: what it may take. The scheduler counts requests.
        var ask = JobPodAsk.Of(view.Pods[0]);
        Assert.Equal((17L << 30, 9L << 30, 2000L, 4L), (ask.Memory.Value, ask.Requests.MemoryBytes, ask.Requests.CpuMilli, ask.Requests.Devices["nvidia.com/gpu"]));
        Assert.Equal(TimeSpan.FromMinutes(2), ask.Grace);
        var (needs, asked) = (ask.Needs(Bytes.GiB(40)), ask.Asked(["every"]));
        Assert.Equal((17L << 30, Bytes.GiB(40), 4, Bytes.Zero), (needs.Host.Highest.Value, needs.PerDevice!.Highest, needs.Devices, needs.Disk));
        Assert.Null(ask.Needs(null).PerDevice);
        Assert.Equal((9L << 30, "nvidia.com/gpu", 4, "every"), (asked.Memory.Value, asked.Resource, asked.Devices, Assert.Single(asked.Pools)));
        Assert.Contains("h100", ask.SelectorKey, StringComparison.Ordinal);
        Assert.Contains("Exists", ask.SelectorKey, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Job", "train-workers-0", "\"jobset.sigs.k8s.io/jobset-name\":\"train\"", "ns/JobSet/train")]
    [InlineData("Job", "train", "\"job-name\":\"train\"", "ns/Job/train")]
    // A label alone makes nobody a member.
    [InlineData("ReplicaSet", "web-abc", "\"jobset.sigs.k8s.io/jobset-name\":\"train\",\"pod-template-hash\":\"abc\"", "ns/Deployment/web")]
    public void A_sets_pods_are_the_sets(string kind, string name, string labels, string key)
    {
        using var pod = JsonDocument.Parse($$$"""
            {"metadata":{"name":"p","namespace":"ns","uid":"u","labels":{{{{labels}}}},"ownerReferences":[{"controller":true,"kind":"{{{kind}}}","name":"{{{name}}}"}]},"spec":{}}
            """);
        Assert.Equal(key, PodView.Of(pod.RootElement)!.WorkloadKey);
    }

    private static string Conditions(string type, string status) =>
        $$"""{"conditions":[{"type":"{{type}}","status":"{{status}}","lastTransitionTime":"2026-11-30T09:00:00Z"}]}""";

    private static JobView Of(JobKind kind, string spec, string status, string more = "")
    {
        using var json = JsonDocument.Parse($$"""{"metadata":{"name":"train","namespace":"ns","uid":"u"{{more}}},"spec":{{WithPods(kind, spec)}},"status":{{status}}}""");
        return JobView.Of(json.RootElement, kind)!;
    }

    private static string WithPods(JobKind kind, string spec) =>
        kind == Job && !spec.Contains("template", StringComparison.Ordinal) ? spec.Insert(1, "\"template\":{\"spec\":{}}" + (spec == "{}" ? "" : ",")) : spec;
}
