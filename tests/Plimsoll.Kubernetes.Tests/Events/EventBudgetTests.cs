using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Events;

namespace Plimsoll.Kubernetes.Tests.Events;

public sealed class EventBudgetTests
{
    private static readonly ObjectName Llama = new("prod", "llama");

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void The_same_thing_is_told_once_in_ten_minutes_and_another_at_once()
    {
        var budget = Budget();
        Assert.True(budget.Allows(Llama, Held("HoldScarce")));
        Assert.False(budget.Allows(Llama, Held("HoldScarce")));
        Assert.True(budget.Allows(Llama, Held("HoldBackoff")));
        _time.Advance(TimeSpan.FromMinutes(9));
        Assert.False(budget.Allows(Llama, Held("HoldScarce")));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(budget.Allows(Llama, Held("HoldScarce")));
        Assert.Equal(0, budget.Dropped);
    }

    [Fact]
    public void A_model_that_flaps_is_told_of_ten_times_and_then_once_a_minute()
    {
        var budget = Budget();
        var scaled = new ModelEvent("ScaledUp", null, "from 1 to 2 replicas", false);
        Assert.Equal(10, Enumerable.Range(0, 100).Count(_ => budget.Allows(Llama, scaled)));
        _time.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(3, Enumerable.Range(0, 100).Count(_ => budget.Allows(Llama, scaled)));
        Assert.Equal(187, budget.Dropped);
    }

    [Fact]
    public void A_cluster_in_uproar_gets_so_many_in_a_turn()
    {
        var budget = Budget();
        Assert.Equal(EventBudget.InATurnMax, Enumerable.Range(0, 1000).Count(number => budget.Allows(new ObjectName("prod", $"m{number}"), Held("HoldScarce"))));
        budget.Turn(new HashSet<ObjectName>());
        Assert.True(budget.Allows(Llama, Held("HoldScarce")));
    }

    private static ModelEvent Held(string about) => new("Held", about, "needs more than there is", false);

    private EventBudget Budget() => new(_time);
}
