using System.Collections.Immutable;
using Plimsoll.Control;
using Plimsoll.Simulation.Fleet;

namespace Plimsoll.Simulation.Runs;

/// <summary>Plimsoll: the same loop that runs on machines and clusters, turn by turn.</summary>
internal sealed class PlannerController : IController
{
    private readonly FleetSpec _spec;
    private readonly TimeSpan _turnTakes;
    private readonly ControlLoop _loop;
    private readonly SimulatedFleet _fleet;
    private Knowledge _knowledge = Knowledge.Empty;
    private long _turn;

    /// <param name="cluster">What it controls.</param>
    /// <param name="planner">The brain.</param>
    /// <param name="seen">Called with each turn; null where nobody asks.</param>
    public PlannerController(SimulatedCluster cluster, Planner planner, Action<Tick>? seen)
    {
        cluster.PlansTraining = !cluster.World.IsScheduled && !cluster.World.Spec.Training.IsEmpty;
        (_spec, _turnTakes, _fleet) = (cluster.World.Spec, cluster.World.TurnTakes, new SimulatedFleet(cluster));
        _loop = new ControlLoop(_fleet, planner, TimeProvider.System, (_, _) => ValueTask.CompletedTask, tick =>
        {
            Note(tick, cluster.Now);
            seen?.Invoke(tick);
        });
    }

    public string Name => "plimsoll";

    public TimeSpan Period => _spec.Settings.Review + _turnTakes;

    public bool WakesOnChange => true;

    public DecisionLog Decisions { get; } = new();

    /// <summary>Of its last turn.</summary>
    public ImmutableArray<ModelVerdict> Verdicts { get; private set; } = [];

    private void Note(Tick tick, double now)
    {
        foreach (var step in tick.Plan.Steps)
        {
            if (!tick.Applied.Started.Contains(step.Id)) continue;
            Decisions.Add(new Decision(now, Step.ModelOf(step), step.Id.Value.Replace('/', ' '), step.Reason.ToString()));
        }
    }

    public void Turn(SimulatedCluster cluster)
    {
        // Nothing in the simulated body ever waits, so the turn is over when the call returns.
        var turn = _loop.TurnAsync(++_turn, _spec, _knowledge, CancellationToken.None);
        if (!turn.IsCompleted) throw new InvalidOperationException("a turn of the simulated fleet did not end at once");
        var plan = turn.GetAwaiter().GetResult().Plan;
        (_knowledge, Verdicts) = (plan.Next, plan.Models);
    }
}
