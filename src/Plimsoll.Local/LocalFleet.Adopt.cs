using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    internal const string TokenVariable = "PLIMSOLL_TOKEN";
    internal const string FleetVariable = "PLIMSOLL_FLEET";
    internal const string ReplicaVariable = "PLIMSOLL_REPLICA";

    private static readonly TimeSpan OrphanGrace = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The machine and what runs on it, for whoever looks before the loop begins. What happened while no controller ran
    /// is left for the loop's own first observation, or nobody would ever learn of it.
    /// </summary>
    public FleetSnapshot Look()
    {
        lock (_gate)
        {
            var now = Now_NeedsLock();
            return new FleetSnapshot
            {
                At = now,
                Can = Can_NeedsLock(),
                Nodes = [NodeNow(now)],
                Replicas = [.. _replicas.Values.Select(replica => Row(replica, now))],
                Training = Gangs_NeedsLock(),
                Foreign = Foreign_NeedsLock(now),
            };
        }
    }

    private async Task AdoptAsync(CancellationToken cancellationToken)
    {
        var (records, unreadable) = _records.ReadAll();
        foreach (var file in unreadable) LogRecordUnreadable(file);
        var table = ProcessTable.Read();
        var byToken = TokensOfThisFleet(table);
        lock (_gate)
        {
            foreach (var record in records) TakeUp_NeedsLock(record, table, byToken);
            AdoptJobs_NeedsLock(table, byToken);
        }

        var known = _replicas.Values.Select(replica => replica.Record.Token).ToHashSet(StringComparer.Ordinal);
        known.UnionWith(_jobs.Values.Where(job => job.Process is not null).Select(job => job.Record.Token!));
        List<ProcessIdentity> orphans = [.. byToken.Where(pair => !known.Contains(pair.Token)).Select(pair => pair.Process)];
        await EndOrphansAsync(orphans, cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            foreach (var replica in _replicas.Values)
            {
                if (replica.State is ReplicaState.Loading) Send_NeedsLock(WatchLoadAsync(replica, adopted: true));
                if (replica.State is ReplicaState.Stopping) BeginStop_NeedsLock(replica);
            }

            Publish_NeedsLock();
        }
    }

    private void TakeUp_NeedsLock(
        ReplicaRecord record, ProcessTable table, List<(ProcessIdentity Process, string Token)> byToken)
    {
        if (record.Process is null)
        {
            record = record with { Process = Spawned(record.Token, byToken) };
        }

        if (record.BootId != _bootId || record.Process is not { } process)
        {
            // Another boot, or never started: nothing of it can be there, and it was no fault of the model's.
            Delete_NeedsLock(record);
            return;
        }

        if (IsOurs(process, record.Token))
        {
            var adopted = new LocalReplica(record, ownChild: false);
            adopted.Gather(table);
            _replicas.Add(record.Replica, adopted);
            Save_NeedsLock(record);
            LogAdopted(record.Replica, process.Pid, record.State);
            return;
        }

        // What its dead leader left behind is ended with the orphans.
        _outcomes.Add(ExitOf(record, ProcessExit.Unknown, asked: record.State == ReplicaState.Stopping));
        Forget_NeedsLock(record);
    }

    // We died between writing the record and knowing the process. The session's leader is the one we spawned.
    private static ProcessIdentity? Spawned(string? token, List<(ProcessIdentity Process, string Token)> byToken) =>
        byToken.Where(pair => pair.Token == token).Select(pair => pair.Process)
            .FirstOrDefault(process => ProcessStat.Read(process.Pid)?.Session == process.Pid);

    // A program may rewrite its own environment (setproctitle does); another one's token is what excludes it.
    private static bool IsOurs(ProcessIdentity process, string? token)
    {
        var shown = ProcessIdentity.EnvironmentOf(process.Pid, TokenVariable);
        return process.IsAlive() && (shown is null || shown == token);
    }

    /// <summary>Processes whose environment says that this fleet started them.</summary>
    private List<(ProcessIdentity Process, string Token)> TokensOfThisFleet(ProcessTable table)
    {
        var found = new List<(ProcessIdentity, string)>();
        foreach (var pid in table.Pids.Order())
        {
            if (pid == Environment.ProcessId || ProcessIdentity.EnvironmentOf(pid, FleetVariable) != _key) continue;
            if (table.Identity(pid, _bootId) is { } process && ProcessIdentity.EnvironmentOf(pid, TokenVariable) is { } token)
                found.Add((process, token));
        }

        return found;
    }

    private async Task EndOrphansAsync(List<ProcessIdentity> orphans, CancellationToken cancellationToken)
    {
        foreach (var orphan in orphans)
        {
            if (orphan.Signal(Native.SigTerm)) LogOrphanEnded(orphan.Pid);
        }

        var since = _time.GetTimestamp();
        while (orphans.Exists(orphan => orphan.IsAlive()) && _time.GetElapsedTime(since) < OrphanGrace)
            await Task.Delay(TendPeriod, _time, cancellationToken).ConfigureAwait(false);
        foreach (var orphan in orphans) orphan.Signal(Native.SigKill);
    }

    private Outcome.Exited ExitOf(ReplicaRecord record, ProcessExit exit, bool asked, string? hung = null)
    {
        var why = hung ?? exit.ToString() + record.State switch
        {
            ReplicaState.Loading => " while loading",
            ReplicaState.Stopping => " after it was told to end",
            _ => "",
        };
        // One that was ended before it was ever ready may have said what it waits for.
        var tail = asked && record.LoadPeak is not null ? "" : ReplicaLog.Tail(record.LogFile);
        return new Outcome.Exited
        {
            At = _time.GetUtcNow(),
            Replica = record.Replica,
            Model = record.Model,
            Version = record.Version,
            Was = hung is null ? record.State : ReplicaState.Ready,
            Asked = asked,
            Why = tail.Length == 0 ? asked ? why : $"{why}; it wrote nothing" : $"{why}; the end of its output:\n{tail}",
        };
    }

    /// <summary>Clears what is on disk and in the cgroups of a replica that is gone.</summary>
    private void Forget_NeedsLock(ReplicaRecord record)
    {
        _cache?.Unpin(record.Replica);
        ReplicaLog.Close(record.LogFile);
        // A process that was killed may still be on its way out of it: then later.
        if (record.MemoryCgroup is { } cgroup && !cgroup.TryRemove()) _emptyCgroups.Add(cgroup);
        Delete_NeedsLock(record);
    }

    // A record that stays has the next controller tell of its replica's end once more, so it is tried again.
    private void Delete_NeedsLock(ReplicaRecord record)
    {
        if (TryDelete_NeedsLock(record) is not { } why) return;
        LogNotDeleted(record.Replica, why);
        _undeleted.Add(record);
    }

    /// <summary>Null once it is gone, or another replica of that name has written its own in its place; else why it is not.</summary>
    private string? TryDelete_NeedsLock(ReplicaRecord record)
    {
        try
        {
            if (!_replicas.ContainsKey(record.Replica)) _records.Delete(record);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }
}
