using CsCheck;

namespace Plimsoll.Tests.Demand;

public class DemandHistoryTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private static readonly PlannerSettings Settings = new();

    private static DemandHistory Of(params double[] perSecond)
    {
        var history = DemandHistory.None;
        for (var i = 0; i < perSecond.Length; i++)
            history = history.Add(Noon.AddSeconds(i), Noon.AddSeconds(i + 1), perSecond[i], Settings);
        return history;
    }

    [Fact]
    public void Seconds_become_buckets_newest_last()
    {
        Assert.Equal([3, 0, 5], Of(3, 0, 5).Arrivals);
    }

    [Fact]
    public void A_gap_nobody_observed_is_not_silence()
    {
        var history = Of(3).Add(Noon.AddSeconds(3), Noon.AddSeconds(4), 4, Settings);
        Assert.Equal([3, -1, -1, 4], history.Arrivals);
        Assert.True(history.MeanRate(TimeSpan.FromSeconds(4), Settings).TryGetKnown(out var mean));
        Assert.Equal(3.5, mean);
    }

    [Fact]
    public void Nothing_observed_is_missing_and_not_zero()
    {
        Assert.Equal(SignalState.Missing, DemandHistory.None.MeanRate(TimeSpan.FromSeconds(4), Settings).State);
        Assert.Equal(SignalState.Missing, DemandHistory.None.Quantile(TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(60), 0.9, Settings).State);
    }

    [Fact]
    public void A_longer_window_holds_a_higher_maximum()
    {
        // Windows of one second: 90 % of ten seconds see at most 1. Windows of three: three of eight see the 9.
        var history = Of(1, 1, 1, 1, 9, 1, 1, 1, 1, 1);
        Assert.True(history.Quantile(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), 0.9, Settings).TryGetKnown(out var brief));
        Assert.True(history.Quantile(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(10), 0.9, Settings).TryGetKnown(out var wide));
        Assert.Equal(1, brief);
        Assert.Equal(9, wide);
    }

    [Fact]
    public void What_comes_late_loses_no_arrival_and_makes_no_room()
    {
        var history = Of(1, 2).Add(Noon.AddSeconds(-5), Noon.AddSeconds(-4), 7, Settings);
        Assert.Equal([1, 9], history.Arrivals);
    }

    [Fact]
    public void After_a_clock_that_was_set_back_the_buckets_begin_anew()
    {
        var history = Of(1, 2).Add(Noon.AddHours(-1), Noon.AddHours(-1).AddSeconds(1), 7, Settings);
        Assert.Equal([7], history.Arrivals);
        Assert.Equal(Noon.AddHours(-1).AddSeconds(1), history.End);
    }

    // Each tick added to one bucket until the clock had caught up, whatever had come since.
    [Fact]
    public void After_a_clock_that_was_set_back_the_rate_is_that_of_what_comes_and_falls_with_it() =>
        Gen.Select(Gen.Double[0.01, 100_000], Gen.Double[0.2, 3], Gen.Double[0, 50], Gen.Int[0, 40], Gen.Int[1, 200]).Sample((back, seconds, rate, before, after) =>
        {
            var (history, at) = (DemandHistory.None, Noon);
            void Go(int ticks, double perSecond)
            {
                for (var i = 0; i < ticks; i++) history = history.Add(at, at = at.AddSeconds(seconds), perSecond * seconds, Settings);
            }

            double Lately() => history.MeanRate(TimeSpan.FromSeconds(5), Settings).TryGetKnown(out var mean) ? mean : -1;
            Go(before, rate);
            at = at.AddSeconds(-back);
            Go(after, rate);

            // At the most what came within the ten seconds that are taken for late, in one bucket of a second, and what that held.
            var (ahead, most) = (Lately(), rate * (10 + 1 + 5 + seconds));
            Go((int)Math.Ceiling((10 + 1 + 5 + seconds) / seconds) + 1, 0);
            return ahead <= most + 1e-6 && Lately() is >= 0 and < 1e-9;
        });

    [Fact]
    public void Arrivals_are_conserved_and_bounded_whatever_the_intervals() =>
        Gen.Select(Gen.Double[0.01, 5], Gen.Double[0, 50]).List[1, 60].Sample(intervals =>
        {
            var (history, at, total) = (DemandHistory.None, Noon, 0.0);
            foreach (var (seconds, arrivals) in intervals)
            {
                history = history.Add(at, at.AddSeconds(seconds), arrivals, Settings);
                at = at.AddSeconds(seconds);
                total += arrivals;
            }

            var kept = history.Arrivals.Where(bucket => bucket >= 0).Sum();
            return Math.Abs(kept - total) < 1e-6 * Math.Max(1, total) && history.Arrivals.Length <= Settings.DemandBuckets;
        });

    [Fact]
    public void More_demand_never_forecasts_less() =>
        Gen.Select(Gen.Double[0, 20].List[5, 40], Gen.Double[0.5, 0.999]).Sample((rates, quantile) =>
        {
            var less = Of([.. rates]).Quantile(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(60), quantile, Settings);
            var more = Of([.. rates.Select(rate => rate + 1)]).Quantile(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(60), quantile, Settings);
            return less.Value <= more.Value;
        });

    // Histories that follow on one another share what lies behind them: each must read as if it had all for itself, whoever else
    // followed on the same one, before or after it.
    [Fact]
    public void Histories_that_share_a_past_never_see_one_another() =>
        Gen.Select(Gen.Int[0, 1000], Gen.Double[-3, 9], Gen.Double[0.1, 4], Gen.Int[0, 9]).List[1, 80].Sample(moves =>
        {
            var few = Settings with { DemandBuckets = 12 };
            var all = new List<(DemandHistory Shared, DemandHistory Alone, DateTimeOffset At)> { (DemandHistory.None, DemandHistory.None, Noon) };
            foreach (var (pick, gap, seconds, arrivals) in moves)
            {
                // Most follow on one of the newest; some on one long ago.
                var (shared, alone, at) = all[pick % 4 == 0 ? pick % all.Count : all.Count - 1 - (pick % Math.Min(3, all.Count))];
                var from = at.AddSeconds(gap < 6 ? 0 : gap - 6 - (gap > 8 ? 4 : 0));
                var to = from.AddSeconds(seconds);

                // One read from what was written shares nothing.
                alone = new DemandHistory(alone.End, alone.Arrivals).Add(from, to, arrivals, few);
                all.Add((shared.Add(from, to, arrivals, few), new DemandHistory(alone.End, alone.Arrivals), to));
            }

            return all.TrueForAll(one => one.Shared.End == one.Alone.End && one.Shared.Arrivals.SequenceEqual(one.Alone.Arrivals)
                && one.Shared.MeanRate(TimeSpan.FromSeconds(5), few) == one.Alone.MeanRate(TimeSpan.FromSeconds(5), few));
        });

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(1.0)]
    public void A_second_that_just_began_is_counted_for_as_long_as_it_was_seen(double seen)
    {
        var (history, at) = (DemandHistory.None, Noon);
        for (var i = 0; i < 20; i++) history = history.Add(at, at = at.AddSeconds(1), 10, Settings);
        history = history.Add(at, at.AddSeconds(seen), 10 * seen, Settings);

        Assert.Equal(10, history.MeanRate(TimeSpan.FromSeconds(5), Settings with { IdleIsSeen = true }, at.AddSeconds(seen)).Value, 9);
        Assert.Equal((40 + (10 * seen)) / 5, history.MeanRate(TimeSpan.FromSeconds(5), Settings, at.AddSeconds(seen)).Value, 9);
    }

    [Fact]
    public void A_first_second_is_not_divided_by_the_moment_that_it_was_seen() =>
        Assert.Equal(1, DemandHistory.None.Add(Noon, Noon.AddMilliseconds(1), 1, Settings).MeanRate(TimeSpan.FromSeconds(5), Settings with { IdleIsSeen = true }, Noon.AddMilliseconds(1)).Value);

    [Fact]
    public void Whether_a_quantile_is_above_nothing_is_what_the_quantile_says() =>
        Gen.Select(Gen.OneOf(Gen.Const(0.0), Gen.Double[0, 3], Gen.Const(-1.0)).List[1, 40], Gen.Double[0.3, 0.999], Gen.Int[1, 8], Gen.Int[1, 5], Gen.Bool).Sample((seen, quantile, window, averaged, sober) =>
        {
            var settings = Settings with { LearnsSoberly = sober };
            var history = new DemandHistory(Noon, [.. seen]);
            var (ahead, lookback, over) = (TimeSpan.FromSeconds(window), TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(averaged));
            return history.IsAbove(ahead, lookback, quantile, settings, over)
                == (history.Quantile(ahead, lookback, quantile, settings, over).TryGetKnown(out var most) && most > 0);
        });

    [Fact]
    public void Where_counting_begins_one_request_is_no_ten_seconds_full_of_them()
    {
        double Most(double[] seen, bool sober) => new DemandHistory(Noon, [.. seen])
            .Quantile(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1), 0.99, Settings with { LearnsSoberly = sober }, TimeSpan.FromSeconds(10)).Value;
        double[] quiet = [.. Enumerable.Repeat(0.0, 20)], unseen = [.. Enumerable.Repeat(-1.0, 20)];
        Assert.Equal((1, 0.2), (Most([1, .. quiet], false), Most([1, .. quiet], true)));
        Assert.Equal((1, 0.2), (Most([.. quiet, .. unseen, 1, .. quiet], false), Most([.. quiet, .. unseen, 1, .. quiet], true)));

        // Of what was just begun to be counted there is nothing else to say.
        Assert.Equal((2, 2), (Most([2], false), Most([2], true)));
    }

    // As slowly as it can be said.
    [Fact]
    public void A_quantile_is_of_the_most_in_each_window_there_was() =>
        Gen.Select(Gen.OneOf(Gen.Double[0, 9], Gen.Const(-1.0)).List[1, 400], Gen.Double[0.3, 0.999], Gen.Int[1, 20], Gen.Int[1, 400]).Sample((seen, quantile, window, lookback) =>
        {
            var past = seen.TakeLast(lookback).ToArray();
            var width = Math.Min(window, past.Length);
            var maxima = Enumerable.Range(0, past.Length - width + 1).Select(from => past[from..(from + width)].Max()).Where(most => most >= 0).Order().ToArray();
            var found = new DemandHistory(Noon, [.. seen]).Quantile(TimeSpan.FromSeconds(window), TimeSpan.FromSeconds(lookback), quantile, Settings);
            return maxima.Length == 0 ? found.State == SignalState.Missing
                : found.Value == maxima[Math.Max(0, Math.Min(maxima.Length - 1, (int)Math.Ceiling(quantile * maxima.Length) - 1))];
        });
}
