using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Local.Devices;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

/// <summary>
/// The body that runs replicas and training jobs as processes of this machine. Each is a detached process of any command; it
/// outlives a controller that is killed and is adopted by the next one. What it does is what a plan says; what it
/// sees is what /proc, the cgroups, nvidia-smi and the replicas themselves say.
/// </summary>
public sealed partial class LocalFleet : IFleet, IAsyncDisposable
{
    internal const double DetectedShare = 0.8;
    private const int LogsKept = 50;
    private static readonly TimeSpan TendPeriod = TimeSpan.FromMilliseconds(100);

    // Long enough for a server that is willing.
    private static readonly TimeSpan HurriedGrace = TimeSpan.FromSeconds(2);

    private const string WantsDelegation = "this user may not count memory below this process's cgroup, or others are in it; "
        + "one of its own that is delegated is had by: systemd-run --user --scope -p Delegate=yes plimsoll up ...";

    private readonly Lock _gate = new();
    private readonly LocalFleetParts _parts;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly FleetLock _lock;
    private readonly string _key;
    private readonly string _logFolder;
    private readonly string _bootId = ProcessIdentity.ThisBoot();
    private readonly RecordFolder<ReplicaRecord> _records;
    private readonly RecordFolder<JobRecord> _jobRecords;
    private readonly SortedDictionary<ReplicaId, LocalReplica> _replicas = [];
    private readonly SortedDictionary<JobId, LocalJob> _jobs = [];
    private readonly Dictionary<ModelId, string> _unavailable = [];
    private readonly Dictionary<ModelId, StartPause> _pauses = [];
    private readonly List<Outcome> _outcomes = [];
    private readonly List<MemoryCgroup> _emptyCgroups = [];
    private readonly List<ReplicaRecord> _undeleted = [];
    private readonly CancellationTokenSource _ending = new();
    private readonly CancellationToken _end;
    private readonly List<Task> _errands = [];
    private readonly HttpClient _http;
    private readonly MemoryCgroup? _ownCgroup = MemoryCgroup.OfThisProcess();
    private MemoryCgroup? _fleetCgroup;
    private GpuWatch? _gpus;
    private HostMemory? _hostAtStart;
    private Bytes _budget;
    private Cores _cores;
    private Task _tending = Task.CompletedTask;
    private Task _watchingGpus = Task.CompletedTask;
    private TaskCompletionSource _changed = NewSignal();
    private volatile bool _keep;
    private bool _disposed;
    private bool _hurry;
    private bool _isBlind;

