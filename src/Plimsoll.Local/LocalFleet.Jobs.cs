using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

// Training jobs: started, told to give way by SIGTERM, and remembered for as long as they are in the fleet.
public sealed partial class LocalFleet
{
    internal const string JobVariable = "PLIMSOLL_JOB";
    internal const string ResumeVariable = "PLIMSOLL_RESUME";

    private string JobLogFolder => Path.Combine(_logFolder, "jobs");

    /// <summary>The fleet with the times at which its jobs first were seen, which outlive this controller.</summary>
    public FleetSpec Submitted(FleetSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec.Training.IsEmpty) return spec;
        lock (_gate)
        {
            Submit_NeedsLock(spec, Now_NeedsLock());
            return spec with { Training = [.. spec.Training.Select(job => job with { SubmittedAt = _jobs[job.Id].Record.SubmittedAt })] };
        }
    }

    // A job that holds nothing and is no longer there, or has another command, is forgotten; what is new is noted.
    private void Submit_NeedsLock(FleetSpec spec, DateTimeOffset now)
    {
        var there = spec.Training.Select(job => job.Id).ToHashSet();
        foreach (var job in _jobs.Values.Where(job => job.Process is null && (!there.Contains(job.Id) || job.Record.Command != CommandOf(job.Id))).ToList())
            Forget_NeedsLock(job);
        foreach (var id in there.Order())
        {
            if (!_jobs.TryGetValue(id, out var job))
            {
                job = new LocalJob(new JobRecord
                {
                    Job = id,
                    Command = CommandOf(id),
                    SubmittedAt = now,
                    LogFile = Path.Combine(JobLogFolder, Uri.EscapeDataString(id.Value) + ".log"),
                });
                _jobs.Add(id, job);
                Save_NeedsLock(job);
            }
            else if (job.Record.SubmittedAt > now)
            {
                // The clock was set back: it would wait for a moment that has been.
                job.Record = job.Record with { SubmittedAt = now };
                Save_NeedsLock(job);
            }
        }
    }

    private string CommandOf(JobId id) => _parts.Job(id) is { } launch
        ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', launch.Command))).AsSpan(0, 8)) : "";

    private bool Trains_NeedsLock() => !_parts.Spec().Training.IsEmpty || _jobs.Values.Any(job => job.Process is not null);

    private ImmutableArray<TrainingGang> Gangs_NeedsLock() =>
    [
        .. _jobs.Values.Where(job => job.Record is { State: not null, Needs: not null }).Select(job => new TrainingGang
        {
            Job = job.Id,
            State = job.Record.State!.Value,
            StateSince = job.Record.StateSince,
            StartedAt = job.Record.StartedAt,
            LastCheckpoint = job.Record.LastCheckpoint,
            Members = job.Process is not null && job.Record.Placement is { } placement ? [placement] : [],
            ReservedPerMember = job.Record.Needs!,
        }),
    ];

    // What a job takes beyond what it is charged is as lost to others as what strangers take.
    private Bytes JobsWithinTheirs_NeedsLock()
    {
        var sum = Bytes.Zero;
        foreach (var job in _jobs.Values)
        {
            if (job is { Process: { } process, Record.Needs: { } needs })
                sum += Bytes.Min(ProcessMemory.Unreclaimable(process.Members) ?? Bytes.Zero, needs.Host.Highest);
        }

        return sum;
    }

    private void AdoptJobs_NeedsLock(ProcessTable table, List<(ProcessIdentity Process, string Token)> byToken)
    {
        var (records, unreadable) = _jobRecords.ReadAll();
        foreach (var file in unreadable) LogRecordUnreadable(file);
        foreach (var record in records)
        {
            var job = new LocalJob(record);
            _jobs.Add(record.Job, job);
            if (record.State is null or GangState.Suspended or GangState.Ended) continue;
            var ofThisBoot = record.BootId == _bootId;
            // Of one that gives way its leader may be a shell, which ends first.
            var writes = record.State == GangState.Stopping && byToken.Exists(pair => pair.Token == record.Token);
            if (ofThisBoot && (record.Process ?? Spawned(record.Token, byToken)) is { } process && (writes || IsOurs(process, record.Token)))
            {
                job.Record = record with { Process = process };
                // It was told once: a second SIGTERM cuts some trainers off while they write.
                job.Process = new OwnProcess(process, record.MemoryCgroup, ownChild: false)
                {
                    KillAt = record.State == GangState.Stopping ? record.StateSince + record.Grace : null,
                };
                job.Process.Gather(table);
                if (!_parts.Node.EnforceMemoryBudget) record.MemoryCgroup?.TryLimit(null);
                Save_NeedsLock(job);
                LogJobAdopted(job.Id, process.Pid, job.Record.State!.Value);
                continue;
            }

            // With the machine it ended by no fault of its own.
            if (ofThisBoot && record is { Process: not null, State: not GangState.Stopping }) Failed_NeedsLock(job, ProcessExit.Unknown);
            Leave_NeedsLock(job, GangState.Suspended, _time.GetUtcNow());
        }
    }

    private bool BeginJob_NeedsLock(Step step)
    {
        var (id, members, needs, resumes) = step switch
        {
            Step.Launch launch => (launch.Job, launch.Members, launch.NeedsPerMember, false),
            Step.Resume resume => (resume.Job, resume.Members, resume.NeedsPerMember, true),
            _ => throw new ArgumentException($"{step.Id} starts no job", nameof(step)),
        };
        if (!_jobs.TryGetValue(id, out var job) || job.Process is not null || job.Record.State != (resumes ? GangState.Suspended : null)) return false;
        if (_parts.Job(id) is not { Command.IsDefaultOrEmpty: false } how)
            return Failed_NeedsLock(step, null, $"no command is known that runs {id} on this machine");
        var (before, now) = (job.Record, Now_NeedsLock());
        var record = before with
        {
            State = GangState.Running,
            StateSince = now,
            StartedAt = now,
            Placement = members.IsEmpty ? new Placement(Node, []) : members[0],
            Needs = needs,
            Grace = how.Grace,
            Checkpoint = _parts.Spec().Training.FirstOrDefault(one => one.Id == id)?.CheckpointSize ?? Bytes.Zero,
            Token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes)),
            BootId = _bootId,
        };
        int? spawned = null;
        try
        {
            // What it wrote before it gave way stays; a new job does not go on in the log of another.
            if (!resumes) File.Delete(record.LogFile);
            var cgroup = _fleetCgroup?.TryMakeChild($"{Short(id.Value)}-{record.Token[..8]}");
            if (_parts.Node.EnforceMemoryBudget) cgroup?.TryLimit(needs.Host.Highest);
            record = record with { Cgroup = cgroup?.Folder, CgroupVersion = cgroup?.Version ?? 0, LogFrom = ReplicaLog.LengthOf(record.LogFile) };
            _jobRecords.Write(record);
            (spawned, var error) = ChildProcess.Spawn(new ChildStart(how.Command, EnvironmentFor(record, how, resumes), how.WorkingDirectory, record.LogFile, _parts.Withheld));
            if (spawned is not { } pid)
            {
                cgroup?.TryRemove();
                Save_NeedsLock(job);
                return Failed_NeedsLock(step, null, error!);
            }

            cgroup?.TryAdd(pid);
            job.Record = record with { Process = ProcessIdentity.Of(pid) ?? new ProcessIdentity(pid, -1, _bootId) };
            job.Process = new OwnProcess(job.Record.Process, record.MemoryCgroup, ownChild: true);
            (job.WasKilled, job.GoneAt) = (false, null);
            Save_NeedsLock(job);
            LogJobStarted(id, pid, resumes ? "goes on" : "begins");
            SignalChange_NeedsLock();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (spawned is { } pid) ChildProcess.Abandon(pid);
            Save_NeedsLock(job);
            return Failed_NeedsLock(step, null, $"{id} could not be started: {e.Message}");
        }
    }

    private Dictionary<string, string> EnvironmentFor(JobRecord record, JobLaunch how, bool resumes)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        if (record.Placement is { Devices: { IsEmpty: false } devices }) environment[DevicesVariable] = string.Join(',', devices.Select(device => device.Value));
        else if (HasGpus) environment[DevicesVariable] = "";
        foreach (var (name, value) in how.Environment) environment[name] = value;
        environment[FleetVariable] = _key;
        environment[JobVariable] = record.Job.Value;
        environment[TokenVariable] = record.Token!;
        if (resumes) environment[ResumeVariable] = "1";
        return environment;
    }

    private bool BeginSuspend_NeedsLock(LocalJob job)
    {
        if (job.Process is not { KillAt: null, Exit: null } process) return false;
        var grace = _hurry && HurriedGrace < job.Record.Grace ? HurriedGrace : job.Record.Grace;
        process.KillAt = Now_NeedsLock() + grace;
        Enter_NeedsLock(job, GangState.Stopping);
        process.Signal(Native.SigTerm);
        return true;
    }

    private void Tend_NeedsLock(LocalJob job)
    {
        if (job.Process is not { } process) return;
        var now = Now_NeedsLock();
        var (isStopping, isLate) = (job.Record.State == GangState.Stopping, process.KillAt is { } killAt && now >= killAt);
        if (process.Exit is null && process.Look() is { } exit) process.Exit = exit;
        if (process.Exit is null)
        {
            process.SignalOwed();
            if (isLate)
            {
                process.Signal(Native.SigKill);
                job.WasKilled = true;
            }

            process.LogKeptFrom = ReplicaLog.Trim(job.Record.LogFile, process.LogKeptFrom);
            return;
        }

        if (job.GoneAt is null)
        {
            var left = Remains(process, job.Record.Token!, ProcessTable.Read());
            // A shell ends at once, and what it started writes on.
            if (left.Count > 0 && isStopping && !isLate) return;
            foreach (var one in left) one.Signal(Native.SigKill);
            job.WasKilled |= isStopping && left.Count > 0;
            if (left.Count > 0) return;
            job.GoneAt = now;
        }

        End_NeedsLock(job, process.Exit.Value, isStopping, job.GoneAt.Value);
    }

    private void End_NeedsLock(LocalJob job, ProcessExit exit, bool wasTold, DateTimeOffset at)
    {
        var took = at - job.Record.StateSince;
        if (wasTold)
        {
            var isSaved = job.Record.Checkpoint > Bytes.Zero && !job.WasKilled && exit.Signal is null or Native.SigTerm;
            if (isSaved)
            {
                _outcomes.Add(new Outcome.CheckpointWritten { At = at, Job = job.Id, Size = job.Record.Checkpoint, Took = took < TimeSpan.Zero ? TimeSpan.Zero : took });
                job.Record = job.Record with { LastCheckpoint = at };
            }

            if (job.WasKilled) LogJobKilled(job.Id, job.Record.Grace);
            else LogJobGaveWay(job.Id, exit);
        }
        else if (exit.Code != 0)
        {
            Failed_NeedsLock(job, exit);
        }

        ReplicaLog.Close(job.Record.LogFile);
        Leave_NeedsLock(job, !wasTold && exit.Code == 0 ? GangState.Ended : GangState.Suspended, at);
    }

    private void Failed_NeedsLock(LocalJob job, ProcessExit exit)
    {
        var tail = ReplicaLog.Tail(job.Record.LogFile, job.Record.LogFrom);
        var why = tail.Length == 0 ? $"{exit}; it wrote nothing" : $"{exit}; the end of its output:\n{tail}";
        _outcomes.Add(new Outcome.GangFailed { At = _time.GetUtcNow(), Job = job.Id, Why = why });
        LogJobFailed(job.Id, why);
    }

    // It holds nothing any more.
    private void Leave_NeedsLock(LocalJob job, GangState state, DateTimeOffset at)
    {
        if (job.Record.MemoryCgroup is { } cgroup && !cgroup.TryRemove()) _emptyCgroups.Add(cgroup);
        job.Process = null;
        job.Record = job.Record with { State = state, StateSince = at, Process = null, Token = null, BootId = null, Cgroup = null };
        Save_NeedsLock(job);
        LogJobState(job.Id, state);
        SignalChange_NeedsLock();
    }

    private void Enter_NeedsLock(LocalJob job, GangState state)
    {
        job.Record = job.Record with { State = state, StateSince = Now_NeedsLock() };
        Save_NeedsLock(job);
        LogJobState(job.Id, state);
        SignalChange_NeedsLock();
    }

    private void Forget_NeedsLock(LocalJob job)
    {
        _jobs.Remove(job.Id);
        ReplicaLog.Prune(JobLogFolder, LogsKept, _jobs.Values.Select(one => one.Record.LogFile).ToHashSet());
        try
        {
            _jobRecords.Delete(job.Record);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogJobNotRecorded(job.Id, e.Message);
        }
    }

    private void Save_NeedsLock(LocalJob job)
    {
        try
        {
            _jobRecords.Write(job.Record);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogJobNotRecorded(job.Id, e.Message);
        }
    }

    private TimeSpan LongestGrace()
    {
        lock (_gate) return _jobs.Values.Where(job => job.Process is not null).Select(job => job.Record.Grace).Append(_parts.Node.StopGrace).Max();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Adopted job {Job}, process {Pid}, {State}")]
    private partial void LogJobAdopted(JobId job, int pid, GangState state);

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Job} {What}, process {Pid}")]
    private partial void LogJobStarted(JobId job, int pid, string what);

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Job} is {State}")]
    private partial void LogJobState(JobId job, GangState state);

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Job} {Why} after it was told to give way")]
    private partial void LogJobGaveWay(JobId job, ProcessExit why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Job {Job} did not end within {Grace} of SIGTERM and was killed; what it did since its last checkpoint may be lost")]
    private partial void LogJobKilled(JobId job, TimeSpan grace);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Job {Job} failed: {Why}")]
    private partial void LogJobFailed(JobId job, string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "The record of job {Job} cannot be written: {Why}")]
    private partial void LogJobNotRecorded(JobId job, string why);
}
