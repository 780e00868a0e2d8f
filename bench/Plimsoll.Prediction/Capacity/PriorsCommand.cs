using System.Globalization;
using System.Text;
using Plimsoll.Cli.Load;
using Plimsoll.Footprints.Memory;
using Plimsoll.Prediction.Batches;
using Plimsoll.Prediction.Steps;

namespace Plimsoll.Prediction.Capacity;

/// <summary>
/// What a planner reads of a <see cref="ServicePrior"/>, a few numbers computed once, against what the formulas say when they are asked
/// for the very pace and number of replicas.
/// </summary>
internal static class PriorsCommand
{
    private const int Count = 400;

    /// <summary>Of the pace's logarithm: about that of devices with kernel tables.</summary>
    private const double Spread = 0.4;

    /// <summary>Nearer than this to where a request that is alone keeps its objective, or no longer does, the pace is not known.</summary>
    private const double Edge = 1.03;

    private static readonly int[] Replicas = [1, 2, 3, 5, 8, 12, 16, 24, 40];

    private sealed record Outcome(string Kind, string Case, double Pace, int Replicas, double Read, double Asked, double Most, bool ReadKeeps, bool AtEdge, double Milliseconds)
    {
        public bool AskedKeeps => Asked > 0;

        // Both say that it is kept: where they do not, the one says what is got through.
        public bool Compares => AskedKeeps && ReadKeeps;

        /// <summary>How many times as many replicas as are needed, or as few.</summary>
        public double Factor => Math.Exp(Math.Abs(Math.Log(Read / Asked)));
    }

    public static int Try(int count)
    {
        if (All(CapacityCommand.DevelopmentSeed, count) is not { } all) return CapacityCommand.Skipped();
        foreach (var one in all.OrderByDescending(one => one.Compares ? one.Factor : 0).Take(40))
            Console.WriteLine(Invariant($"{one.Factor,7:F2} pace {one.Pace:F2} n={one.Replicas,-2} read {one.Read,8:G3} asked {one.Asked,8:G3} most {one.Most,8:G3} {(one.AtEdge ? "edge " : "")}{one.Case}"));
        Console.Write(Table(all));
        return 0;
    }

    public static int Report(string page)
    {
        if (All(CapacityCommand.ReportSeed, Count) is not { } all) return CapacityCommand.Skipped();
        var text = new StringBuilder();
        text.Append("## Capacity as a planner reads it\n\n");
        text.Append(Invariant($"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}. The numbers that are computed once of each variant (`ServicePrior`), read at a pace and a number of replicas, against the formulas asked for the very same. {Count} random cases each of seed {CapacityCommand.ReportSeed} ({CapacityCommand.DevelopmentSeed} was developed with), drawn as above; the pace is lognormal with spread {Spread} around what was predicted, replicas are 1 to 40. At the edge: within 3 % of the pace from which on even a request that is alone is late; what is carried falls to nothing there, and is read as what it is 3 % before. `dotnet run -c Release --project bench/Plimsoll.Prediction -- priors`.\n\n"));
        text.Append(Table(all));
        if (page.Length > 0) MarkdownSection.Write(page, "priors", text.ToString());
        Console.Write(text);
        return 0;
    }

