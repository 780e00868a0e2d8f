using Plimsoll.Local.Devices;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

/// <summary>This machine as a fleet that begins on it would find it. Nothing is taken, started or written.</summary>
public static class LocalMachine
{
    /// <summary>What there is, with the bounds that were stated; the model cache only where its size was.</summary>
    /// <param name="options">What a fleet may use.</param>
    /// <param name="time">The clock of what is seen.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="LocalFleetException">The machine's memory cannot be read.</exception>
    public static async Task<NodeState> LookAsync(LocalNodeOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        GpuWatch? gpus = null;
        if (NvidiaSmi.Find() is { } program)
        {
            gpus = new GpuWatch(program, time);
            await gpus.LookAsync(cancellationToken).ConfigureAwait(false);
        }

        var host = HostMemory.Read(MemoryCgroup.OfThisProcess()) ?? throw new LocalFleetException("this machine's memory cannot be read from /proc/meminfo");
        return new NodeState
        {
            Id = LocalFleet.Node,
            HostMemory = host.Total,
            HostMemoryBudget = options.MemoryBudget ?? host.Available.Scale(LocalFleet.DetectedShare),
            Cores = options.Cores ?? HostCores.Detect(),
            CacheBudget = options.CacheBudget,
            CacheFileSystemFree = options.CacheBudget is { } size ? Signal.Known(size, time.GetUtcNow()) : Signal.Missing<Bytes>("no size of a cache was stated"),
            Devices = LocalFleet.DevicesOf(gpus, options),
        };
    }
}
