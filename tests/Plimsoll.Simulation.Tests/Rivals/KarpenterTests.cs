using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Karpenter;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class KarpenterTests
{
    private static readonly KarpenterSettings Settings = new() { BudgetPercent = 100 };
    private static readonly DateTimeOffset Now = RivalVector.At(1000);
    private static readonly KarpenterType Small = Type("small", 1, 2);
    private static readonly KarpenterType Large = Type("large", 8, 14);

    private static KarpenterType Type(string name, int gpus, double price, bool spot = false) => new(name, new(64, 1e12, gpus), price, spot);

    private static KarpenterPod Pod(string name, int gpus, double cpu = 1) => new(name, new(cpu, 1e9, gpus));

    private static KarpenterNode Node(string name, KarpenterType type, params KarpenterPod[] pods) => new(name, type, [.. pods], RivalVector.Start);

    [Fact]
    public void Pods_go_to_nodes_that_are_there_before_new_ones_are_planned()
    {
        var packing = KarpenterProvisioner.Pack(
            Settings, [Node("full", Small, Pod("x", 1)), Node("free", Large, Pod("y", 6))], [Small, Large], [Pod("a", 2), Pod("b", 1), Pod("c", 9)]);
        Assert.Equal("free", packing.Placed["a"]);
        Assert.Equal([("b", "small")], packing.Planned.Select(node => (node.Pods.Single().Name, node.Cheapest.Name)));
        Assert.Equal("c", packing.Unplaced.Single().Name);
    }

    [Fact]
    public void Pods_are_packed_by_processors_and_not_by_GPUs()
    {
        // The pod of one GPU comes first, opens a node of any type, and draws the others to the large one.
        var packing = KarpenterProvisioner.Pack(Settings, [], [Small, Large], [Pod("big", 7), Pod("first", 1, cpu: 2)]);
        Assert.Equal(["first", "big"], packing.Planned.Single().Pods.Select(pod => pod.Name));
        Assert.Equal("large", packing.Planned.Single().Cheapest.Name);
    }

    [Fact]
    public void Empty_nodes_go_first_and_no_more_than_the_budget()
    {
        ImmutableArray<KarpenterNode> nodes = [Node("a", Small), Node("b", Small), Node("c", Large, Pod("x", 1))];
        Assert.Equal(["a", "b"], KarpenterConsolidation.Decide(Settings, nodes, [Small, Large], Now).Removed);
        Assert.Equal(["a"], KarpenterConsolidation.Decide(Settings with { BudgetPercent = 10 }, nodes, [Small, Large], Now).Removed);
        Assert.False(KarpenterConsolidation.Decide(Settings with { BudgetPercent = 10 }, nodes, [Small, Large], Now, disrupting: 1).Acts);
    }

    [Fact]
    public void A_node_whose_pods_fit_elsewhere_is_deleted()
    {
        ImmutableArray<KarpenterNode> nodes = [Node("a", Small, Pod("x", 1)), Node("b", Large, Pod("y", 7))];
        var command = KarpenterConsolidation.Decide(Settings, nodes, [Small, Large], Now);
        Assert.Equal(["a"], command.Removed);
        Assert.Empty(command.Replacement);
    }

    [Fact]
    public void Several_nodes_may_make_place_for_one_unless_one_of_them_is_what_would_replace_them()
    {
        var middle = Type("middle", 2, 3.5);
        ImmutableArray<KarpenterNode> nodes = [.. Enumerable.Range(0, 3).Select(i => Node($"n{i}", Large, Pod($"p{i}", 7), Pod($"q{i}", 1)))];
        Assert.False(KarpenterConsolidation.Decide(Settings, nodes, [Small, Large], Now).Acts);
        nodes = [.. Enumerable.Range(0, 3).Select(i => Node($"n{i}", Type("other", 1, 3), Pod($"p{i}", 1)))];
        // Three pods hold only on a large node at 14 for 9; two on a middle one at 3.5 for 6.
        var command = KarpenterConsolidation.Decide(Settings, nodes, [middle, Large], Now);
        Assert.Equal(("multi-node", 2, "middle"), (command.Method, command.Removed.Length, command.Replacement.Single().Name));
    }

    [Fact]
    public void Halving_misses_a_saving_that_only_many_nodes_together_make()
    {
        // Eight small nodes are 16 and a large one 14; but five, which are tried first, are 10, and then fewer are tried.
        ImmutableArray<KarpenterNode> nodes = [.. Enumerable.Range(0, 8).Select(i => Node($"n{i}", Small, Pod($"p{i}", 1)))];
        Assert.False(KarpenterConsolidation.Decide(Settings, nodes, [Small, Large], Now).Acts);
    }

    [Fact]
    public void Removed_types_come_back_only_cheaper_than_the_cheapest_of_their_kind()
    {
        var removed = ImmutableArray.Create(Node("a", Small, Pod("x", 1)), Node("b", Large, Pod("y", 1)));
        var packing = new KarpenterPacking(ImmutableSortedDictionary<string, string>.Empty, [new([Pod("x", 1), Pod("y", 1)], [Type("middle", 2, 3.5), Large])], []);
        // The large one costs less than both together, but that is no more than to delete the small node.
        Assert.Equal(["middle"], KarpenterConsolidation.Judge(Settings, removed, packing, "multi-node").Replacement.Select(type => type.Name));
    }

    [Fact]
    public void A_large_node_with_one_small_pod_is_replaced()
    {
        var command = KarpenterConsolidation.Decide(Settings, [Node("a", Large, Pod("x", 1))], [Small, Large], Now);
        Assert.Equal(("single-node", "small"), (command.Method, command.Replacement.Single().Name));
        Assert.False(KarpenterConsolidation.Decide(Settings with { WhenEmptyOnly = true }, [Node("a", Large, Pod("x", 1))], [Small, Large], Now).Acts);
    }

    [Fact]
    public void Blocked_and_young_nodes_stay()
    {
        var node = Node("a", Large, Pod("x", 1));
        Assert.False(KarpenterConsolidation.Decide(Settings, [node with { Blocked = true }], [Small], Now).Acts);
        Assert.False(KarpenterConsolidation.Decide(Settings, [node with { Pods = [Pod("x", 1) with { DoNotDisrupt = true }] }], [Small], Now).Acts);
        var later = Settings with { ConsolidateAfter = TimeSpan.FromSeconds(1001) };
        Assert.False(KarpenterConsolidation.Decide(later, [node], [Small], Now).Acts);
    }

    [Fact]
    public void Where_spot_is_allowed_the_replacement_is_spot_and_spot_for_spot_needs_a_choice_of_fifteen()
    {
        var spot = Type("small", 1, 0.7, spot: true);
        var command = KarpenterConsolidation.Decide(Settings, [Node("a", Large, Pod("x", 1))], [Small, spot], Now);
        Assert.Equal([spot], command.Replacement);

        var node = Node("a", Large with { Spot = true }, Pod("x", 1));
        ImmutableArray<KarpenterType> choice = [.. Enumerable.Range(1, 20).Select(i => Type($"t{i:00}", 1, i * 0.1, spot: true))];
        Assert.False(KarpenterConsolidation.Decide(Settings, [node], choice, Now).Acts);
        var gated = Settings with { SpotToSpot = true };
        Assert.Equal(choice[..15], KarpenterConsolidation.Decide(gated, [node], choice, Now).Replacement);
        Assert.False(KarpenterConsolidation.Decide(gated, [node], choice[..14], Now).Acts);
    }

    [Fact]
    public void Dear_nodes_with_little_to_evict_come_first()
    {
        var nodes = new[] { Node("busy", Large, Pod("a", 1), Pod("b", 1), Pod("c", 1)), Node("calm", Type("mid", 4, 8), Pod("d", 1)) };
        Assert.Equal(["calm", "busy"], KarpenterConsolidation.Candidates(nodes).Select(node => node.Name));
    }
}
