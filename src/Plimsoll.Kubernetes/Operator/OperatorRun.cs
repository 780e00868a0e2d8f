using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Events;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>How an operator is, for probes and pages.</summary>
/// <param name="Leads">Whether it leads and may write.</param>
/// <param name="Ready">Whether it sees the cluster whole.</param>
/// <param name="Problem">Why not; null when it does.</param>
/// <param name="Ticks">Turns so far.</param>
/// <param name="LastTick">How long the last turn took.</param>
public sealed record OperatorHealth(bool Leads, bool Ready, string? Problem, long Ticks, TimeSpan LastTick)
{
    /// <summary>What its page says first; null while it leads and sees.</summary>
    public string? Trouble => Problem is { } problem ? $"nothing is decided: {problem}"
        : Leads ? null : "this operator stands by: another leads, and that one's page shows the fleet";
}

/// <summary>
/// An operator: watches the cluster, and while it leads turns the loop: look, plan, write down, scale. It decides nothing
/// on a picture that is not whole, and writes nothing once another may lead.
/// </summary>
public sealed class OperatorRun(
    KubernetesFleetParts parts, LeaseElection election, KnowledgeStore store, OperatorOptions options, Planner planner, Action<Tick>? applied = null,
    OperatorTelemetry? telemetry = null, LeaderLabel? label = null, TickJournal? journal = null)
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LabelAgain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PauseUnseen = TimeSpan.FromSeconds(1);

    private readonly TurnTimes _turns = new(parts.Time);
    private Task _keeping = Task.CompletedTask;
    private volatile OperatorHealth _health = new(false, false, "it has just started", 0, TimeSpan.Zero);

    public OperatorHealth Health => _health with
    {
        Leads = election.MayWrite,
        Ready = parts.Cluster.Problem is null && _health.Problem is null,
        Problem = parts.Cluster.Problem ?? _health.Problem,
    };

    /// <summary>Why the process should be started anew: it keeps the lease and decides nothing. Null while it stands by, and while its turns end or fail.</summary>
    public string? Stuck => election.MayWrite ? _turns.Stuck : null;

    /// <summary>Turns until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var (statuses, fleetStatus) = (new StatusWriter(parts), new FleetStatusWriter(parts));
        var unseen = "";
        // A container that was started over in a pod that led.
        if (label is not null) await label.GiveUpAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (!election.MayWrite || election.Term.IsCancellationRequested)
                {
                    _health = _health with { Problem = null };
                    await Task.Delay(ShortestPause, parts.Time, cancellationToken).ConfigureAwait(false);
                    continue;
                }

                _turns.Begin();
                await LeadAsync(statuses, fleetStatus, election.Term, cancellationToken).ConfigureAwait(false);
                unseen = "";
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception problem) when (problem is ClusterUnseenException or ApiException)
            {
                if (problem.Message != unseen) parts.Log($"nothing is decided: {problem.Message}");
                unseen = problem.Message;
                _health = _health with { Problem = problem.Message };
                await Task.Delay(PauseUnseen, parts.Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception unexpected)
            {
                // A mistake of ours; the process ends by it and is started anew.
                parts.Log($"the loop ends: {unexpected}");
                throw;
            }
        }
    }

    // From taking the lease to losing it: what the last leader learned is read first.
    private async Task LeadAsync(StatusWriter statuses, FleetStatusWriter fleetStatus, CancellationToken term, CancellationToken ending)
    {
        // Under this a turn breaks off where it is once another may lead, a request on its way included.
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ending, term);
        try
        {
            await LeadAsync(statuses, fleetStatus, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!ending.IsCancellationRequested && term.IsCancellationRequested)
        {
            parts.Log("the lease was lost in the middle of a turn; what was left of its plan is not done");
        }
    }

    private async Task LeadAsync(StatusWriter statuses, FleetStatusWriter fleetStatus, CancellationToken cancellationToken)
    {
        var knowledge = await store.ReadAsync(cancellationToken).ConfigureAwait(false);
        await store.ReadAsync(parts.Footprints, cancellationToken).ConfigureAwait(false);
        var fleet = new KubernetesFleet(parts) { Learned = knowledge };
        var number = journal?.Begin(knowledge) ?? 1;
        var telling = new Telling(statuses, fleetStatus, new JobStatusWriter(parts), new EventWriter(parts, options.Identity), parts.Time);
        // What a plan must remember counts from when it is made, whatever becomes of it.
        var loop = new ControlLoop(fleet, planner, parts.Time, async (tick, token) =>
        {
            if (journal is not null) await journal.RecordAsync(tick, token).ConfigureAwait(false);
            (knowledge, number) = (tick.Plan.Next, tick.Number + 1);
        });
        var checkpointed = parts.Time.GetTimestamp();
        var collection = new IdleCollection();
        var (labelled, tries, tried) = (label is null, 0L, 0L);
        try
        {
            while (election.MayWrite)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var started = parts.Time.GetTimestamp();
                _turns.Begin();
                try
                {
                    var spec = fleet.Look();
                    var tick = await loop.TurnAsync(number, spec, knowledge, cancellationToken).ConfigureAwait(false);
                    if (!labelled && (tries++ == 0 || parts.Time.GetElapsedTime(tried) > LabelAgain))
                    {
                        labelled = await label!.TakeAsync(parts.Cluster.Pods.Items.Values, cancellationToken).ConfigureAwait(false);
                        tried = parts.Time.GetTimestamp();
                    }

                    journal?.Applied(tick);
                    applied?.Invoke(tick);
                    var conditions = await telling.TellAsync(fleet.Told(tick), cancellationToken).ConfigureAwait(false);
                    var took = parts.Time.GetElapsedTime(started);
                    telemetry?.Turned(tick, conditions, took);
                    _health = new OperatorHealth(true, true, null, _health.Ticks + 1, took);
                    // Of thousands of models it is megabytes to pack and to send, which no turn need wait for.
                    if (parts.Time.GetElapsedTime(checkpointed) >= options.Checkpoint && _keeping.IsCompleted)
                    {
                        _keeping = KeepAsync(knowledge, cancellationToken);
                        checkpointed = parts.Time.GetTimestamp();
                    }

                    collection.Collect();
                    _turns.End();
                    await PauseAsync(fleet, spec.Settings.Review, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception problem) when (problem is ClusterUnseenException or ApiException)
                {
                    if (_health.Problem != problem.Message) parts.Log($"nothing is decided: {problem.Message}");
                    _health = _health with { Problem = problem.Message };
                    await Task.Delay(PauseUnseen, parts.Time, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            parts.Desired.Withdraw();
            await _keeping.ConfigureAwait(false);
            await telling.EndAsync().ConfigureAwait(false);
            await fleet.EndAsync().ConfigureAwait(false);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            if (label is not null) await label.GiveUpAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (journal is not null) await journal.EndAsync().ConfigureAwait(false);
            if (election.MayWrite)
            {
                try
                {
                    await store.WriteAsync(knowledge, () => election.MayWrite, limit.Token).ConfigureAwait(false);
                    await store.WriteAsync(parts.Footprints, () => election.MayWrite, limit.Token).ConfigureAwait(false);
                }
                catch (Exception ended) when (ended is ApiException or OperationCanceledException)
                {
                    parts.Log($"what was learned since the last checkpoint is lost: {ended.Message}");
                }
            }
        }
    }

    private async Task KeepAsync(Knowledge knowledge, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Run(async () =>
            {
                await store.WriteAsync(knowledge, () => election.MayWrite, cancellationToken).ConfigureAwait(false);
                await store.WriteAsync(parts.Footprints, () => election.MayWrite, cancellationToken).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException refused)
        {
            if (_health.Problem != refused.Message) parts.Log($"what was learned could not be kept: {refused.Message}");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The last of it is written when the turning ends.
        }
    }

    // A change of the cluster is worth a look before the next regular one, but not a hundred a second.
    private async Task PauseAsync(KubernetesFleet fleet, TimeSpan review, CancellationToken cancellationToken)
    {
        var shortest = review < ShortestPause ? review : TimeSpan.FromTicks(Math.Max(ShortestPause.Ticks, review.Ticks / 5));
        await Task.Delay(shortest, parts.Time, cancellationToken).ConfigureAwait(false);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(fleet.WaitForChangeAsync(either.Token), Task.Delay(review - shortest, parts.Time, either.Token)).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
    }
}
