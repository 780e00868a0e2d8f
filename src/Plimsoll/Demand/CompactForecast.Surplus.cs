namespace Plimsoll;

internal static partial class CompactForecast
{
    /// <summary>Enough for every bucket of every group of ranks.</summary>
    public const int MostSurplusBytes = 32 + (SurplusTimes.GroupsMost * 300);

    public static int WriteSurplus(SurplusTimes surplus, Span<byte> bytes)
    {
        var writer = new ByteWriter(bytes);
        writer.Byte(Version);
        writer.Count(surplus.From.UtcTicks);
        writer.Count(surplus.Until.UtcTicks);
        foreach (var (times, share) in surplus.Ranks)
        {
            writer.Half(share);
            writer.Byte((byte)times.Gaps.Count(gap => gap > 0));
            for (var i = 0; i < times.Gaps.Length; i++)
            {
                if (times.Gaps[i] == 0) continue;
                writer.Byte((byte)i);
                writer.Half(times.Gaps[i]);
            }
        }

        return writer.Length;
    }

    public static SurplusTimes ReadSurplus(byte[] bytes)
    {
        var reader = new ByteReader(bytes);
        if (reader.Byte() is var version && version != Version) throw new FormatException($"version {version} is not known");
        var (from, until) = (new DateTimeOffset(reader.Count(), TimeSpan.Zero), new DateTimeOffset(reader.Count(), TimeSpan.Zero));
        var ranks = System.Collections.Immutable.ImmutableArray.CreateBuilder<SurplusTimes.Group>();
        while (!reader.AtEnd)
        {
            if (ranks.Count == SurplusTimes.GroupsMost) throw new FormatException("it has too many groups");
            var share = Least(reader.Half(), 0);
            var gaps = IdleTimes.None.Gaps.ToBuilder();
            for (var left = reader.Byte(); left > 0; left--)
            {
                var at = reader.Byte();
                if (at >= gaps.Count) throw new FormatException($"it has no bucket {at}");
                gaps[at] = Least(reader.Half(), 0);
            }

            ranks.Add(new SurplusTimes.Group(new IdleTimes(gaps.MoveToImmutable(), null), share));
        }

        return new SurplusTimes(ranks.ToImmutable(), from, until);
    }
}
