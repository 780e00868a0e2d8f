using System.Collections.Immutable;
using Plimsoll.Gateway;
using Plimsoll.Local.Devices;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    // A mark that creeps up by a page a second is no news.
    private const double WorthReporting = 1.01;
    private static readonly Bytes NoiseBytes = Bytes.MiB(1);

    public ValueTask<FleetSnapshot> ObserveAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_gate)
        {
            if (_changed.Task.IsCompleted) _changed = NewSignal();
            OpenCacheWhenWanted_NeedsLock();
            EndUnwantedFetches_NeedsLock();
            var now = Now_NeedsLock();
            Submit_NeedsLock(_parts.Spec(), now);
            Scan_NeedsLock();
            foreach (var replica in _replicas.Values.Where(one => one.State is ReplicaState.Ready or ReplicaState.Draining))
                ReportMemory_NeedsLock(replica);
            var snapshot = new FleetSnapshot
            {
                At = now,
                Can = Can_NeedsLock(),
                Nodes = [NodeNow(now)],
                Replicas = [.. _replicas.Values.Select(replica => Row(replica, now))],
                Training = Gangs_NeedsLock(),
                Foreign = Foreign_NeedsLock(now),
                InFlight = InFlight_NeedsLock(now),
                Cache = _cache?.List() ?? [],
                Traffic = _parts.Routing.ReadTraffic(now),
                Outcomes = [.. _outcomes],
            };
            _outcomes.Clear();
            Publish_NeedsLock();
            return new ValueTask<FleetSnapshot>(snapshot);
        }
    }

    private Capabilities Can_NeedsLock()
    {
        var can = Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim | Capabilities.HoldRequests;
        var sleeps = _parts.Spec().Models.Any(model => model.Variants.Any(variant =>
            _parts.Launch(model.Id, variant.Id) is { SleepPath: not null, WakePath: not null }));
        if (Trains_NeedsLock()) can |= Capabilities.Train;
        if (_cache is not null) can |= Capabilities.PrefetchWeights | Capabilities.EvictWeights;
        return sleeps ? can | Capabilities.Sleep : can;
    }

    private NodeState NodeNow(DateTimeOffset now) => new()
    {
        Id = Node,
        HostMemory = (HostMemory.Read(_ownCgroup) ?? _hostAtStart!).Total,
        HostMemoryBudget = _budget,
        Cores = _cores,
        CacheBudget = CacheBudgetNow(),
        CacheFileSystemFree = CacheFreeNow(),
        Devices = DevicesOf(_gpus, _parts.Node),
    };

    internal static ImmutableArray<DeviceState> DevicesOf(GpuWatch? gpus, LocalNodeOptions options) =>
    [
        .. (gpus?.Gpus ?? []).Where(gpu => gpu.Total is not null).Select(gpu => new DeviceState
        {
            Id = DeviceId.Of(gpu.Uuid),
            Kind = gpu.Kind,
            Memory = gpu.Total!.Value,
            MemoryBudget = Bytes.Min(gpu.Total.Value, options.DeviceMemoryBudget ?? gpu.Total.Value),
        }),
    ];

    private InferenceReplica Row(LocalReplica replica, DateTimeOffset now) => new()
    {
        Id = replica.Id,
        Model = replica.Record.Model,
        Version = replica.Record.Version,
        Variant = replica.Record.Variant,
        Placement = replica.Record.Placement,
        State = replica.State,
        StateSince = replica.Record.StateSince,
        StartedAt = replica.Record.StartedAt,
        Reserved = replica.Record.Needs,
        EndsUnready = replica.State == ReplicaState.Stopping && replica.Record is { LoadPeak: null, HighWaterWasReset: false },
        Turning = replica.Busy is WorkKind.Sleeping or WorkKind.Waking,
        HostMemory = replica.MemoryNow() is { } memory
            ? Signal.Known(memory, now) : Signal.Missing<Bytes>("its processes could not be read"),
        DeviceMemory = _gpus is null || replica.Record.Placement.Devices.IsEmpty
            ? Signal.Missing<Bytes>("it runs on no device")
            : _gpus.UsedBy([.. replica.Members.Select(member => member.Pid)]),
        Outstanding = _parts.Routing.Outstanding(replica.Id),
        Concurrency = replica.Record.Concurrency,
    };

    private ImmutableArray<ForeignUse> Foreign_NeedsLock(DateTimeOffset now)
    {
        var members = _replicas.Values.SelectMany(replica => replica.Members).ToImmutableArray();
        var ours = (members.IsEmpty ? Bytes.Zero : ProcessMemory.Unreclaimable(members)) + JobsWithinTheirs_NeedsLock();
        var host = new ForeignUse
        {
            Node = Node,
            Memory = HostMemory.Read(_ownCgroup) is { } memory && ours is { } known
                ? Signal.Known(memory.Foreign(known), now)
                : Signal.Missing<Bytes>("/proc does not tell what others hold"),
            What = "the system, other programs and this controller",
        };
        if (_gpus is null) return [host];
        var placed = _replicas.Values.Select(replica => (replica.Record.Placement, replica.Members))
            .Concat(_jobs.Values.Where(job => job.Process is not null).Select(job => (job.Record.Placement!, job.Members)))
            .SelectMany(one => one.Item1.Devices.SelectMany(device => one.Members.Select(member => (Device: device, member.Pid))));
        return [host, .. _gpus.Foreign(Node, placed.ToLookup(one => one.Device, one => one.Pid))];
    }

    private ImmutableArray<WorkInFlight> InFlight_NeedsLock(DateTimeOffset now)
    {
        var work = ImmutableArray.CreateBuilder<WorkInFlight>();
        foreach (var one in _cacheWork.Values) work.Add(one.Row(now));
        foreach (var replica in _replicas.Values)
        {
            var (step, kind, end) = (replica.Busy, replica.State) switch
            {
                (WorkKind.Sleeping, not ReplicaState.Stopping) => ("sleep", WorkKind.Sleeping, null),
                (WorkKind.Waking, not ReplicaState.Stopping) => ("wake", WorkKind.Waking, null),
                (_, ReplicaState.Loading) => ("start", WorkKind.Loading, replica.Record.StartedAt + replica.Record.ExpectedLoad),
                (_, ReplicaState.Draining) => ("drain", WorkKind.Draining, null),
                (_, ReplicaState.Stopping) => ("stop", WorkKind.Stopping, replica.KillAt),
                _ => ("", default, (DateTimeOffset?)null),
            };
            if (step.Length == 0) continue;
            work.Add(new WorkInFlight
            {
                Step = StepId.Of($"{step}/{replica.Id}"),
                Kind = kind,
                StartedAt = kind is WorkKind.Sleeping or WorkKind.Waking ? replica.BusySince : replica.Record.StateSince,
                ExpectedEnd = end,
                Model = replica.Record.Model,
                Replica = replica.Id,
                Node = replica.Record.Placement.Node,
            });
        }

        work.Sort((a, b) => a.Step.CompareTo(b.Step));
        return work.ToImmutable();
    }

    private void ReportMemory_NeedsLock(LocalReplica replica)
    {
        // Right at ready the mark was just reset, and what is in use is the mark.
        var now = replica.MemoryNow();
        var steady = replica.Record.HighWaterWasReset ? replica.Peak() : now is { } seen ? Bytes.Max(seen, replica.Seen) : null;
        if (steady is not { } value) return;
        if (replica.Reported is { } reported && value <= reported.Scale(WorthReporting) + NoiseBytes) return;
        replica.Reported = value;
        _outcomes.Add(new Outcome.MemoryMeasured
        {
            At = _time.GetUtcNow(),
            Replica = replica.Id,
            Model = replica.Record.Model,
            Version = replica.Record.Version,
            Variant = replica.Record.Variant,
            LoadPeak = replica.Record.LoadPeak,
            Steady = value,
        });
    }

    private void Publish_NeedsLock()
    {
        var now = Now_NeedsLock();
        var byModel = _replicas.Values.ToLookup(replica => replica.Record.Model);
        _parts.Routing.Publish(new RouteTable([.. _parts.Spec().Models.Select(model => new ModelRoute
        {
            Model = model.Id,
            Priority = model.Priority,
            Slo = model.Slo,
            Replicas = [.. byModel[model.Id].Where(IsRouted).Select(replica => new ReplicaRoute(
                replica.Id, replica.Record.Address, replica.Record.Concurrency, replica.State != ReplicaState.Ready))],
            ExpectedReady = ExpectedReady(byModel[model.Id], now) ?? FetchLeft_NeedsLock(model.Id, now),
            Unavailable = _unavailable.GetValueOrDefault(model.Id),
            // What is still on its way may come before the next start.
            Pause = byModel[model.Id].Any(replica => replica is { Exit: null, State: not ReplicaState.Stopping }) ? null : _pauses.GetValueOrDefault(model.Id),
        })]));
    }

    private static bool IsRouted(LocalReplica replica) =>
        replica is { Exit: null, State: ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Drained };

    private static TimeSpan? ExpectedReady(IEnumerable<LocalReplica> replicas, DateTimeOffset now)
    {
        TimeSpan? soonest = null;
        foreach (var replica in replicas.Where(one => one.State == ReplicaState.Loading))
        {
            var left = replica.Record.StartedAt + replica.Record.ExpectedLoad - now;
            if (left < TimeSpan.Zero) left = TimeSpan.Zero;
            if (soonest is null || left < soonest) soonest = left;
        }

        return soonest;
    }
}
