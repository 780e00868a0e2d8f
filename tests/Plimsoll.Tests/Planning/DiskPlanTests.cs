using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>The disk tier in plans: what is fetched, what goes for it, and in which order.</summary>
public class DiskPlanTests
{
    private static readonly ModelSpec Held = Model("held", 1000, cached: true);
    private static readonly ModelSpec Running = Model("running", 1000, cached: true);

    [Fact]
    public void A_fetch_into_room_that_another_ones_eviction_makes_waits_for_it_too()
    {
        // 1,000 MiB: 450 in use, 500 idle, 50 free. The eviction for a's 100 leaves 450 over, and b takes 400 of them.
        var (a, b) = (Model("a", 100, cached: true), Model("b", 400, cached: true));
        var (idle, used) = (Model("idle", 500, cached: true), Model("used", 450, cached: true));
        var spec = Spec(a, b, idle, used);
        var plan = Decide(spec, Snapshot(spec, Node(4000, cacheMiB: 1000), Noon, Replica(used, 1, ReplicaState.Ready, Noon))
            .With(Traffic(a.Id, Noon, 1, held: 1)).With(Traffic(b.Id, Noon, 1, held: 1)) with
        { Cache = [OnDisk(idle), OnDisk(used, pinned: true)] });

        Assert.Equal(
            ["evict/idle@v1/here", "prefetch/a@v1/here", "prefetch/b@v1/here", "start/a-1", "start/b-1"], plan.StepIds());
        Assert.Equal(["evict/idle@v1/here"], After(plan, "prefetch/a@v1/here"));
        Assert.Equal(["evict/idle@v1/here"], After(plan, "prefetch/b@v1/here"));
    }

    [Fact]
    public void Weights_that_a_start_of_the_same_plan_reads_are_not_evicted_for_another()
    {
        var (first, second) = (Model("first", 600, priority: 1, cached: true), Model("second", 600, cached: true));
        var spec = Spec(first, second);
        var plan = Decide(spec, Snapshot(spec, Node(4000, cacheMiB: 1000), Noon)
            .With(Traffic(first.Id, Noon, 1, held: 1)).With(Traffic(second.Id, Noon, 1, held: 1)) with
        { Cache = [OnDisk(first)] });

        Assert.Equal(["start/first-1"], plan.StepIds());
        Assert.Equal("needs 600 MiB of disk, 400 MiB is free and nothing may go for it", plan.Models[1].Reason.ToString());
    }

    [Fact]
    public void Nobody_is_let_go_for_a_replica_whose_weights_have_yet_to_come()
    {
        // The memory holds one of the two, the disk both: the running one serves until the other's weights are there.
        var plan = Claim(memoryMiB: 1500, cacheMiB: 3000);
        Assert.Equal(
            ["drain/running-1", "prefetch/held@v1/here", "start/held-1", "stop/running-1"], plan.StepIds());
        Assert.Empty(After(plan, "prefetch/held@v1/here"));
        Assert.Equal(["prefetch/held@v1/here"], After(plan, "drain/running-1"));
        Assert.Equal(["drain/running-1"], After(plan, "stop/running-1"));
        Assert.Equal(["prefetch/held@v1/here", "stop/running-1"], After(plan, "start/held-1"));
    }

    [Theory]
    [InlineData(1500)]
    [InlineData(4000)]
    public void Where_the_disk_holds_only_one_of_two_the_running_one_goes_before_its_weights(double memoryMiB)
    {
        var plan = Claim(memoryMiB, cacheMiB: 1500);
        Assert.Equal(
            ["drain/running-1", "evict/running@v1/here", "prefetch/held@v1/here", "start/held-1", "stop/running-1"], plan.StepIds());
        Assert.Empty(After(plan, "drain/running-1"));
        Assert.Equal(["stop/running-1"], After(plan, "evict/running@v1/here"));
        Assert.Equal(["evict/running@v1/here"], After(plan, "prefetch/held@v1/here"));
    }

