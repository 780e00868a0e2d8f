using System.Collections.Immutable;

namespace Plimsoll.Tests.Loading;

public class LoadStagesTests
{
    private static readonly PlannerSettings Settings = new();

    private static readonly LoadStage Read = new()
    {
        Name = "read",
        Bytes = new Bytes(20_000_000_000),
        Alone = new BytesPerSecond(2_000_000_000),
        Shared = new BytesPerSecond(5_000_000_000),
        Fixed = TimeSpan.FromSeconds(1),
    };

    [Theory]
    [InlineData(1, 11)]
    [InlineData(2, 11)]
    [InlineData(4, 17)]
    public void Loads_share_a_link_once_it_is_narrower_than_what_each_could_take(int concurrent, double seconds)
    {
        // 20 GB at 2 GB/s, and at 5 / 4 GB/s when four share 5, and the fixed second.
        Assert.Equal(seconds, Read.Seconds(concurrent), 1e-9);
    }

    [Fact]
    public void Medians_add_up_and_spreads_by_squares()
    {
        // e^(1.28155 × 0.5) = 1.8980: 10 s may take 8.980 s longer, and 20 s twice that; √(8.980² + 17.960²) = 20.080.
        LoadStage Of(double seconds) => new() { Name = "any", Fixed = TimeSpan.FromSeconds(seconds), Spread = 0.5 };
        var said = new LoadPath([Of(10), Of(20)]).Estimate();
        Assert.Equal(30, said.Median.TotalSeconds, 0.001);
        Assert.Equal(50.080, said.P90.TotalSeconds, 0.01);
        Assert.Equal(0, said.Observed);
    }

    [Fact]
    public void A_volume_is_read_at_the_rate_of_the_requests_and_then_at_its_own()
    {
        // 15 GB in one stream at 0.32 GB/s; in eight at 0.93 of what a volume of 1000 MiB/s is sold with.
        double Seconds(int streams) => LoadPriors.Read(
            WeightStore.NetworkVolume, WeightReader.ManyStreams, new Bytes(15_000_000_000), BytesPerSecond.MiB(1000), streams).Seconds();
        Assert.Equal(46.875, Seconds(1), 0.001);
        Assert.Equal(15.382, Seconds(8), 0.001);
    }

    [Fact]
    public void Waking_is_shorter_than_a_reload_from_the_page_cache_and_that_than_from_disk()
    {
        var weights = new Bytes(65_500_000_000);
        var wake = LoadPriors.Wake(weights).Seconds();
        Assert.Equal(4.094, wake, 0.001);
        Assert.Equal(wake, LoadPriors.Sleep(weights).Seconds());
        var warm = LoadPriors.Read(WeightStore.PageCache, WeightReader.OneStream, weights).Seconds();
        Assert.InRange(warm, wake, LoadPriors.Read(WeightStore.LocalDisk, WeightReader.OneStream, weights).Seconds());

        // Giving 65.5 GB back at 15 GB/s, and a second for the process.
        Assert.Equal(5.367, LoadPriors.Unload(weights).Seconds(), 0.001);
    }

    [Fact]
    public void Without_loads_the_line_is_what_is_assumed()
    {
        // 2 s and 1000 MiB at 200 MiB/s.
        var said = LoadLine.Of([], Settings).Estimate(Bytes.MiB(1000));
        Assert.Equal(7, said.Median.TotalSeconds, 0.001);
        Assert.Equal(9.1, said.P90.TotalSeconds, 0.001);
    }

    [Fact]
    public void A_declared_rate_is_believed()
    {
        var said = LoadLine.Declared(BytesPerSecond.MiB(50), Settings).Estimate(Bytes.MiB(1000));
        Assert.Equal(22, said.Median.TotalSeconds, 0.001);
    }

    [Fact]
    public void Loads_of_several_sizes_show_both_the_fixed_part_and_the_bandwidth()
    {
        // All on 5 s and 100 MiB/s: a model of 4000 MiB takes 45 s, which none of them took.
        var said = LoadLine.Of(Loads((100, 6), (500, 10), (1000, 15), (2000, 25)), Settings).Estimate(Bytes.MiB(4000));
        Assert.Equal(45, said.Median.TotalSeconds, 1.5);
        Assert.InRange(said.P90.TotalSeconds, 1.3 * 43.5, 2 * 46.5);
    }

    [Fact]
    public void A_load_that_tells_how_long_it_read_shows_both_by_itself()
    {
        // 20 s, of them 10 s for 1000 MiB: 100 MiB/s and 10 s fixed.
        var told = LoadLine.Of([new LoadSample(Bytes.MiB(1000), TimeSpan.FromSeconds(20)) { Read = TimeSpan.FromSeconds(10) }], Settings);
        Assert.Equal(30, told.Estimate(Bytes.MiB(2000)).Median.TotalSeconds, 3.0);
        Assert.Equal(10, told.Estimate(Bytes.Zero).Median.TotalSeconds, 1.5);
    }

    [Fact]
    public void One_wild_load_does_not_bend_the_line()
    {
        var said = LoadLine.Of(Loads((100, 6), (500, 10), (1000, 15), (2000, 25), (1500, 20), (1200, 17), (800, 13), (900, 1400)), Settings).Estimate(Bytes.MiB(1000));
        Assert.InRange(said.Median.TotalSeconds, 13, 20);
    }

    private static ImmutableArray<LoadSample> Loads(params (double MiB, double Seconds)[] loads) =>
        [.. loads.Select(load => new LoadSample(Bytes.MiB(load.MiB), TimeSpan.FromSeconds(load.Seconds)))];
}
