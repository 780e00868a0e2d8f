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
    public void A_clock_that_jumps_back_loses_no_arrival_and_makes_no_room()
    {
        var history = Of(1, 2).Add(Noon.AddSeconds(-100), Noon.AddSeconds(-99), 7, Settings);
        Assert.Equal(2, history.Arrivals.Length);
        Assert.Equal(10, history.Arrivals.Sum());
    }

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
}
