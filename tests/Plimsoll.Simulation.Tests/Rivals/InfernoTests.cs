using Plimsoll.Simulation.Rivals.Inferno;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class InfernoTests
{
    private static readonly Dictionary<string, int> One = new() { ["a"] = 1, ["b"] = 1 };

    private static InfernoAllocation Choice(string accelerator, int replicas, double value) => new(accelerator, replicas, value, 1, value);

    [Fact]
    public void A_target_that_not_even_one_request_keeps_has_no_allocation()
    {
        var service = new InfernoService(7, 0.03, 3e-5, 512, 128);
        Assert.Null(InfernoAllocation.For("a", new(service, 64, 60, FirstTokenTarget: 1, 0, 0, 1, 1)));
        Assert.NotNull(InfernoAllocation.For("a", new(service, 64, 60, FirstTokenTarget: 200, 0, 0, 1, 1)));
    }

    [Fact]
    public void One_server_with_one_slot_is_the_queue_of_the_textbook()
    {
        // M/M/1/K with K = 11, ρ = 0.5: 10 ms a request, so the mean in the system is 0.994 and the wait about 9.9 ms.
        var queue = new InfernoQueue(new InfernoService(10, 0, 0, 0, 1), 1);
        var metrics = queue.Analyze(50);
        Assert.Equal(0.5, metrics.InService, 3);
        Assert.Equal(9.9, metrics.Wait, 1);
    }

    [Fact]
    public void Longer_answers_make_the_batch_smaller()
    {
        Assert.Equal(32, InfernoQueue.BatchFor(64, 128, 256));
        Assert.Equal(1, InfernoQueue.BatchFor(1, 128, 256));
    }

    [Fact]
    public void A_change_of_accelerator_is_charged_a_tenth_of_both_costs()
    {
        var current = new InfernoAllocation("a", 2, 200, 1);
        Assert.Equal(0, new InfernoAllocation("a", 2, 250, 1).From(current).Value);
        Assert.Equal(100, new InfernoAllocation("a", 3, 300, 1).From(current).Value);
        Assert.Equal(0.1 * 350 - 50, new InfernoAllocation("b", 1, 150, 1).From(current).Value, 9);
        Assert.Equal(150, new InfernoAllocation("b", 1, 150, 1).From(null).Value);
    }

    [Fact]
    public void Accelerators_go_by_priority_then_by_what_the_next_best_would_cost_more()
    {
        InfernoServer first = new("first", 1, [Choice("a", 2, 5), Choice("b", 2, 6)], One);
        InfernoServer little = new("little", 2, [Choice("a", 1, 1), Choice("b", 1, 2)], One);
        InfernoServer much = new("much", 2, [Choice("a", 1, 1), Choice("b", 1, 9)], One);
        var answer = InfernoSolver.Greedy([little, much, first], new Dictionary<string, int> { ["a"] = 3, ["b"] = 1 });
        Assert.Equal(("a", "b", "a"), (answer["first"].Accelerator, answer["little"].Accelerator, answer["much"].Accelerator));
        var scarce = InfernoSolver.Greedy([little, much, first], new Dictionary<string, int> { ["a"] = 2 });
        Assert.Equal(["first"], scarce.Keys);
        Assert.All(InfernoSolver.Unlimited([little, much, first]).Values, allocation => Assert.Equal("a", allocation.Accelerator));
    }
}
