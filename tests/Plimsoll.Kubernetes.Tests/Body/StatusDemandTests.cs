using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>A status has one number for demand, and nothing beside it that could say how old it is.</summary>
public sealed class StatusDemandTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, false, 2.0)]
    [InlineData(600, false, null)]
    // Metrics that come late are no reason to write it anew each time.
    [InlineData(600, true, 2.0)]
    public void It_is_left_out_where_it_is_old_and_nobody_counts(int seconds, bool isCounted, double? shown)
    {
        var verdict = new ModelVerdict
        {
            Model = ModelId.Of("a"),
            Wanted = 1,
            Serving = 1,
            DemandPerSecond = Signal.Known(2.0, At),
            Needs = new ReplicaNeeds { Host = new MemoryNeed(Bytes.Zero, Bytes.Zero), Cores = Cores.Of(1), Disk = Bytes.Zero },
            Reason = new Reason(Rule.HoldUnplaced, []),
        };
        var snapshot = new FleetSnapshot { At = At.AddSeconds(seconds), Can = Capabilities.None, Nodes = [], Replicas = [] };
        var tick = new Tick(1, new FleetSpec { Models = [] }, snapshot, new Plan(new InputHashes("", "", ""), [], [verdict], Knowledge.Empty), ApplyResult.Nothing);

        Assert.Equal(shown, StatusWriter.Demand(verdict, tick, isCounted));
    }
}
