using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>
/// The real HPA controller scales Deployments by our metric, with the HPA of deploy/bridges. A 1.20 server knows it as
/// autoscaling/v2beta2 and without tolerance, so the tolerance is the controller's own flag here.
/// </summary>
[Collection(MetricsApiCollection.Name)]
public sealed class HpaTests(SharedControlPlane shared, MetricsApiGround ground) : ClusterTest(shared)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await ground.OnAsync(ControlPlane);
    }

    [Fact]
    public async Task The_HPA_follows_the_plan_up_and_down_and_never_past_it()
    {
        await using var target = await HpaTarget.CreateAsync(Client, Namespace.Name, 1);
        foreach (var wanted in (int[])[3, 8, 5, 12, 1])
        {
            ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", wanted), ("mistral", 40));
            await target.SettledAsync(wanted, "1");
        }

        var seen = await target.SeenAsync(1);
        Assert.Equal([1, 3, 8, 5, 12, 1], seen);
    }

    [Fact]
    public async Task Steps_within_the_controllers_tolerance_of_a_tenth_are_not_taken()
    {
        await using var target = await HpaTarget.CreateAsync(Client, Namespace.Name, 12);
        await Follow(12, 12, "1");

        // 13 wanted and 12 there: a ratio of 1.083.
        await Follow(13, 12, "1084m");
        await Follow(14, 14, "1");
        await Follow(13, 14, "929m");
        await Follow(10, 10, "1");

        // The edge is not even: 11/10 is just beyond a tenth in floating point, 9/10 is just within.
        await Follow(9, 10, "900m");
        await Follow(11, 11, "1");
        var seen = await target.SeenAsync(11);
        Assert.Equal([12, 14, 10, 11], seen);

        async Task Follow(int wanted, int got, string average)
        {
            ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", wanted));
            await target.SettledAsync(got, average);
        }
    }

    [Fact]
    public async Task A_stale_plan_leaves_the_Deployment_as_it_is()
    {
        await using var target = await HpaTarget.CreateAsync(Client, Namespace.Name, 1);
        ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", 4));
        await target.SettledAsync(4, "1");

        ground.Publish(Namespace.Name, TimeSpan.FromMinutes(3), ("llama", 1));
        var stale = await target.InactiveAsync();
        Assert.Contains("the last plan is 18", stale, StringComparison.Ordinal);
        ground.Publish(Namespace.Name, TimeSpan.Zero, ("mistral", 1));
        await target.InactiveAsync("the plan has no ScaledModel");
        ground.Scales.Publish([]);
        await target.InactiveAsync("the plan has no model whose mode is act");

        ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", 2));
        await target.SettledAsync(2, "1");
        var seen = await target.SeenAsync(2);
        Assert.Equal([1, 4, 2], seen);
    }
}

/// <summary>The same with a controller whose tolerance is zero.</summary>
public sealed class HpaWithoutToleranceTests
{
    [Fact]
    public async Task Without_tolerance_every_step_is_taken()
    {
        await using var plane = await KubernetesControlPlane.StartAsync(new() { ControllerManager = ["--horizontal-pod-autoscaler-tolerance=0"] });
        await using var ground = new MetricsApiGround();
        await ground.OnAsync(plane);
        await using var space = await TestNamespace.CreateAsync(plane.Client, "hpa-without-tolerance");
        await using var target = await HpaTarget.CreateAsync(plane.Client, space.Name, 1);
        foreach (var wanted in (int[])[12, 13, 12, 50, 51, 50])
        {
            ground.Publish(space.Name, TimeSpan.Zero, ("llama", wanted));
            await target.SettledAsync(wanted, "1");
        }

        var seen = await target.SeenAsync(50);
        Assert.Equal([1, 12, 13, 12, 50, 51, 50], seen);
    }
}

/// <summary>The Deployment llama and its HPA, and every number of replicas that was ever asked of it.</summary>
internal sealed class HpaTarget : IAsyncDisposable
{
    private readonly k8s.Kubernetes _client;
    private readonly string _space;
    private readonly CancellationTokenSource _end = new();
    private readonly List<int> _seen = [];
    private Task _watching = Task.CompletedTask;

    private HpaTarget(k8s.Kubernetes client, string space) => (_client, _space) = (client, space);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<HpaTarget> CreateAsync(k8s.Kubernetes client, string space, int replicas)
    {
        var target = new HpaTarget(client, space);
        target._watching = target.WatchAsync();
        await client.AppsV1.CreateNamespacedDeploymentAsync(Workloads.Deployment("llama", replicas), space, cancellationToken: Cancel);
        var hpa = Manifest.Read("examples/hpa.yaml");
        hpa["apiVersion"] = "autoscaling/v2beta2";
        hpa["metadata"]!["namespace"] = space;
        foreach (var direction in (string[])["scaleUp", "scaleDown"]) hpa["spec"]!["behavior"]![direction]!.AsObject().Remove("tolerance");
        await client.CustomObjects.CreateNamespacedCustomObjectAsync(hpa, "autoscaling", "v2beta2", space, "horizontalpodautoscalers", cancellationToken: Cancel);
        return target;
    }

    /// <summary>Waits until the controller has looked at so many replicas, seen this average of the metric, and wants no other number.</summary>
    public Task SettledAsync(int replicas, string average) => Patience.UntilAsync(
        $"settled at {replicas}",
        StatusAsync,
        status => (int?)status["currentReplicas"] == replicas && (int?)status["desiredReplicas"] == replicas
            && (string?)status["currentMetrics"]?[0]?["external"]?["current"]?["averageValue"] == average && Active(status)?["status"]?.ToString() == "True",
        status => status.ToJsonString());

    /// <summary>Waits until the controller says that it has no metric; what it says of it.</summary>
    public async Task<string> InactiveAsync(string because = "")
    {
        var status = await Patience.UntilAsync(
            "without a metric",
            StatusAsync,
            status => Active(status) is { } active && active["status"]?.ToString() == "False" && active["message"]!.ToString().Contains(because, StringComparison.Ordinal),
            status => status.ToJsonString());
        return Active(status)!["message"]!.ToString();
    }

    /// <summary>The numbers asked for, one after the other, once the last of them is as given.</summary>
    public async Task<int[]> SeenAsync(int last)
    {
        await Patience.UntilAsync("watched", _ => Task.FromResult(Seen()), seen => seen is [.., var end] && end == last, seen => string.Join(", ", seen));
        return Seen();
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _watching;
        _end.Dispose();
    }

    private static JsonNode? Active(JsonNode status) =>
        status["conditions"]?.AsArray().FirstOrDefault(condition => (string?)condition!["type"] == "ScalingActive");

    private int[] Seen()
    {
        lock (_seen) return [.. _seen];
    }

    private async Task<JsonNode> StatusAsync(CancellationToken cancel)
    {
        var hpa = await _client.CustomObjects.GetNamespacedCustomObjectAsync<JsonObject>("autoscaling", "v2beta2", _space, "horizontalpodautoscalers", "llama", cancel);
        return hpa["status"] ?? new JsonObject();
    }

    private async Task WatchAsync()
    {
        try
        {
            await foreach (var (_, deployment) in _client.AppsV1.WatchListNamespacedDeploymentAsync(_space, cancellationToken: _end.Token))
            {
                if (deployment.Spec?.Replicas is not { } replicas) continue;
                lock (_seen)
                {
                    if (_seen is not [.., var last] || last != replicas) _seen.Add(replicas);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // the test is over
        }
    }
}
