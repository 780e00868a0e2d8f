using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// The bytes of what the planner keeps of a model's demand. Nothing is rounded here: the compact form rounds as it learns, so
/// what is read back goes on exactly as what was written. Little-endian; what is empty takes no room.
/// </summary>
internal static partial class CompactForecast
{
    /// <summary>Enough for any forecast of at most eight windows.</summary>
    public const int MostBytes = 8 * 1024;

    /// <summary>Enough for every bucket of idle times.</summary>
    public const int MostIdleBytes = 512;

    private const byte Version = 1;
    private const int WindowsMost = 8;
    private const int StepsMost = 8;
    private const byte HasGains = 1;
    private const byte HasCorrections = 2;
    private const int SketchWidth = 2 * ErrorSketch.CompactPoints;

    public static int Write(DemandForecast forecast, Span<byte> bytes)
    {
        if (!forecast.Compact || forecast.Windows.Length > WindowsMost)
            throw new InvalidOperationException("only a forecast in the planner's form is written as bytes");
        var writer = new ByteWriter(bytes);
        writer.Byte(Version);
        writer.Count(forecast.Bucket.Ticks);
        writer.Count(forecast.Until is { } until ? until.UtcTicks + 1 : 0);
        writer.Single(forecast.OpenArrivals);
        writer.Single(forecast.OpenSeconds);
        writer.Single(forecast.Peak);
        writer.Single(forecast.Newest);
        writer.Byte((byte)forecast.Windows.Length);
        foreach (var window in forecast.Windows) Write(window, ref writer);
        return writer.Length;
    }

    public static DemandForecast Read(byte[] bytes)
    {
        var reader = new ByteReader(bytes);
        if (reader.Byte() is var version && version != Version) throw new FormatException($"version {version} is not known");
        var bucket = TimeSpan.FromTicks(reader.Count());
        if (bucket <= TimeSpan.Zero) throw new FormatException("its buckets have no width");
        var until = reader.Count();
        var forecast = new DemandForecast
        {
            Bucket = bucket,
            Until = until == 0 ? null : new DateTimeOffset(until - 1, TimeSpan.Zero),
            OpenArrivals = Least(reader.Single(), 0),
            OpenSeconds = Least(reader.Single(), 0),
            Peak = Least(reader.Single(), 0),
            Newest = Least(reader.Single(), 0),
            Seasons = SeasonalProfile.None,
            Windows = [],
        };
        var count = reader.Byte();
        if (count is 0 or > WindowsMost) throw new FormatException($"it has {count} windows");
        var windows = ImmutableArray.CreateBuilder<WindowForecast>(count);
        for (var i = 0; i < count; i++) windows.Add(ReadWindow(ref reader));
        if (!reader.AtEnd) throw new FormatException("it goes on after its last window");
        return forecast with { Windows = windows.MoveToImmutable() };
    }

    public static int WriteIdleTimes(IdleTimes idle, Span<byte> bytes)
    {
        var writer = new ByteWriter(bytes);
        writer.Byte(Version);
        writer.Count(idle.LastArrival is { } last ? last.UtcTicks + 1 : 0);
        for (var i = 0; i < idle.Gaps.Length; i++)
        {
            if (idle.Gaps[i] == 0) continue;
            writer.Byte((byte)i);
            writer.Half(idle.Gaps[i]);
        }

        return writer.Length;
    }

    public static IdleTimes ReadIdleTimes(byte[] bytes)
    {
        var reader = new ByteReader(bytes);
        if (reader.Byte() is var version && version != Version) throw new FormatException($"version {version} is not known");
        var last = reader.Count();
        var gaps = IdleTimes.None.Gaps.ToBuilder();
        while (!reader.AtEnd)
        {
            var at = reader.Byte();
            if (at >= gaps.Count) throw new FormatException($"it has no bucket {at}");
            gaps[at] = Least(reader.Half(), 0);
        }

        return new IdleTimes(gaps.MoveToImmutable(), last == 0 ? null : new DateTimeOffset(last - 1, TimeSpan.Zero));
    }

    private static float Least(float value, float least) => value >= least ? value : throw new FormatException($"{value} where at least {least} is");

