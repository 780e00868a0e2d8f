using Plimsoll.Control;
using Plimsoll.Tests.Planning;

namespace Plimsoll.Gateway.Tests.Live;

/// <summary>Ticks as a control loop makes them: planned by the planner itself.</summary>
internal static class Ticks
{
    /// <summary>What a stranger might call a model.</summary>
    public const string Hostile = "</script><img src=x onerror=alert(1)>\u202E&\"'\u0007";

    public static Tick Of(FleetSpec spec, FleetSnapshot seen, long number = 1)
    {
        var plan = Fleets.Decide(spec, seen);
        return new Tick(number, spec, seen, plan, new ApplyResult([.. plan.Steps.Where(step => step.After.IsEmpty).Select(step => step.Id)], []));
    }

    /// <summary>One model that serves 2 requests a second in 80 MiB, one that is wanted and not there, and one at rest.</summary>
    public static Tick Three(double seconds = 0)
    {
        var at = Fleets.Noon + TimeSpan.FromSeconds(seconds);
        var (a, b, c) = (Fleets.Model("a", 60), Fleets.Model("b", 25), Fleets.Model("c", 500));
        var spec = Fleets.Spec(a, b, c);
        var seen = Fleets.Snapshot(spec, Fleets.Node(1000), at, Fleets.Replica(a, 1, ReplicaState.Ready, Fleets.Noon) with { HostMemory = Signal.Known(Bytes.MiB(80), at) })
            .With(Fleets.Traffic(a.Id, at, 2)).With(Fleets.Traffic(b.Id, at, 3, held: 3));
        return Of(spec, seen);
    }

    public static Tick Many(int models) => Of(
        Fleets.Spec([.. Enumerable.Range(0, models).Select(i => Fleets.Model($"team-{i % 7}/model-{i:00000}", 10 + (i % 900)))]), out _);

    private static Tick Of(FleetSpec spec, out FleetSnapshot seen)
    {
        seen = Fleets.Snapshot(spec, Fleets.Node(4000), Fleets.Noon, [.. spec.Models.Where((_, i) => i % 100 == 0).Select(model => Fleets.Replica(model, 1, ReplicaState.Ready, Fleets.Noon))]);
        return Of(spec, seen);
    }
}
