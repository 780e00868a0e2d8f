using Plimsoll.Cli.FleetFiles;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.Fleets;

/// <summary>What a <see cref="FleetHost"/> is started with.</summary>
/// <param name="Definition">The fleet.</param>
/// <param name="Allocator">The policy.</param>
/// <param name="StateFolder">Journal, records, logs and the lock.</param>
public sealed record FleetHostOptions(FleetDefinition Definition, IAllocator Allocator, string StateFolder);

/// <summary>A running fleet on this machine: body, gateway, journal and control loop put together.</summary>
public sealed class FleetHost : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly LocalFleet _fleet;
    private readonly Journal _journal;
    private readonly GatewayHost _gateway;
    private readonly Task<Knowledge> _loop;
    private bool _disposed;

    private FleetHost(
        FleetHostOptions options, LocalFleet fleet, Journal journal, GatewayHost gateway, long firstTick, Action<Tick> applied,
        TimeProvider time)
    {
        (_fleet, _journal, _gateway) = (fleet, journal, gateway);
        var loop = new ControlLoop(fleet, new Planner(options.Allocator), time, journal.AppendAsync, tick =>
        {
            journal.Applied(tick);
            applied(tick);
        });
        var remembered = journal.Latest?.Knowledge ?? Knowledge.Empty;
        _loop = Task.Run(() => loop.RunAsync(() => options.Definition.Spec, remembered, firstTick, _ending.Token));
    }

    public Uri Gateway => _gateway.Address;

    public Uri? Admin => _gateway.AdminAddress;

    public Bytes MemoryBudget => _fleet.MemoryBudget;

    /// <summary>What the journal cannot do at the moment; null while all is well.</summary>
    public string? JournalTrouble => _journal.Health.Trouble;

    /// <summary>Ends when the control loop does: by itself only when it fails.</summary>
    public Task Ended => _loop;

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
            var fleet = undo.Add(await LocalFleet.OpenAsync(Parts(options, router, log, time), cancellationToken).ConfigureAwait(false));
            var journal = undo.Add(Journal.Open(options.StateFolder, new JournalOptions(), time, log));
            var seen = await fleet.ObserveAsync(cancellationToken).ConfigureAwait(false);
            Admit(definition.Spec, seen, journal.Latest?.Knowledge ?? Knowledge.Empty);
            var gateway = undo.Add(await GatewayHost.StartAsync(definition.Gateway, router, time, null, cancellationToken)
                .ConfigureAwait(false));
            var firstTick = journal.StartRun(
                new JournalRun(time.GetUtcNow(), Replay.PlannerVersion, options.Allocator.Name, Environment.MachineName),
                journal.Latest?.Knowledge ?? Knowledge.Empty);
            StateFolders.WriteAddresses(options.StateFolder, new FleetAddresses(
                definition.Name, gateway.Address.ToString(), gateway.AdminAddress?.ToString(), Environment.ProcessId, time.GetUtcNow()));
            undo.Forget();
            return new FleetHost(options, fleet, journal, gateway, firstTick, applied, time);
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

    /// <summary>Ends the loop, lets requests under way finish, then ends the replicas unless they are to be left.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await _ending.CancelAsync().ConfigureAwait(false);
        await ((Task)_loop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _gateway.DisposeAsync().ConfigureAwait(false);
        await _journal.DisposeAsync().ConfigureAwait(false);
        await _fleet.DisposeAsync().ConfigureAwait(false);
        _ending.Dispose();
    }

    private static void Admit(FleetSpec spec, FleetSnapshot seen, Knowledge knowledge)
    {
        var refused = Planner.Admit(spec, seen, knowledge);
        if (!refused.IsEmpty)
        {
            throw new CommandException(ExitCode.Refused, string.Join(
                '\n', refused.Select(verdict => $"model '{verdict.Model}' is refused: {verdict.Reason}")));
        }
    }

    private static LocalFleetParts Parts(FleetHostOptions options, Router router, ILogger log, TimeProvider time) => new()
    {
        Name = options.Definition.Name,
        StateFolder = options.StateFolder,
        Node = options.Definition.Node,
        Launch = (model, _) => options.Definition.Launches.GetValueOrDefault(model),
        Fetch = model => options.Definition.Fetches.GetValueOrDefault(model),
        Spec = () => options.Definition.Spec,
        Routing = new Routing(router.Publish, router.ReadTraffic, router.Outstanding, router.WaitForChangeAsync),
        Time = time,
        Log = log,
    };

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
