namespace Plimsoll.Tests.Planning;

public sealed class ShownDemandTests
{
    [Theory]
    [InlineData(0, SignalState.Known)]
    [InlineData(5, SignalState.Known)]
    [InlineData(6, SignalState.Stale)]
    [InlineData(3600, SignalState.Stale)]
    public void Demand_that_nobody_counted_for_five_reviews_is_shown_as_the_last_and_planned_with_as_before(int seconds, SignalState shown)
    {
        var model = Fleets.Model("a", 60);
        var spec = Fleets.Spec(model);
        var counted = Fleets.Decide(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Fleets.Noon).With(Fleets.Traffic(model.Id, Fleets.Noon, 2)));
        var at = Fleets.Noon + TimeSpan.FromSeconds(seconds);

        var later = Fleets.Decide(spec, Fleets.Snapshot(spec, Fleets.Node(1000), at) with { Traffic = [] }, counted.Next).Models[0];

        var demand = later.DemandAsOf(spec.Settings, at);
        Assert.Equal((shown, 2.0, Fleets.Noon), (demand.State, demand.Value, demand.At));
        Assert.Equal(SignalState.Known, later.DemandPerSecond.State);
    }

    [Fact]
    public void What_was_never_counted_stays_missing()
    {
        var spec = Fleets.Spec(Fleets.Model("a", 60));
        var verdict = Fleets.Decide(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Fleets.Noon) with { Traffic = [] }).Models[0];
        Assert.Equal(SignalState.Missing, verdict.DemandAsOf(spec.Settings, Fleets.Noon.AddHours(1)).State);
    }
}
