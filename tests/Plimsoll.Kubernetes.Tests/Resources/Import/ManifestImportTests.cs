using Plimsoll.Kubernetes.Resources.Import;

namespace Plimsoll.Kubernetes.Tests.Resources.Import;

public sealed class ManifestImportTests
{
    private static readonly string Header = "apiVersion: plimsoll.dev/v1alpha1\nkind: ScaledModel\n";

    [Theory]
    [InlineData("a: &x 1", "second.yaml: line 1: found an anchor")]
    [InlineData("a:\n  b: 1\n\tc: 2\n", "second.yaml: line 3: not readable as YAML")]
    [InlineData("replicas: {{ .Values.replicas }}", "of a Helm chart what helm template prints would do")]
    public void What_cannot_be_read_is_told_by_its_own_file_and_line(string yaml, string told)
    {
        var unreadable = Assert.Throws<YamlUnreadableException>(() => ManifestImport.Of([("first.yaml", "kind: Service\nmetadata: {name: a}\n"), ("second.yaml", yaml)]));

        Assert.Contains(told, unreadable.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_autoscaler_becomes_a_ScaledModel_that_recommends_and_what_is_lost_is_told()
    {
        var import = ManifestImport.Of("""
            apiVersion: autoscaling/v2
            kind: HorizontalPodAutoscaler
            metadata: {name: llama-hpa, namespace: prod}
            spec:
              scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llama}
              minReplicas: 2
              maxReplicas: 8
              metrics:
              - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
              behavior: {scaleDown: {stabilizationWindowSeconds: 300}}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: llama}
            """);
        Assert.Equal($"""
            # from HorizontalPodAutoscaler prod/llama-hpa
            {Header}metadata:
              name: llama
              namespace: prod
            spec:
              target:
                apiVersion: apps/v1
                kind: Deployment
                name: llama
              minReplicas: 2
              maxReplicas: 8
              mode: recommend

            """.ReplaceLineEndings("\n"), import.Yaml);
        Assert.Equal(
            [
                "HorizontalPodAutoscaler prod/llama-hpa: its Resource metric cpu is dropped: Plimsoll goes by requests, and what a replica serves within the SLO",
                "HorizontalPodAutoscaler prod/llama-hpa: its behavior is dropped: how fast replicas come and go follows from how long they take to load",
            ],
            import.Notes.Select(note => note.ToString()));
    }

    [Fact]
    public void An_old_autoscaler_that_reads_our_metric_goes_on_scaling()
    {
        var model = Assert.Single(ManifestImport.Of("""
            apiVersion: autoscaling/v2beta2
            kind: HorizontalPodAutoscaler
            metadata: {name: llama}
            spec:
              scaleTargetRef: {apiVersion: extensions/v1beta1, kind: Deployment, name: llama}
              maxReplicas: 3000
              metrics: [{type: External, external: {metric: {name: plimsoll_desired_replicas}, target: {type: AverageValue, averageValue: "1"}}}]
            """).Models);
        Assert.Equal("metric", model.Spec!.Actuation);
        Assert.Equal((1, 1000, "apps/v1"), (model.Spec.MinReplicas, model.Spec.MaxReplicas, model.Spec.Target!.ApiVersion));
    }

    [Fact]
    public void A_ScaledObject_keeps_its_bounds_and_tells_of_each_trigger()
    {
        var import = ManifestImport.Of("""
            apiVersion: keda.sh/v1alpha1
            kind: ScaledObject
            metadata: {name: llama, namespace: prod}
            spec:
              scaleTargetRef: {name: llama}
              minReplicaCount: 1
              idleReplicaCount: 0
              maxReplicaCount: 4
              cooldownPeriod: 600
              pollingInterval: 15
              fallback: {failureThreshold: 3, replicas: 2}
              advanced: {horizontalPodAutoscalerConfig: {behavior: {}}}
              triggers:
              - {type: prometheus, metadata: {query: "sum(vllm:num_requests_waiting)", threshold: "5"}}
              - {type: cron, metadata: {start: "0 8 * * *"}}
            """);
        var spec = Assert.Single(import.Models).Spec!;
        Assert.Equal((0, 4), (spec.MinReplicas, spec.MaxReplicas));
        Assert.Equal(8, import.Notes.Length);
        foreach (var part in (string[])["idleReplicaCount", "prometheus", "cron", "at zero replicas", "idleLimit: 600s", "pollingInterval", "fallback", "advanced"])
            Assert.Contains(import.Notes, note => note.Text.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void Knatives_annotations_become_bounds_and_the_gateway_holds_requests()
    {
        var import = ManifestImport.Of("""
            apiVersion: serving.knative.dev/v1
            kind: Service
            metadata: {name: llama, namespace: prod}
            spec:
              template:
                metadata:
                  annotations:
                    autoscaling.knative.dev/min-scale: "0"
                    autoscaling.knative.dev/max-scale: "6"
                    autoscaling.knative.dev/target: "10"
                    autoscaling.knative.dev/window: 60s
                spec:
                  containerConcurrency: 16
                  timeoutSeconds: 300
                  containers: [{image: vllm/vllm-openai:latest}]
            """);
        var spec = Assert.Single(import.Models).Spec!;
        Assert.Equal((0, 6, 16), (spec.MinReplicas, spec.MaxReplicas, spec.Concurrency));
        Assert.NotNull(spec.Gateway);
        Assert.Equal("llama", spec.Target!.Name);
        Assert.Equal(5, import.Notes.Length);
    }

    [Fact]
    public void An_InferenceService_keeps_its_source_and_says_what_KServe_must_be_told()
    {
        var import = ManifestImport.Of("""
            apiVersion: serving.kserve.io/v1beta1
            kind: InferenceService
            metadata:
              name: llama
              namespace: prod
              annotations: {serving.kserve.io/deploymentMode: RawDeployment, serving.kserve.io/autoscalerClass: hpa}
            spec:
              predictor:
                minReplicas: 1
                maxReplicas: 3
                scaleTarget: 80
                scaleMetric: cpu
                model: {modelFormat: {name: huggingface}, storageUri: "hf://org/name"}
              transformer: {containers: []}
            """);
        var spec = Assert.Single(import.Models).Spec!;
        Assert.Equal("hf://org/name", spec.Source);
        Assert.Equal(("InferenceService", 1, 3), (spec.Target!.Kind, spec.MinReplicas, spec.MaxReplicas));
        Assert.Equal(3, import.Notes.Length);
        Assert.Contains(import.Notes, note => note.Text.Contains("serving.kserve.io/autoscalerClass: external", StringComparison.Ordinal));
    }

    [Fact]
    public void Variants_of_one_model_become_one_ScaledModel_with_the_bounds_of_their_autoscalers()
    {
        static string Variant(string name, string accelerator) => $$$$"""
            apiVersion: llmd.ai/v1alpha1
            kind: VariantAutoscaling
            metadata: {name: {{{{name}}}}, namespace: prod}
            spec:
              scaleTargetRef: {kind: Deployment, name: {{{{name}}}}}
              modelID: meta/Llama-3.1-8B
              accelerator: {{{{accelerator}}}}
              variantCost: "40.0"
            ---
            apiVersion: autoscaling/v2
            kind: HorizontalPodAutoscaler
            metadata: {name: {{{{name}}}}-hpa, namespace: prod}
            spec:
              scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{{{name}}}}}
              minReplicas: 1
              maxReplicas: 5
              metrics: [{type: External, external: {metric: {name: wva_desired_replicas}}}]

            """;
        var import = ManifestImport.Of(Variant("llama-h100", "H100") + "---\n" + Variant("llama-l40s", "L40S"));
        var model = Assert.Single(import.Models);
        Assert.Equal("llama-3-1-8b", model.Metadata.Name);
        Assert.Equal(["llama-h100", "llama-l40s"], model.Spec!.Variants!.Select(variant => variant.Target!.Name));
        Assert.Equal((2, 10, "hf://meta/Llama-3.1-8B"), (model.Spec.MinReplicas, model.Spec.MaxReplicas, model.Spec.Source));
        Assert.Contains("# from VariantAutoscaling prod/llama-h100, VariantAutoscaling prod/llama-l40s", import.Yaml, StringComparison.Ordinal);
        Assert.Equal(7, import.Notes.Length);
    }

    [Fact]
    public void Lists_are_opened_doubles_told_and_what_cannot_be_is_left_out_with_its_reason()
    {
        var import = ManifestImport.Of("""
            apiVersion: v1
            kind: List
            items:
            - {apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {scaleTargetRef: {kind: Deployment, name: x}, maxReplicas: 2}}
            - {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: b}, spec: {scaleTargetRef: {name: x}}}
            - {apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: c}, spec: {maxReplicas: 2}}
            - {apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: d}, spec: {scaleTargetRef: {kind: Fancy, apiVersion: example.org/v1, name: "Not A Name"}}}
            - {apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: e}, spec: {scaleTargetRef: {kind: StatefulSet, name: x}, maxReplicas: 2}}
            - 7
            """);
        Assert.Equal(["x", "x-statefulset"], import.Models.Select(model => model.Metadata.Name));
        Assert.Contains(import.Notes, note => note.ToString() == "ScaledObject b: left out: HorizontalPodAutoscaler a scales the same Deployment x; only that one was taken");
        Assert.Contains(import.Notes, note => note.ToString() == "HorizontalPodAutoscaler c: left out: it names no target (spec.scaleTargetRef.name)");
        Assert.Contains(import.Notes, note => note.ToString().StartsWith("HorizontalPodAutoscaler d: left out, because spec.target.name: found \"Not A Name\"", StringComparison.Ordinal));
        Assert.Equal(1, import.Yaml.Split("---\n").Length - 1);
    }

    [Fact]
    public void Nothing_comes_of_nothing()
    {
        var import = ManifestImport.Of("");
        Assert.Empty(import.Models);
        Assert.Empty(import.Notes);
        Assert.Equal("", import.Yaml);
    }
}
