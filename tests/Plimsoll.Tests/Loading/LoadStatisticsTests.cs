using System.Text.Json;
using Plimsoll.Json;
using Plimsoll.Tests.Planning;

namespace Plimsoll.Tests.Loading;

public class LoadStatisticsTests
{
    // Twenty loads around ten seconds, as a machine that does other things too gives them.
    private static readonly double[] Steady =
        [10.2, 9.7, 10.9, 9.1, 10.0, 11.2, 9.6, 10.4, 9.9, 10.1, 9.3, 10.7, 9.8, 10.3, 11.6, 9.5, 10.0, 10.6, 9.2, 10.1];

    private static LoadStatistics Of(IEnumerable<double> seconds) => seconds.Aggregate(LoadStatistics.None, (loads, took) => loads.Add(Sample(took)));

    private static LoadSample Sample(double seconds) => new(Bytes.MiB(100), TimeSpan.FromSeconds(seconds));

    private static (double Median, double P90) Said(LoadStatistics loads)
    {
        var said = loads.Estimate()!;
        return (said.Median.TotalSeconds, said.P90.TotalSeconds);
    }

    [Fact]
    public void Without_loads_there_is_no_estimate() => Assert.Null(LoadStatistics.None.Estimate());

    [Fact]
    public void What_a_strangers_journal_says_of_loads_is_bounded()
    {
        // Half a million of them, on the stack, would end the process.
        var many = new LoadStatistics([.. Enumerable.Repeat(Sample(10), 500_000)]);
        var known = JsonSerializer.Deserialize(JsonSerializer.Serialize(Knowledge.Empty with { FleetLoads = many }, PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!;
        Assert.Equal(10, Said(known.FleetLoads).Median, 3);
        Assert.Equal(10, Said(Of(Enumerable.Repeat(10.0, 60))).Median, 3);
        Assert.Equal(many.Samples[^3..], new LoadStatistics([.. many.Samples.Take(200_000)]).Samples[^3..]);

        // Nor is there anything to reckon with in what cannot be, or in nothing.
        Assert.Null(new LoadStatistics([Sample(-1), null!]).Estimate());
        Assert.Null(JsonSerializer.Deserialize("{}", PlimsollJson.Default.LoadStatistics)!.Estimate());
    }

    [Fact]
    public void One_load_says_its_own_time_and_half_as_much_again_for_nine_in_ten()
    {
        // e^0.4520 = 1.5714.
        var (median, p90) = Said(Of([10]));
        Assert.Equal(10, median, 0.001);
        Assert.Equal(15.714, p90, 0.005);
        Assert.Equal(1, Of([10]).Estimate()!.Observed);
    }

    [Fact]
    public void Steady_loads_are_said_within_a_few_hundredths()
    {
        // The mean of the logarithms of these twenty is that of 10.08; the 19th of them in order is 11.2.
        var (median, p90) = Said(Of(Steady));
        Assert.InRange(median, 9.7, 10.4);
        Assert.InRange(p90, 10.7, 11.8);
    }

    [Fact]
    public void A_disk_that_became_slower_is_followed_within_six_loads()
    {
        var (median, p90) = Said(Of([.. Steady, .. Steady, 30, 31, 29.5, 30.5, 30, 29]));
        Assert.InRange(median, 25, 31);
        Assert.InRange(p90, 30, 45);
    }

    [Fact]
    public void One_wild_load_among_steady_ones_moves_neither_far()
    {
        var (before, after) = (Said(Of(Steady)), Said(Of([.. Steady, 300, .. Steady[..10]])));
        Assert.Equal(before.Median, after.Median, 0.05 * before.Median);
        Assert.Equal(before.P90, after.P90, 0.15 * before.P90);
    }

    [Fact]
    public void Loads_told_twice_say_about_the_same()
    {
        var (once, twice) = (Said(Of(Steady)), Said(Of(Steady.SelectMany(took => new[] { took, took }))));
        Assert.Equal(once.Median, twice.Median, 0.06 * once.Median);
        Assert.Equal(once.P90, twice.P90, 0.06 * once.P90);
    }

    [Fact]
    public void A_page_cache_that_stays_warm_is_believed_and_the_cold_load_is_kept_in_the_p90()
    {
        // Ten cold loads of thirty seconds and ten warm ones of ten, by turns of ten.
        var (median, p90) = Said(Of([.. Steady[..10].Select(took => 3 * took), .. Steady[..10], .. Steady[..10].Select(took => 3 * took), .. Steady[..8]]));
        Assert.InRange(median, 9, 16);
        Assert.InRange(p90, 18, 35);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(86_401)]
    [InlineData(1e-6)]
    public void A_time_that_cannot_be_true_changes_nothing(double seconds)
    {
        // A day and a second; and 100 MiB in a microsecond, which no memory could read. Both are clocks that were set.
        var loads = Of(Steady);
        Assert.Same(loads, loads.Add(Sample(seconds)));
    }

    [Fact]
    public void No_more_is_remembered_than_the_window()
    {
        var loads = Of(Enumerable.Repeat(5.0, 300));
        Assert.Equal(LoadStatistics.Window, loads.Samples.Length);
        Assert.InRange(loads.Errors!.Loads, 33, 33.4);
    }

    [Fact]
    public void What_older_journals_hold_reads_and_is_written_as_it_was()
    {
        // Before two loads were seen of a model of one variant nothing is written that was not there before.
        const string Older = """{"samples":[{"size":104857600,"took":"00:00:10"}]}""";
        var known = Knowledge.Empty with { FleetLoads = Of([10]), Models = Knowledge.Empty.Models.Add(new ModelId("m"), ModelKnowledge.Nothing with { Loads = Of([10]) }) };
        var written = JsonSerializer.Serialize(known, PlimsollJson.Default.Knowledge);
        Assert.Equal(2, written.Split(Older).Length - 1);
        Assert.DoesNotContain("variantLoads", written, StringComparison.Ordinal);

        // Twenty samples without errors, as journals held them, are an estimate too; the memories have their first say.
        var twenty = Of(Steady) with { Errors = null };
        var read = JsonSerializer.Deserialize(
            JsonSerializer.Serialize(known with { FleetLoads = twenty }, PlimsollJson.Default.Knowledge), PlimsollJson.Default.Knowledge)!;
        Assert.Equal(20, read.FleetLoads.Estimate()!.Observed);
        Assert.InRange(read.FleetLoads.Estimate()!.Median.TotalSeconds, 9.7, 10.4);
        Assert.NotNull(read.FleetLoads.Add(Sample(10)).Errors);
    }

    [Fact]
    public void What_is_journalled_is_read_back_to_the_same_estimate()
    {
        var known = Knowledge.Empty with { FleetLoads = Of(Steady) };
        var json = PlimsollJson.ToBytes(known, PlimsollJson.Default.Knowledge);
        var read = JsonSerializer.Deserialize(json, PlimsollJson.Default.Knowledge)!;
        Assert.Equal(known.FleetLoads.Estimate(), read.FleetLoads.Estimate());
        Assert.Equal(json, PlimsollJson.ToBytes(read, PlimsollJson.Default.Knowledge));
    }

    [Fact]
    public void Variants_of_one_model_learn_apart()
    {
        var one = Fleets.Model("m", 100);
        var two = one with { Variants = [one.Variants[0], one.Variants[0] with { Id = new VariantId("gpu") }] };
        Knowledge After(ModelSpec model) => Knowledge.Empty.Fold(Fleets.Spec(model), Fleets.Snapshot(Fleets.Spec(model), Fleets.Node(1000), Fleets.Noon) with
        {
            Outcomes = [Loaded("m-1", "cpu", 40), Loaded("m-2", "gpu", 10)],
        });

        var known = After(two).Of(two.Id);
        Assert.Equal(40, known.LoadsOf(new VariantId("cpu")).Estimate()!.Median.TotalSeconds, 0.001);
        Assert.Equal(10, known.LoadsOf(new VariantId("gpu")).Estimate()!.Median.TotalSeconds, 0.001);

        // One that never loaded is told by all that did.
        Assert.Equal(known.Loads.Estimate(), known.LoadsOf(new VariantId("other")).Estimate());
        Assert.InRange(known.Loads.Estimate()!.Median.TotalSeconds, 15, 25);
        Assert.Null(After(one).Of(one.Id).VariantLoads);
    }

    private static Outcome.Loaded Loaded(string replica, string variant, double seconds) => new()
    {
        At = Fleets.Noon,
        Replica = ReplicaId.Of(replica),
        Model = new ModelId("m"),
        Version = "v1",
        Variant = new VariantId(variant),
        Size = Bytes.MiB(100),
        Took = TimeSpan.FromSeconds(seconds),
        Stages = [new StageTime("read", TimeSpan.FromSeconds(seconds / 2))],
    };
}
