using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>One measurement of a profile.</summary>
/// <param name="Batch">Requests that are computed together, at least 1.</param>
/// <param name="Seconds">From the batch's start to its end; positive.</param>
public readonly record struct BatchTime(int Batch, double Seconds);

/// <summary>
/// How long a model that answers at once (classifiers, encoders, images) computes a batch of so many requests, as measured on
/// the hardware it runs on: what <c>perf_analyzer</c> and the like print. A larger batch takes no less time, and time is linear
/// between two that were measured.
/// </summary>
public sealed record BatchProfile
{
    public const int RowsMost = 64;
    public const int BatchMost = 100_000;
    public const double SecondsMost = 3600;

    private BatchProfile(ImmutableArray<BatchTime> times) => Times = times;

    /// <summary>By batch, rising from the smallest that was measured; no time below the one before it.</summary>
    public ImmutableArray<BatchTime> Times { get; }

    /// <summary>The largest batch: no larger one is formed.</summary>
    public int BatchMax => Times[^1].Batch;

    /// <summary>The profile of measurements in any order, or a sentence with what is wrong with them.</summary>
    public static (BatchProfile? Profile, string? Problem) Of(IEnumerable<BatchTime> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var sorted = rows.OrderBy(row => row.Batch).ToArray();
        if (sorted.Length is 0 or > RowsMost) return (null, Text($"found {sorted.Length} measurements; 1 to {RowsMost} would do"));
        var times = ImmutableArray.CreateBuilder<BatchTime>(sorted.Length);
        foreach (var row in sorted)
        {
            if (row.Batch is < 1 or > BatchMost) return (null, Text($"found a batch of {row.Batch}; 1 to {BatchMost} would do"));
            if (!(row.Seconds > 0 && row.Seconds <= SecondsMost)) return (null, Text($"found {row.Seconds:R} s for a batch of {row.Batch}; more than 0 and at most an hour would do"));
            if (times.Count > 0 && times[^1].Batch == row.Batch) return (null, Text($"found two times for a batch of {row.Batch}; one would do"));

            // Measurements waver; that more work takes less time is never meant.
            times.Add(row with { Seconds = Math.Max(row.Seconds, times.Count > 0 ? times[^1].Seconds : 0) });
        }

        return (new BatchProfile(times.DrainToImmutable()), null);
    }

    /// <summary>Seconds of a batch; below the smallest that was measured as long as that one, as nobody knows how much less.</summary>
    /// <param name="batch">Requests, a mean of many where it is not whole; no more than <see cref="BatchMax"/> count.</param>
    public double Seconds(double batch)
    {
        if (batch <= Times[0].Batch) return Times[0].Seconds;
        var at = 1;
        while (at < Times.Length - 1 && Times[at].Batch < batch) at++;
        if (at == Times.Length) return Times[0].Seconds;
        var (from, to) = (Times[at - 1], Times[at]);
        return from.Seconds + ((to.Seconds - from.Seconds) * Math.Min(1, (batch - from.Batch) / (to.Batch - from.Batch)));
    }

    /// <summary>The largest batch that takes no longer than a time; 1 where none does.</summary>
    public double LargestWithin(double seconds)
    {
        double at = 1;
        for (var i = 0; i < Times.Length; i++)
        {
            if (Times[i].Seconds > seconds)
                return i == 0 || Times[i - 1].Seconds > seconds ? at : at + ((Times[i].Batch - at) * (seconds - Times[i - 1].Seconds) / (Times[i].Seconds - Times[i - 1].Seconds));
            at = Times[i].Batch;
        }

        return at;
    }

    /// <summary>Requests a second at the best batch that is no larger than one and takes no longer than a time; of requests one by one where none does.</summary>
    public double MostPerSecond(int batch, double within)
    {
        var (most, largest) = (1 / Seconds(1), Math.Min(batch, LargestWithin(within)));
        foreach (var row in Times)
            if (row.Batch < largest) most = Math.Max(most, row.Batch / row.Seconds);
        return Seconds(1) <= within ? Math.Max(most, largest / Seconds(largest)) : most;
    }

    /// <summary>The same on hardware that takes so many times as long.</summary>
    public BatchProfile Slower(double factor) => new([.. Times.Select(row => row with { Seconds = row.Seconds * factor })]);

    public bool Equals(BatchProfile? other) => other is not null && Times.AsSpan().SequenceEqual(other.Times.AsSpan());

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var time in Times) hash.Add(time);
        return hash.ToHashCode();
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
