using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.NodeScenes;

namespace Plimsoll.Tests.Planning;

/// <summary>Models whose plans are only shown beside models that are scaled: nothing of what is shown comes to pass.</summary>
public sealed class ShownApartTests
{
    private static readonly PlannerSettings Settings = new() { CountsOnlyActing = true };

    private static readonly ModelSpec Shown = Asking(Model("shown", 30_000, devices: 1), memoryMiB: 40_000) with { Acts = false, IdleLimit = TimeSpan.FromSeconds(10) };

    private static readonly ModelSpec Scaled = Asking(Model("scaled", 30_000, min: 1, devices: 1), memoryMiB: 40_000);

    private static readonly InferenceReplica Running = Replica(Shown, 1, ReplicaState.Ready, Noon.AddHours(-2), node: "full") with
    {
        Placement = new Placement(new NodeId("full"), [new DeviceId("gpu00")]),
        Requests = Shown.Requests,
    };

    // Nobody has asked for it for an hour, so that it would go.
    private static readonly Knowledge Idle = Knowledge.Empty with
    {
        Models = Knowledge.Empty.Models.SetItem(Shown.Id, ModelKnowledge.Nothing with { Version = "v1", NextOrdinal = 2, LastArrival = Noon.AddHours(-1) }),
    };

    [Fact]
    public void What_would_go_makes_no_room_and_a_node_is_asked_for()
    {
        var spec = Spec(Shown, Scaled).With(Pool("l40", 2, 1)) with { Settings = Settings };
        var full = Seen(spec, Gpus("full", 1, free: 0)) with { Replicas = [Running] };

        Assert.Equal(["addNode/l40/1", "drain/shown-1", "stop/shown-1"], Decide(spec, full, Idle).StepIds());
        // Where it is scaled too it goes, and the other follows.
        var both = spec with { Models = [Scaled, Shown with { Acts = true }] };
        Assert.Equal(["drain/shown-1", "start/scaled-1", "stop/shown-1"], Decide(both, full, Idle).StepIds());
    }

    [Fact]
    public void What_would_follow_is_shown_too()
    {
        var follower = Scaled with { Acts = false };
        var spec = Spec(Shown, follower) with { Settings = Settings };

        var plan = Decide(spec, Seen(spec, Gpus("full", 1, free: 0)) with { Replicas = [Running] }, Idle);

        Assert.Equal(["drain/shown-1", "start/scaled-1", "stop/shown-1"], plan.StepIds());
        Assert.Equal(["stop/shown-1"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));
    }

    [Fact]
    public void What_would_come_keeps_no_node()
    {
        var spec = Spec(Scaled with { Acts = false }).With(Pool("l40", 2, 1)) with { Settings = Settings };

        // Asked for while it was scaled.
        var asked = Seen(spec, Gpus("full", 1, free: 0)) with { InFlight = [Asked("l40", 1, TimeSpan.FromMinutes(1), new ModelCount(Scaled.Id, 1))] };
        Assert.Equal(["withdrawNode/l40/1"], Decide(spec, asked).StepIds());

        // It has come meanwhile, and holds its place open for a start that nobody will make.
        var held = Gpus("new", 1) with { NodePool = "l40", Held = [new NodeRequest("l40", 1, [new ModelCount(Scaled.Id, 1)]) { At = Noon.AddMinutes(-5) }] };
        Assert.Equal(["start/scaled-1", "withdrawNode/l40/1"], Decide(spec, Seen(spec, Gpus("full", 1, free: 0), held)).StepIds());
    }

    [Fact]
    public void On_one_machine_it_makes_no_room_either()
    {
        var (shown, scaled) = (Model("shown", 1500) with { Acts = false, IdleLimit = TimeSpan.FromSeconds(10) }, Model("scaled", 1500, min: 1));
        var spec = Spec(shown, scaled) with { Settings = Settings };
        var plan = Decide(spec, Snapshot(spec, Node(2000), Noon, Replica(shown, 1, ReplicaState.Ready, Noon.AddHours(-2))), Idle);

        Assert.Equal(["drain/shown-1", "stop/shown-1"], plan.StepIds());
        Assert.Equal(Rule.HoldScarce, plan.Models.Single(model => model.Model == scaled.Id).Reason.Rule);
    }
}
