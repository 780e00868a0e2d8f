using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Events;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// Writes what turns came to where people read it: statuses and Events. It goes on beside the turns that follow, so that a slow
/// server never keeps a plan waiting; while it is at it, later turns only leave what they have to tell, the last one's statuses
/// are written next, and it ends when all are.
/// </summary>
internal sealed class Telling(StatusWriter statuses, FleetStatusWriter fleetStatus, JobStatusWriter jobs, EventWriter events, TimeProvider time)
{
    // So many statuses are written at once that thousands of models must not be written without a breath.
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(500);

    private ToldTurn? _next;
    private Task _writing = Task.CompletedTask;

    /// <summary>Tells of a turn. A mistake in writing comes out of the next call.</summary>
    /// <returns>Every model's conditions.</returns>
    public async Task<IReadOnlyList<ModelConditions>> TellAsync(ToldTurn told, CancellationToken cancellationToken)
    {
        var conditions = events.Collect(told);
        Volatile.Write(ref _next, told);
        if (!_writing.IsCompleted) return conditions;
        await _writing.ConfigureAwait(false);
        _writing = Task.Run(() => WriteAsync(cancellationToken), cancellationToken);
        return conditions;
    }

    /// <summary>Waits until nothing is written any more; what it is written under is to be cancelled before.</summary>
    public async Task EndAsync() => await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        var told = Interlocked.Exchange(ref _next, null);
        while (told is not null)
        {
            await Task.WhenAll(
                statuses.WriteAsync(told, cancellationToken), jobs.WriteAsync(told, cancellationToken), events.WriteAsync(cancellationToken), fleetStatus.WriteAsync(told, cancellationToken)).ConfigureAwait(false);
            var more = statuses.Left > 0 || jobs.Left > 0;
            if (more) await Task.Delay(Breath, time, cancellationToken).ConfigureAwait(false);
            told = Interlocked.Exchange(ref _next, null) ?? (more ? told : null);
        }
    }
}
