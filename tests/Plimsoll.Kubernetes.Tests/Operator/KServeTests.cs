using k8s;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>An InferenceService as KServe runs it in its RawDeployment mode, its autoscaler left to others.</summary>
public sealed class KServeTests : OperatorTest
{
    [Theory]
    [InlineData("InferenceService", "llama")]
    [InlineData("Deployment", "llama-predictor")]
    public async Task Its_predictors_pods_are_the_models_replicas(string kind, string name)
    {
        await CustomResources.InstallOursAsync(Cluster.Client);
        await CreateServiceAsync();
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1,\"maxReplicas\":3,\"slo\":{\"latency\":\"5s\"}", kind, name);
        await Cluster.OperateAsync();

        // Two serve and are seen to: nothing is promised in their place, and their requests are counted.
        Cluster.Rate["isvc.llama-predictor"] = 2;
        var status = await Cluster.StatusAsync("llama", status => status is { ReadyReplicas: 2, DemandPerSecond: > 1 }, "two ready, and their demand");
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.MetricsSeen)?.Status);
        Assert.Equal("False", OperatedCluster.Condition(status, ConditionTypes.Conflict)?.Status);
        var last = Cluster.Ticks.Last();
        Assert.Equal([ReplicaState.Ready, ReplicaState.Ready], last.Snapshot.Replicas.Select(replica => replica.State));
        Assert.DoesNotContain(last.Snapshot.Foreign, use => use.Device is not null);

        // And more of it are made by the Deployment that KServe made.
        Cluster.Rate["isvc.llama-predictor"] = 60;
        await Cluster.ReplicasAsync("llama-predictor", deployment => deployment is { Spec.Replicas: 3, Status.ReadyReplicas: 3 }, "three asked and ready");
    }

    [Fact]
    public async Task Two_names_of_one_workload_are_the_older_models_and_end_nobody()
    {
        await CustomResources.InstallOursAsync(Cluster.Client);
        await CreateServiceAsync();
        await Cluster.ModelAsync("older", "\"weights\":\"16GiB\"", "InferenceService", "llama");
        // The server dates objects by whole seconds.
        await Task.Delay(TimeSpan.FromSeconds(1.1), TimeProvider.System, Cancel);
        await Cluster.ModelAsync("younger", "\"weights\":\"16GiB\"", target: "llama-predictor");
        await Cluster.OperateAsync();
        await Cluster.StatusAsync("older", status => status is { ReadyReplicas: 2 }, "the older one has the pods");
        var refused = await Cluster.StatusAsync("younger", status => OperatedCluster.Condition(status, ConditionTypes.Ready)?.Status == "False", "the younger one is told");
        Assert.Contains("models/older", OperatedCluster.Condition(refused, ConditionTypes.Ready)!.Message, StringComparison.Ordinal);
    }

    // As KServe makes them: the labels on the pods, the annotations on the Deployment too.
    private async Task CreateServiceAsync()
    {
        await Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(CustomResources.ToJson("""
            apiVersion: serving.kserve.io/v1beta1
            kind: InferenceService
            metadata:
              name: llama
              annotations: { serving.kserve.io/deploymentMode: RawDeployment, serving.kserve.io/autoscalerClass: external }
            spec: { predictor: { minReplicas: 1, model: { modelFormat: { name: huggingface }, storageUri: "hf://org/llama" } } }
            """), "serving.kserve.io", "v1beta1", OperatedCluster.Space, "inferenceservices", cancellationToken: Cancel);
        var deployment = Workloads.Deployment("llama-predictor", 2, 1, "24Gi", "--model", "org/llama", "--max-num-seqs", "8");
        deployment.Metadata.Annotations = new Dictionary<string, string> { ["serving.kserve.io/deploymentMode"] = "RawDeployment", ["serving.kserve.io/autoscalerClass"] = "external" };
        var labels = new Dictionary<string, string> { ["app"] = "isvc.llama-predictor", ["component"] = "predictor", ["serving.kserve.io/inferenceservice"] = "llama" };
        deployment.Metadata.Labels = labels;
        deployment.Spec.Selector.MatchLabels = new Dictionary<string, string> { ["app"] = "isvc.llama-predictor" };
        deployment.Spec.Template.Metadata.Labels = labels;
        deployment.Spec.Template.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        await Cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(deployment, OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ReplicasAsync("llama-predictor", one => one.Status.ReadyReplicas == 2, "two ready");
    }
}
