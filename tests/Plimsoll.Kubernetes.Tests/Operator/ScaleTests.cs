using k8s;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>
/// What an operator asks of the API server, counted: a small version of bench/Plimsoll.ClusterScale, where the numbers of a
/// large cluster come from.
/// </summary>
public sealed class ScaleTests
{
    private const int Models = 50;
    private const int Port = 9465;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_many_objects_nothing_is_listed_after_the_start_writes_of_a_turn_are_bounded_and_at_rest_there_are_none()
    {
        ControlPlaneBinaries.FolderOrSkip();
        await using var plane = await KubernetesControlPlane.StartAsync(new ControlPlaneOptions { Controllers = false, CustomResources = false });
        foreach (var resource in Manifest.Resources) await CustomResources.InstallAsync(plane.Client, Manifest.Write(resource));
        await plane.Client.CoreV1.CreateNamespaceAsync(new() { Metadata = new() { Name = "plimsoll-system" } }, cancellationToken: Cancel);
        await using var servers = new BulkServers(Port);
        await using var cluster = new BulkCluster(plane, servers, Port);
        await cluster.CreateAsync(200, Models, 500, "act", Cancel);
        using var fleet = await cluster.Api.CreateAsync($"apis/{ResourceGroup.ApiVersion}/fleets", System.Text.Encoding.UTF8.GetBytes(
            $$$$$"""{"apiVersion":"{{{{{ResourceGroup.ApiVersion}}}}}","kind":"Fleet","metadata":{"name":"default"},"spec":{"planner":{"review":"500ms","demandBucket":"1s","demandHistory":"1min"}}}"""), Cancel);
        var perTurn = new List<long>();
        OperatorHost? host = null;
        var before = 0L;
        var ticks = 0;
        host = await OperatorHost.StartAsync(
            new OperatorOptions
            {
                Namespace = "plimsoll-system",
                Identity = "one",
                Lease = new LeaseTimes(TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2)),
                Checkpoint = TimeSpan.FromHours(1),
            },
            plane.Admin(), new Artifacts.SourceSettings { Variable = _ => null }, TimeProvider.System, _ => { },
            _ =>
            {
                // Called within a turn, after the scales: what was written since the call before is a turn's.
                if (host is null) return;
                var now = Writes(host);
                perTurn.Add(now - before);
                before = now;
                Interlocked.Increment(ref ticks);
            }, Cancel);
        await using (host)
        {
            await Patience.UntilAsync("every model has a status", _ => Task.FromResult(Statuses(host) >= Models));
            var lists = Lists(host);
            await QuietAsync(host, () => Volatile.Read(ref ticks));

            // One in five gets requests of more than it can take, and pods come and go.
            servers.Rate = path => path[5] is '0' or '5' ? 3 : 0;
            var asked = Scales(host);
            await Patience.UntilAsync("models with demand are scaled", _ => Task.FromResult(Scales(host) >= asked + 5));
            for (var model = 0; model < 10; model++) await cluster.ReplaceAsync(model, Cancel);
            Assert.InRange(lists, 5, 50);
            Assert.Equal(lists, Lists(host));
            Assert.InRange(perTurn.Max(), 1, 150);
        }
    }

    // Twenty turns on end that write nothing.
    private static async Task QuietAsync(OperatorHost host, Func<int> ticks)
    {
        var (writes, since) = (Writes(host), ticks());
        await Patience.UntilAsync("twenty turns without a write", _ =>
        {
            if (Writes(host) != writes) (writes, since) = (Writes(host), ticks());
            return Task.FromResult(ticks() >= since + 20);
        });
    }

    private static long Writes(OperatorHost host) => host.Api.RequestsByResource
        .Where(one => one.Key.Verb is "PATCH" or "POST" or "PUT" or "DELETE" && !one.Key.Resource.StartsWith("leases", StringComparison.Ordinal)).Sum(one => one.Value);

    private static long Lists(OperatorHost host) => host.Api.RequestsByResource.Where(one => one.Key.Verb == "LIST").Sum(one => one.Value);

    private static long Statuses(OperatorHost host) => Count(host, "scaledmodels/status");

    private static long Scales(OperatorHost host) => Count(host, "deployments/scale");

    private static long Count(OperatorHost host, string resource) =>
        host.Api.RequestsByResource.Where(one => one.Key is { Verb: "PATCH" } key && key.Resource == resource).Sum(one => one.Value);
}
