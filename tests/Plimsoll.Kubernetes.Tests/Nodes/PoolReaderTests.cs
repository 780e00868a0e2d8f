using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.Resources;

namespace Plimsoll.Kubernetes.Tests.Nodes;

/// <summary>What a Fleet's pools come to: stated, Karpenter's, of nodes that are there, and the catalogue's.</summary>
public sealed class PoolReaderTests
{
    private const string Labelled = """
        {"metadata":{"name":"NAME","creationTimestamp":"2026-11-24T12:00:00Z","labels":{"pool":"l4","kubernetes.io/hostname":"NAME","topology.kubernetes.io/zone":"a","team":"x",
          "nvidia.com/gpu.product":"NVIDIA-L4","nvidia.com/gpu.memory":"23034","nvidia.com/gpu.count":"1"}},
         "spec":{"taints":[{"key":"nvidia.com/gpu","value":"present","effect":"NoSchedule"},{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"}]},
         "status":{"capacity":{"memory":"32Gi","cpu":"8"},"allocatable":{"memory":"28Gi","cpu":"7500m","ephemeral-storage":"90Gi","pods":"58","nvidia.com/gpu":"1"},
          "conditions":[{"type":"Ready","status":"True"}]}}
        """;

    [Fact]
    public void A_pool_is_as_its_nodes_are_with_what_daemons_take_of_each_taken_off()
    {
        var daemon = Pod("""{"metadata":{"name":"d","namespace":"s","uid":"u","ownerReferences":[{"controller":true,"kind":"DaemonSet","name":"cni"}]},"spec":{"nodeName":"n1","containers":[{"resources":{"requests":{"memory":"1Gi","cpu":"500m"}}}]}}""");
        var pool = Assert.Single(Read("nodePools: [{name: l4, nodeLabels: {pool: l4}}]", [Node(Labelled, "n1")], [], [daemon]).Pools);

        Assert.Equal((Bytes.GiB(27), Cores.Of(7), 57), (pool.Node.Memory, pool.Node.Cores, pool.Node.Pods));
        Assert.Equal("l4-24gb", pool.Node.Devices.Groups.Single().Accelerator.Name);
        Assert.Equal("x", pool.Node.Labels["team"]);
        Assert.False(pool.Node.Labels.ContainsKey("kubernetes.io/hostname"));
        Assert.False(pool.Node.Labels.ContainsKey("topology.kubernetes.io/zone"));
        Assert.Equal("nvidia.com/gpu", Assert.Single(pool.Node.Taints).Key);
        Assert.Null(pool.Limit);
        Assert.NotNull(pool.PricePerHour);
    }

    [Fact]
    public void What_one_node_alone_has_for_a_while_is_no_trait_of_its_pool()
    {
        const string Ready = "\"type\":\"Ready\",\"status\":\"True\"";
        const string Taint = "\"effect\":\"NoExecute\"";
        var cordoned = Labelled.Replace("\"spec\":{", "\"spec\":{\"unschedulable\":true,", StringComparison.Ordinal).Replace("28Gi", "20Gi", StringComparison.Ordinal);
        var maintained = Labelled.Replace(Taint, Taint + "},{\"key\":\"maintenance\",\"effect\":\"NoSchedule\"", StringComparison.Ordinal);
        var going = Labelled.Replace(Taint, Taint + "},{\"key\":\"ToBeDeletedByClusterAutoscaler\",\"value\":\"1796000000\",\"effect\":\"NoSchedule\"", StringComparison.Ordinal);
        var fresh = Labelled.Replace(",\"nvidia.com/gpu\":\"1\"", "", StringComparison.Ordinal).Replace("nvidia.com/gpu.", "later/", StringComparison.Ordinal).Replace("28Gi", "20Gi", StringComparison.Ordinal);
        var unready = Labelled.Replace(Ready, Ready.Replace("True", "Unknown", StringComparison.Ordinal), StringComparison.Ordinal);
        foreach (var nodes in (NodeView[][])
            [[Node(maintained, "n1"), Node(Labelled, "n2")], [Node(going, "n1")], [Node(cordoned, "n1"), Node(Labelled, "n2")], [Node(fresh, "n1"), Node(Labelled, "n2")],
             [Node(unready, "n1")], [Node(fresh, "n1"), Node(unready, "n2")]])
        {
            var pool = Assert.Single(Read("nodePools: [{name: l4, nodeLabels: {pool: l4}}]", nodes, []).Pools);
            Assert.Equal("nvidia.com/gpu", Assert.Single(pool.Node.Taints).Key);
            Assert.Equal((Bytes.GiB(28), "l4-24gb"), (pool.Node.Memory, Assert.Single(pool.Node.Devices.Groups).Accelerator.Name));
        }

        // What all of them have is the pool's.
        Assert.Equal(["maintenance", "nvidia.com/gpu"],
            Assert.Single(Read("nodePools: [{name: l4, nodeLabels: {pool: l4}}]", [Node(maintained, "n1"), Node(maintained, "n2")], []).Pools).Node.Taints.Select(taint => taint.Key));
    }

