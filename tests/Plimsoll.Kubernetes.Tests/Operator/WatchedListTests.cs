using System.Collections.Concurrent;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>A list and the watches that keep it up, against a server that ends them as it is told to.</summary>
public sealed class WatchedListTests
{
    private const string Path = "api/v1/nodes";

    [Fact]
    public async Task A_watch_that_ends_with_an_error_goes_on_where_it_was_and_not_where_it_began()
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        await using var server = await FixedServer.StartAsync();
        var places = new ConcurrentQueue<string>();
        server.Watched = (_, place) =>
        {
            places.Enqueue(place);
            return place == "1" ? [Event("ADDED", 4), Event("DELETED", 5), """{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcdserver: leader changed","reason":"InternalError"}}"""] : null;
        };
        using var api = new KubernetesApi(server.Configuration, TimeProvider.System);
        var list = new WatchedList<string>(api, Path, item => item.GetProperty("metadata").GetProperty("resourceVersion").GetString(), () => { }, TimeProvider.System);
        var running = list.RunAsync(ending.Token);

        await Patience.UntilAsync("it is watched again", _ => Task.FromResult(places.ToArray()), all => all.Length >= 2);
        Assert.Equal(["1", "5"], places);
        Assert.Empty(list.Items);
        await ending.CancelAsync();
        await running;
    }

    private static string Event(string type, int version) => $$$"""{"type":"{{{type}}}","object":{"metadata":{"name":"a","resourceVersion":"{{{version}}}"} } }""";
}
