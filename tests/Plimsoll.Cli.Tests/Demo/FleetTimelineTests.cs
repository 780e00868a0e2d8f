using Plimsoll.Cli.Demo;
using Plimsoll.Control;

namespace Plimsoll.Cli.Tests.Demo;

public sealed class FleetTimelineTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 24, 8, 0, 0, TimeSpan.Zero);

    private static readonly ModelId Large = ModelId.Of("large");

    [Fact]
    public void Loads_releases_and_crashes_are_counted_from_outcomes_after_the_start()
    {
        var timeline = new FleetTimeline([Large]);
        timeline.Add(Tick(-1, [], Loaded()));
        timeline.Begin(Start);
        timeline.Add(Tick(1, [ReplicaState.Ready], Loaded()));
        timeline.Add(Tick(2, [], Exited(asked: true)));
        timeline.Add(Tick(3, [], Exited(asked: false)));
        // Let go while it loaded: no cycle of holding and releasing.
        timeline.Add(Tick(4, [], Exited(asked: true)));

        Assert.Equal((1, 2, 1, 1), timeline.Counts(Large));
        Assert.Equal(4, timeline.Of(Large).Length);
    }

    [Fact]
    public void A_line_shows_what_served_what_loaded_and_what_was_gone()
    {
        var timeline = new FleetTimeline([Large]);
        timeline.Begin(Start);
        timeline.Add(Tick(0, []));
        timeline.Add(Tick(1.5, [ReplicaState.Loading]));
        timeline.Add(Tick(3, [ReplicaState.Ready]));
        // Nothing was seen from 4 to 5 s: what was before is shown.
        timeline.Add(Tick(5.5, [ReplicaState.Ready, ReplicaState.Draining]));
        timeline.Add(Tick(6, [ReplicaState.Stopping]));

        Assert.Equal(".~~##2..", Sparkline.Of(timeline.Of(Large), TimeSpan.FromSeconds(8), 8));
        // 1.5 s loading, 2.5 s serving, half a second of two, then one that ends until nobody looks any more.
        Assert.Equal(7, timeline.ReplicaTime(Large, TimeSpan.FromSeconds(8)).TotalSeconds, 1e-9);
        Assert.Equal(1, timeline.ReplicaTime(Large, TimeSpan.FromSeconds(2.5)).TotalSeconds, 1e-9);
    }

    [Fact]
    public void A_line_without_a_tick_says_that_nothing_was_there()
    {
        Assert.Equal("....", Sparkline.Of([], TimeSpan.FromSeconds(8), 4));
    }

    private static Tick Tick(double seconds, ReplicaState[] states, params Outcome[] outcomes)
    {
        var at = Start.AddSeconds(seconds);
        var snapshot = new FleetSnapshot
        {
            At = at,
            Can = Capabilities.None,
            Nodes = [],
            Replicas = [.. states.Select((state, n) => Replica(state, n + 1, at))],
            Outcomes = [.. outcomes],
        };
        var spec = new FleetSpec { Models = [] };
        return new Tick(1, spec, snapshot, new Plan(new InputHashes("", "", ""), [], [], Knowledge.Empty), ApplyResult.Nothing);
    }

    private static InferenceReplica Replica(ReplicaState state, int ordinal, DateTimeOffset at) => new()
    {
        Id = ReplicaId.Of(Large, ordinal),
        Model = Large,
        Version = "1",
        Variant = VariantId.Of("cpu"),
        Placement = new Placement(NodeId.Of("local"), []),
        State = state,
        StateSince = at,
        StartedAt = at,
        Reserved = new ReplicaNeeds { Host = MemoryNeed.None, Cores = Cores.Zero, Disk = Bytes.Zero },
    };

    private static Outcome.Loaded Loaded() => new()
    {
        At = Start,
        Replica = ReplicaId.Of(Large, 1),
        Model = Large,
        Version = "1",
        Variant = VariantId.Of("cpu"),
        Size = Bytes.MiB(1),
        Took = TimeSpan.FromSeconds(1),
    };

    private static Outcome.Exited Exited(bool asked) => new()
    {
        At = Start,
        Replica = ReplicaId.Of(Large, 1),
        Model = Large,
        Was = ReplicaState.Ready,
        Asked = asked,
        Why = "",
    };
}
