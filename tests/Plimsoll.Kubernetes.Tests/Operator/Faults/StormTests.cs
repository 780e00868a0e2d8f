using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>A server that has too much to do (429), and objects that others write to all the time (409).</summary>
public sealed class StormTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Of what changes something the server works on three at once, and tells the fourth to come back in a second.
    private static readonly string[] Narrow =
        ["--enable-priority-and-fairness=false", "--feature-gates=APIPriorityAndFairness=false", "--max-mutating-requests-inflight=3"];

    private static readonly V1RuleWithOperations ConfigMaps = new() { ApiGroups = [""], ApiVersions = ["v1"], Operations = ["CREATE"], Resources = ["configmaps"] };

    [Fact]
    public async Task What_a_busy_server_asks_to_wait_is_waited()
    {
        await using var cluster = await FaultGround.StartAsync(null, Narrow);
        var release = new TaskCompletionSource();
        var held = 0;
        await using var gate = await AdmissionGate.OpenAsync(cluster.Plane, ConfigMaps, async _ =>
        {
            Interlocked.Increment(ref held);
            await release.Task;
            return true;
        });
        var (flood, ordinary) = (await FloodAccountAsync(cluster), await OrdinaryAccountAsync(cluster));
        var busy = Enumerable.Range(0, 3).Select(i => PostAsync(flood, $"held-{i}")).ToArray();
        await Patience.UntilAsync("three are being worked on", _ => Task.FromResult(held == 3));

        var time = new HeldTime();
        using var api = new KubernetesApi(ordinary, time);
        var patched = api.PatchAsync(
            $"api/v1/namespaces/{OperatedCluster.Space}", Encoding.UTF8.GetBytes("""{"metadata":{"labels":{"tried":"yes"}}}"""), PatchKind.Merge, Cancel);
        await Patience.UntilAsync("it is told to wait", _ => Task.FromResult(api.Count("PATCH 429") == 1 && time.Waits.Count == 1));

        // A second was asked for: no less, and somewhat more so that not all come back at once.
        Assert.InRange(time.Waits.Single().TotalSeconds, 1, 1.25);
        release.SetResult();
        await Task.WhenAll(busy);
        Assert.False(patched.IsCompleted);
        Assert.Equal(1, api.Requests.Values.Sum());
        time.Release();
        using var written = await patched;
        Assert.Equal(1, api.Count("PATCH 200"));
    }

    [Fact]
    public async Task A_server_that_turns_most_writes_away_is_not_stormed_and_what_is_wanted_happens_once_it_can()
    {
        await using var cluster = await FaultGround.StartAsync(null, Narrow);
        await using var gate = await AdmissionGate.OpenAsync(cluster.Plane, ConfigMaps, async request =>
        {
            // The operator's own are let through: what is tried here is the flood of others.
            if (request.GetProperty("name").GetString()?.StartsWith("flood", StringComparison.Ordinal) == true) await FaultGround.PauseAsync(0.4);
            return true;
        });
        await cluster.ActAsync("llama", 0, 1);
        await cluster.ActAsync("other", 1, 1);
        var account = await ShippedRole.InstallAsync(cluster.Plane, "operator-home");
        var host = await cluster.OperateAsync(account, space: "operator-home");
        await cluster.ReadyAsync("llama", 1);

        var flood = await FloodAccountAsync(cluster);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var count = 0;
        var flooding = Enumerable.Range(0, 12).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                await PostAsync(flood, $"flood-{Interlocked.Increment(ref count)}");
                // Turned away at once, it would only burn this machine's processors.
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
            }
        }, CancellationToken.None)).ToArray();
        await Patience.UntilAsync("the operator is turned away", _ => Task.FromResult(host.Api.Requests.Where(one => one.Key.EndsWith(" 429", StringComparison.Ordinal)).Sum(one => one.Value) >= 3));
        await cluster.WantAsync("llama", 3);
        var before = host.Api.Requests.Values.Sum();
        await FaultGround.PauseAsync(8);
        // It renews its lease three times a second and is told to wait a second: eight seconds of that are no storm.
        Assert.InRange(host.Api.Requests.Values.Sum() - before, 0, 400);
        await over.CancelAsync();
        await Task.WhenAll(flooding);

        await cluster.ReadyAsync("llama", 3);
        Assert.Equal(1, (await cluster.DeploymentAsync("other", Cancel)).Spec.Replicas);
        Assert.Empty(cluster.Removals());
    }

    [Fact]
    public async Task An_object_that_another_keeps_writing_to_is_scaled_all_the_same_and_once()
    {
        using var audit = new AuditLog();
        await using var cluster = await FaultGround.StartAsync(null, audit.Arguments);
        var (storm, asked, conflicts) = (true, 0, 0);
        await cluster.ActAsync("llama", 0, 1);
        await cluster.ActAsync("other", 1, 1);
        var host = await cluster.OperateAsync();
        await cluster.ReadyAsync("llama", 1);

        // Whoever writes replicas finds, when the server comes to store them, that somebody was there before.
        await using var gate = await AdmissionGate.OpenAsync(cluster.Plane, AdmissionGate.Scales, async _ =>
        {
            if (!storm || Interlocked.Increment(ref asked) % 4 == 0) return true;
            await cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
                Stamp(ref conflicts), "llama", OperatedCluster.Space, cancellationToken: Cancel);
            return true;
        });
        var lease = Task.Run(async () =>
        {
            while (Volatile.Read(ref storm))
            {
                await cluster.Client.CoordinationV1.PatchNamespacedLeaseAsync(
                    Stamp(ref conflicts), "plimsoll-operator", OperatedCluster.Space, cancellationToken: Cancel);
                await Task.Delay(TimeSpan.FromMilliseconds(15), TimeProvider.System, Cancel);
            }
        }, Cancel);
        await cluster.WantAsync("llama", 3);
        await cluster.ReadyAsync("llama", 3);
        await Patience.UntilAsync("conflicts are answered", _ => Task.FromResult(host.Api.Count("PUT 409") >= 3));
        Assert.True(host.Run.Health.Leads, "a note on its lease is no reason to step back");
        Assert.True(asked >= 4, "nobody came in between");
        Volatile.Write(ref storm, false);
        await lease;

        await cluster.ReadyAsync("llama", 3);
        Assert.Single(audit.Scales(), entry => entry is { Name: "llama", Replicas: 3 });
        Assert.DoesNotContain(audit.Scales(), entry => entry.Name == "other");
    }

    private static V1Patch Stamp(ref int count) => new(
        new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["stamp"] = $"{Interlocked.Increment(ref count)}" } } }.ToJsonString(),
        V1Patch.PatchType.MergePatch);

    private static async Task PostAsync(k8s.Kubernetes flood, string name)
    {
        try
        {
            await flood.CoreV1.CreateNamespacedConfigMapAsync(new V1ConfigMap { Metadata = new() { Name = name } }, "default", cancellationToken: CancellationToken.None);
        }
        catch (Exception away) when (away is k8s.Autorest.HttpOperationException or HttpRequestException)
        {
            // Turned away; before its body was read, the server resets the stream after its answer.
        }
    }

    // Of system:masters nobody is turned away.
    private static async Task<KubernetesClientConfiguration> OrdinaryAccountAsync(OperatedCluster cluster, string name = "ordinary")
    {
        await cluster.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(
            new V1ClusterRoleBinding
            {
                Metadata = new() { Name = name },
                RoleRef = new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "ClusterRole", Name = "cluster-admin" },
                Subjects = [new Rbacv1Subject { ApiGroup = "rbac.authorization.k8s.io", Kind = "User", Name = name }],
            }, cancellationToken: Cancel);
        var account = cluster.Plane.ForUser(name);
        using var own = new k8s.Kubernetes(account);
        await Patience.UntilAsync($"{name} may do all", async cancel => (await own.AuthorizationV1.CreateSelfSubjectAccessReviewAsync(
            new V1SelfSubjectAccessReview { Spec = new() { ResourceAttributes = new() { Verb = "create", Resource = "configmaps", NamespaceProperty = "default" } } },
            cancellationToken: cancel)).Status.Allowed);
        return account;
    }

    private static async Task<k8s.Kubernetes> FloodAccountAsync(OperatedCluster cluster) => new(await OrdinaryAccountAsync(cluster, "flood"));

    /// <summary>What is waited for does not come until it is let go, and how long it was to be is kept.</summary>
    private sealed class HeldTime : TimeProvider
    {
        private readonly ConcurrentQueue<(TimerCallback Callback, object? State)> _held = new();

        public ConcurrentQueue<TimeSpan> Waits { get; } = new();

        public void Release()
        {
            while (_held.TryDequeue(out var one)) one.Callback(one.State);
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Waits.Enqueue(dueTime);
            _held.Enqueue((callback, state));
            return System.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
