using System.Collections.Immutable;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

/// <summary>What a <see cref="MemorySampler"/> saw.</summary>
/// <param name="Samples">Looks taken.</param>
/// <param name="Largest">The most that all replicas together ever held at a look.</param>
/// <param name="LargestAt">When that was; null before the first look.</param>
/// <param name="LongestGap">The longest time between two looks: what could have been missed.</param>
/// <param name="ByteSeconds">Per model, memory held × time, ordered by model.</param>
/// <param name="CgroupPeak">The kernel's own mark for all of them, page cache included; null without a cgroup.</param>
public sealed record MemoryUse(
    long Samples, Bytes Largest, DateTimeOffset? LargestAt, TimeSpan LongestGap,
    ImmutableSortedDictionary<ModelId, double> ByteSeconds, Bytes? CgroupPeak);

/// <summary>
/// Looks at the memory of all replicas together, twenty times a second. Resident sets are added up, so pages that two
/// processes share count twice: it errs to the high side.
/// </summary>
public sealed class MemorySampler : IAsyncDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private readonly Func<ImmutableArray<(ModelId Model, ImmutableArray<ProcessIdentity> Members)>> _members;
    private readonly Func<Bytes?> _cgroupPeak;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _sampling;
    private readonly Dictionary<ModelId, double> _byteSeconds = [];
    private Dictionary<ModelId, Bytes> _last = [];
    private long _lastAt;
    private long _samples;
    private Bytes _largest;
    private DateTimeOffset? _largestAt;
    private TimeSpan _longestGap;

    internal MemorySampler(
        Func<ImmutableArray<(ModelId Model, ImmutableArray<ProcessIdentity> Members)>> members,
        Func<Bytes?> cgroupPeak, TimeProvider time)
    {
        (_members, _cgroupPeak, _time) = (members, cgroupPeak, time);
        _sampling = SampleAsync(_ending.Token);
    }

    /// <summary>What was seen so far.</summary>
    public MemoryUse Read()
    {
        lock (_gate)
        {
            return new MemoryUse(
                _samples, _largest, _largestAt, _longestGap, _byteSeconds.ToImmutableSortedDictionary(), _cgroupPeak());
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await _sampling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private async Task SampleAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Period, _time);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false)) Look();
    }

    private void Look()
    {
        var held = new Dictionary<ModelId, Bytes>();
        foreach (var (model, members) in _members())
        {
            if (ProcessMemory.InUseQuick(members) is { } bytes)
                held[model] = held.GetValueOrDefault(model) + bytes;
        }

        var all = held.Values.Aggregate(Bytes.Zero, (sum, one) => sum + one);
        var at = _time.GetTimestamp();
        lock (_gate)
        {
            if (_samples > 0)
            {
                var gap = _time.GetElapsedTime(_lastAt, at);
                if (gap > _longestGap) _longestGap = gap;
                // The trapezoid between two looks; a model that was not there held nothing.
                foreach (var model in held.Keys.Union(_last.Keys))
                {
                    var mean = (held.GetValueOrDefault(model).Value + (double)_last.GetValueOrDefault(model).Value) / 2;
                    _byteSeconds[model] = _byteSeconds.GetValueOrDefault(model) + mean * gap.TotalSeconds;
                }
            }

            (_last, _lastAt) = (held, at);
            _samples++;
            if (all <= _largest) return;
            (_largest, _largestAt) = (all, _time.GetUtcNow());
        }
    }
}