    private LocalFleet(LocalFleetParts parts, FleetLock fleetLock)
    {
        (_parts, _time, _log, _lock) = (parts, parts.Time, parts.Log, fleetLock);
        (_clockAt, _clockTimestamp) = (_time.GetUtcNow(), _time.GetTimestamp());
        _key = KeyOf(parts);
        _end = _ending.Token;
        _logFolder = Path.Combine(parts.StateFolder, "logs");
        _records = RecordFolder.OfReplicas(Path.Combine(parts.StateFolder, "replicas"));
        _jobRecords = RecordFolder.OfJobs(Path.Combine(parts.StateFolder, "jobs"));
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(2),
            MaxConnectionsPerServer = 2,
        })
        {
            // Each call brings its own limit: a probe is short, going to sleep moves gigabytes.
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = 4 * 1024 * 1024,
        };
    }

    /// <summary>The one node there is.</summary>
    public static NodeId Node { get; } = NodeId.Of("local");

    /// <summary>What Plimsoll may use of the machine's memory: declared, or four fifths of what was free when its first replicas were started.</summary>
    public Bytes MemoryBudget => _budget;

    /// <summary>
    /// Takes the fleet's lock, adopts what still runs of it, ends what is left over, and starts to look after both.
    /// </summary>
    /// <exception cref="LocalFleetException">It cannot be opened; the message says why in one sentence.</exception>
    public static async Task<LocalFleet> OpenAsync(LocalFleetParts parts, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (!OperatingSystem.IsLinux()) throw new LocalFleetException("the local fleet runs on Linux only");
        parts = parts with { StateFolder = Path.GetFullPath(parts.StateFolder) };
        var fleet = new LocalFleet(parts, FleetLock.Take(parts.Name, parts.StateFolder));
        try
        {
            await fleet.BeginAsync(cancellationToken).ConfigureAwait(false);
            return fleet;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await fleet.AbandonAsync().ConfigureAwait(false);
            throw FleetLock.Unwritable(parts.StateFolder, e);
        }
        catch
        {
            await fleet.AbandonAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Begins to sample the memory of all replicas together, until the sampler is disposed of.</summary>
    public MemorySampler SampleMemory() => new(MembersByModel, () => _fleetCgroup?.Peak, _time);

    /// <summary>
    /// Has the replicas outlive this controller, as after a kill: the next one adopts them. For a controller that fails
    /// or never gets as far as serving, whose trouble must not cost what runs.
    /// </summary>
    public void KeepReplicas(bool keep = true) => _keep = keep;

    /// <summary>
    /// Has the end wait no longer for replicas and jobs than it takes a well-meaning one to go: those that are stopping, and those that are
    /// stopped from now on, are killed after that.
    /// </summary>
    public void Hurry()
    {
        lock (_gate)
        {
            _hurry = true;
            var soon = Now_NeedsLock() + GraceNow_NeedsLock;
            foreach (var process in _replicas.Values.Concat(_jobs.Values.Select(job => job.Process).OfType<OwnProcess>()).Where(one => one.KillAt > soon))
                process.KillAt = soon;
        }
    }

    /// <summary>Ends all replicas and suspends all jobs, unless they are to be left running, and waits until none is left.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        if (!_parts.Node.LeaveRunning && !_keep)
        {
            lock (_gate)
            {
                foreach (var replica in _replicas.Values.ToList()) BeginStop_NeedsLock(replica);
                foreach (var job in _jobs.Values) BeginSuspend_NeedsLock(job);
                Publish_NeedsLock();
            }

            var patience = LongestGrace() + TimeSpan.FromSeconds(30);
            var since = _time.GetTimestamp();
            while (HasProcesses() && _time.GetElapsedTime(since) < patience)
                await Task.Delay(TendPeriod, _time).ConfigureAwait(false);
        }

        await AbandonAsync().ConfigureAwait(false);
    }

    public async Task WaitForChangeAsync(CancellationToken cancellationToken)
    {
        Task own;
        lock (_gate) own = _changed.Task;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ended = await Task.WhenAny(own.WaitAsync(either.Token), _parts.Routing.WaitForChangeAsync(either.Token))
            .ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        await ended.ConfigureAwait(false);
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(JobLogFolder);
        if (NvidiaSmi.Find() is { } program)
        {
            _gpus = new GpuWatch(program, _time);
            await _gpus.LookAsync(cancellationToken).ConfigureAwait(false);
            if (_gpus.Error is { } error) LogGpusUnreadable(error);
            foreach (var sliced in _gpus.Sliced) LogGpuSliced(sliced);
            _watchingGpus = _gpus.RunAsync(_end);
        }

        await AdoptAsync(cancellationToken).ConfigureAwait(false);
        OpenCache();
        _cores = _parts.Node.Cores ?? HostCores.Detect();
        _budget = DecideBudget();
        var isEnforced = _parts.Node.EnforceMemoryBudget;
        _fleetCgroup = _ownCgroup?.TryMakeChild(CgroupName(_parts.Name, _key), mayMove: isEnforced);
        _fleetCgroup?.RemoveEmptyChildren();
        // One that outlived a killed controller has that one's limit.
        if (_fleetCgroup?.TryLimit(isEnforced ? _budget : null) != true && isEnforced)
            LogBudgetNotEnforced(_ownCgroup?.Version == 2 ? WantsDelegation : "this user may not make memory cgroups here");
        _tending = TendAsync(_end);
    }

    private async Task AbandonAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await Ended(_tending).ConfigureAwait(false);
        await Ended(_watchingGpus).ConfigureAwait(false);
        List<Task> errands;
        lock (_gate) errands = [.. _errands];
        foreach (var errand in errands) await Ended(errand).ConfigureAwait(false);
        if (_cache is not null) await _cache.DisposeAsync().ConfigureAwait(false);
        foreach (var cgroup in _emptyCgroups) cgroup.TryRemove();
        _fleetCgroup?.TryRemove();
        _http.Dispose();
        _ending.Dispose();
        _lock.Dispose();
    }

    // What was free is counted with what our own adopted replicas and jobs hold, and remembered for this boot, so that a controller
    // that restarts while they run finds the budget they were placed by. Where none runs there is nothing to keep to.
    private Bytes DecideBudget()
    {
        _hostAtStart = HostMemory.Read(_ownCgroup)
            ?? throw new LocalFleetException("this machine's memory cannot be read from /proc/meminfo");
        if (_parts.Node.MemoryBudget is { } declared) return declared;
        var path = Path.Combine(_parts.StateFolder, "budget.json");
        var remembered = ProcFile.TryReadBytes(path, 4096) is { } bytes ? ReadBudget(bytes) : null;
        ImmutableArray<ProcessIdentity> own = [.. _replicas.Values.SelectMany(replica => replica.Members), .. _jobs.Values.SelectMany(job => job.Members)];
        if (!own.IsEmpty && remembered?.BootId == _bootId && remembered.HostMemory == _hostAtStart.Total) return remembered.Budget;
        var ours = ProcessMemory.Unreclaimable(own) ?? Bytes.Zero;
        var budget = (_hostAtStart.Available + ours).Scale(DetectedShare);
        try
        {
            AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(
                new DetectedBudget(_bootId, _hostAtStart.Total, budget), LocalJson.Default.DetectedBudget));
        }
        catch (IOException) when (remembered is not null)
        {
            // The disk is full now and was not once: an older budget stays remembered, which is no reason not to start.
        }

        return budget;
    }

    private static DetectedBudget? ReadBudget(byte[] bytes)
    {
        try
        {
            return JsonSerializer.Deserialize(bytes, LocalJson.Default.DetectedBudget);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private ImmutableArray<(ModelId, ImmutableArray<ProcessIdentity>)> MembersByModel()
    {
        lock (_gate) return [.. _replicas.Values.Select(replica => (replica.Record.Model, replica.Members))];
    }

    private TimeSpan GraceNow_NeedsLock => _hurry && HurriedGrace < _parts.Node.StopGrace ? HurriedGrace : _parts.Node.StopGrace;

    private bool HasProcesses()
    {
        lock (_gate) return _replicas.Count > 0 || _jobs.Values.Any(job => job.Process is not null);
    }

    /// <summary>Work on one replica that takes its time; awaited when the fleet ends.</summary>
    private void Send_NeedsLock(Task errand)
    {
        _errands.RemoveAll(one => one.IsCompleted);
        _errands.Add(Ended(errand));
    }

    // A full disk stops nothing that runs. A record that is behind is still found by its process, or by its token.
    private void Save_NeedsLock(ReplicaRecord record)
    {
        try
        {
            _records.Write(record);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRecorded(record.Replica, e.Message);
        }
    }

    private void SignalChange_NeedsLock() => _changed.TrySetResult();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task Ended(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // It was told to end.
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Nobody else would ever hear of it, and it must not keep the fleet from ending in order.
            LogErrandFailed(e);
        }
    }

    private static string KeyOf(LocalFleetParts parts) => $"{parts.Name}@{parts.StateFolder}";

    private static string CgroupName(string name, string key) => string.Create(CultureInfo.InvariantCulture,
        $"plimsoll-{new string([.. name.Where(char.IsAsciiLetterOrDigit).Take(20)])}-{Short(key)}");

    private static string Short(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 4));
}