    [Fact]
    public void A_nodes_own_static_pods_are_daemons()
    {
        var proxy = Pod("""{"metadata":{"name":"p","namespace":"s","uid":"u","ownerReferences":[{"controller":true,"kind":"Node","name":"n1"}]},"spec":{"nodeName":"n1","containers":[{"resources":{"requests":{"memory":"1Gi","cpu":"500m"}}}]}}""");
        var pool = Assert.Single(Read("nodePools: [{name: l4, nodeLabels: {pool: l4}}]", [Node(Labelled, "n1")], [], [proxy]).Pools);
        Assert.Equal((Bytes.GiB(27), Cores.Of(7), 57), (pool.Node.Memory, pool.Node.Cores, pool.Node.Pods));
    }

    [Fact]
    public void A_machine_type_of_the_catalogue_needs_no_more()
    {
        var type = DeviceCatalogue.BuiltIn.Instances.First(one => one is { Memory.Value: > 0, Price: not null, Provider: "aws" });
        var pool = Assert.Single(Read($"nodePools: [{{name: new, instanceType: {type.Type}, maxNodes: 3}}]", [], []).Pools);

        Assert.Equal(type.Devices, pool.Node.Devices.Groups.Single().Devices);
        Assert.Equal((type.Price, type.Memory.Scale(0.9)), (pool.PricePerHour, pool.Node.Memory));
        Assert.Equal(type.Type, pool.Selector[KarpenterPool.InstanceTypeLabel]);
        Assert.Equal(new NodeLimit(3, "maxNodes of the pool new"), pool.Limit);
    }

    [Fact]
    public void Of_Karpenters_machine_types_the_cheapest_known_is_taken_and_its_limits_count_all_its_nodes()
    {
        var types = DeviceCatalogue.BuiltIn.Instances.Where(one => one is { Memory.Value: > 0, Price: not null, Provider: "aws", Devices: 1 }
                && DeviceCatalogue.BuiltIn.Accelerators.First(device => device.Name == one.Accelerator).Vendor == "nvidia")
            .OrderBy(one => one.Price!.Value).ThenBy(one => one.Type, StringComparer.Ordinal).ToArray();
        var karpenter = Karpenter($$$"""
            {"metadata":{"name":"gpu"},"spec":{"limits":{"nvidia.com/gpu":3,"cpu":"100000"},"template":{"metadata":{"labels":{"team":"x"}},"spec":{
             "taints":[{"key":"gpu","effect":"NoSchedule"}],
             "requirements":[{"key":"node.kubernetes.io/instance-type","operator":"In","values":["{{{types[^1].Type}}}","unheard.of","{{{types[0].Type}}}"]}]} } } }
            """);
        var other = Node(Labelled.Replace("\"pool\":\"l4\"", "\"karpenter.sh/nodepool\":\"gpu\"", StringComparison.Ordinal), "n1");

        var pool = Assert.Single(Read("nodePools: [{name: gpu}]", [other], [karpenter]).Pools);

        Assert.Equal(types[0].Type, pool.Selector[KarpenterPool.InstanceTypeLabel]);
        Assert.Equal("gpu", pool.Selector[KarpenterPool.Label]);
        Assert.Equal("x", pool.Node.Labels["team"]);
        Assert.Equal("gpu", Assert.Single(pool.Node.Taints).Key);
        // One of three is there, of another type; of this type there are none.
        Assert.Equal(2, pool.Limit!.Nodes);
        Assert.Equal("Karpenter's NodePool gpu is limited to 3 of nvidia.com/gpu, of which 1 are there", pool.Limit.Why);
    }

    [Theory]
    [InlineData("{name: a}", "node pool a: nothing says which nodes are its own; nodeLabels would do, or a Karpenter NodePool of its name")]
    [InlineData("{name: a, nodeLabels: {x: y}}", "node pool a: what one of its nodes has is not known; memory and cores would do, or an instanceType that plimsoll devices lists")]
    [InlineData("{name: a, nodeLabels: {x: y}, device: l4-24, devices: 1, memory: 1Gi, cores: 1}", "node pool a: the catalogue has no device l4-24; a name that plimsoll devices lists would do")]
    public void A_pool_of_which_too_little_is_known_is_left_out_and_told(string pool, string problem)
    {
        var (pools, problems) = Read($"nodePools: [{pool}]", [], []);
        Assert.Empty(pools);
        Assert.Equal(problem, Assert.Single(problems));
    }

    private static (IReadOnlyList<OfferedPool> Pools, IReadOnlyList<string> Problems) Read(
        string spec, NodeView[] nodes, KarpenterPool[] karpenter, params PodView[] pods)
    {
        var fleet = Written.Fleet(spec);
        Assert.Empty(FleetSettings.Check(fleet));
        var reader = new PoolReader(nodes, karpenter.ToDictionary(pool => pool.Name), pods, null);
        return (reader.Read(FleetSettings.Of(fleet)), reader.Problems);
    }

    private static NodeView Node(string json, string name) => NodeView.Of(JsonDocument.Parse(json.Replace("NAME", name, StringComparison.Ordinal)).RootElement)!;

    private static PodView Pod(string json) => PodView.Of(JsonDocument.Parse(json).RootElement)!;

    private static KarpenterPool Karpenter(string json) => KarpenterPool.Of(JsonDocument.Parse(json).RootElement)!;
}