    [Fact]
    public void A_disk_that_holds_only_one_of_two_is_not_taken_before_the_wait_has_paid_for_it()
    {
        // 1,000 MiB load in 9.1 s (7 s and 30 %) and are fetched in as much. The running one would be away for both of the
        // other (18.2), as long again before an equal may undo it, and both of its own: 54.6 s, which at 5 requests a
        // second cost 54.6 + 5 × 54.6² / 2 = 7,507.5 request-seconds.
        var plan = Claim(memoryMiB: 4000, cacheMiB: 1500, heldSeconds: 7507, arrivals: 5);
        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldScarceEqual, plan.Models[0].Reason.Rule);
        var paid = Claim(memoryMiB: 4000, cacheMiB: 1500, heldSeconds: 7508, arrivals: 5);
        Assert.Equal(Rule.DrainForClaimantsDisk, paid.Steps.Single(step => step is Step.Drain).Reason.Rule);
    }

    [Fact]
    public void A_version_whose_successor_is_on_the_disk_goes_once_nothing_uses_it()
    {
        var spec = Spec(Model("m", 100, version: "v2", cached: true));
        var snapshot = Snapshot(spec, Node(4000, cacheMiB: 1000), Noon);
        CachedArtifact Old(bool pinned) => OnDisk(Model("m", 100), pinned);
        CachedArtifact next = OnDisk(spec.Models[0]);
        Assert.Empty(Decide(spec, snapshot with { Cache = [Old(pinned: true), next] }).Steps);
        var evict = Assert.Single(Decide(spec, snapshot with { Cache = [Old(pinned: false), next] }).Steps);
        Assert.Equal(("evict/m@v1/here", Rule.EvictOldVersion), (evict.Id.Value, evict.Reason.Rule));

        // While the new one is still to come, the old one is what a rollback would need.
        Assert.Equal(["prefetch/m@v2/here"], Decide(spec, snapshot with { Cache = [Old(pinned: false)] }).StepIds());
    }

    [Fact]
    public void A_body_that_cannot_evict_is_not_asked_to()
    {
        var spec = Spec(Model("m", 100, cached: true));
        var snapshot = Snapshot(spec, Node(4000, cacheMiB: 1000), Noon) with { Cache = [OnDisk(Model("gone", 100)), OnDisk(spec.Models[0])] };
        Assert.Equal(["evict/gone@v1/here"], Decide(spec, snapshot).StepIds());
        Assert.Empty(Decide(spec, snapshot with { Can = Local & ~Capabilities.EvictWeights }).Steps);
    }

    // 200 MiB: 80 of c, and a's 100 of which 80 lie there; it reads them again and has said nothing yet. So 20 are free.
    [Theory]
    [InlineData(0, 20, "prefetch/b@v1/here")]
    [InlineData(80, 20, "prefetch/b@v1/here")]
    [InlineData(0, 21, "evict/c@v1/here")]
    public void What_lies_there_of_a_fetch_that_goes_on_after_a_restart_is_counted_once(double doneMiB, double wantedMiB, string begins)
    {
        var (a, b, c) = (Model("a", 100, cached: true), Model("b", wantedMiB, cached: true), Model("c", 80, cached: true));
        var spec = Spec(a, b, c);
        var plan = Decide(spec, Snapshot(spec, Node(4000, cacheMiB: 200), Noon).With(Traffic(b.Id, Noon, 1, held: 1)) with
        {
            Cache = [OnDisk(a, pinned: true) with { Complete = false, Size = Bytes.MiB(80) }, OnDisk(c)],
            InFlight =
            [
                new WorkInFlight
                {
                    Step = StepId.Of("prefetch/a@v1/here"), Kind = WorkKind.Fetching, StartedAt = Noon, Model = a.Id, Node = new NodeId("here"),
                    Done = Bytes.MiB(doneMiB), Total = Bytes.MiB(100),
                },
            ],
        });

        Assert.Equal(begins, plan.StepIds().First());
        Assert.Contains("prefetch/b@v1/here", plan.StepIds());
    }

    private static Plan Claim(double memoryMiB, double cacheMiB, double heldSeconds = 100_000, long arrivals = 0)
    {
        var spec = Spec(Held, Running);
        var snapshot = Snapshot(
            spec, Node(memoryMiB, cacheMiB: cacheMiB), Noon, Replica(Running, 1, ReplicaState.Ready, Noon.AddMinutes(-5)));
        return Decide(spec, snapshot.With(Traffic(Held.Id, Noon, 1, held: 1, heldSeconds: heldSeconds))
            .With(Traffic(Running.Id, Noon, arrivals)) with
        {
            Cache = [OnDisk(Running, pinned: true)],
        });
    }

    private static CachedArtifact OnDisk(ModelSpec model, bool pinned = false) => new()
    {
        Node = new NodeId("here"),
        Model = model.Id,
        Version = model.Version,
        Size = model.Footprint.OnDisk,
        Complete = true,
        Pinned = pinned,
    };

    private static ImmutableArray<string> After(Plan plan, string step) =>
        [.. plan.Steps.Single(one => one.Id.Value == step).After.Select(id => id.Value)];
}
