using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>The aggregated API behind a real API server, and past it.</summary>
[Collection(MetricsApiCollection.Name)]
public sealed class ExternalMetricsApiTests(SharedControlPlane shared, MetricsApiGround ground) : ClusterTest(shared)
{
    private const string Group = "/apis/external.metrics.k8s.io";
    private const string Version = Group + "/v1beta1";

    private string Metric => $"{Version}/namespaces/{Namespace.Name}/plimsoll_desired_replicas";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await ground.OnAsync(ControlPlane);
    }

    [Fact]
    public async Task The_API_server_passes_a_metric_on_and_finds_the_group()
    {
        ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", 3), ("mistral", 0));
        using var admin = Through(ControlPlane.Admin());
        var (code, list) = await GetAsync(admin, Metric + "?labelSelector=scaledmodel%3Dllama");
        Assert.Equal(200, code);
        Assert.Equal(("ExternalMetricValueList", "external.metrics.k8s.io/v1beta1"), ((string?)list["kind"], (string?)list["apiVersion"]));
        var item = Assert.Single(list["items"]!.AsArray())!;
        Assert.Equal(("plimsoll_desired_replicas", "llama", "3"), ((string?)item["metricName"], (string?)item["metricLabels"]!["scaledmodel"], (string?)item["value"]));
        Assert.Equal(20, ((string?)item["timestamp"])!.Length);

        (_, list) = await GetAsync(admin, Metric + "?labelSelector=scaledmodel+in+(llama,mistral)");
        Assert.Equal(["3", "0"], list["items"]!.AsArray().Select(one => (string?)one!["value"]));
        (_, list) = await GetAsync(admin, Metric);
        Assert.Equal(2, list["items"]!.AsArray().Count);

        var resources = await Client.CustomObjects.GetAPIResourcesAsync("external.metrics.k8s.io", "v1beta1", Cancel);
        var resource = Assert.Single(resources.Resources);
        Assert.Equal(("plimsoll_desired_replicas", true, "ExternalMetricValueList"), (resource.Name, resource.Namespaced, resource.Kind));
        (_, var groups) = await GetAsync(admin, "/apis");
        Assert.Contains(groups["groups"]!.AsArray(), one => (string?)one!["name"] == "external.metrics.k8s.io");
    }

    [Fact]
    public async Task What_cannot_be_answered_is_a_Status_with_a_sentence()
    {
        ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", 3));
        using var admin = Through(ControlPlane.Admin());
        await RefusedAsync(admin, Metric + "?labelSelector=scaledmodel%3Dlama", 404, "NotFound", $"the plan has no ScaledModel in namespace '{Namespace.Name}' that labelSelector selects");
        await RefusedAsync(admin, Metric + "?labelSelector=scaledmodel%3E3", 400, "BadRequest", "labelSelector: '<' and '>' are not supported: these labels are names");
        await RefusedAsync(admin, Metric + "?fieldSelector=a%3Db", 400, "BadRequest", "fieldSelector is not supported on external metrics; labelSelector is");
        await RefusedAsync(admin, Metric + "?watch=true", 405, "MethodNotAllowed", "watch is not supported on external metrics");
        await RefusedAsync(admin, $"{Version}/namespaces/{Namespace.Name}/queue_length", 404, "NotFound", "there is no metric 'queue_length' here; it is plimsoll_desired_replicas");
        await RefusedAsync(admin, $"{Version}/nodes", 404, "NotFound", "the server could not find the requested resource");

        ground.Publish(Namespace.Name, TimeSpan.FromSeconds(300), ("llama", 3));
        var (code, status) = await GetAsync(admin, Metric + "?labelSelector=scaledmodel%3Dllama");
        Assert.Equal(503, code);
        Assert.Matches("^the last plan is 30[0-9] s old and none older than 120 s is given out: see the operator's log$", (string?)status["message"]);

        using var direct = ground.Direct();
        direct.DefaultRequestHeaders.Authorization = new("Bearer", ControlPlane.Admin().AccessToken);
        using var posted = await direct.PostAsync(Metric, null, Cancel);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
    }

    [Fact]
    public async Task One_stale_value_among_several_fails_the_whole_answer()
    {
        var now = TimeProvider.System.GetUtcNow();
        ground.Scales.Publish(
        [
            new() { ScaledModel = new(Namespace.Name, "fresh"), Replicas = 2, Active = true, DecidedAt = now, Reason = "as wanted" },
            new() { ScaledModel = new(Namespace.Name, "stale"), Replicas = 2, Active = true, DecidedAt = now.AddMinutes(-5), Reason = "as wanted" },
        ]);
        using var admin = Through(ControlPlane.Admin());
        Assert.Equal(503, (await GetAsync(admin, Metric)).Code);
        Assert.Equal(503, (await GetAsync(admin, Metric + "?labelSelector=scaledmodel+in+(fresh,stale)")).Code);
        Assert.Equal(200, (await GetAsync(admin, Metric + "?labelSelector=scaledmodel%3Dfresh")).Code);
    }

    [Fact]
    public async Task Callers_that_nobody_vouches_for_are_refused()
    {
        ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", 3));
        (string, string)[] asAdmin = [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")];
        Assert.Equal(401, await DirectAsync(null));
        Assert.Equal(401, await DirectAsync(null, asAdmin));
        Assert.Equal(401, await DirectAsync(null, ("Authorization", "Bearer nobody's")));
        Assert.Equal(401, await DirectAsync(null, ("Authorization", "Basic YWRtaW46YWRtaW4=")));

        // A certificate of the cluster's authority, which is not the front proxy's; then the right authority and another name.
        Assert.Equal(401, await DirectAsync(ControlPlane.Authority.IssueClient("aggregator"), asAdmin));
        Assert.Equal(401, await DirectAsync(ControlPlane.FrontProxyAuthority.IssueClient("intruder"), asAdmin));

        var proxy = ControlPlane.FrontProxyAuthority.IssueClient("aggregator");
        Assert.Equal(401, await DirectAsync(proxy));
        Assert.Equal(401, await DirectAsync(proxy, ("X-Remote-Group", "system:masters")));
        Assert.Equal(200, await DirectAsync(proxy, asAdmin));

        // Headers beside a token that nobody vouched for say nothing.
        var weak = await ControlPlane.ForServiceAccountAsync(Namespace.Name, "weak");
        Assert.Equal(403, await DirectAsync(null, [("Authorization", $"Bearer {weak.AccessToken}"), .. asAdmin]));
    }

    [Fact]
    public async Task Callers_without_the_right_are_refused_and_with_it_are_not()
    {
        ground.Publish(Namespace.Name, TimeSpan.Zero, ("llama", 3));
        var account = await ControlPlane.ForServiceAccountAsync(Namespace.Name, "reader");
        var name = $"system:serviceaccount:{Namespace.Name}:reader";
        var refusal = $"plimsoll_desired_replicas.external.metrics.k8s.io is forbidden: User \"{name}\" cannot list resource "
            + $"\"plimsoll_desired_replicas\" in API group \"external.metrics.k8s.io\" in the namespace \"{Namespace.Name}\"";
        using var direct = ground.Direct();
        direct.DefaultRequestHeaders.Authorization = new("Bearer", account.AccessToken);
        using var through = Through(account);
        await RefusedAsync(direct, Metric, 403, "Forbidden", refusal);
        await RefusedAsync(through, Metric, 403, "Forbidden", refusal);
        Assert.Equal(200, (await GetAsync(direct, Version)).Code);

        var proxied = ("X-Remote-User", name);
        var proxy = ControlPlane.FrontProxyAuthority.IssueClient("aggregator");
        Assert.Equal(403, await DirectAsync(proxy, proxied));

        var binding = new V1RoleBinding
        {
            Metadata = new() { Name = "reader" },
            RoleRef = new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "ClusterRole", Name = "plimsoll-desired-replicas-reader" },
            Subjects = [new Rbacv1Subject { Kind = "ServiceAccount", Name = "reader", NamespaceProperty = Namespace.Name }],
        };
        await Client.RbacAuthorizationV1.CreateNamespacedRoleBindingAsync(binding, Namespace.Name, cancellationToken: Cancel);
        foreach (var client in (HttpClient[])[direct, through])
            await Patience.UntilAsync("the right is known", async _ => (await GetAsync(client, Metric)).Code, code => code == 200);
        Assert.Equal(403, (await GetAsync(direct, Metric.Replace(Namespace.Name, "default", StringComparison.Ordinal))).Code);
    }

    [Fact]
    public async Task Without_its_rights_the_operator_says_which_one_is_missing()
    {
        using var bare = new k8s.Kubernetes(await ControlPlane.ForServiceAccountAsync(Namespace.Name, "bare"));
        await using var host = await ground.StartAsync(bare);
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null } }) { BaseAddress = host.ExternalMetrics };
        client.DefaultRequestHeaders.Authorization = new("Bearer", ControlPlane.Admin().AccessToken);
        await RefusedAsync(client, Metric, 503, "ServiceUnavailable",
            "the operator may not create tokenreviews.authentication.k8s.io: the ClusterRoleBinding to system:auth-delegator is missing");
        using var ready = await client.GetAsync("/readyz", Cancel);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal(
            "the operator may not read the ConfigMap kube-system/extension-apiserver-authentication: the RoleBinding in kube-system to the Role "
            + "extension-apiserver-authentication-reader is missing",
            await ready.Content.ReadAsStringAsync(Cancel));
        using var live = await client.GetAsync("/livez", Cancel);
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        using var well = ground.Direct();
        Assert.Equal("ok", await well.GetStringAsync("/readyz", Cancel));
    }

    private static HttpClient Through(KubernetesClientConfiguration who)
    {
        var client = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null } }) { BaseAddress = new(who.Host) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", who.AccessToken);
        return client;
    }

    private static async Task<(int Code, JsonNode Body)> GetAsync(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path, Cancel);
        return ((int)answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancel))!);
    }

    private static async Task RefusedAsync(HttpClient client, string path, int code, string reason, string message)
    {
        var (given, status) = await GetAsync(client, path);
        Assert.Equal((code, "Status", "Failure", reason, message), (given, (string?)status["kind"], (string?)status["status"], (string?)status["reason"], (string?)status["message"]));
        Assert.Equal(code, (int?)status["code"]);
    }

    private async Task<int> DirectAsync(KeyPair? certificate, params (string Name, string Value)[] headers)
    {
        using var shown = certificate is null ? null : X509Certificate2.CreateFromPem(certificate.CertificatePem, certificate.KeyPem);
        using var client = ground.Direct(shown);
        using var request = new HttpRequestMessage(HttpMethod.Get, Metric);
        foreach (var (name, value) in headers) Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        using var answer = await client.SendAsync(request, Cancel);
        return (int)answer.StatusCode;
    }
}
