using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Control;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.Demo;

/// <summary>How a demo's fleet is set up.</summary>
/// <param name="Asked">Models and launches.</param>
/// <param name="Allocator">The policy.</param>
/// <param name="StateFolder">Records and logs.</param>
/// <param name="Budget">Memory for all replicas together; null is what the machine has free.</param>
/// <param name="LeaveRunning">Keep replicas when the host ends.</param>
public sealed record DemoHostOptions(
    DemoFleetSpec Asked, IAllocator Allocator, string StateFolder, Bytes? Budget, bool LeaveRunning);

/// <summary>A fleet on this machine with its gateway and control loop, for as long as the demo needs it.</summary>
public sealed class DemoHost : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly GatewayHost _gateway;
    private readonly LocalFleet _fleet;
    private readonly MemorySampler _sampler;
    private readonly Task<Knowledge> _loop;

    private DemoHost(DemoHostOptions options, GatewayHost gateway, LocalFleet fleet, Action<Tick> applied, TimeProvider time)
    {
        (_gateway, _fleet) = (gateway, fleet);
        _sampler = fleet.SampleMemory();
        var loop = new ControlLoop(fleet, new Planner(options.Allocator), time, (_, _) => ValueTask.CompletedTask, applied);
        _loop = Task.Run(() => loop.RunAsync(() => options.Asked.Spec, Knowledge.Empty, 1, _ending.Token));
    }

    public Uri Gateway => _gateway.Address;

    public Bytes Budget => _fleet.MemoryBudget;

    /// <summary>Ends when the control loop does: by itself only when it fails.</summary>
    public Task Ended => _loop;

    public MemoryUse Memory() => _sampler.Read();

    /// <exception cref="LocalFleetException">The fleet cannot be opened.</exception>
    /// <exception cref="GatewayException">No port can be had.</exception>
    public static async Task<DemoHost> StartAsync(
        DemoHostOptions options, Action<Tick> applied, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var gatewayOptions = new GatewayOptions { Port = 0, AdminPort = null };
        var router = new Router(gatewayOptions, time);
        var fleet = await LocalFleet.OpenAsync(
            new LocalFleetParts
            {
                Name = "demo",
                StateFolder = options.StateFolder,
                Node = new LocalNodeOptions { MemoryBudget = options.Budget, LeaveRunning = options.LeaveRunning },
                Launch = (model, _) => options.Asked.Launches.GetValueOrDefault(model),
                Spec = () => options.Asked.Spec,
                Routing = new Routing(router.Publish, router.ReadTraffic, router.Outstanding, router.WaitForChangeAsync),
                Time = time,
                Log = NullLogger.Instance,
            },
            cancellationToken).ConfigureAwait(false);
        try
        {
            var gateway = await GatewayHost.StartAsync(gatewayOptions, router, time, null, cancellationToken).ConfigureAwait(false);
            return new DemoHost(options, gateway, fleet, applied, time);
        }
        catch
        {
            await fleet.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await ((Task)_loop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _gateway.DisposeAsync().ConfigureAwait(false);
        await _sampler.DisposeAsync().ConfigureAwait(false);
        await _fleet.DisposeAsync().ConfigureAwait(false);
        _ending.Dispose();
    }
}