    private static void Write(WindowForecast window, ref ByteWriter writer)
    {
        writer.Count(window.Buckets);
        writer.Byte((byte)window.Steps);
        writer.Byte((byte)window.Head);
        writer.Count((long)window.Seen);
        writer.Count(window.OpenBuckets);
        writer.Count(window.OpenObserved);
        writer.Count(window.Scored);
        writer.Single(window.LevelShort);
        writer.Single(window.LevelLong);
        writer.Single(window.Peak);
        writer.Single(window.OpenMaximum);
        writer.Single(window.Scale);
        writer.Single(window.Unit);
        writer.Single(window.ErrorWeight);
        foreach (var code in window.Maxima) writer.Short(code);
        foreach (var code in window.Pending) writer.Short(code);
        for (var expert = 0; expert < window.Errors.Length / SketchWidth; expert++)
        {
            var sketch = window.Errors.AsSpan().Slice(expert * SketchWidth, SketchWidth);
            var points = 0;
            while (points < ErrorSketch.CompactPoints && sketch[ErrorSketch.CompactPoints + points] > System.Half.Zero) points++;
            writer.Byte((byte)points);
            for (var i = 0; i < points; i++) writer.Half((float)sketch[i]);
            for (var i = 0; i < points; i++) writer.Half((float)sketch[ErrorSketch.CompactPoints + i]);
        }

        var (gained, corrected) = (window.Gains.Any(gain => gain != 0), window.Corrections.Any(correction => correction != 0));
        writer.Byte((byte)((gained ? HasGains : 0) | (corrected ? HasCorrections : 0)));
        for (var at = 0; gained && at < window.Gains.Length; at++)
        {
            if (!WindowForecast.IsUnasked(at, window.Seasonal)) writer.Half(window.Gains[at]);
        }

        foreach (var correction in window.Corrections)
        {
            if (corrected) writer.Single(correction);
        }
    }

    private static WindowForecast ReadWindow(ref ByteReader reader, bool seasonal = false)
    {
        var buckets = (int)Math.Min(reader.Count(), int.MaxValue);
        var steps = reader.Byte();
        if (buckets < 1 || steps is 0 or > StepsMost || buckets % steps != 0) throw new FormatException($"{buckets} buckets in {steps} steps");
        var window = WindowForecast.Start(buckets, seasonal, compact: true);
        if (window.Steps != steps) throw new FormatException($"{buckets} buckets in {steps} steps");
        window = window with
        {
            Head = reader.Byte() % steps,
            Seen = reader.Count(),
            OpenBuckets = Math.Clamp((int)Math.Min(reader.Count(), int.MaxValue), 0, (buckets / steps) - 1),
            OpenObserved = (int)Math.Min(reader.Count(), buckets),
            Scored = (int)Math.Min(reader.Count(), int.MaxValue),
            LevelShort = Least(reader.Single(), 0),
            LevelLong = Least(reader.Single(), 0),
            Peak = Least(reader.Single(), 0),
            OpenMaximum = Least(reader.Single(), -1),
            Scale = Least(reader.Single(), 0),
            Unit = Least(reader.Single(), 0),
            ErrorWeight = Least(reader.Single(), 1),
        };
        var (maxima, pending) = (new ushort[window.Maxima.Length], new ushort[window.Pending.Length]);
        for (var i = 0; i < maxima.Length; i++) maxima[i] = reader.Short();
        for (var i = 0; i < pending.Length; i++) pending[i] = reader.Short();
        var errors = new Half[window.Errors.Length];
        for (var expert = 0; expert < errors.Length / SketchWidth; expert++)
        {
            var (points, from) = (reader.Byte(), expert * SketchWidth);
            if (points > ErrorSketch.CompactPoints) throw new FormatException($"{points} points of errors");
            for (var i = 0; i < points; i++) errors[from + i] = (Half)reader.Half();
            for (var i = 0; i < points; i++) errors[from + ErrorSketch.CompactPoints + i] = (Half)reader.Half();
        }

        var (gains, corrections) = (new float[window.Gains.Length], new float[window.Corrections.Length]);
        var has = reader.Byte();
        for (var at = 0; (has & HasGains) != 0 && at < gains.Length; at++)
        {
            if (!WindowForecast.IsUnasked(at, seasonal)) gains[at] = reader.Half();
        }

        // Nothing to what was written; what is damaged is brought back to where no sum overflows.
        WindowForecast.Shorten(gains, seasonal);
        for (var i = 0; (has & HasCorrections) != 0 && i < corrections.Length; i++)
            corrections[i] = Math.Clamp(reader.Single(), (float)WindowForecast.CorrectionLeast, (float)WindowForecast.CorrectionMost);
        return window with { Maxima = [.. maxima], Pending = [.. pending], Errors = [.. errors], Gains = [.. gains], Corrections = [.. corrections] };
    }
}
