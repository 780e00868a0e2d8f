using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.Bridges;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Webhook;

/// <summary>The webhook as the real API server asks it, over TLS with the certificate that the operator made.</summary>
public sealed class WebhookTests : OperatorTest
{
    [Fact]
    public async Task A_pod_is_made_to_ask_for_what_it_takes_and_goes_only_where_it_fits_and_without_the_webhook_it_is_made_as_it_is()
    {
        await Cluster.Nodes.CreateAsync("t4", gpus: 8, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        var options = await WebhookGround.InstallAsync(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "1Gi");
        await Cluster.ServeAsync("other", 0, 1, "1Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"apply\":\"requests\"");
        var host = await Cluster.OperateAsync(webhook: options, space: WebhookGround.Home);
        // Two serve it, and only one of them leads.
        var configuration = await WebhookGround.RegisteredAsync(Cluster);
        Assert.Equal("Ignore", configuration.Webhooks[0].FailurePolicy);
        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Requests) is { Reason: "Applied" }, "requests are applied");
        Assert.Equal("NVIDIA-H100-80GB-HBM3", Assert.Single(status!.Recommended!.Nodes!).Value);
        // 4 GiB and 1.05 times 16 GiB, as vLLM's prior has it.
        Assert.Equal("21300Mi", status.Recommended.Requests!["memory"]);

        // Eight fit on the H100s; the ninth waits rather than go to the T4.
        var before = await Cluster.Client.AppsV1.PatchNamespacedDeploymentScaleAsync(
            new V1Patch("""{"spec":{"replicas":9}}""", V1Patch.PatchType.MergePatch), "llama", OperatedCluster.Space, cancellationToken: Cancel);
        var pods = await PodsAsync("llama", pods => pods.Count(pod => pod.Spec.NodeName is not null) == 8 && pods.Length == 9, "eight of nine are placed");
        Assert.All(pods.Where(pod => pod.Spec.NodeName is not null), pod => Assert.Equal("node-h100", pod.Spec.NodeName));
        Assert.All(pods, pod => Assert.Equal(("21300Mi", "21300Mi"), (pod.Spec.Containers[0].Resources.Requests["memory"].ToString(), pod.Spec.Containers[0].Resources.Limits["memory"].ToString())));
        Assert.Contains("memory 1Gi to 21300Mi", pods[0].Metadata.Annotations[PodPatch.Annotation], StringComparison.Ordinal);

        // Another workload of the namespace is asked of and left alone.
        await ScaleAsync("other", 1);
        var alone = await PodsAsync("other", pods => pods.Length == 1, "another's pod is there");
        Assert.Equal("1Gi", alone[0].Spec.Containers[0].Resources.Requests["memory"].ToString());

        // A dry run is answered like any other, and nothing is kept of it.
        var dry = await Cluster.Client.CoreV1.CreateNamespacedPodAsync(await LikeOfAsync(pods[0]), OperatedCluster.Space, dryRun: "All", cancellationToken: Cancel);
        Assert.Equal("21300Mi", dry.Spec.Containers[0].Resources.Requests["memory"].ToString());

