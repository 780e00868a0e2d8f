using CsCheck;

namespace Plimsoll.Tests.Devices;

public class NodeLabelsTests
{
    [Fact]
    public void Whole_devices_are_read_from_discoverys_labels()
    {
        var node = Read("nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3 nvidia.com/gpu.count=8 nvidia.com/gpu.memory=81559 "
            + "nvidia.com/gpu.replicas=1 nvidia.com/gpu.family=hopper nvidia.com/mig.strategy=single");

        Assert.Equal("nvidia.com/gpu: 8 h100-80gb", Only(node));
    }

    [Fact]
    public void Under_the_strategy_single_the_labels_are_a_slices()
    {
        var node = Read("nvidia.com/mig.strategy=single nvidia.com/gpu.product=A100-SXM4-40GB-MIG-1g.5gb nvidia.com/gpu.count=56 "
            + "nvidia.com/gpu.memory=5120 nvidia.com/gpu.multiprocessors=14 nvidia.com/gpu.slices.gi=1");

        Assert.Equal("nvidia.com/gpu: 56 a100-40gb-1g.5gb", Only(node));
    }

    [Fact]
    public void Under_the_strategy_mixed_each_kind_of_slice_is_a_resource_of_its_own()
    {
        const string Labels = "nvidia.com/mig.strategy=mixed nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB nvidia.com/gpu.count=8 "
            + "nvidia.com/gpu.memory=40960 nvidia.com/mig-3g.20gb.count=2 nvidia.com/mig-3g.20gb.memory=20096 "
            + "nvidia.com/mig-1g.5gb.count=7 nvidia.com/mig-1g.5gb.memory=4864 nvidia.com/mig-1g.5gb.product=NVIDIA-A100-SXM4-40GB-MIG-1g.5gb";

        var node = Read(Labels);
        Assert.Equal(["nvidia.com/mig-1g.5gb: 7 a100-40gb-1g.5gb", "nvidia.com/mig-3g.20gb: 2 a100-40gb-3g.20gb"], node.Groups.Select(Show));
        Assert.Equal("devices that are not cut into slices are not counted: labels don't tell them from those that are", Assert.Single(node.Notes));

        var known = NodeLabels.Read(DeviceCatalogue.BuiltIn, Parse(Labels), new Dictionary<string, long> { ["nvidia.com/gpu"] = 6 });
        Assert.Equal("nvidia.com/gpu: 6 a100-40gb", Show(known.Groups[0]));
        Assert.Empty(known.Notes);
    }

    [Fact]
    public void A_shared_device_keeps_its_memory_under_time_slicing_and_divides_it_under_mps()
    {
        var sliced = Assert.Single(Read("nvidia.com/gpu.product=Tesla-T4-SHARED nvidia.com/gpu.count=1 nvidia.com/gpu.memory=15360 "
            + "nvidia.com/gpu.replicas=4 nvidia.com/gpu.sharing-strategy=time-slicing").Groups);
        var mps = Assert.Single(Read("nvidia.com/gpu.product=NVIDIA-L4-SHARED nvidia.com/gpu.count=1 nvidia.com/gpu.memory=23034 "
            + "nvidia.com/gpu.replicas=2 nvidia.com/gpu.sharing-strategy=mps").Groups);

        Assert.Equal((4, DeviceSharing.TimeSlicing, 15_633_680_957L), (sliced.ReplicasPerDevice, sliced.Sharing, sliced.MemoryPerReplica.Value));
        Assert.Equal((2, DeviceSharing.Mps, 11_827_266_191L), (mps.ReplicasPerDevice, mps.Sharing, mps.MemoryPerReplica.Value));
    }

