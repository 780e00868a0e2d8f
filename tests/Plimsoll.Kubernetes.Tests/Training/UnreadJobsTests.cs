using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Artifacts;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>While jobs cannot be read nothing of them is forgotten, and what trains stays where it is.</summary>
public sealed class UnreadJobsTests
{
    private const string PlannedJobs = "apis/plimsoll.dev/v1alpha1/plannedjobs";
    private const string Jobs = "apis/batch/v1/jobs";
    private static readonly JobId Train = new("models/train");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(PlannedJobs, null)]
    [InlineData(Jobs, null)]
    [InlineData(null, "\"planner\":{\"review\":\"soon\"}")]
    public async Task Protection_stays_on_a_gang_and_what_is_known_of_it_is_kept(string? refused, string? mistake)
    {
        await using var server = await FixedServer.StartAsync();
        server.Items[PlannedJobs] = """
            {"metadata":{"name":"train","namespace":"models","uid":"p","resourceVersion":"1"},"spec":{"targetRef":{"kind":"Job","name":"train"},"mode":"act"}}
            """;
        server.Items[Jobs] = """
            {"metadata":{"name":"train","namespace":"models","uid":"j","resourceVersion":"1","creationTimestamp":"2026-01-01T00:00:00Z"},
             "spec":{"suspend":false,"completions":1,"parallelism":1,"template":{"spec":{"containers":[{"name":"trainer","resources":{"requests":{"memory":"1Gi"}}}]}}}}
            """;
        server.Items["api/v1/pods"] = $"{Pod("train-a", "Job", "train")},{Pod("zz", "StatefulSet", "gone")}";
        if (mistake is not null) server.Items["apis/plimsoll.dev/v1alpha1/fleets"] = $$$"""{"metadata":{"name":"default","uid":"f","resourceVersion":"1"},"spec":{{{{mistake}}}}}""";
        var time = new FakeTimeProvider();
        using var api = new KubernetesApi(server.Configuration, TimeProvider.System);
        await using var cluster = await FixedServer.WatchAsync(api, time, Cancel);
        using var footprints = new FootprintStore(new SourceSettings { Variable = _ => null }, time);
        var learned = Knowledge.Empty with { Training = new TrainingKnowledge { Jobs = ImmutableSortedDictionary<JobId, JobKnowledge>.Empty.Add(Train, new JobKnowledge { GaveWay = true }) } };
        var fleet = new KubernetesFleet(Parts(cluster, footprints, time)) { Learned = learned };
        Assert.Equal([Train], fleet.Look().Training.Select(job => job.Id));

        if (refused is not null)
        {
            server.Refuse(refused);
            await Patience.UntilAsync("it is refused", _ =>
            {
                time.Advance(TimeSpan.FromSeconds(10));
                return Task.FromResult(cluster.Partly);
            }, partly => partly?.Contains(refused, StringComparison.Ordinal) == true);
        }

        var spec = fleet.Look();
        if (refused is not null)
        {
            Assert.Empty(spec.Training);
            Assert.Equal([Train], spec.UnplannedJobs);
        }

        // The other's is taken off, of nothing that is there. Once it was written a second time the first round is over.
        var plan = new Plan(new InputHashes("", "", ""), [], [], learned) { Protected = [], ProtectedJobs = [] };
        await Patience.UntilAsync("the other was written twice", async _ =>
        {
            await fleet.ApplyAsync(plan, Cancel);
            return server.Writes.ToArray();
        }, writes => writes.Count(path => path.EndsWith("/zz", StringComparison.Ordinal)) >= 2);
        Assert.DoesNotContain(server.Writes, path => path.EndsWith("/train-a", StringComparison.Ordinal));
        await fleet.EndAsync();
    }

    private static string Pod(string name, string kind, string owner) => $$$"""
        {"metadata":{"name":"{{{name}}}","namespace":"models","uid":"{{{name}}}","resourceVersion":"1","creationTimestamp":"2026-01-01T00:00:01Z",
          "ownerReferences":[{"kind":"{{{kind}}}","name":"{{{owner}}}","uid":"o","controller":true}],
          "annotations":{"karpenter.sh/do-not-disrupt":"true","plimsoll.dev/protects":"karpenter.sh/do-not-disrupt"}},
         "spec":{"nodeName":"n","containers":[{"name":"trainer","resources":{"requests":{"memory":"1Gi"} } }]},"status":{"phase":"Running"} }
        """;

    private static KubernetesFleetParts Parts(ClusterWatch cluster, FootprintStore footprints, TimeProvider time) => new()
    {
        Cluster = cluster,
        Footprints = footprints,
        ReadPods = (_, _) => Task.FromResult(ImmutableArray<PodReading>.Empty),
        Desired = new DesiredScales(time),
        MayWrite = () => true,
        Time = time,
        Namespace = "plimsoll-system",
        Log = _ => { },
    };
}
