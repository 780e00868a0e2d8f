using System.Collections.Immutable;

namespace Plimsoll.Control;

/// <summary>
/// A body: it observes and applies, and never decides. Three of them: simulated, this machine's processes, Kubernetes.
/// </summary>
public interface IFleet
{
    /// <summary>
    /// What is now, and what happened since the last call. Fails rather than return half a picture; what could not
    /// be read is a missing signal.
    /// </summary>
    ValueTask<FleetSnapshot> ObserveAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Starts the steps of the plan whose After is empty and returns at once; never waits for a load. A step that
    /// runs already, or whose effect is already there, is left as it is. Failures show in the next snapshot.
    /// </summary>
    ValueTask<ApplyResult> ApplyAsync(Plan plan, CancellationToken cancellationToken);

    /// <summary>
    /// Ends when something happened that is worth a look before the next regular tick: a request for a model that
    /// nobody serves, a load that ended, a replica that died.
    /// </summary>
    Task WaitForChangeAsync(CancellationToken cancellationToken);
}

/// <summary>What a body did with a plan.</summary>
/// <param name="Started">Steps started now, ordered by id.</param>
/// <param name="Waiting">Steps left for a later plan, because something must be observed first.</param>
public sealed record ApplyResult(ImmutableArray<StepId> Started, ImmutableArray<StepId> Waiting)
{
    public static readonly ApplyResult Nothing = new([], []);
}