    private static string Table(IReadOnlyList<Outcome> all)
    {
        var text = new StringBuilder();
        text.Append("| cases | n | factor: median | p95 | p99 | most | more than it gets through | kept, read as missed | missed, read as kept |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        foreach (var kind in all.GroupBy(one => one.Kind))
        {
            Row(text, $"{kind.Key}, one replica", [.. kind.Where(one => one.Replicas == 1 && !one.AtEdge)]);
            Row(text, $"{kind.Key}, several", [.. kind.Where(one => one.Replicas > 1 && !one.AtEdge)]);
            Row(text, $"{kind.Key}, at the edge", [.. kind.Where(one => one.AtEdge)]);
        }

        foreach (var kind in all.GroupBy(one => one.Kind))
            text.Append(Invariant($"\nTime of a variant's numbers, {kind.Key}: median {Errors.Of(kind.Skip(20).Select(one => one.Milliseconds)).Quantile(0.5):F0} ms, p95 {Errors.Of(kind.Skip(20).Select(one => one.Milliseconds)).Quantile(0.95):F0} ms."));
        text.Append('\n');
        return text.ToString();
    }

    private static void Row(StringBuilder text, string name, IReadOnlyList<Outcome> of)
    {
        var factors = Errors.Of(of.Where(one => one.Compares).Select(one => one.Factor));
        text.Append(Invariant($"| {name} | {of.Count} | {factors.Quantile(0.5):F2} | {factors.Quantile(0.95):F2} | {factors.Quantile(0.99):F2} | {factors.Quantile(1):F1} | {of.Count(one => one.Read > one.Most * 1.001)} | {of.Count(one => one.AskedKeeps && !one.ReadKeeps)} | {of.Count(one => !one.AskedKeeps && one.ReadKeeps)} |\n"));
    }

    private static List<Outcome>? All(ulong seed, int count)
    {
        if (CapacityCommand.Cases() is not { } cases) return null;
        var all = new List<Outcome>();
        for (var i = 0; i < count; i++)
        {
            var random = new SeededRandom(SeededRandom.Mix(seed + 7, (ulong)i));
            var pace = Math.Clamp(Math.Exp(Spread * random.NextNormal()), 0.15, 6);
            var replicas = Replicas[(int)(random.NextUnit() * Replicas.Length)];
            all.Add(OfTokens(cases.Draw(seed, i), pace, replicas));
            all.Add(OfBatches(BatchesCommand.Draw(seed, i), pace, replicas));
        }

        return all;
    }

    private static Outcome OfTokens(CapacityCase asked, double pace, int replicas)
    {
        var slo = new Slo(TimeSpan.FromSeconds(Seconds(asked, LatencyMetric.EndToEnd) ?? 3600), 0.95)
        {
            TimeToFirstToken = Seconds(asked, LatencyMetric.Ttft) is { } first ? TimeSpan.FromSeconds(first) : null,
            TimePerOutputToken = Seconds(asked, LatencyMetric.Tpot) is { } between ? TimeSpan.FromSeconds(between) : null,
        };
        var clock = TimeProvider.System.GetTimestamp();
        var prior = ServicePriors.Of(asked.Limits, asked.Times, slo, asked.Lengths);
        var spent = TimeProvider.System.GetElapsedTime(clock).TotalMilliseconds;
        var (truth, targets) = (Slower(pace), ServicePriors.Targets(slo));
        return new Outcome(
            "tokens", asked.ToString(), pace, replicas, prior.CapacityPerSecond(pace, prior.PromptTokens, prior.AnswerTokens, replicas),
            truth.PerSecond(replicas, targets) / replicas, truth.MostPerSecond, prior.Keeps(pace, prior.PromptTokens, prior.AnswerTokens),
            (Slower(pace / Edge).PerSecond(1, targets) > 0) != (Slower(pace * Edge).PerSecond(1, targets) > 0), spent);

        GroupCapacity Slower(double by) => new(asked.Limits, new StepTimes(batch => asked.Times.Seconds(batch) * by, asked.Limits.Sequences), asked.Lengths);
    }

    private static Outcome OfBatches((BatchProfile Profile, double Share, double Limit) asked, double pace, int replicas)
    {
        var slo = new Slo(TimeSpan.FromSeconds(asked.Limit), asked.Share);
        var most = 2 * asked.Profile.BatchMax;
        var clock = TimeProvider.System.GetTimestamp();
        var prior = ServicePriors.Of(asked.Profile, most, slo);
        var spent = TimeProvider.System.GetElapsedTime(clock).TotalMilliseconds;
        var truth = new BatchCapacity(asked.Profile.Slower(pace), most);
        return new Outcome(
            "batches", Invariant($"within {asked.Limit / asked.Profile.Seconds(1):F2} of alone, p{asked.Share * 100:0}, batch {asked.Profile.BatchMax}"), pace, replicas,
            prior.CapacityPerSecond(pace, 0, 0, replicas), truth.PerSecond(replicas, asked.Share, asked.Limit) / replicas, truth.MostPerSecond, prior.Keeps(pace, 0, 0),
            Math.Abs(Math.Log(asked.Limit / truth.Alone)) < Math.Log(Edge), spent);
    }

    private static double? Seconds(CapacityCase asked, LatencyMetric metric) => asked.Targets.FirstOrDefault(target => target.Metric == metric)?.Seconds;

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
