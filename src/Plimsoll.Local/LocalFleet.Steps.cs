using System.Collections.Immutable;
using System.Net.Sockets;
using System.Security.Cryptography;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    private const int TokenBytes = 16;
    private const string DevicesVariable = "CUDA_VISIBLE_DEVICES";

    public ValueTask<ApplyResult> ApplyAsync(Plan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ObjectDisposedException.ThrowIf(_disposed, this);
        var started = ImmutableArray.CreateBuilder<StepId>();
        var waiting = ImmutableArray.CreateBuilder<StepId>();
        lock (_gate)
        {
            foreach (var step in plan.Steps)
            {
                if (!step.After.IsEmpty) waiting.Add(step.Id);
                else if (Begin_NeedsLock(step)) started.Add(step.Id);
            }

            _unavailable.Clear();
            _pauses.Clear();
            foreach (var verdict in plan.Models)
            {
                if (verdict.Refused) _unavailable[verdict.Model] = verdict.Reason.ToString();
                if (verdict.Reason.Rule == Rule.HoldBackoff && verdict.Reason.Facts.FirstOrDefault(fact => fact.Name == "wait") is { } wait)
                    _pauses[verdict.Model] = new StartPause(_time.GetUtcNow() + TimeSpan.FromSeconds(wait.Value), verdict.Reason.ToString());
            }

            Publish_NeedsLock();
        }

        started.Sort();
        return new ValueTask<ApplyResult>(new ApplyResult(started.ToImmutable(), waiting.ToImmutable()));
    }

    /// <summary>True when the step was begun now; false when its effect is there or at work, or when it failed.</summary>
    private bool Begin_NeedsLock(Step step) => step switch
    {
        Step.Start start => BeginStart_NeedsLock(start),
        Step.Drain drain => Find(drain.Replica) is { State: ReplicaState.Ready } replica && BeginDrain_NeedsLock(replica),
        Step.Stop stop => Find(stop.Replica) is { } replica && BeginStop_NeedsLock(replica),
        Step.Prefetch prefetch => BeginPrefetch_NeedsLock(prefetch),
        Step.Evict evict => BeginEvict_NeedsLock(evict),
        Step.Sleep sleep => BeginSleep_NeedsLock(sleep),
        Step.Wake wake => BeginWake_NeedsLock(wake),
        Step.Launch or Step.Resume => BeginJob_NeedsLock(step),
        Step.Suspend suspend => _jobs.TryGetValue(suspend.Job, out var job) && BeginSuspend_NeedsLock(job),
        _ => Failed_NeedsLock(step, null, "this machine's fleet cannot do such a step"),
    };

    private LocalReplica? Find(ReplicaId id) => _replicas.GetValueOrDefault(id);

    private bool BeginStart_NeedsLock(Step.Start start)
    {
        if (_replicas.ContainsKey(start.Replica)) return false;
        if (_parts.Launch(start.Model, start.Variant) is not { } launch || launch.Command.IsDefaultOrEmpty)
            return Failed_NeedsLock(start, start.Model, $"no command is known that runs {start.Variant} of {start.Model} on this machine");
        var (artifact, missing) = TakeArtifact_NeedsLock(start, launch);
        if (artifact is null) return Failed_NeedsLock(start, start.Model, missing!);

        ReplicaRecord? record = null;
        int? spawned = null;
        try
        {
            record = RecordFor_NeedsLock(start, launch);
            var values = PlaceholdersFor(record, artifact);
            var child = new ChildStart(
                CommandTemplate.Fill(launch.Command, values), EnvironmentFor(record, launch, values),
                launch.WorkingDirectory ?? _parts.StateFolder, record.LogFile, _parts.Withheld);
            File.Delete(record.LogFile);
            var cgroup = _fleetCgroup?.TryMakeChild($"{Short(record.Replica.Value)}-{record.Token[..8]}");
            record = record with { Cgroup = cgroup?.Folder, CgroupVersion = cgroup?.Version ?? 0 };
            _records.Write(record);
            (spawned, var error) = ChildProcess.Spawn(child);
            if (spawned is not { } pid)
            {
                Forget_NeedsLock(record);
                return Failed_NeedsLock(start, start.Model, error!);
            }

            record = record with { Process = ProcessIdentity.Of(pid) ?? new ProcessIdentity(pid, -1, _bootId) };
            // Moving in takes the kernel some milliseconds; what was forked meanwhile follows at the next scan.
            cgroup?.TryAdd(pid);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException)
        {
            if (spawned is { } pid) ChildProcess.Abandon(pid);
            if (record is null) _cache?.Unpin(start.Replica);
            else Forget_NeedsLock(record);
            return Failed_NeedsLock(start, start.Model, $"{start.Replica} could not be started: {e.Message}");
        }

        Begun_NeedsLock(new LocalReplica(record, ownChild: true));
        Save_NeedsLock(record);
        return true;
    }

    private void Begun_NeedsLock(LocalReplica replica)
    {
        _replicas.Add(replica.Id, replica);
        var loading = _replicas.Values.Where(other => other.State == ReplicaState.Loading).ToList();
        foreach (var other in loading) other.ConcurrentLoads = Math.Max(other.ConcurrentLoads, loading.Count);
        LogStarted(replica.Id, replica.Record.Process!.Pid, replica.Record.Port);
        Send_NeedsLock(WatchLoadAsync(replica, adopted: false));
    }

    private ReplicaRecord RecordFor_NeedsLock(Step.Start start, LaunchSpec launch)
    {
        var model = _parts.Spec().Find(start.Model);
        var variant = model?.Variants.FirstOrDefault(one => one.Id == start.Variant);
        var now = Now_NeedsLock();
        return new ReplicaRecord
        {
            Replica = start.Replica,
            Model = start.Model,
            Version = start.Version,
            Variant = start.Variant,
            Placement = start.Placement ?? new Placement(Node, []),
            Needs = start.Needs,
            ExpectedLoad = start.ExpectedLoad,
            Weights = model?.Footprint.Weights ?? Bytes.Zero,
            Concurrency = variant?.Concurrency ?? 1,
            Token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes)),
            Port = _parts.ChoosePort(_replicas.Values.Select(replica => replica.Record.Port).ToHashSet()),
            BootId = _bootId,
            LogFile = Path.Combine(_logFolder, Uri.EscapeDataString(start.Replica.Value) + ".log"),
            StartedAt = now,
            State = ReplicaState.Loading,
            StateSince = now,
            ReadyPath = launch.ReadyPath,
            MetricsPath = launch.MetricsPath,
            SleepPath = launch.SleepPath,
            WakePath = launch.WakePath,
            Cached = launch.ModelPath is null,
        };
    }

    private Placeholders PlaceholdersFor(ReplicaRecord record, string artifact) => new()
    {
        Model = artifact,
        Name = record.Model.Value,
        Port = record.Port,
        Devices = record.Placement.Devices,
        Cores = record.Needs.Cores,
        LoadBandwidth = _parts.Spec().Find(record.Model)?.Variants
            .FirstOrDefault(variant => variant.Id == record.Variant)?.LoadBandwidth,
    };

    private Dictionary<string, string> EnvironmentFor(ReplicaRecord record, LaunchSpec launch, Placeholders values)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        // Any CUDA server keeps to the devices it was placed on without being told in its own words.
        if (!values.Devices.IsEmpty) environment[DevicesVariable] = CommandTemplate.Fill("{device}", values);
        else if (HasGpus) environment[DevicesVariable] = "";
        foreach (var (name, value) in launch.Environment) environment[name] = CommandTemplate.Fill(value, values);
        environment[FleetVariable] = _key;
        environment[ReplicaVariable] = record.Replica.Value;
        environment[TokenVariable] = record.Token;
        return environment;
    }

    // Where there are GPUs, one that was placed on none is shown none: it would take memory there that nobody counts.
    private bool HasGpus => _gpus is { Gpus.IsEmpty: false };

    private bool BeginDrain_NeedsLock(LocalReplica replica)
    {
        Enter_NeedsLock(replica, ReplicaState.Draining);
        return true;
    }

    private bool BeginStop_NeedsLock(LocalReplica replica)
    {
        if (replica.KillAt is not null) return false;
        if (replica.State != ReplicaState.Stopping) Enter_NeedsLock(replica, ReplicaState.Stopping);
        replica.KillAt = Now_NeedsLock() + GraceNow_NeedsLock;
        replica.Signal(Native.SigTerm);
        return true;
    }

    private bool BeginSleep_NeedsLock(Step.Sleep sleep)
    {
        if (Find(sleep.Replica) is not { Busy: null, State: ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Drained } replica)
            return false;
        if (replica.Record.SleepPath is null || replica.Record.WakePath is null)
            return Failed_NeedsLock(sleep, sleep.Model, $"{sleep.Replica}'s server cannot sleep");
        (replica.Busy, replica.BusySince) = (WorkKind.Sleeping, Now_NeedsLock());
        if (replica.State == ReplicaState.Ready) Enter_NeedsLock(replica, ReplicaState.Draining);
        Send_NeedsLock(SleepAsync(replica, sleep));
        return true;
    }

    private bool BeginWake_NeedsLock(Step.Wake wake)
    {
        if (Find(wake.Replica) is not { Busy: null, State: ReplicaState.Asleep } replica) return false;
        (replica.Busy, replica.BusySince, replica.ClockJumped) = (WorkKind.Waking, Now_NeedsLock(), false);
        Send_NeedsLock(WakeAsync(replica, wake));
        return true;
    }

    private bool Failed_NeedsLock(Step step, ModelId? model, string why)
    {
        _outcomes.Add(new Outcome.StepFailed { At = _time.GetUtcNow(), Step = step.Id, Model = model, Why = why });
        LogStepFailed(step.Id, why);
        SignalChange_NeedsLock();
        return false;
    }

    /// <summary>Changes a replica's state: on disk, in the routes, and to whoever waits.</summary>
    private void Enter_NeedsLock(LocalReplica replica, ReplicaState state)
    {
        var now = Now_NeedsLock();
        replica.Record = replica.Record with { State = state, StateSince = now };
        Save_NeedsLock(replica.Record);
        LogState(replica.Id, state);
        Publish_NeedsLock();
        SignalChange_NeedsLock();
    }
}
