using System.Collections.Immutable;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Tests.Demo;

public sealed class DemoVerdictTests
{
    [Fact]
    public void The_verdict_table_is_as_drawn()
    {
        const string Expected = """
            policy plimsoll                     large       medium        small
            weights                            1.5 GB       250 MB        25 MB
            requests due                          100          400        1,600
            answered                              100          399        1,600
            latency p50                         240ms         60ms        4.0ms
            latency p90                         900ms        110ms        8.0ms
            latency p99                         11.2s         2.4s         1.3s
            latency max                         11.9s         2.9s        1.61s
            SLO                               in 3.0s      in 1.0s     in 300ms
            requests within the SLO            91.0 %       98.3 %       99.5 %
            requests held                           6            7            3
            longest held                        11.6s         2.6s         1.5s
            cold starts                             3            3            3
            times let go                            2            2            2
            hold-and-release cycles                 2            2            2
            replica time                        128 s        128 s        128 s
            memory held, GiB s                    210           50           11
            if always kept, GiB s                 360           84           24

            replicas over time ('#' serves, '~' loads, '.' gone)
            large          ~~####################........~~####################........
            medium         .....~##############################...........~############
            small          ############################################################

            The memory budget held: at most 1.90 GiB of 2.00 GiB (4,800 samples); all loaded
            would be 2.10 GiB.
            Every model with traffic was served; 2,099 of 2,100 requests were answered, 99.0
            % within their SLO, 16 were held while a model loaded.
            Hold-and-release cycles (loaded, held, let go): large 2, medium 2, small 2.
            Memory used over time was 57.9 % of keeping every model loaded, which this
            budget does not allow.
            """;

        var lines = DemoTable.Lines(Report).ToList();

        Assert.Equal(Expected, string.Join('\n', lines));
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
    }

    [Fact]
    public void A_broken_budget_and_a_model_nobody_served_are_said_loudly()
    {
        var starved = Report.Models[0] with { Load = ModelLoad.Nothing("large") with { Due = 5 } };
        var report = Report with { LargestBytes = Bytes.GiB(2.5).Value, Models = [starved, .. Report.Models[1..]] };

        var verdict = string.Join('\n', DemoTable.Verdict(report));

        Assert.Contains("THE MEMORY BUDGET DID NOT HOLD: 2.50 GiB against 2.00 GiB", verdict, StringComparison.Ordinal);
        Assert.Contains("NOT SERVED AT ALL: large.", verdict, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_too_busy_to_send_on_time_is_said_beside_the_latencies()
    {
        var report = Report with { GeneratorLagMs = new Percentiles(10, 1, 2, 80, 90, 100) };

        Assert.Contains(DemoTable.Verdict(report), line => line.Contains("late by 80ms at p99", StringComparison.Ordinal));
    }

    private static DemoReport Report { get; } = new()
    {
        Policy = "plimsoll",
        Seed = 1,
        Setting = [],
        Seconds = 240,
        BudgetBytes = Bytes.GiB(2).Value,
        AllLoadedBytes = Bytes.GiB(2.1).Value,
        LargestBytes = Bytes.GiB(1.9).Value,
        MemorySamples = 4800,
        GeneratorLagMs = new Percentiles(2100, 0.5, 1, 2, 3, 4),
        All = Load("all", 2100, 2099, new Percentiles(2099, 5, 90, 900, 11000, 11900), 0.99, 16, 11600),
        Models =
        [
            Model("large", 1_500_000_000, 3000, Load("large", 100, 100, new(100, 240, 900, 11200, 11900, 11900), 0.91, 6, 11600), 210, 360,
                "~~####################........~~####################........"),
            Model("medium", 250_000_000, 1000, Load("medium", 400, 399, new(399, 60, 110, 2400, 2900, 2900), 0.983, 7, 2600), 50, 84,
                ".....~##############################...........~############"),
            Model("small", 25_000_000, 300, Load("small", 1600, 1600, new(1600, 4, 8, 1300, 1600, 1610), 0.995, 3, 1500), 11, 24,
                new string('#', 60)),
        ],
    };

    private static DemoModelResult Model(string name, long bytes, double slo, ModelLoad load, double held, double kept, string line) => new()
    {
        Model = name,
        WeightBytes = bytes,
        SloMs = slo,
        Load = load,
        ColdStarts = 3,
        Releases = 2,
        Cycles = 2,
        Crashes = 0,
        Replicas = line,
        ReplicaSeconds = 128.4,
        GibSeconds = held,
        KeptGibSeconds = kept,
    };

    private static ModelLoad Load(string name, long due, long ok, Percentiles latency, double within, long held, double longest) =>
        ModelLoad.Nothing(name) with
        {
            Due = due,
            Succeeded = ok,
            Failures = ok < due ? ImmutableSortedDictionary<string, long>.Empty.Add("HTTP 503", due - ok) : ImmutableSortedDictionary<string, long>.Empty,
            LatencyMs = latency,
            WithinSlo = within,
            Held = held,
            LongestHeldMs = longest,
        };
}
