using CsCheck;

namespace Plimsoll.Tests.Loading;

/// <summary>What holds of every load time, whatever was observed.</summary>
public class LoadPropertyTests
{
    private static readonly PlannerSettings Settings = new();

    // From milliseconds to hours, and now and then what no load can be: nothing, a clock set back, a clock set by weeks.
    private static readonly Gen<TimeSpan> Times =
        from kind in Gen.Int[0, 9]
        from log in Gen.Double[-7, 10]
        select kind switch
        {
            0 => TimeSpan.Zero,
            1 => TimeSpan.FromSeconds(-Math.Exp(log)),
            2 => TimeSpan.FromDays(20),
            3 => TimeSpan.MaxValue,
            _ => TimeSpan.FromSeconds(Math.Exp(log)),
        };

    private static readonly Gen<LoadSample[]> Observed =
        (from took in Times
         from log in Gen.Double[0, 28]
         from read in Gen.Double[-0.5, 1.5]
         from tells in Gen.Bool
         select new LoadSample(new Bytes((long)Math.Exp(log)), took)
         {
             Read = tells && took < TimeSpan.FromDays(30) ? took * read : null,
         }).Array[0, 80];

    private static readonly Gen<LoadStage> Stages =
        from store in Gen.Enum<WeightStore>()
        from reader in Gen.Enum<WeightReader>()
        from log in Gen.Double[0, 30]
        from nominal in Gen.Double[0, 26]
        from given in Gen.Bool
        from streams in Gen.Int[1, 64]
        from ranks in Gen.Int[1, 16]
        select LoadPriors.Read(
            store, reader, new Bytes((long)Math.Exp(log)), given ? new BytesPerSecond((long)Math.Exp(nominal)) : null, given ? streams : null, ranks);

    private static LoadStatistics Of(IEnumerable<LoadSample> samples) => samples.Aggregate(LoadStatistics.None, (loads, one) => loads.Add(one));

    [Fact]
    public void Estimates_lie_within_what_was_seen_and_the_p90_at_most_at_twice_the_longest() => Observed.Sample(samples =>
    {
        var loads = Of(samples);
        if (loads.Estimate() is not { } said) return loads.Samples.IsEmpty;
        var (least, most) = (loads.Samples.Min(one => one.Took), loads.Samples.Max(one => one.Took));
        var grain = TimeSpan.FromMilliseconds(0.2);
        return said.Median >= least - grain && said.Median <= most + grain && said.P90 >= said.Median && said.P90 <= (2 * most) + grain
            && loads.Samples.Length <= LoadStatistics.Window && said.Observed == loads.Samples.Length;
    });

    [Fact]
    public void What_cannot_be_true_changes_nothing() => Observed.Sample(samples =>
    {
        var all = Of(samples).Estimate();
        var plausible = Of(samples.Where(one => one.Took > TimeSpan.Zero && one.Took <= TimeSpan.FromDays(1)));
        return all == plausible.Estimate();
    });

    [Fact]
    public void Twice_as_long_loads_are_said_to_take_twice_as_long() => Gen.Int[0, 600].Array[1, 60].Sample(hundredths =>
    {
        LoadEstimate Said(double scale) =>
            Of(hundredths.Select(log => new LoadSample(Bytes.Zero, TimeSpan.FromSeconds(scale * Math.Exp(log / 100.0))))).Estimate()!;
        var (one, two) = (Said(1), Said(2));
        return Math.Abs((two.Median / one.Median) - 2) < 0.002 && Math.Abs((two.P90 / one.P90) - 2) < 0.002;
    });

    [Fact]
    public void A_prior_never_falls_with_more_bytes_whatever_was_seen() => Gen.Select(Observed, Gen.Double[0, 30], Gen.Double[0, 30]).Sample((samples, a, b) =>
    {
        var line = LoadLine.Of(Of(samples).Samples, Settings);
        var less = line.Estimate(new Bytes((long)Math.Exp(Math.Min(a, b))));
        var more = line.Estimate(new Bytes((long)Math.Exp(Math.Max(a, b))));
        return less.Median >= TimeSpan.Zero && more.Median >= less.Median && more.P90 >= less.P90 && less.P90 >= less.Median;
    });

    [Fact]
    public void A_declared_bandwidth_of_nothing_is_no_error() =>
        Assert.Equal(TimeSpan.FromDays(365), LoadLine.Declared(new BytesPerSecond(0), Settings).Estimate(Bytes.MiB(1000)).Median);

    [Fact]
    public void A_stage_never_gets_faster_with_more_bytes_or_more_loads_beside_it() => Gen.Select(Stages, Gen.Double[1, 3], Gen.Int[1, 8]).Sample((stage, more, loads) =>
    {
        var heavier = stage with { Bytes = new Bytes((long)(stage.Bytes.Value * more)) };
        var seconds = stage.Seconds(loads);
        return double.IsFinite(seconds) && seconds >= 0 && heavier.Seconds(loads) >= seconds && stage.Seconds(loads + 1) >= seconds;
    });

    [Fact]
    public void A_path_never_gets_faster_with_a_stage_more_or_a_heavier_one() => Gen.Select(Stages.Array[0, 5], Stages, Gen.Int[1, 8]).Sample((stages, extra, loads) =>
    {
        var path = new LoadPath([.. stages]).Estimate(loads);
        var longer = new LoadPath([.. stages, extra]).Estimate(loads);
        var heavier = new LoadPath([.. stages, extra with { Bytes = extra.Bytes + extra.Bytes }]).Estimate(loads);
        return path.P90 >= path.Median && longer.Median >= path.Median && longer.P90 >= path.P90
            && heavier.Median >= longer.Median && heavier.P90 >= longer.P90;
    });
}
