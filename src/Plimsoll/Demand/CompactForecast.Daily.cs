using System.Collections.Immutable;

namespace Plimsoll;

internal static partial class CompactForecast
{
    /// <summary>Enough for every moment of a day.</summary>
    public const int MostDailyBytes = 32 + (DailyStarts.MomentsMost * 8);

    public static int WriteDaily(DailyStarts daily, Span<byte> bytes)
    {
        var writer = new ByteWriter(bytes);
        writer.Byte(Version);
        writer.Count(daily.DayFrom.UtcTicks);
        writer.Half(daily.Days);
        foreach (var moment in daily.Moments)
        {
            writer.Count(moment.Second);
            writer.Half(moment.Spread);
            writer.Half(moment.Times);
        }

        return writer.Length;
    }

    public static DailyStarts ReadDaily(byte[] bytes)
    {
        var reader = new ByteReader(bytes);
        if (reader.Byte() is var version && version != Version) throw new FormatException($"version {version} is not known");
        var (from, days) = (new DateTimeOffset(reader.Count(), TimeSpan.Zero), Least(reader.Half(), 0));
        var moments = ImmutableArray.CreateBuilder<DailyStarts.Moment>();
        while (!reader.AtEnd)
        {
            if (moments.Count == DailyStarts.MomentsMost) throw new FormatException("it has too many moments");
            var second = reader.Count();
            if (second >= DailyStarts.SecondsOfDay || (moments.Count > 0 && second < moments[^1].Second)) throw new FormatException($"{second} is no next second of a day");
            moments.Add(new DailyStarts.Moment((int)second, Least(reader.Half(), 0), Least(reader.Half(), 0)));
        }

        return new DailyStarts(moments.ToImmutable(), days, from);
    }
}