    [Theory]
    [InlineData("karpenter.k8s.aws/instance-gpu-name=a100 karpenter.k8s.aws/instance-gpu-manufacturer=nvidia karpenter.k8s.aws/instance-gpu-count=8 karpenter.k8s.aws/instance-gpu-memory=40960",
        "nvidia.com/gpu: 8 a100-40gb")]
    [InlineData("karpenter.k8s.aws/instance-gpu-name=l40s karpenter.k8s.aws/instance-gpu-count=4 karpenter.k8s.aws/instance-gpu-memory=45776",
        "nvidia.com/gpu: 4 l40s-48gb")]
    [InlineData("karpenter.k8s.aws/instance-gpu-name=l40s karpenter.k8s.aws/instance-gpu-count=4 karpenter.k8s.aws/instance-gpu-memory=9223372036854775807",
        "nvidia.com/gpu: 4 l40s-48gb")]
    [InlineData("karpenter.k8s.aws/instance-accelerator-name=inferentia2 karpenter.k8s.aws/instance-accelerator-count=12",
        "aws.amazon.com/neuron: 12 inferentia2-32gb")]
    [InlineData("cloud.google.com/gke-accelerator=nvidia-tesla-a100 cloud.google.com/gke-accelerator-count=2", "nvidia.com/gpu: 2 a100-40gb")]
    [InlineData("cloud.google.com/gke-tpu-accelerator=tpu-v5-lite-podslice cloud.google.com/gke-accelerator-count=4", "google.com/tpu: 4 tpu-v5e-16gb")]
    [InlineData("node.kubernetes.io/instance-type=p5.48xlarge", "nvidia.com/gpu: 8 h100-80gb")]
    public void Where_discovery_has_not_labelled_yet_the_clouds_labels_tell(string labels, string group) => Assert.Equal(group, Only(Read(labels)));

    [Fact]
    public void Labels_that_cannot_be_used_are_told_and_count_no_device()
    {
        var invalid = Read("nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB-MIG-INVALID nvidia.com/gpu.count=0 nvidia.com/gpu.memory=0 nvidia.com/gpu.replicas=0");
        var unknown = Read("nvidia.com/gpu.product=NVIDIA-Z9000 nvidia.com/gpu.count=2");
        var many = Read("nvidia.com/gpu.product=Tesla-T4 nvidia.com/gpu.count=99999999999");

        Assert.Empty(invalid.Groups.Concat(unknown.Groups).Concat(many.Groups));
        Assert.Equal("the node's MIG devices are not all alike, which its strategy 'single' does not allow: it hands out none", Assert.Single(invalid.Notes));
        Assert.Equal("the catalogue has no accelerator 'NVIDIA-Z9000'", Assert.Single(unknown.Notes));
        Assert.Equal("nvidia.com/gpu.count is '99999999999' and .replicas '1'; expected whole numbers up to 1024", Assert.Single(many.Notes));
    }

    [Fact]
    public void A_node_without_accelerators_has_none_and_nothing_to_say()
    {
        var node = Read("kubernetes.io/arch=amd64 node.kubernetes.io/instance-type=m7i.large");

        Assert.Empty(node.Groups);
        Assert.Empty(node.Notes);
    }

    [Fact]
    public void Whatever_labels_say_the_answer_is_bounded_and_none_is_an_error()
    {
        string[] known =
        [
            "nvidia.com/gpu.product", "nvidia.com/gpu.count", "nvidia.com/gpu.memory", "nvidia.com/gpu.replicas",
            "nvidia.com/mig-3g.20gb.count", "nvidia.com/mig-.count", "nvidia.com/mig-3g.20gb.product", "nvidia.com/gpu.sharing-strategy",
            "karpenter.k8s.aws/instance-gpu-name", "karpenter.k8s.aws/instance-gpu-count", "node.kubernetes.io/instance-type",
        ];
        string[] likely =
        [
            "", "0", "1", "8", "-1", "99999999999999999999", "mps", "NVIDIA-A100-SXM4-40GB", "-MIG-", "MIG-1g.5gb", "Tesla-T4-SHARED", "p5.48xlarge",
        ];
        var keys = Gen.Int[0, known.Length - 1].Select(at => known[at]);
        var values = Gen.Select(Gen.Int[0, likely.Length * 2], Gen.String).Select((at, any) => at < likely.Length ? likely[at] : any);
        Gen.Dictionary(keys, values)[0, 11].Sample(labels =>
        {
            var node = NodeLabels.Read(DeviceCatalogue.BuiltIn, labels);
            Assert.All(node.Groups, group => Assert.InRange((long)group.Devices * group.ReplicasPerDevice, 1, 1024 * 1024));
            Assert.All(node.Notes, note => Assert.DoesNotContain(note, char.IsControl));
        }, iter: 20_000);
    }

    private static NodeDevices Read(string labels) => NodeLabels.Read(DeviceCatalogue.BuiltIn, Parse(labels));

    private static Dictionary<string, string> Parse(string labels) =>
        labels.Split(' ').Select(label => label.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);

    private static string Only(NodeDevices node) => Show(Assert.Single(node.Groups));

    private static string Show(DeviceGroup group) => $"{group.Resource}: {group.Devices} {group.Accelerator.Name}";
}
