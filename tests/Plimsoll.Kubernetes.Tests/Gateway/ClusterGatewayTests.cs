using System.Net;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>Gateways by themselves on a real control plane: where requests go, and what happens when something breaks.</summary>
public sealed class ClusterGatewayTests : OperatorTest
{
    private const string Gateway = "\"weights\":\"16GiB\",\"gateway\":{}";

    [Fact]
    public async Task Requests_go_to_ready_pods_alone_and_not_to_one_that_was_chosen_to_end_or_ends()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 3, 1, "24Gi");
        await Cluster.ModelAsync("llama", Gateway);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 3, "three ready");
        var gateway = await ground.StartAsync(IPAddress.Loopback, await ground.AccountAsync());
        var pods = await Cluster.PodsAsync("llama");
        await SpreadAsync(ground, gateway, pods);

        await Cluster.Client.CoreV1.PatchNamespacedPodAsync(
            new V1Patch("""{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"-1000"}}}""", V1Patch.PatchType.MergePatch),
            pods[0], OperatedCluster.Space, cancellationToken: Cancel);
        await SpreadAsync(ground, gateway, pods[1..]);

        await Cluster.Kubelet.CrashAsync(pods[1]);
        await SpreadAsync(ground, gateway, pods[2..]);

        // Of those left only the chosen one serves: it may not end after all, and nobody else is there.
        await Cluster.Kubelet.CrashAsync(pods[2]);
        await SpreadAsync(ground, gateway, [pods[0]]);
    }

    [Fact]
    public async Task A_model_that_is_not_there_is_404_in_the_shape_of_its_protocol()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"gateway\":{\"model\":\"org/llama\",\"wait\":\"300ms\"}");
        await Cluster.ModelAsync("other", "\"weights\":\"16GiB\"");
        var gateway = await ground.StartAsync(IPAddress.Loopback);
        await Patience.UntilAsync("it is ready", async _ => (await ground.AdminAsync(gateway, "/readyz")).StatusCode == HttpStatusCode.OK);

        using var openAi = await ground.ChatAsync(gateway, "other");
        using var v2 = await ground.InferAsync(gateway, "other");
        using var late = await ground.ChatAsync(gateway, "org/llama");

        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (openAi.StatusCode, v2.StatusCode));
        Assert.Equal("model_not_found", (await JsonAsync(openAi)).GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(JsonValueKind.String, (await JsonAsync(v2)).GetProperty("error").ValueKind);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, late.StatusCode);
        Assert.NotNull(late.Headers.RetryAfter);
        var metrics = await (await ground.AdminAsync(gateway, "/metrics")).Content.ReadAsStringAsync(Cancel);
        Assert.Contains("plimsoll_gateway_requests_ended_total{model=\"org/llama\",end=\"rejected\"} 1", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_gets_a_name_that_was_anothers_gets_none_of_its_requests()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ModelAsync("first", "\"weights\":\"16GiB\",\"gateway\":{\"model\":\"chat\",\"wait\":\"100ms\"}");
        var gateway = await ground.StartAsync(IPAddress.Loopback);
        async Task<long?> ArrivedAsync(string model)
        {
            using var told = await ground.AdminAsync(gateway, "/demand");
            return told.IsSuccessStatusCode ? DemandSample.Read(await told.Content.ReadAsByteArrayAsync(Cancel)).Models.GetValueOrDefault(new ModelId($"models/{model}"))?.Arrivals : null;
        }

        await Patience.UntilAsync("the first has the name", _ => ArrivedAsync("first"), arrived => arrived == 0);
        for (var i = 0; i < 3; i++) (await ground.ChatAsync(gateway, "chat")).Dispose();
        Assert.Equal(3, await ArrivedAsync("first"));

        // The younger one waits for the name until the older one lets it go.
        await Task.Delay(TimeSpan.FromSeconds(1.1), TimeProvider.System, Cancel);
        await Cluster.ModelAsync("second", "\"weights\":\"16GiB\",\"gateway\":{\"model\":\"chat\",\"wait\":\"100ms\"}");
        await NamedAsync("first", "other");
        await Patience.UntilAsync("the second has it", _ => ArrivedAsync("second"), arrived => arrived is not null);
        Assert.Equal(0, await ArrivedAsync("second"));
        (await ground.ChatAsync(gateway, "chat")).Dispose();
        Assert.Equal(1, await ArrivedAsync("second"));

        await NamedAsync("first", "chat");
        await Patience.UntilAsync("the first has it again", _ => ArrivedAsync("second"), arrived => arrived is null);
        Assert.Equal(0, await ArrivedAsync("first"));

        Task<object> NamedAsync(string model, string name) => Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch($$$$"""{"spec":{"gateway":{"model":"{{{{name}}}}"}}}""", V1Patch.PatchType.MergePatch),
            "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", model, cancellationToken: Cancel);
    }

    [Fact]
    public async Task While_the_API_server_is_away_it_serves_by_what_it_saw_and_afterwards_sees_what_is_new()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 1, 1, "24Gi");
        await Cluster.ModelAsync("llama", Gateway);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var gateway = await ground.StartAsync(IPAddress.Loopback);
        var before = await Cluster.PodsAsync("llama");
        await SpreadAsync(ground, gateway, before);

        await Cluster.Plane.KillApiServerAsync();
        await Patience.UntilAsync("it notices", _ => Task.FromResult(gateway.Trouble is not null));
        await SpreadAsync(ground, gateway, before);
        Assert.Equal(HttpStatusCode.OK, (await ground.AdminAsync(gateway, "/readyz")).StatusCode);
        Assert.Matches("^ok\n(api/v1/pods|apis/plimsoll.dev/v1alpha1/scaledmodels): .+\n$", await (await ground.AdminAsync(gateway, "/healthz")).Content.ReadAsStringAsync(Cancel));

        await Cluster.Plane.StartApiServerAsync();
        await Cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch("""{"spec":{"replicas":2}}""", V1Patch.PatchType.MergePatch), "llama", OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 2, "two ready");
        await SpreadAsync(ground, gateway, await Cluster.PodsAsync("llama"));
        await Patience.UntilAsync("every watch is back", _ => Task.FromResult(gateway.Trouble), trouble => trouble is null);
    }

    [Fact]
    public async Task With_less_than_its_role_it_is_not_ready_and_names_what_it_lacks()
    {
        await using var ground = new GatewayGround(Cluster);
        foreach (var (resource, group) in ((string, string)[])[("pods", ""), ("scaledmodels", "plimsoll.dev")])
        {
            var gateway = await ground.StartAsync(IPAddress.Loopback, await ground.AccountAsync($"without-{resource}", resource));
            await Patience.UntilAsync("it says what it lacks", _ => Task.FromResult(gateway.Unready), unready =>
                unready?.Contains($"the gateway's role lacks the permission to list {resource} in API group \"{group}\"", StringComparison.Ordinal) == true);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await ground.AdminAsync(gateway, "/readyz")).StatusCode);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await ground.AdminAsync(gateway, "/demand")).StatusCode);
            await ground.KillAsync(gateway);
        }
    }

    [Fact]
    public async Task At_its_end_it_is_not_ready_and_serves_what_it_holds_first()
    {
        await using var ground = new GatewayGround(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", Gateway);
        var gateway = await ground.StartAsync(IPAddress.Loopback);
        await Patience.UntilAsync("it is ready", _ => Task.FromResult(gateway.Unready is null));
        var asked = ground.ChatAsync(gateway, "llama");
        await Patience.UntilAsync("it is held", _ => Task.FromResult(gateway.Router.HeldCount == 1));

        var ending = gateway.EndAsync(Cancel);
        Assert.Equal("it is ending", gateway.Unready);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await ground.AdminAsync(gateway, "/readyz")).StatusCode);
        await Cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch("""{"spec":{"replicas":1}}""", V1Patch.PatchType.MergePatch), "llama", OperatedCluster.Space, cancellationToken: Cancel);

        using var answer = await asked;
        Assert.Equal(Assert.Single(await Cluster.PodsAsync("llama")), GatewayGround.PodOf(answer));
        Assert.True(answer.Headers.ConnectionClose);
        await ending.WaitAsync(Patience.Limit, TimeProvider.System, Cancel);
    }

    // Asks until every one of these pods has answered and, from then on, twenty times: none but these may.
    private async Task SpreadAsync(GatewayGround ground, Kubernetes.Gateway.ClusterGateway gateway, string[] pods)
    {
        // Long enough in a pod that the next request finds another with less in it.
        Cluster.Serves = (_, context) => Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, context.RequestAborted);
        await Patience.UntilAsync("the gateway is ready", _ => Task.FromResult(gateway.Unready), unready => unready is null);
        async Task<string[]> AskAsync()
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 3 * pods.Length).Select(_ => ground.ChatAsync(gateway, "llama")));
            return [.. answers.Select(GatewayGround.PodOf).Distinct().Order(StringComparer.Ordinal)];
        }

        await Patience.UntilAsync("exactly these pods answer", _ => AskAsync(), answered => answered.SequenceEqual(pods), answered => string.Join(", ", answered));
        for (var i = 0; i < 7; i++) Assert.Empty((await AskAsync()).Except(pods));
    }

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage answer)
    {
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return json.RootElement.Clone();
    }
}
