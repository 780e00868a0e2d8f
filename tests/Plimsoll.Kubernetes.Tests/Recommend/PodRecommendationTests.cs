using System.Collections.Immutable;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Recommend;

/// <summary>What pods ought to ask, computed by hand.</summary>
public sealed class PodRecommendationTests
{
    private const string H100 = "NVIDIA-H100-80GB-HBM3";

    [Fact]
    public void A_model_over_two_devices_asks_for_its_load_peak_its_weights_on_disk_its_ranks_and_the_nodes_it_fits_on()
    {
        var recommended = Recommend(Vllm("--tensor-parallel-size, '2'"), [Node("h100", ("nvidia.com/gpu.product", H100)), Node("t4", ("nvidia.com/gpu.product", "Tesla-T4"))])!;

        // 20 GiB at the load's peak and 2 GiB of /dev/shm; 16 GiB of files and 1 GiB beside them; a core for each device; a
        // minute twice and ten seconds.
        Assert.Equal(
            ["cpu=2000m", "ephemeral-storage=17408Mi", "memory=22528Mi", "nvidia.com/gpu=2"], recommended.Requests().Select(one => $"{one.Key}={one.Value}"));
        Assert.Equal(Bytes.GiB(2), recommended.SharedMemory);
        Assert.Equal(130, recommended.GraceSeconds);
        Assert.Equal([new NodeLabel("nvidia.com/gpu.product", H100)], recommended.Nodes.Labels);
        Assert.Equal(RequestsVerdict.TooLittle, recommended.Verdict);
        Assert.Equal(
            "no request of 22528Mi of memory; no request of 17408Mi of ephemeral-storage; 1 nvidia.com/gpu where its arguments split it over 2; "
            + "it may go to t4, where it does not fit; no request of 2000m of cpu; no memory volume of 2048Mi at /dev/shm; terminationGracePeriodSeconds 30 of 130",
            recommended.Status().Differs);
        Assert.Equal(["memory=22528Mi", "nvidia.com/gpu=2"], recommended.Status().Limits!.Select(one => $"{one.Key}={one.Value}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_pod_that_asks_for_what_it_takes_differs_in_nothing()
    {
        var pod = Vllm("--disable-log-requests", "cpu: '2', memory: 20Gi, ephemeral-storage: 17Gi", grace: 130);
        var recommended = Recommend(pod, [Node("h100", ("nvidia.com/gpu.product", H100))])!;

        Assert.Equal(RequestsVerdict.Enough, recommended.Verdict);
        Assert.Empty(recommended.Differs);
        Assert.Empty(recommended.Nodes.Labels);
        Assert.Null(recommended.Status().Differs);
    }

    [Theory]
    [InlineData("memory: 20479Mi", RequestsVerdict.TooLittle, "20479Mi of memory where 20480Mi is needed")]
    [InlineData("memory: 20Gi", RequestsVerdict.Enough, null)]
    [InlineData("memory: 40Gi", RequestsVerdict.Enough, null)]
    [InlineData("memory: 41Gi", RequestsVerdict.TooMuch, "41984Mi of memory where 20480Mi would do")]
    [InlineData("memory: 20Gi, cpu: '5'", RequestsVerdict.Enough, null)]
    [InlineData("memory: 20Gi, cpu: '6'", RequestsVerdict.TooMuch, "6000m of cpu where 1000m would do")]
    public void Less_than_it_takes_is_a_danger_and_more_than_twice_is_a_waste(string asks, RequestsVerdict verdict, string? said)
    {
        var recommended = Recommend(Vllm("--disable-log-requests", asks + (asks.Contains("cpu", StringComparison.Ordinal) ? "" : ", cpu: '1'") + ", ephemeral-storage: 100Gi", grace: 200), [Node("h100")])!;

        Assert.Equal(verdict, recommended.Verdict);
        Assert.Equal(said, recommended.Status().Differs);
    }

    [Theory]
    [InlineData("persistentVolumeClaim: {claimName: models}", "1024Mi", "20480Mi")]
    [InlineData("hostPath: {path: /models}", "1024Mi", "20480Mi")]
    [InlineData("emptyDir: {}", "17408Mi", "20480Mi")]
    [InlineData("emptyDir: {medium: Memory}", "1024Mi", "36864Mi")]
    public void Weights_count_where_they_lie(string volume, string disk, string memory)
    {
        var pod = Vllm("--disable-log-requests");
        pod.Volumes = [KubernetesYaml.Deserialize<V1Volume>($"name: cache\n{volume}")];
        pod.Containers[0].VolumeMounts = [new V1VolumeMount { Name = "cache", MountPath = "/root/.cache/huggingface/" }];
        var requests = Recommend(pod, [Node("h100")])!.Requests();

        Assert.Equal((disk, memory), (requests["ephemeral-storage"], requests["memory"]));
    }

    [Theory]
    [InlineData("s3://models/m", "--load-format, runai_streamer", "1024Mi")]
    [InlineData("gs://models/m", "--load-format=runai_streamer_sharded", "1024Mi")]
    [InlineData("org/name", "--load-format, runai_streamer", "17408Mi")] // fetched from the hub first
    [InlineData("s3://models/m", "--load-format, auto", "17408Mi")]
    [InlineData("org/name", "--load-format, tensorizer, --model-loader-extra-config, '{\"tensorizer_uri\":\"s3://m/model.tensors\"}'", "1024Mi")]
    [InlineData("org/name", "--load-format, tensorizer, --model-loader-extra-config, '{\"tensorizer_uri\":\"/m/model.tensors\"}'", "17408Mi")]
    public void Weights_that_are_streamed_from_a_store_lie_on_no_disk(string model, string arguments, string disk)
    {
        var requests = Recommend(Vllm($"--model, '{model}', {arguments}"), [Node("h100")])!.Requests();
        Assert.Equal((disk, "20480Mi"), (requests["ephemeral-storage"], requests["memory"]));
    }

    [Fact]
    public void Only_what_was_derived_from_a_template_has_its_digest()
    {
        var pod = Vllm("--disable-log-requests");
        var read = Recommend(pod, [Node("h100")])!;
        Assert.Null(read.Status().Template);
        Assert.Matches("^[0-9a-f]{12}$", Recommend(pod, [Node("h100")], fromTemplate: true)!.Status().Template);
    }

    [Fact]
    public void A_small_model_on_the_processor_asks_for_little_and_for_no_node()
    {
        var pod = KubernetesYaml.Deserialize<V1PodSpec>("containers:\n- name: encoder\n  image: x\n  command: [plimsoll-model-server, --model, /m]\n  resources: {requests: {memory: 8Gi}}");
        var recommended = PodRecommendation.Of(new RecommendationQuestion
        {
            Pod = pod,
            Served = ServedModel.Of(pod),
            Footprint = Footprint(Bytes.MiB(90)),
            Latency = TimeSpan.FromSeconds(2),
            Fits = ImmutableSortedDictionary<string, ReplicaNeeds>.Empty.Add("cpu", Needs(Bytes.MiB(300), 0)),
        })!;

        Assert.Equal(["cpu=500m", "ephemeral-storage=1114Mi", "memory=300Mi"], recommended.Requests().Select(one => $"{one.Key}={one.Value}"));
        Assert.Equal(30, recommended.GraceSeconds);
        Assert.Contains("8192Mi of memory where 300Mi would do", recommended.Differs);
    }

    [Fact]
    public void Nodes_are_told_apart_by_the_first_label_that_does_it_and_a_clouds_own_comes_first()
    {
        NodeChoice Choose(params AlikeNodes[] nodes) => NodeChoice.Of(nodes, new HashSet<string> { "h100", "a100" });

        // Karpenter knows its own label before it has made a node; GPU feature discovery's it does not.
        Assert.Equal(
            [new NodeLabel("karpenter.k8s.aws/instance-gpu-name", "h100")],
            Choose(Node("h100", ("karpenter.k8s.aws/instance-gpu-name", "h100"), ("nvidia.com/gpu.product", H100)), Node("t4", ("karpenter.k8s.aws/instance-gpu-name", "t4"))).Labels);

        // Slices of the same device are told apart by the product alone, and two kinds of node by a label each.
        Assert.Equal(
            [new NodeLabel("cloud.google.com/gke-accelerator", "nvidia-a100-80gb"), new NodeLabel("nvidia.com/gpu.product", H100)],
            Choose(
                Node("h100", ("karpenter.k8s.aws/instance-gpu-name", "h100"), ("nvidia.com/gpu.product", H100)),
                Node("a100", ("cloud.google.com/gke-accelerator", "nvidia-a100-80gb")),
                Node("h100-1g", ("karpenter.k8s.aws/instance-gpu-name", "h100"), ("nvidia.com/gpu.product", H100 + "-MIG-1g.10gb"))).Labels);

        // What no label tells apart is left out, which is safe, and said.
        var alike = Choose(Node("h100", ("nvidia.com/gpu.product", "GPU")), Node("a100", ("nvidia.com/gpu.product", "A100")), Node("t4", ("nvidia.com/gpu.product", "GPU")), Unknown());
        Assert.Equal([new NodeLabel("nvidia.com/gpu.product", "A100")], alike.Labels);
        Assert.True(alike.Indistinct);
        Assert.Equal(["an unknown kind", "t4"], alike.Elsewhere);

        var slice = new AlikeNodes("every", "nvidia.com/mig-3g.40gb", "h100", Labels(("nvidia.com/mig-3g.40gb.product", H100 + "-MIG-3g.40gb")));
        Assert.Equal(
            [new NodeLabel("nvidia.com/mig-3g.40gb.product", H100 + "-MIG-3g.40gb")],
            Choose(slice, slice with { Kind = "other", Labels = Labels(("nvidia.com/mig-3g.40gb.product", "A100-SXM4-80GB-MIG-3g.40gb")) }).Labels);
    }

    private static AlikeNodes Unknown() => new("every", "nvidia.com/gpu", null, Labels());

    private static AlikeNodes Node(string kind, params (string, string)[] labels) => new("every", "nvidia.com/gpu", kind, Labels(labels));

    private static ImmutableSortedDictionary<string, string> Labels(params (string Key, string Value)[] labels) =>
        labels.ToImmutableSortedDictionary(one => one.Key, one => one.Value, StringComparer.Ordinal);

    private static PodRecommendation? Recommend(V1PodSpec pod, ImmutableArray<AlikeNodes> nodes, bool fromTemplate = false) => PodRecommendation.Of(new RecommendationQuestion
    {
        Pod = pod,
        Served = ServedModel.Of(pod),
        FromTemplate = fromTemplate,
        Footprint = Footprint(Bytes.GiB(16)),
        Latency = TimeSpan.FromMinutes(1),
        Fits = ImmutableSortedDictionary<string, ReplicaNeeds>.Empty.Add("h100", Needs(Bytes.GiB(20), 1)),
        Nodes = nodes,
    });

    private static V1PodSpec Vllm(string arguments, string asks = "", long? grace = null)
    {
        var pod = KubernetesYaml.Deserialize<V1PodSpec>(
            $"containers:\n- name: server\n  image: vllm/vllm-openai:v0.19.0\n  args: [--model, org/name, {arguments}]\n"
            + $"  resources: {{limits: {{nvidia.com/gpu: '1'}}, requests: {{{asks}}}}}\n");
        pod.TerminationGracePeriodSeconds = grace;
        return pod;
    }

    private static ReplicaNeeds Needs(Bytes host, int devices) => new()
    {
        Host = new MemoryNeed(host, Bytes.MiB(100)),
        PerDevice = devices > 0 ? new MemoryNeed(Bytes.GiB(20), Bytes.GiB(20)) : null,
        Devices = devices,
        Cores = Cores.Of(1),
        Disk = Bytes.Zero,
    };

    private static Footprint Footprint(Bytes weights) => new()
    {
        Format = ArtifactFormat.Unknown,
        Source = FootprintSource.Declared,
        Digest = "declared",
        OnDisk = weights,
        Weights = weights,
    };
}
