using System.Text.Json.Nodes;
using k8s;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class TemplateWorkloadTests
{
    private static ScaledModel Model(string kind) => KubernetesJson.Deserialize<ScaledModel>($$$$"""
        {"metadata":{"name":"llama","namespace":"prod","uid":"u-1"},"spec":{"context":8192,"template":{"kind":"{{{{kind}}}}",
        "podTemplate":{"metadata":{"labels":{"app":"llama"}},"spec":{"containers":[{"name":"vllm","args":["--tensor-parallel-size={tp}","-pp","{pp}","--max-model-len","{maxModelLen}","{\"a\":\"{b}\"}"],
        "resources":{"limits":{"nvidia.com/gpu":"{devices}"}},"ports":[{"containerPort":8000}]}]}},
        "variants":[{"name":"h100","tp":4,"pp":2},{"name":"long","tp":8,"maxModelLen":131072}]}}}
        """);

    [Fact]
    public void A_Deployment_has_all_devices_in_one_pod_and_belongs_to_its_model()
    {
        var model = Model("Deployment");
        Assert.Empty(ScaledModelCheck.Of(model));
        var made = TemplateWorkload.Of(model, model.Spec!.Template!.Variants![0]);
        Assert.Equal("""
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"llama-h100","namespace":"prod","labels":{"plimsoll.dev/scaledmodel":"llama","plimsoll.dev/variant":"h100"},"ownerReferences":[{"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel","name":"llama","uid":"u-1","controller":true,"blockOwnerDeletion":true}]},"spec":{"selector":{"matchLabels":{"plimsoll.dev/scaledmodel":"llama","plimsoll.dev/variant":"h100"}},"template":{"metadata":{"labels":{"app":"llama","plimsoll.dev/scaledmodel":"llama","plimsoll.dev/variant":"h100"}},"spec":{"containers":[{"name":"vllm","args":["--tensor-parallel-size=4","-pp","2","--max-model-len","8192","{\"a\":\"{b}\"}"],"resources":{"limits":{"nvidia.com/gpu":"8"}},"ports":[{"containerPort":8000}]}]}}}}
            """, made.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        Assert.Equal(0, TemplateWorkload.Of(model, model.Spec.Template.Variants[0], replicas: 0)["spec"]!["replicas"]!.GetValue<int>());
    }

    [Fact]
    public void A_LeaderWorkerSet_has_a_pod_for_each_stage_with_that_stages_devices()
    {
        var model = Model("LeaderWorkerSet");
        var group = TemplateWorkload.Of(model, model.Spec!.Template!.Variants![0])["spec"]!["leaderWorkerTemplate"]!;
        Assert.Equal(2, group["size"]!.GetValue<int>());
        foreach (var part in new[] { group["leaderTemplate"]!, group["workerTemplate"]! })
            Assert.Equal("4", part["spec"]!["containers"]![0]!["resources"]!["limits"]!["nvidia.com/gpu"]!.GetValue<string>());
    }

    [Fact]
    public void A_variants_own_length_goes_before_the_models()
    {
        var model = Model("Deployment");
        Assert.Contains("131072", TemplateWorkload.Of(model, model.Spec!.Template!.Variants![1]).ToJsonString(), StringComparison.Ordinal);
        var without = model with { Spec = model.Spec with { Context = null } };
        Assert.Equal("spec.template.variants[0].maxModelLen: missing, and the template has {maxModelLen}; a number of tokens would do, here or in spec.context",
            Assert.Single(ScaledModelCheck.Of(without)).ToString());
    }

    [Fact]
    public void What_it_makes_is_read_back_as_what_it_serves()
    {
        var model = Model("Deployment");
        var made = TemplateWorkload.Of(model, model.Spec!.Template!.Variants![0]);
        var deployment = KubernetesJson.Deserialize<k8s.Models.V1Deployment>((JsonNode)made);
        Assert.Equal(8, Plimsoll.Kubernetes.Resources.Pods.ServedModel.Of(deployment.Spec.Template.Spec).Devices);
    }
}
