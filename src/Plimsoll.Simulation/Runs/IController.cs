using Plimsoll.Simulation.Fleet;

namespace Plimsoll.Simulation.Runs;

/// <summary>Whoever scales the simulated fleet: the planner, or a rival's rule.</summary>
internal interface IController
{
    string Name { get; }

    /// <summary>How long from one regular turn to the next.</summary>
    TimeSpan Period { get; }

    /// <summary>Whether a change is looked at before the next regular turn.</summary>
    bool WakesOnChange { get; }

    /// <summary>What it did so far.</summary>
    DecisionLog Decisions { get; }

    /// <summary>Looks and acts.</summary>
    void Turn(SimulatedCluster cluster);
}
