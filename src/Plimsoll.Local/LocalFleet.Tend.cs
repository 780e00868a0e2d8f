using System.Collections.Immutable;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    private const int TendsPerScan = 5;
    private static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ProbePeriod = TimeSpan.FromMilliseconds(50);

    // While somebody else answers its port, or it cannot be looked at.
    private static readonly TimeSpan LookAgainPeriod = TimeSpan.FromSeconds(1);

    private async Task TendAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TendPeriod, _time);
        var isFailing = false;
        for (var turn = 0L; await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false); turn++)
        {
            try
            {
                lock (_gate)
                {
                    Now_NeedsLock();
                    if (turn % TendsPerScan == 0) Scan_NeedsLock();
                    foreach (var replica in _replicas.Values.ToList()) Tend_NeedsLock(replica);
                    foreach (var job in _jobs.Values.ToList()) Tend_NeedsLock(job);
                    _emptyCgroups.RemoveAll(cgroup => cgroup.TryRemove());
                    if (turn % TendsPerScan == 0) _undeleted.RemoveAll(record => TryDelete_NeedsLock(record) is null);
                }

                isFailing = false;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A full disk must not end what runs: the records are written again at the next change.
                if (!isFailing) LogTendFailed(e);
                isFailing = true;
            }
        }
    }

    private void Scan_NeedsLock()
    {
        if (_replicas.Count == 0 && !_jobs.Values.Any(job => job.Process is not null)) return;
        if (TryReadProcesses_NeedsLock() is not { } table) return;
        foreach (var job in _jobs.Values)
            if (job.Process is { Exit: null } process) process.Gather(table);
        foreach (var replica in _replicas.Values)
        {
            if (replica.Exit is null) replica.Gather(table);
            if (replica.State is ReplicaState.Ready or ReplicaState.Draining && replica.MemoryNow() is { } now)
                replica.Seen = Bytes.Max(replica.Seen, now);
        }
    }

    // Null where no file descriptor is left: what was seen last stands.
    private ProcessTable? TryReadProcesses_NeedsLock()
    {
        try
        {
            var table = ProcessTable.Read();
            _isBlind = false;
            return table;
        }
        catch (IOException e)
        {
            if (!_isBlind) LogProcessesUnreadable(e.Message);
            _isBlind = true;
            return null;
        }
    }

    private void Tend_NeedsLock(LocalReplica replica)
    {
        if (replica.Exit is null && replica.Look() is { } exit)
        {
            replica.Exit = exit;
            // A request that is under way to it fails at once rather than at a timeout; no new one is sent.
            Publish_NeedsLock();
        }

        if (replica.Exit is not null)
        {
            EndRemains_NeedsLock(replica);
            return;
        }

        replica.SignalOwed();
        if (replica.KillAt is { } killAt && Now_NeedsLock() >= killAt) replica.Signal(Native.SigKill);
        if (replica is { State: ReplicaState.Draining, Busy: null } && _parts.Routing.Outstanding(replica.Id) == 0)
            Enter_NeedsLock(replica, ReplicaState.Drained);
        Watch_NeedsLock(replica);
        replica.LogKeptFrom = ReplicaLog.Trim(replica.Record.LogFile, replica.LogKeptFrom);
    }

    // The leader is gone. What it left behind goes too; the replica is gone when nothing of it is left.
    private void EndRemains_NeedsLock(LocalReplica replica)
    {
        var table = ProcessTable.Read();
        var left = Remains(replica, replica.Record.Token, table);
        if (left.Count > 0)
        {
            foreach (var process in left) process.Signal(Native.SigKill);
            return;
        }

        var asked = replica is { State: ReplicaState.Stopping, Hung: null };
        var outcome = ExitOf(replica.Record, replica.Exit!.Value, asked, replica.Hung);
        _outcomes.Add(outcome);
        if (asked) LogEnded(replica.Id, outcome.Why);
        else LogCrashed(replica.Id, outcome.Why);
        _replicas.Remove(replica.Id);
        Forget_NeedsLock(replica.Record);
        ReplicaLog.Prune(_logFolder, LogsKept, _replicas.Values.Select(one => one.Record.LogFile).ToHashSet());
        Publish_NeedsLock();
        SignalChange_NeedsLock();
    }

    private List<ProcessIdentity> Remains(OwnProcess process, string token, ProcessTable table) => process.Remains(
        TokensOfThisFleet(table).Where(pair => pair.Token == token).Select(pair => pair.Process), table, _bootId);

    /// <summary>Asks until it is ready, or no longer loading. When a load takes too long is for the planner to say.</summary>
    private async Task WatchLoadAsync(LocalReplica replica, bool adopted)
    {
        try
        {
            while (replica is { State: ReplicaState.Loading, Exit: null })
            {
                var pause = ProbePeriod;
                try
                {
                    if (await AnswersAsync(replica, replica.Record.ReadyPath).ConfigureAwait(false))
                    {
                        if (await BecameReadyAsync(replica, adopted).ConfigureAwait(false)) return;
                        pause = LookAgainPeriod;
                    }
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // It serves, and is not to stay loading for that.
                    LogTendFailed(e);
                    pause = LookAgainPeriod;
                }

                await Task.Delay(pause, _time, _end).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // The controller ends; the next one asks again.
        }
    }

    private async Task<bool> BecameReadyAsync(LocalReplica replica, bool adopted)
    {
        var ready = _time.GetTimestamp();
        using var limit = Limit(ProbePatience);
        var stages = adopted ? [] : await LoadStages.ReadAsync(_http, replica.Record, limit.Token).ConfigureAwait(false);
        lock (_gate)
        {
            if (replica is not { State: ReplicaState.Loading, Exit: null }) return true;
            replica.Gather(ProcessTable.Read());
            if (LoopbackPorts.IsHeldBy(replica.Record.Port, replica.Members) == false)
            {
                if (!replica.IsPortKnownTaken) LogPortTaken(replica.Record.Port, replica.Id);
                replica.IsPortKnownTaken = true;
                return false;
            }

            var peak = adopted ? null : replica.Peak();
            replica.Record = replica.Record with
            {
                LoadPeak = peak,
                HighWaterWasReset = ProcessMemory.ResetHighWater(replica.Members),
            };
            var readyAt = Now_NeedsLock() - _time.GetElapsedTime(ready);
            if (!adopted && !replica.ClockJumped) _outcomes.Add(LoadedOf(replica, readyAt, stages));
            ReportMemory_NeedsLock(replica);
            Enter_NeedsLock(replica, ReplicaState.Ready);
            return true;
        }
    }

    private static Outcome.Loaded LoadedOf(LocalReplica replica, DateTimeOffset at, ImmutableArray<StageTime> stages) => new()
    {
        At = at,
        Replica = replica.Id,
        Model = replica.Record.Model,
        Version = replica.Record.Version,
        Variant = replica.Record.Variant,
        Size = replica.Record.Weights,
        Took = at - replica.Record.StartedAt,
        Stages = stages,
        Concurrent = replica.ConcurrentLoads,
    };

    /// <summary>A token that ends with the fleet or after a time, whichever comes first.</summary>
    private LinkedLimit Limit(TimeSpan patience) => new(patience, _time, _end);
}