        await Cluster.EndAsync(host);
        await ScaleAsync("llama", 0);
        await PodsAsync("llama", pods => pods.Length == 0, "all gone");
        await ScaleAsync("llama", 1);
        var plain = await PodsAsync("llama", pods => pods.Length == 1, "a pod without the webhook");
        Assert.Equal("1Gi", plain[0].Spec.Containers[0].Resources.Requests["memory"].ToString());
        Assert.Null(plain[0].Spec.Affinity);
    }

    [Fact]
    public async Task A_model_that_could_be_put_where_it_does_not_fit_is_started_once_its_requests_are_applied_by_any_of_two_operators()
    {
        await Cluster.Nodes.CreateAsync("t4", gpus: 8, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        var options = await WebhookGround.InstallAsync(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "1Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":3");
        var first = await Cluster.OperateAsync(webhook: options, space: WebhookGround.Home);
        var held = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Requests) is { Reason: "TooLittle" }, "too little is asked");
        Assert.Contains("it may go to t4", OperatedCluster.Condition(held, ConditionTypes.Requests)!.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);

        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"apply":"requests"}}""", V1Patch.PatchType.MergePatch), "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 3, "three ready");
        var pods = await PodsAsync("llama", pods => pods.Length == 3, "three pods");
        Assert.All(pods, pod => Assert.Equal("node-h100", pod.Spec.NodeName));

        // The second takes over the Service and the Secret, and need not lead to answer.
        var second = await Cluster.OperateAsync(webhook: options with { Port = 0 }, space: WebhookGround.Home);
        await Patience.UntilAsync("the second has the certificate", _ => Task.FromResult(second.WebhookReady));
        Assert.True(first.Run.Health.Leads);
        using var asked = await AskAsync(second.Webhook!, pods[0]);
        Assert.Equal(System.Net.HttpStatusCode.OK, asked.StatusCode);
        Assert.Contains("\"patch\"", await asked.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_target_whose_pods_are_labelled_to_be_left_alone_is_planned_as_it_is()
    {
        await Cluster.Nodes.CreateAsync("t4", gpus: 8, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        var options = await WebhookGround.InstallAsync(Cluster);
        await Cluster.ServeAsync("llama", 0, 1, "1Gi");
        await LabelAsync("\"nothing\"");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1,\"apply\":\"requests\"");
        await Cluster.OperateAsync(webhook: options, space: WebhookGround.Home);
        await WebhookGround.RegisteredAsync(Cluster);

        await Cluster.StatusAsync("llama", status => status.Reason?.Contains("t4", StringComparison.Ordinal) == true
            && OperatedCluster.Condition(status, ConditionTypes.Requests) is { Reason: "TooLittle" }, "it is not started where it might not fit");
        Assert.Equal(0, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
        await ScaleAsync("llama", 1);
        var pod = await PodsAsync("llama", pods => pods.Length == 1, "a pod that somebody makes");
        Assert.Equal("1Gi", pod[0].Spec.Containers[0].Resources.Requests["memory"].ToString());

        await LabelAsync("null");
        await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Requests) is { Reason: "Applied" }, "its requests are applied");

        Task<V1Deployment> LabelAsync(string value) => Cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch($"{{\"spec\":{{\"template\":{{\"metadata\":{{\"labels\":{{\"plimsoll.dev/apply\":{value}}}}}}}}}}}", V1Patch.PatchType.MergePatch),
            "llama", OperatedCluster.Space, cancellationToken: Cancel);
    }

    [Fact]
    public async Task Of_two_targets_each_ones_pods_are_made_to_ask_for_what_it_takes()
    {
        var options = await WebhookGround.InstallAsync(Cluster);
        await Cluster.ServeAsync("whole", 0, 1, "1Gi");
        await Cluster.ServeAsync("split", 0, 4, "1Gi");
        await Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            System.Text.Json.Nodes.JsonNode.Parse("""
                {"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel","metadata":{"name":"llama"},"spec":{"weights":"16GiB","apply":"requests",
                "variants":[{"name":"whole","target":{"name":"whole"}},{"name":"split","target":{"name":"split"}}]}}
                """)!,
            "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", cancellationToken: Cancel);
        await Cluster.OperateAsync(webhook: options, space: WebhookGround.Home);
        await WebhookGround.RegisteredAsync(Cluster);
        var status = await Cluster.StatusAsync("llama", status => status.Variants is [{ Recommended: not null }, { Recommended: not null }], "both are recommended for");
        Assert.Equal(["1", "4"], status!.Variants!.Select(variant => variant.Recommended!.Requests!["nvidia.com/gpu"]));

        foreach (var (target, gpus) in new[] { ("whole", "1"), ("split", "4") })
        {
            await ScaleAsync(target, 1);
            var pod = Assert.Single(await PodsAsync(target, pods => pods.Length == 1, $"a pod of {target}"));
            var asked = pod.Spec.Containers[0].Resources.Requests;
            Assert.Equal(gpus, asked["nvidia.com/gpu"].ToString());
            Assert.Equal(status.Variants!.Single(variant => variant.Name == target).Recommended!.Requests!["memory"], asked["memory"].ToString());
        }

        // Planned as they are made: nothing of one target is taken for the other's.
        var after = await Cluster.StatusAsync("llama", status => status.Variants!.All(variant => variant.ReadyReplicas == 1), "both serve");
        Assert.All(after!.Variants!, variant => Assert.DoesNotContain("the same number would do", variant.Reason ?? "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task With_a_certificate_that_somebody_else_makes_whom_to_trust_is_not_the_operators_to_say()
    {
        var folder = Directory.CreateTempSubdirectory("plimsoll-webhook-");
        try
        {
            var certificate = TestCertificate.SelfSigned("webhook", null, "plimsoll-webhook.plimsoll-system.svc");
            await certificate.WriteAsync(folder.FullName, "tls");
            var options = await WebhookGround.InstallAsync(Cluster) with
            {
                CertificatePath = Path.Combine(folder.FullName, "tls.crt"),
                CertificateKeyPath = Path.Combine(folder.FullName, "tls.key"),
            };
            // As cert-manager puts it in.
            var bundle = System.Text.Encoding.ASCII.GetBytes(certificate.CertificatePem);
            await Cluster.Client.AdmissionregistrationV1.PatchMutatingWebhookConfigurationAsync(
                new V1Patch($$"""[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"{{Convert.ToBase64String(bundle)}}"}]""", V1Patch.PatchType.JsonPatch), "plimsoll", cancellationToken: Cancel);
            await Cluster.ServeAsync("llama", 0, 1, "1Gi");
            await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"apply\":\"requests\"");
            await Cluster.OperateAsync(webhook: options, space: WebhookGround.Home);
            var configuration = await WebhookGround.RegisteredAsync(Cluster);
            await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Requests) is { Reason: "Applied" }, "requests are applied");

            await ScaleAsync("llama", 1);
            await PodsAsync("llama", pods => pods.Any(pod => pod.Metadata.Annotations?.ContainsKey(PodPatch.Annotation) == true), "a pod through the webhook");
            Assert.Equal(bundle, configuration.Webhooks[0].ClientConfig.CaBundle);
            Assert.Null((await Cluster.Client.CoreV1.ReadNamespacedSecretAsync("plimsoll-webhook-tls", WebhookGround.Home, cancellationToken: Cancel)).Data);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task With_the_shipped_role_it_is_registered_and_each_rule_that_is_taken_out_is_named()
    {
        await Cluster.ServeAsync("llama", 0, 1, "1Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"apply\":\"requests\"");
        Permission[] all = [.. ShippedRole.PermissionsOf(WebhookGround.Objects())];
        Assert.Equal(4, all.Length);
        var options = await WebhookGround.InstallAsync(Cluster, all);
        var account = await ShippedRole.BindAsync(Cluster.Plane, WebhookGround.Home);
        await Cluster.OperateAsync(account, webhook: options, space: WebhookGround.Home);

        // One after the other is granted, and the next is what is lacking.
        foreach (var lacking in (Permission[])[new("get", "secrets", ""), new("update", "secrets", ""), .. all.Where(one => one.Resource != "secrets")])
        {
            await Patience.UntilAsync($"{lacking} is named", _ => Task.FromResult(Cluster.Log.Any(line => line.Contains(lacking.Lacking, StringComparison.Ordinal))));
            await GrantAsync(lacking);
        }

        await WebhookGround.RegisteredAsync(Cluster);
    }

    [Fact]
    public async Task What_is_in_deploy_webhook_is_taken_by_the_API_server_and_asks_nobody_before_an_operator_says_so()
    {
        await Cluster.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = WebhookGround.Home } }, cancellationToken: Cancel);
        await Kubectl.RunAsync(Cluster.Plane, "apply", "-k", ShippedRole.PathOf("webhook"));

        // Nothing answers, and with Fail no pod would be made if it were asked.
        await Cluster.Client.AdmissionregistrationV1.PatchMutatingWebhookConfigurationAsync(
            new V1Patch("""[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Fail"}]""", V1Patch.PatchType.JsonPatch), "plimsoll", cancellationToken: Cancel);
        await Cluster.Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod { Metadata = new() { Name = "any" }, Spec = Workloads.PodSpec() }, OperatedCluster.Space, cancellationToken: Cancel);
    }

    private async Task GrantAsync(Permission granted)
    {
        var rule = new V1PolicyRule { ApiGroups = [granted.Group], Resources = [granted.Resource], Verbs = [granted.Verb] };
        if (granted.Resource == "secrets")
        {
            var role = await Cluster.Client.RbacAuthorizationV1.ReadNamespacedRoleAsync("plimsoll-webhook", WebhookGround.Home, cancellationToken: Cancel);
            role.Rules = [.. role.Rules ?? [], Named(rule, "plimsoll-webhook-tls")];
            await Cluster.Client.RbacAuthorizationV1.ReplaceNamespacedRoleAsync(role, "plimsoll-webhook", WebhookGround.Home, cancellationToken: Cancel);
            return;
        }

        var cluster = await Cluster.Client.RbacAuthorizationV1.ReadClusterRoleAsync("plimsoll-webhook", cancellationToken: Cancel);
        cluster.Rules = [.. cluster.Rules ?? [], Named(rule, "plimsoll")];
        await Cluster.Client.RbacAuthorizationV1.ReplaceClusterRoleAsync(cluster, "plimsoll-webhook", cancellationToken: Cancel);
    }

    private static V1PolicyRule Named(V1PolicyRule rule, string name)
    {
        rule.ResourceNames = [name];
        return rule;
    }

    private async Task<HttpResponseMessage> AskAsync(Uri webhook, V1Pod like)
    {
        var secret = await Cluster.Client.CoreV1.ReadNamespacedSecretAsync("plimsoll-webhook-tls", WebhookGround.Home, cancellationToken: Cancel);
        using var handler = new SocketsHttpHandler
        {
            // As the API server does: the Service's name, by the authority it was told of.
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new System.Net.Sockets.TcpClient();
                await socket.ConnectAsync(webhook.Host, webhook.Port, cancel);
                return socket.GetStream();
            },
            SslOptions = new()
            {
                CertificateChainPolicy = new()
                {
                    TrustMode = System.Security.Cryptography.X509Certificates.X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = System.Security.Cryptography.X509Certificates.X509RevocationMode.NoCheck,
                },
            },
        };
        handler.SslOptions.CertificateChainPolicy.CustomTrustStore.ImportFromPem(System.Text.Encoding.UTF8.GetString(secret.Data["ca.crt"]));
        using var http = new HttpClient(handler);
        var review = $$$"""
            {"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","kind":{"kind":"Pod"},"operation":"CREATE","namespace":"{{{OperatedCluster.Space}}}","object":{{{KubernetesJson.Serialize(await LikeOfAsync(like))}}} }}
            """;
        using var content = new StringContent(review, System.Text.Encoding.UTF8, "application/json");
        return await http.PostAsync(new Uri("https://plimsoll-webhook.plimsoll-system.svc/mutate-pods"), content, Cancel);
    }

    // What a ReplicaSet would make next.
    private async Task<V1Pod> LikeOfAsync(V1Pod pod) => new()
    {
        Metadata = new() { GenerateName = "llama-", Labels = pod.Metadata.Labels, OwnerReferences = pod.Metadata.OwnerReferences },
        Spec = (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Template.Spec,
    };

    private Task<V1Scale> ScaleAsync(string name, int replicas) => Cluster.Client.AppsV1.PatchNamespacedDeploymentScaleAsync(
        new V1Patch($"{{\"spec\":{{\"replicas\":{replicas}}}}}", V1Patch.PatchType.MergePatch), name, OperatedCluster.Space, cancellationToken: Cancel);

    private Task<V1Pod[]> PodsAsync(string app, Func<V1Pod[], bool> wanted, string what) => Patience.UntilAsync(
        what, async cancel => (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: $"app={app}", cancellationToken: cancel)).Items.ToArray(),
        wanted, pods => string.Join('\n', pods.Select(pod => $"{pod.Metadata.Name} on {pod.Spec.NodeName}: {pod.Metadata.Annotations?.Count}").Concat(Cluster.Log.TakeLast(12))));
}
