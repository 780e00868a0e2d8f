using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Mean arrivals a second by time of day (144 slots of ten minutes, UTC) and by hour of the week (168), as
/// <see cref="RateCode"/> has them; unknown where a slot was never seen. Whether a season is there at all is for the forecast to find out, from what the profile would have
/// missed by.
/// </summary>
public sealed record SeasonalProfile
{
    public const int DaySlots = 144;
    public const int WeekSlots = 168;
    public static readonly TimeSpan Slot = TimeSpan.FromMinutes(10);

    // A day's slot keeps about three days in mind, a week's about two weeks; the present against the profile, an hour.
    private const double DayGain = 0.35;
    private const double WeekGain = 0.5;
    private const double NowGain = 0.3;

    public static readonly SeasonalProfile None = new();

    /// <summary>Nothing known yet, in the planner's form: without the last day, and numbers as short as they are written.</summary>
    internal static readonly SeasonalProfile NoneCompact = new() { Yesterday = [] };

    /// <summary>Decayed mean of the days, by slot of the day.</summary>
    public ImmutableArray<ushort> Day { get; init; } = Unseen(DaySlots);

    /// <summary>The last day alone.</summary>
    public ImmutableArray<ushort> Yesterday { get; init; } = Unseen(DaySlots);

    /// <summary>Decayed mean of the weeks, by hour of the week.</summary>
    public ImmutableArray<ushort> Week { get; init; } = Unseen(WeekSlots);

    /// <summary>Slot being filled, counted from the epoch; -1 before the first.</summary>
    public long OpenSlot { get; init; } = -1;

    /// <summary>Sum and number of the rates in it.</summary>
    public double OpenSum { get; init; }

    public int OpenBuckets { get; init; }

    /// <summary>Sum and number of the slots in the open hour.</summary>
    public double HourSum { get; init; }

    public int HourSlots { get; init; }

    /// <summary>Decayed mean of the slots that were, and of what the day's profile had for them.</summary>
    public double Now { get; init; }

    public double NowOfDay { get; init; }

    public double NowOfWeek { get; init; }

    /// <summary>Adds one bucket's rate.</summary>
    public SeasonalProfile Add(DateTimeOffset at, double ratePerSecond)
    {
        var slot = at.UtcTicks / Slot.Ticks;
        var closed = slot != OpenSlot && OpenBuckets > 0 ? Close(slot) : this;
        return closed with
        {
            OpenSlot = slot,
            OpenSum = closed.OpenSum + ratePerSecond,
            OpenBuckets = closed.OpenBuckets + 1,
        };
    }

    /// <summary>The most a profile holds between two moments; -1 where it does not know one of the slots.</summary>
    public static double MaximumOf(ImmutableArray<ushort> profile, DateTimeOffset from, TimeSpan window)
    {
        var width = profile.Length == WeekSlots ? TimeSpan.TicksPerHour : Slot.Ticks;
        var first = from.UtcTicks / width;
        var last = Math.Min((from + window).UtcTicks - 1, DateTimeOffset.MaxValue.UtcTicks) / width;
        var most = RateCode.Unknown;
        for (var slot = first; slot <= Math.Min(last, first + profile.Length - 1); slot++)
        {
            var code = profile[(int)(slot % profile.Length)];
            if (code == RateCode.Unknown) return -1;
            most = Math.Max(most, code);
        }

        return RateCode.Rate(most);
    }

    /// <summary>A whole slot at once.</summary>
    internal SeasonalProfile AddSlot(DateTimeOffset from, double ratePerSecond) => Add(from, ratePerSecond).Close((from.UtcTicks / Slot.Ticks) + 1);

    /// <summary>Whole slots that nobody saw: an hour that ends among them is the mean of what was seen of it.</summary>
    internal SeasonalProfile Skip(DateTimeOffset from, DateTimeOffset to)
    {
        var hour = from.UtcTicks / TimeSpan.TicksPerHour;
        return HourSlots == 0 || to.UtcTicks / TimeSpan.TicksPerHour == hour ? this : this with
        {
            Week = WithHour((int)(hour % WeekSlots), HourSum / HourSlots),
            HourSum = 0,
            HourSlots = 0,
        };
    }

    private ImmutableArray<ushort> WithHour(int at, double mean) =>
        Week.SetItem(at, RateCode.Of(RateCode.Rate(Week[at]) is >= 0 and var week ? Blend(week, mean, WeekGain) : mean));

    private SeasonalProfile Close(long next)
    {
        var mean = OpenSum / OpenBuckets;
        var (at, hour) = ((int)(OpenSlot % DaySlots), OpenSlot / 6);
        var hourEnds = next / 6 != hour;
        var (hourSum, hourSlots) = (HourSum + mean, HourSlots + 1);
        var weekAt = (int)(hour % WeekSlots);
        var (day, week) = (RateCode.Rate(Day[at]), RateCode.Rate(Week[weekAt]));
        return this with
        {
            Now = Short(Blend(Now, mean, NowGain)),
            NowOfDay = Short(Blend(NowOfDay, day < 0 ? mean : day, NowGain)),
            NowOfWeek = Short(Blend(NowOfWeek, week < 0 ? mean : week, NowGain)),
            Day = Day.SetItem(at, RateCode.Of(day < 0 ? mean : Blend(day, mean, DayGain))),
            Yesterday = Compact ? Yesterday : Yesterday.SetItem(at, RateCode.Of(mean)),
            Week = hourEnds ? WithHour(weekAt, hourSum / hourSlots) : Week,
            HourSum = hourEnds ? 0 : Short(hourSum),
            HourSlots = hourEnds ? 0 : hourSlots,
            OpenSum = 0,
            OpenBuckets = 0,
        };
    }

    private bool Compact => Yesterday.IsEmpty;

    private double Short(double value) => Compact ? (float)value : value;

    private static double Blend(double old, double value, double gain) => old + (gain * (value - old));

    private static ImmutableArray<ushort> Unseen(int slots) => [.. new ushort[slots]];
}
