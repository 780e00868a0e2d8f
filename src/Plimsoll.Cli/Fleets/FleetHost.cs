using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Local;
using Plimsoll.Pages.Live;

namespace Plimsoll.Cli.Fleets;

/// <summary>What a <see cref="FleetHost"/> is started with.</summary>
/// <param name="Definition">The fleet.</param>
/// <param name="Policy">The policy's name (<see cref="Policies"/>), as it is journalled.</param>
/// <param name="StateFolder">Journal, records, logs and the lock.</param>
public sealed record FleetHostOptions(FleetDefinition Definition, string Policy, string StateFolder)
{
    /// <summary>Ends what an earlier run left here and drops its journal, so that this run is as the first.</summary>
    public bool Afresh { get; init; }

    /// <summary>Whether the gateway serves the live page.</summary>
    public bool Page { get; init; }

    /// <summary>The definition as the machine can hold it, once that was seen; where null, a model that it cannot hold stops the start.</summary>
    public Func<FleetSnapshot, FleetDefinition>? Fitted { get; init; }
}

/// <summary>A running fleet on this machine: body, gateway, journal and control loop put together.</summary>
public sealed partial class FleetHost : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly LocalFleet _fleet;
    private readonly Journal _journal;
    private readonly GatewayHost _gateway;
    private readonly DefinitionSwitch _definition;
    private readonly Task<Knowledge> _loop;
    private readonly bool _afresh;
    private volatile Tick? _last;
    private bool _disposed;

    private FleetHost(
        FleetHostOptions options, DefinitionSwitch definition, LocalFleet fleet, Journal journal, GatewayHost gateway, long firstTick,
        Action<Tick> applied, TimeProvider time)
    {
        (_definition, _fleet, _journal, _gateway, _afresh) = (definition, fleet, journal, gateway, options.Afresh);
        var loop = new ControlLoop(fleet, new Planner(Policies.Named(options.Policy)), time, journal.AppendAsync, tick =>
        {
            journal.Applied(tick);
            _last = tick;
            applied(tick);
        });
        var remembered = journal.Latest?.Knowledge ?? Knowledge.Empty;
        _loop = Task.Run(() => loop.RunAsync(() => fleet.Submitted(definition.Turn().Spec), remembered, firstTick, _ending.Token));
    }

    public Uri Gateway => _gateway.Address;

    public Uri? Admin => _gateway.AdminAddress;

    /// <summary>
    /// Where a browser finds the live page; null where it is not served. A browser has no API key to show, so where there is one
    /// it is the admin port.
    /// </summary>
    public Uri? Page { get; private init; }

    public Bytes MemoryBudget => _fleet.MemoryBudget;

    /// <summary>What the journal cannot do at the moment; null while all is well.</summary>
    public string? JournalTrouble => _journal.Health.Trouble;

    /// <summary>Ends when the control loop does: by itself only when it fails.</summary>
    public Task Ended => _loop;

    /// <summary>Memory that nobody held when the fleet was opened; null when it could not be told.</summary>
    public Bytes? FreeAtStart { get; private init; }

    /// <exception cref="CommandException">The control loop has failed.</exception>
    public void ThrowIfFailed()
    {
        if (_loop.IsFaulted)
            throw new CommandException(ExitCode.Internal, $"the control loop failed: {_loop.Exception!.GetBaseException().Message}"
                + (_afresh ? "" : "; its replicas are left running, the next plimsoll up of this fleet takes them over"));
    }

    /// <summary>
    /// Has another definition take effect at the next tick, its models' commands with it. What a fleet is opened with stays:
    /// its name, machine and gateway.
    /// </summary>
    /// <returns>Why it is refused, a sentence per model; empty when it is taken.</returns>
    public ImmutableArray<string> Offer(FleetDefinition next)
    {
        ArgumentNullException.ThrowIfNull(next);
        if (_last is { } last && Refusals(next.Spec, last.Snapshot, last.Plan.Next) is { IsEmpty: false } refused) return refused;
        _definition.Next = next;
        return [];
    }

    /// <summary>Looks at the memory of all replicas from now on, until it is disposed of.</summary>
    public MemorySampler SampleMemory() => _fleet.SampleMemory();

    /// <summary>
    /// Takes the state folder, weighs every model against the machine before anything starts, opens the ports, and begins.
    /// </summary>
    /// <param name="options">The fleet.</param>
    /// <param name="applied">Called after each tick, from the loop's thread.</param>
    /// <param name="log">Warnings of the body and the journal.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives up starting.</param>
    /// <exception cref="CommandException">A model can never run here, or a port or the state folder is in use.</exception>
    public static async Task<FleetHost> StartAsync(
        FleetHostOptions options, Action<Tick> applied, ILogger log, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var definition = options.Definition;
        var router = new Router(definition.Gateway, time);
        await using var undo = new Undo();
        try
        {
            var current = new DefinitionSwitch(definition);
            var parts = Parts(options, current, router, log, time);
            if (options.Afresh) await ClearAsync(parts, cancellationToken).ConfigureAwait(false);
            var fleet = undo.Add(await LocalFleet.OpenAsync(parts, cancellationToken).ConfigureAwait(false));
            fleet.KeepReplicas(!options.Afresh);
            var journal = undo.Add(Journal.Open(options.StateFolder, new JournalOptions(), time, log));
            var seen = fleet.Look();
            if (options.Fitted is { } fitted)
            {
                current.Next = fitted(seen);
                definition = current.Turn();
            }

            Admit(definition.Spec, seen, journal.Latest?.Knowledge ?? Knowledge.Empty, log);
            var live = options.Page ? new LiveFleet(definition.Name, time, () => journal.Health.Trouble) : null;
            var gateway = undo.Add(await GatewayHost.StartAsync(
                definition.Gateway, router, time, null, cancellationToken, () => journal.Health.Trouble,
                live: live is null ? null : new LiveEndpoint(live, time)).ConfigureAwait(false));
            var firstTick = journal.StartRun(
                new JournalRun(time.GetUtcNow(), Replay.PlannerVersion, options.Policy, Environment.MachineName),
                journal.Latest?.Knowledge ?? Knowledge.Empty);
            StateFolders.WriteAddresses(options.StateFolder, new FleetAddresses(
                definition.Name, gateway.Address.ToString(), gateway.AdminAddress?.ToString(), Environment.ProcessId, time.GetUtcNow()));
            undo.Forget();
            fleet.KeepReplicas(false);
            return new FleetHost(options, current, fleet, journal, gateway, firstTick, live is null ? applied : (Action<Tick>)live.Show + applied, time)
            {
                FreeAtStart = Free(seen),
                Page = live is null ? null : definition.Gateway.ApiKey is null ? gateway.Address : gateway.AdminAddress,
            };
        }
        catch (Exception unusable) when (unusable is LocalFleetException or GatewayException)
        {
            throw new CommandException(ExitCode.Unavailable, unusable.Message);
        }
        catch (JournalException unusable)
        {
            throw new CommandException(ExitCode.Failed, unusable.Message);
        }
    }

    /// <summary>Has the end wait no longer: requests under way are cut, then replicas have two seconds.</summary>
    public void Hurry()
    {
        _gateway.Hurry();
        _fleet.Hurry();
    }

    /// <summary>
    /// Ends the loop, lets requests under way finish, then ends the replicas unless they are to be left. Where the loop has
    /// failed they are: what serves is not to blame, and the next controller of this fleet takes it over.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await _ending.CancelAsync().ConfigureAwait(false);
        await ((Task)_loop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_loop.IsFaulted && !_afresh) _fleet.KeepReplicas();
        await _gateway.DisposeAsync().ConfigureAwait(false);
        await _journal.DisposeAsync().ConfigureAwait(false);
        await _fleet.DisposeAsync().ConfigureAwait(false);
        _ending.Dispose();
    }

    // Only the one who holds the fleet's lock may delete; opening takes it, and adopts what then is ended.
    private static async Task ClearAsync(LocalFleetParts parts, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(parts.StateFolder)) return;
        var left = await LocalFleet.OpenAsync(parts with { Node = parts.Node with { LeaveRunning = false } }, cancellationToken)
            .ConfigureAwait(false);
        await using (left.ConfigureAwait(false))
        {
            try
            {
                foreach (var file in Directory.EnumerateFiles(parts.StateFolder, "journal*").Append(Path.Combine(parts.StateFolder, "budget.json")))
                    File.Delete(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandException(ExitCode.Failed, $"the last run's journal in {parts.StateFolder} cannot be replaced: {e.Message}");
            }
        }
    }

    private static void Admit(FleetSpec spec, FleetSnapshot seen, Knowledge knowledge, ILogger log)
    {
        if (Refusals(spec, seen, knowledge) is { IsEmpty: false } refused) throw new CommandException(ExitCode.Refused, string.Join('\n', refused));
        foreach (var verdict in Planner.Admit(spec, seen, knowledge))
            RefusedAsMeasured(log, verdict.Model.Value, verdict.Reason.ToString());
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "model '{Model}' is refused, the others are served: {Why}")]
    private static partial void RefusedAsMeasured(ILogger log, string model, string why);

    // What was measured refuses a model and not its fleet: a spike of one would keep all others from serving.
    private static ImmutableArray<string> Refusals(FleetSpec spec, FleetSnapshot seen, Knowledge knowledge)
    {
        var stated = Planner.Admit(spec, seen, Knowledge.Empty).Select(verdict => verdict.Model).ToHashSet();
        return [.. Planner.Admit(spec, seen, knowledge).Where(verdict => stated.Contains(verdict.Model)).Select(verdict => $"model '{verdict.Model}' is refused: {verdict.Reason}")];
    }

    private static Bytes? Free(FleetSnapshot seen)
    {
        var free = seen.Nodes.Aggregate(Bytes.Zero, (sum, node) => sum + node.HostMemory);
        foreach (var use in seen.Foreign.Where(use => use.Device is null))
        {
            if (!use.Memory.TryGetKnown(out var held)) return null;
            free -= held;
        }

        return free;
    }

    private static LocalFleetParts Parts(
        FleetHostOptions options, DefinitionSwitch definition, Router router, ILogger log, TimeProvider time) => new()
        {
            Name = options.Definition.Name,
            StateFolder = options.StateFolder,
            Node = options.Definition.Node,
            Launch = (model, _) => definition.Now.Launches.GetValueOrDefault(model),
            Job = job => definition.Now.Jobs.GetValueOrDefault(job),
            Fetch = model => definition.Now.Fetches.GetValueOrDefault(model),
            Spec = () => definition.Now.Spec,
            Routing = new Routing(router.Publish, router.ReadTraffic, router.Outstanding, router.WaitForChangeAsync, router.Answered),
            Withheld = options.Definition.Withheld,
            Time = time,
            Log = log,
        };

    /// <summary>
    /// The definition in force: one reference, changed between two ticks only, so that a plan is carried out with the
    /// commands it was made for.
    /// </summary>
    private sealed class DefinitionSwitch(FleetDefinition first)
    {
        private volatile FleetDefinition _now = first;
        private volatile FleetDefinition _next = first;

        public FleetDefinition Now => _now;

        public FleetDefinition Next
        {
            set => _next = value;
        }

        /// <summary>Called by the loop as a tick begins.</summary>
        public FleetDefinition Turn() => _now = _next;
    }

    // What was opened before something failed is closed again, last first.
    private sealed class Undo : IAsyncDisposable
    {
        private readonly Stack<IAsyncDisposable> _opened = new();

        public T Add<T>(T opened) where T : IAsyncDisposable
        {
            _opened.Push(opened);
            return opened;
        }

        public void Forget() => _opened.Clear();

        public async ValueTask DisposeAsync()
        {
            while (_opened.TryPop(out var opened)) await opened.DisposeAsync().ConfigureAwait(false);
        }
    }
}
