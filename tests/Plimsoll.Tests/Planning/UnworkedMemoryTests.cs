using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What a replica is charged before it has worked, and while it ends without having been ready.</summary>
public sealed class UnworkedMemoryTests
{
    // 1,000 MiB of weights; 1,500 while it loads.
    private static readonly ModelSpec Fresh = Model("fresh", 1000, peakMiB: 1500);

    private static readonly VariantSpec Way = Fresh.Variants[0];

    private static Knowledge After(int requests, bool measuredAgain = false)
    {
        var spec = Spec(Fresh) with { Settings = new PlannerSettings { PriorUntilWorked = true } };
        FleetSnapshot Seen(DateTimeOffset at) => Snapshot(spec, Node(9000), at, Replica(Fresh, 1, ReplicaState.Ready, Noon) with { HostMemory = Signal.Known(Bytes.MiB(400), at) });
        Outcome.MemoryMeasured Measured(DateTimeOffset at, double mib) => new()
        {
            At = at,
            Replica = ReplicaId.Of(Fresh.Id, 1),
            Model = Fresh.Id,
            Version = "v1",
            Variant = Way.Id,
            LoadPeak = Bytes.MiB(1200),
            Steady = Bytes.MiB(mib),
        };
        var known = Knowledge.Empty.Fold(spec, Seen(Noon) with { Outcomes = [Measured(Noon, 400)] });
        var served = Traffic(Fresh.Id, Noon.AddSeconds(1), requests) with { Service = new ServiceSample(requests, requests, 0.1 * requests, requests, 0.1 * requests, 1, 0.1) };
        return known.Fold(spec, Seen(Noon.AddSeconds(1)).With(served) with { Outcomes = measuredAgain ? [Measured(Noon.AddSeconds(1), 500)] : [] });
    }

    [Theory]
    [InlineData(5, false, 1000)]
    [InlineData(30, false, 420)] // and a twentieth
    [InlineData(5, true, 1000)]
    [InlineData(30, true, 525)]
    public void What_was_measured_at_once_lowers_what_is_charged_when_it_has_served(int requests, bool again, double mib)
    {
        var known = After(requests, again).Of(Fresh.Id);
        Assert.Equal(Bytes.MiB(mib), Weighing.Needs(Way, known).Host.Steady);
        Assert.Equal(Bytes.MiB(mib), Weighing.HostCharge(Replica(Fresh, 1, ReplicaState.Ready, Noon), known));
    }

    [Fact]
    public void What_ends_before_it_was_ready_is_charged_its_load_until_it_is_gone()
    {
        var ends = Replica(Fresh, 1, ReplicaState.Stopping, Noon);
        Assert.Equal(Bytes.MiB(1000), Weighing.HostCharge(ends, ModelKnowledge.Nothing));
        Assert.Equal(Bytes.MiB(1500), Weighing.HostCharge(ends with { EndsUnready = true }, ModelKnowledge.Nothing));

        // 1,000 and 1,500 are more than there is, 500 of one that served would not be.
        var next = Model("next", 1000, min: 1);
        var spec = Spec(Fresh, next);
        Assert.DoesNotContain(Decide(spec, Snapshot(spec, Node(2100), Noon, ends with { EndsUnready = true })).Steps, step => step is Step.Start { After.IsEmpty: true });
        Assert.Single(Decide(spec, Snapshot(spec, Node(2100), Noon, ends)).Steps.OfType<Step.Start>(), start => start.After.IsEmpty);
    }
}
