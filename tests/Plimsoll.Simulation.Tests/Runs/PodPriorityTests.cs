using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Where others scale, models' priorities are PriorityClasses: kube-scheduler has pods of lower ones go for those that find no room.</summary>
public sealed class PodPriorityTests
{
    // One node with room for three pods of a gibibyte, of which two are there from the beginning and the third's room is others'.
    private static RunResult Run(int priority)
    {
        RequestTrace later = new([.. Enumerable.Range(0, 60).Select(i => 300 + (4.0 * i))], [.. Enumerable.Repeat(1, 60)], [.. Enumerable.Repeat(1, 60)], 600);
        var world = Worlds.Of(
            [
                Worlds.Small("high", later, 1000, max: 1, priority: priority),
                Worlds.Small("low", Worlds.Poisson(2, 600), 1000, min: 2, max: 2),
                Worlds.Small("middle", Worlds.Poisson(2, 600), 1000, min: 1, max: 1, priority: 1),
            ],
            [Worlds.Processors(1, 4.5)], 600);
        return SimulationRun.Rival(world, 1, "keda");
    }

    private static ModelResult Of(RunResult result, string model) => result.Models.Single(one => one.Model.Value == model);

    [Fact]
    public void One_of_the_lowest_goes_and_no_more_and_its_successor_does_not_take_the_place()
    {
        var result = Run(priority: 5);

        var preempted = Assert.Single(result.Decisions, decision => decision.What.StartsWith("preempts", StringComparison.Ordinal));
        Assert.Equal(("high", "preempts 1 pod on cpu-0", "no node has room for it, and their priority is lower than 5"), (preempted.Model!.Value.Value, preempted.What, preempted.Why));
        Assert.Equal((1, 2, 1), (Of(result, "high").Starts, Of(result, "low").Starts, Of(result, "middle").Starts));
        Assert.True(Of(result, "high").WithinSlo > 40, $"{Of(result, "high").WithinSlo} of 60");
        Assert.Equal((0, 0), (result.OutOfMemory, Of(result, "low").Failed));
    }

    [Fact]
    public void Nobody_goes_for_an_equal()
    {
        var result = Run(priority: 0);

        // The one that matters more than both was there first.
        Assert.DoesNotContain(result.Decisions, decision => decision.What.StartsWith("preempts", StringComparison.Ordinal));
        Assert.Equal(0, Of(result, "high").Starts);
    }
}
