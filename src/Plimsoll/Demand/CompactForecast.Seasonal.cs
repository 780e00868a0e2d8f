namespace Plimsoll;

internal static partial class CompactForecast
{
    /// <summary>Enough for both profiles and two windows.</summary>
    public const int MostSeasonalBytes = 4 * 1024;

    public static int WriteSeasonal(SeasonalForecast seasonal, Span<byte> bytes)
    {
        var writer = new ByteWriter(bytes);
        writer.Byte(Version);
        writer.Count(seasonal.Until is { } until ? until.UtcTicks + 1 : 0);
        writer.Single(seasonal.OpenMaximum);
        writer.Single(seasonal.OpenSeconds);
        writer.Single(seasonal.Newest);
        var seasons = seasonal.Seasons;
        writer.Single(seasons.Now);
        writer.Single(seasons.NowOfDay);
        writer.Single(seasons.NowOfWeek);
        writer.Single(seasons.HourSum);
        writer.Byte((byte)seasons.HourSlots);
        Write(seasons.Day.AsSpan(), ref writer);
        Write(seasons.Week.AsSpan(), ref writer);
        writer.Byte((byte)seasonal.Windows.Length);
        foreach (var window in seasonal.Windows) Write(window, ref writer);
        return writer.Length;
    }

    public static SeasonalForecast ReadSeasonal(byte[] bytes)
    {
        var reader = new ByteReader(bytes);
        if (reader.Byte() is var version && version != Version) throw new FormatException($"version {version} is not known");
        var until = reader.Count();
        var seasonal = SeasonalForecast.None with
        {
            Until = until == 0 ? null : new DateTimeOffset(until - 1, TimeSpan.Zero),
            OpenMaximum = Least(reader.Single(), 0),
            OpenSeconds = Least(reader.Single(), 0),
            Newest = Least(reader.Single(), 0),
        };
        var seasons = seasonal.Seasons with
        {
            Now = Least(reader.Single(), 0),
            NowOfDay = Least(reader.Single(), 0),
            NowOfWeek = Least(reader.Single(), 0),
            HourSum = Least(reader.Single(), 0),
            HourSlots = Math.Min(reader.Byte(), (byte)5),
            Day = ReadCodes(SeasonalProfile.DaySlots, ref reader),
            Week = ReadCodes(SeasonalProfile.WeekSlots, ref reader),
        };
        var windows = seasonal.Windows.ToBuilder();
        if (reader.Byte() is var count && count != windows.Count) throw new FormatException($"it has {count} windows");
        for (var i = 0; i < windows.Count; i++)
        {
            windows[i] = ReadWindow(ref reader, seasonal: true);
            if (windows[i].Buckets != seasonal.Windows[i].Buckets) throw new FormatException($"a window of {windows[i].Buckets} slots");
        }

        if (!reader.AtEnd) throw new FormatException("it goes on after its last window");
        return seasonal with { Seasons = seasons, Windows = windows.MoveToImmutable() };
    }

    // What was never seen as how many times.
    private static void Write(ReadOnlySpan<ushort> codes, ref ByteWriter writer)
    {
        for (var i = 0; i < codes.Length; i++)
        {
            writer.Short(codes[i]);
            if (codes[i] != RateCode.Unknown) continue;
            var first = i;
            while (i + 1 < codes.Length && codes[i + 1] == RateCode.Unknown) i++;
            writer.Byte((byte)(i - first));
        }
    }

    private static System.Collections.Immutable.ImmutableArray<ushort> ReadCodes(int count, ref ByteReader reader)
    {
        var codes = new ushort[count];
        for (var i = 0; i < count; i++)
        {
            codes[i] = reader.Short();
            if (codes[i] == RateCode.Unknown) i += reader.Byte();
        }

        return [.. codes];
    }
}
