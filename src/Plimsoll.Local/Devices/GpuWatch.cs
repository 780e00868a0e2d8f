using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Local.Devices;

/// <summary>
/// Keeps the last look at the GPUs, renewed in the background, so that observing never waits for a driver.
/// </summary>
internal sealed class GpuWatch(string program, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan StaleAfter = TimeSpan.FromSeconds(15);

    private volatile Look _last = new(null, default, "nvidia-smi was not asked yet");

    private sealed record Look(GpuReading? Reading, DateTimeOffset At, string? Error);

    /// <summary>The devices there are, from the last look that worked.</summary>
    public ImmutableArray<Gpu> Gpus => _last.Reading?.Gpus ?? [];

    public ImmutableArray<string> Sliced => _last.Reading?.Sliced ?? [];

    public string? Error => _last.Error;

    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var (reading, error) = await NvidiaSmi.ReadAsync(program, time, cancellationToken).ConfigureAwait(false);
        var last = _last;
        // A failed look keeps the numbers before it; their age tells that they are stale.
        _last = reading is null ? last with { Error = error } : new Look(reading, time.GetUtcNow(), null);
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            await LookAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What others use of each GPU.</summary>
    /// <param name="node">This node.</param>
    /// <param name="placed">By device, the pids of our processes that were placed on it. What others of ours use of it nobody is charged.</param>
    public ImmutableArray<ForeignUse> Foreign(NodeId node, ILookup<DeviceId, int> placed)
    {
        var look = _last;
        if (look.Reading is not { } reading) return [];
        return [.. reading.Gpus.Select(gpu => new ForeignUse
        {
            Node = node,
            Device = DeviceId.Of(gpu.Uuid),
            Memory = ForeignOn(gpu, look, placed),
            What = $"other processes on {gpu.Name}",
        })];
    }

    /// <summary>What a replica's processes use of the device where they use most.</summary>
    public Signal<Bytes> UsedBy(IReadOnlyCollection<int> pids) => UsedBy(_last.Reading, _last.At, pids);

    internal static Signal<Bytes> UsedBy(GpuReading? reading, DateTimeOffset at, IReadOnlyCollection<int> pids)
    {
        var uses = reading?.Uses.Where(use => pids.Contains(use.Pid)).ToLookup(use => use.Uuid);
        if (uses is null || uses.Count == 0) return Signal.Missing<Bytes>("nvidia-smi shows none of its processes");
        var most = Bytes.Zero;
        foreach (var device in uses)
        {
            if (device.Any(use => use.Used is null)) return Signal.Missing<Bytes>("nvidia-smi does not tell what they use");
            most = Bytes.Max(most, device.Aggregate(Bytes.Zero, (sum, use) => sum + use.Used!.Value));
        }

        return Signal.Known(most, at);
    }

    private Signal<Bytes> ForeignOn(Gpu gpu, Look look, ILookup<DeviceId, int> placed)
    {
        var ours = placed[DeviceId.Of(gpu.Uuid)];
        if (gpu.Used is not { } used) return Signal.Missing<Bytes>("nvidia-smi does not tell this device's memory in use");
        var mine = look.Reading!.Uses.Where(use => use.Uuid == gpu.Uuid && ours.Contains(use.Pid)).ToList();
        if (mine.Exists(use => use.Used is null))
            return Signal.Missing<Bytes>("nvidia-smi does not tell what our processes use of it");
        if (mine.Count == 0 && ours.Any() && look.Reading.Uses.IsEmpty && used > Bytes.Zero)
            return Signal.Missing<Bytes>("the driver shows no processes here, so ours cannot be told from others");
        var foreign = mine.Aggregate(used, (left, use) => left - use.Used!.Value);
        var value = Bytes.Max(Bytes.Zero, foreign);
        return time.GetUtcNow() - look.At <= StaleAfter
            ? Signal.Known(value, look.At)
            : Signal.Stale(value, look.At, look.Error ?? string.Create(
                CultureInfo.InvariantCulture, $"last seen {Durations.Show(time.GetUtcNow() - look.At)} ago"));
    }
}
