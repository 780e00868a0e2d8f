using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Events;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// Writes what turns came to where people read it: statuses and Events. It goes on beside the turns that follow, so that a slow
/// server never keeps a plan waiting; while it is at it, later turns only leave their Events, and their statuses are written next.
/// </summary>
internal sealed class Telling(StatusWriter statuses, FleetStatusWriter fleetStatus, EventWriter events)
{
    private Task _writing = Task.CompletedTask;

    /// <summary>Every model's conditions, of the last time that statuses were looked at.</summary>
    public IReadOnlyList<ModelConditions> Conditions => statuses.Conditions;

    /// <summary>Whether there is more to tell than was written at once.</summary>
    public bool HasMore => statuses.Left > 0;

    /// <summary>Tells of a turn. What is written is settled before this returns; a mistake in writing comes out of the next call.</summary>
    public async Task TellAsync(KubernetesFleet fleet, Tick tick, CancellationToken cancellationToken)
    {
        events.Collect(fleet, tick);
        if (!_writing.IsCompleted) return;
        await _writing.ConfigureAwait(false);
        _writing = Task.WhenAll(
            statuses.WriteAsync(fleet, tick, cancellationToken), events.WriteAsync(cancellationToken), fleetStatus.WriteAsync(fleet, tick, cancellationToken));
    }

    /// <summary>Waits until nothing is written any more; what it is written under is to be cancelled before.</summary>
    public async Task EndAsync() => await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
