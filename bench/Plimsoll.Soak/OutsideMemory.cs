using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Soak;

/// <summary>What was seen from outside of the memory of all replicas together.</summary>
/// <param name="Samples">Looks taken.</param>
/// <param name="Largest">The most that all of them held at one look: resident and swapped out.</param>
/// <param name="LargestParts">What each replica held then.</param>
/// <param name="LargestMarks">
/// The most that the kernel's high-water marks of the processes alive at one look came to: no peak between two looks can
/// have been higher. It may never have been reached, since the marks of two processes are not of one moment.
/// </param>
/// <param name="LargestProportional">The same as Largest with shared pages counted once, at the rarer looks at that; 0 before the first.</param>
/// <param name="LongestGap">The longest time between two looks.</param>
/// <param name="CgroupPeak">The kernel's mark of the replicas' common cgroup, page cache included; null without one.</param>
/// <param name="MostProcesses">The most processes at one look.</param>
public sealed record OutsideUse(
    long Samples, Bytes Largest, ImmutableSortedDictionary<string, Bytes> LargestParts, Bytes LargestMarks, Bytes LargestProportional,
    TimeSpan LongestGap, Bytes? CgroupPeak, int MostProcesses);

/// <summary>
/// Looks at a fleet's replicas twenty times a second, from outside the controller. Resident sets are added up, so a page
/// that two processes share counts twice: the sum errs to the high side. Counting such pages once takes the kernel a walk
/// over all of them (tens of milliseconds for 1.5 GB), so that is done apart and every few seconds only.
/// </summary>
public sealed class OutsideMemory : IAsyncDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan ProportionalPeriod = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly string _stateFolder;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _looking;
    private OutsideUse _use = new(
        0, Bytes.Zero, ImmutableSortedDictionary<string, Bytes>.Empty, Bytes.Zero, Bytes.Zero, TimeSpan.Zero, null, 0);

    public OutsideMemory(string stateFolder, TimeProvider time)
    {
        (_stateFolder, _time) = (stateFolder, time);
        _looking = Task.WhenAll(RepeatAsync(Period, Look), RepeatAsync(ProportionalPeriod, LookProportionally));
    }

    public OutsideUse Read()
    {
        lock (_gate) return _use;
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _looking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private async Task RepeatAsync(TimeSpan period, Action<TimeSpan> look)
    {
        await Task.Yield();
        using var timer = new PeriodicTimer(period, _time);
        var last = _time.GetTimestamp();
        while (await timer.WaitForNextTickAsync(_ending.Token).ConfigureAwait(false))
        {
            var now = _time.GetTimestamp();
            look(_time.GetElapsedTime(last, now));
            last = now;
        }
    }

    private void Look(TimeSpan gap)
    {
        var parts = ImmutableSortedDictionary.CreateBuilder<string, Bytes>(StringComparer.Ordinal);
        var (all, marks) = (0L, 0L);
        var processes = FleetProcesses.Of(_stateFolder);
        foreach (var (pid, replica) in processes)
        {
            if (KernelFiles.Text(pid, "status") is not { } status) continue;
            var held = KernelFiles.Field(status, "VmRSS:") + KernelFiles.Field(status, "VmSwap:");
            all += held;
            marks += Math.Max(held, KernelFiles.Field(status, "VmHWM:"));
            parts[replica] = parts.GetValueOrDefault(replica) + new Bytes(held);
        }

        var cgroup = processes.Length > 0 ? CgroupPeak(processes[0].Pid) : null;
        lock (_gate)
        {
            var higher = all > _use.Largest.Value;
            _use = _use with
            {
                Samples = _use.Samples + 1,
                Largest = higher ? new Bytes(all) : _use.Largest,
                LargestParts = higher ? parts.ToImmutable() : _use.LargestParts,
                LargestMarks = Bytes.Max(_use.LargestMarks, new Bytes(marks)),
                LongestGap = gap > _use.LongestGap ? gap : _use.LongestGap,
                CgroupPeak = cgroup ?? _use.CgroupPeak,
                MostProcesses = Math.Max(_use.MostProcesses, processes.Length),
            };
        }
    }

    private void LookProportionally(TimeSpan gap)
    {
        var sum = FleetProcesses.Of(_stateFolder).Sum(process => KernelFiles.Text(process.Pid, "smaps_rollup") is { } rollup
            ? KernelFiles.Field(rollup, "Pss:") + KernelFiles.Field(rollup, "SwapPss:") : 0);
        lock (_gate) _use = _use with { LargestProportional = Bytes.Max(_use.LargestProportional, new Bytes(sum)) };
    }

    // A replica's cgroup lies in its fleet's, where the controller may make cgroups; that one is the common one.
    private static Bytes? CgroupPeak(int pid)
    {
        foreach (var line in (KernelFiles.Text(pid, "cgroup") ?? "").Split('\n'))
        {
            var parts = line.Split(':', 3);
            if (parts.Length < 3 || Path.GetDirectoryName(parts[2]) is not { } fleet
                || !Path.GetFileName(fleet).StartsWith("plimsoll-", StringComparison.Ordinal)) continue;
            string[] files =
            [
                $"/sys/fs/cgroup{fleet}/memory.peak",
                $"/sys/fs/cgroup/memory{fleet}/memory.max_usage_in_bytes",
            ];
            foreach (var file in files)
            {
                if (long.TryParse(KernelFiles.Text(file)?.Trim(), CultureInfo.InvariantCulture, out var peak)) return new Bytes(peak);
            }
        }

        return null;
    }
}
