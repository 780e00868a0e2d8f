using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Which nodes the scheduler may choose, and what keeps pods from the others.</summary>
public sealed class NodeEligibilityTests
{
    [Theory]
    [InlineData("nvidia.com/gpu", "NoSchedule", true, 1, null)]
    [InlineData("nvidia.com/gpu", "NoSchedule", true, 0, "they do not tolerate its taint nvidia.com/gpu=present:NoSchedule")]
    [InlineData("nvidia.com/gpu", "NoSchedule", false, 1, "they do not tolerate its taint nvidia.com/gpu=present:NoSchedule")]
    [InlineData("nvidia.com/gpu", "NoExecute", true, 1, "they do not tolerate its taint nvidia.com/gpu=present:NoExecute")]
    [InlineData("team", "NoSchedule", true, 1, "they do not tolerate its taint team=present:NoSchedule")]
    public void Where_every_pod_is_made_to_tolerate_what_it_asks_for_its_template_need_not(string key, string effect, bool gke, int gpus, string? why)
    {
        var node = Node(gke ? [("cloud.google.com/gke-nodepool", "gpus")] : [], new Taint(key, "present", effect));
        Assert.Equal(why, NodeEligibility.WhyNot(Workloads.PodSpec(gpus), node));
        Assert.Equal(why is null, NodeEligibility.Allows(Workloads.PodSpec(gpus), node));
    }

    [Fact]
    public void What_the_spec_itself_asks_of_nodes_is_named()
    {
        var pod = Workloads.PodSpec(1);
        pod.NodeSelector = new Dictionary<string, string> { ["pool"] = "a" };
        Assert.Equal("their nodeSelector keeps them from it", NodeEligibility.WhyNot(pod, Node([("pool", "b")])));
        Assert.Null(NodeEligibility.WhyNot(pod, Node([("pool", "a")])));
    }

    [Fact]
    public void Specs_that_ask_for_other_devices_have_other_keys()
    {
        Assert.NotEqual(NodeGroups.KeyOf(Workloads.PodSpec(1)), NodeGroups.KeyOf(Workloads.PodSpec()));
        Assert.Equal(NodeGroups.KeyOf(Workloads.PodSpec(1)), NodeGroups.KeyOf(Workloads.PodSpec(2)));
    }

    private static NodeView Node((string, string)[] labels, params Taint[] taints) => NodeView.Of(System.Text.Json.JsonSerializer.SerializeToElement(new
    {
        metadata = new { name = "gpu-1", uid = "1", labels = labels.ToDictionary(one => one.Item1, one => one.Item2) },
        spec = new { taints = taints.Select(taint => new { key = taint.Key, value = taint.Value, effect = taint.Effect }) },
        status = new { },
    }))!;
}
