using System.Globalization;
using System.Text;
using Plimsoll.Cli.Load;
using Plimsoll.Footprints.Memory;
using Plimsoll.Prediction.Capacity;
using Plimsoll.Prediction.Steps;

namespace Plimsoll.Prediction.Batches;

/// <summary>What replicas that compute in batches carry: the formula against the simulation.</summary>
internal static class BatchesCommand
{
    private const int Count = 500;
    private const int Requests = 40_000;
    private static readonly int[] Batches = [1, 4, 8, 16, 32, 64, 128];
    private static readonly int[] Replicas = [1, 1, 2, 3, 4, 8, 16];
    private static readonly double[] Shares = [0.9, 0.95, 0.99];

    private sealed record Case(BatchProfile Profile, int Replicas, double Share, double Limit)
    {
        public double Factor => Limit / Profile.Seconds(1);
    }

    private sealed record Outcome(Case Case, double Ours, double Simulated, double Milliseconds)
    {
        public double Error => Errors.Relative(Ours, Simulated);
    }

    public static int Try(int count)
    {
        foreach (var one in Outcomes(CapacityCommand.DevelopmentSeed, count).OrderBy(one => one.Case.Replicas).ThenBy(one => one.Case.Factor))
            Console.WriteLine(Invariant($"{one.Error * 100,7:F1} % {one.Ours,9:F2} {one.Simulated,9:F2} n={one.Case.Replicas} p{one.Case.Share * 100:0} within {one.Case.Factor:F2} of alone, batch {one.Case.Profile.BatchMax} takes {one.Case.Profile.Seconds(one.Case.Profile.BatchMax) / one.Case.Profile.Seconds(1):F1}, {one.Milliseconds:F1} ms"));
        return 0;
    }

    public static int Report(string page)
    {
        var all = Outcomes(CapacityCommand.ReportSeed, Count).ToList();
        var text = new StringBuilder();
        text.Append("## Capacity of models that answer at once\n\n");
        text.Append(Invariant($"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}. How many requests a second replicas carry that compute requests in batches, of which a profile says how long each takes: the formula (`src/Plimsoll/Performance/Batches`) against the simulation of the same, over {Count} random cases. Written by `dotnet run -c Release --project bench/Plimsoll.Prediction -- batches`.\n\n"));
        text.Append(Invariant($"Cases are drawn with seed {CapacityCommand.ReportSeed}; the formula was made on those of seed {CapacityCommand.DevelopmentSeed}. The largest batch is 1 to 128 and takes what 2 to 100 % of its requests one after the other would, the limit 1.05 to 12 times what a request alone takes, at p90, p95 or p99; 1 to 16 replicas. The simulation is searched by halving to 0.4 %, each rate with the same {Requests:N0} Poisson arrivals.\n\n"));
        text.Append("| cases | n | median error % | p90 | p95 | mean with sign |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
        Row(text, "one replica", all.Where(one => one.Case.Replicas == 1));
        Row(text, "two to four", all.Where(one => one.Case.Replicas is >= 2 and <= 4));
        Row(text, "eight and sixteen", all.Where(one => one.Case.Replicas >= 8));
        Row(text, "a limit below twice a request alone", all.Where(one => one.Case.Factor < 2));
        Row(text, "all", all);
        var times = Errors.Of(all.Skip(50).Select(one => one.Milliseconds));
        text.Append(Invariant($"\nTime of one capacity, all its rates, after the first 50 cases: median {times.Quantile(0.5):F1} ms, p95 {times.Quantile(0.95):F1} ms.\n"));
        if (page.Length > 0) MarkdownSection.Write(page, "batches", text.ToString());
        Console.Write(text);
        return 0;
    }

    private static void Row(StringBuilder text, string name, IEnumerable<Outcome> of)
    {
        var errors = of.Select(one => one.Error).ToList();
        var sorted = Errors.Of(errors);
        text.Append(Invariant($"| {name} | {errors.Count} | {sorted.Quantile(0.5) * 100:F1} | {sorted.Quantile(0.9) * 100:F1} | {sorted.Quantile(0.95) * 100:F1} | {errors.Average() * 100:F1} |\n"));
    }

    private static IEnumerable<Outcome> Outcomes(ulong seed, int count)
    {
        var arrivals = new SeededRandom(seed + 1000);
        var gaps = new double[Requests];
        double now = 0;
        for (var i = 0; i < gaps.Length; i++) gaps[i] = now += arrivals.NextExponential();
        var one = Enumerable.Repeat(1, Requests).ToArray();
        var log = new RequestLog(new double[Requests], one, one);
        for (var i = 0; i < count; i++)
        {
            var asked = Draw(new SeededRandom(SeededRandom.Mix(seed, (ulong)i)));
            var clock = TimeProvider.System.GetTimestamp();
            var ours = new BatchCapacity(asked.Profile, 2 * asked.Profile.BatchMax).PerSecond(asked.Replicas, asked.Share, asked.Limit);
            var spent = TimeProvider.System.GetElapsedTime(clock).TotalMilliseconds;
            var simulated = CapacityJudge.PerSecond(
                log, gaps, requests => BatchGroup.Run(asked.Profile, asked.Replicas, requests),
                [new LatencyTarget(LatencyMetric.EndToEnd, asked.Share, asked.Limit)], ours > 0 ? ours : 1);
            yield return new Outcome(asked, ours, simulated, spent);
        }
    }

    /// <summary>A profile, and what is asked of it.</summary>
    internal static (BatchProfile Profile, double Share, double Limit) Draw(ulong seed, int number)
    {
        var (profile, _, share, limit) = Draw(new SeededRandom(SeededRandom.Mix(seed, (ulong)number)));
        return (profile, share, limit);
    }

    private static Case Draw(SeededRandom random)
    {
        var most = Pick(Batches, random);
        var (alone, fixedPart, bend) = (0.001 * Math.Pow(300, random.NextUnit()), 1 - Math.Pow(0.02, random.NextUnit()), 0.75 + (random.NextUnit() / 4));
        var rows = Enumerable.Range(0, 8).Select(power => 1 << power).Where(size => size <= most)
            .Select(size => new BatchTime(size, alone * (fixedPart + ((1 - fixedPart) * Math.Pow(size, bend)))));
        return new Case(BatchProfile.Of(rows).Profile!, Pick(Replicas, random), Shares[(int)(random.NextUnit() * Shares.Length)], alone * 1.05 * Math.Pow(12 / 1.05, random.NextUnit()));
    }

    private static int Pick(int[] from, SeededRandom random) => from[(int)(random.NextUnit() * from.Length)];

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
