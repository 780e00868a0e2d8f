using System.Globalization;
using System.Text;
using Plimsoll.Cli.Load;
using Plimsoll.Footprints.Memory;
using Plimsoll.Prediction.Steps;

namespace Plimsoll.Prediction.Capacity;

/// <summary>
/// What a capacity predicted for other lengths and another pace comes to once a replica was seen at work: requests are
/// simulated, looked at as an operator looks at a server (two gauges and counters every ten seconds), and learned from.
/// </summary>
internal static class CorrectionCommand
{
    /// <summary>The formula was made on seed 1, the filter on seed 3, and the page has this one.</summary>
    private const ulong ReportSeed = 2027;
    private const ulong DevelopmentSeed = 3;
    private const int Count = 200;
    private const double Look = 10;

    /// <summary>Of the true over the predicted times of steps: about that of devices with kernel tables.</summary>
    private const double Spread = 0.4;
    private static readonly int[] Looks = [0, 1, 6, 60];

    private sealed record Outcome(double[] Errors, double[] Rule, double[] Pace, double[] Inside, double Load, string Kind);

    public static int Try(int count) => Run(count, DevelopmentSeed, "");

    public static int Report(string page) => Run(Count, ReportSeed, page);

    private static int Run(int count, ulong seed, string page)
    {
        if (CapacityCommand.Cases() is not { } cases) return CapacityCommand.Skipped();
        var all = Enumerable.Range(0, count).Select(i => One(cases.Draw(seed, i), new SeededRandom(SeededRandom.Mix(seed + 1, (ulong)i)))).OfType<Outcome>().ToList();
        var text = new StringBuilder();
        text.Append("## Corrected by what is seen\n\n");
        text.Append(Invariant($"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}. {all.Count} random replicas (cases of seed {seed}; the filter's constants were set on seed {DevelopmentSeed}). Each is predicted for the lengths of a public trace of conversations, but gets other ones, and its steps take a factor other than predicted (lognormal, spread 0.4); requests come at a tenth to nine tenths of what it truly carries within its objective. It is looked at every ten seconds: counters of requests, tokens and seconds, and how many it holds at that moment. Truth is the formula with the true step times and lengths. `dotnet run -c Release --project bench/Plimsoll.Prediction -- correction`.\n\n"));
        text.Append("| after | median error % | p90 | mean with sign | true rate in the 90 % bar | error of the pace: median % | p90 | the rule without a prediction: median % | p90 | answers |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for (var k = 0; k < Looks.Length; k++)
        {
            var errors = all.Select(one => one.Errors[k]).ToList();
            var rule = all.Select(one => one.Rule[k]).Where(double.IsFinite).ToList();
            var (ours, pace) = (Errors.Of(errors), Errors.Of(all.Select(one => one.Pace[k])));
            text.Append(Invariant($"| {(Looks[k] == 0 ? "nothing seen" : Durations.Show(Looks[k] * Look))} | {ours.Quantile(0.5) * 100:F1} | {ours.Quantile(0.9) * 100:F1} | {errors.Average() * 100:F1} | {all.Average(one => one.Inside[k]) * 100:F0} % | {pace.Quantile(0.5) * 100:F1} | {pace.Quantile(0.9) * 100:F1} | {(rule.Count == 0 ? "–" : Invariant($"{Errors.Of(rule).Quantile(0.5) * 100:F1}"))} | {(rule.Count == 0 ? "–" : Invariant($"{Errors.Of(rule).Quantile(0.9) * 100:F1}"))} | {rule.Count} |\n"));
        }

        foreach (var group in all.GroupBy(one => one.Kind).OrderBy(group => group.Key, StringComparer.Ordinal))
            text.Append(Invariant($"\n{group.Key}: {group.Count()} cases, after ten minutes median {Errors.Of(group.Select(one => one.Errors[^1])).Quantile(0.5) * 100:F1} %, p90 {Errors.Of(group.Select(one => one.Errors[^1])).Quantile(0.9) * 100:F1} %."));
        text.Append('\n');
        if (page.Length > 0) MarkdownSection.Write(page, "correction", text.ToString());
        Console.Write(text);
        return 0;
    }

    private static Outcome? One(CapacityCase asked, SeededRandom random)
    {
        var factor = Math.Exp(Spread * random.NextNormal());
        var slo = new Slo(TimeSpan.FromSeconds(Seconds(asked, LatencyMetric.EndToEnd) * factor ?? 3600), 0.95)
        {
            TimeToFirstToken = Seconds(asked, LatencyMetric.Ttft) * factor is { } first ? TimeSpan.FromSeconds(first) : null,
            TimePerOutputToken = Seconds(asked, LatencyMetric.Tpot) * factor is { } between ? TimeSpan.FromSeconds(between) : null,
        };
        var slower = new StepTimes(batch => asked.Times.Seconds(batch) * factor, asked.Limits.Sequences);
        var truth = new GroupCapacity(asked.Limits, slower, asked.Lengths).PerSecond(1, ServicePriors.Targets(slo));
        if (truth <= 0) return null;
        var longest = asked.Limits.Blocks * asked.Limits.BlockTokens;
        var prior = ServicePriors.Of(asked.Limits, asked.Times, slo, default(TypicalLengths).Sample(longest)) with { LogSpread = Spread };
        var load = 0.1 + (0.8 * random.NextUnit());
        var log = Simulate(asked, slower, truth * load, random);
        return Learned(asked, slo, prior, longest, log, truth, factor, load);
    }

    private static Outcome Learned(CapacityCase asked, Slo slo, ServicePrior prior, long longest, RequestLog log, double truth, double factor, double load)
    {
        var variant = new VariantSpec { Id = VariantId.Of("v"), Engine = "vllm", Needs = new ReplicaNeeds { Host = MemoryNeed.None, Cores = Cores.Zero, Disk = Bytes.Zero }, Service = prior };
        var start = DateTimeOffset.UnixEpoch;
        var (pace, tokens, fit) = (Slowness.Predicted(prior.LogSpread, start), TokenMeans.None, ServiceFit.None);
        var result = (Errors: new double[Looks.Length], Rule: new double[Looks.Length], Pace: new double[Looks.Length], Inside: new double[Looks.Length]);
        for (var look = 0; look <= Looks[^1]; look++)
        {
            if (look > 0)
            {
                var (from, to) = ((look - 1) * Look, look * Look);
                var ended = Enumerable.Range(0, log.Count).Where(i => log.Ends[i] > from && log.Ends[i] <= to).ToArray();
                if (ended.Length > 0)
                {
                    var n = Math.Max(1, (Held(log, from) + Held(log, to)) / 2.0);
                    var each = ended.Average(log.EndToEnd);
                    var sample = new ServiceSample(ended.Length, n * ended.Length, each * ended.Length, n * n * ended.Length, n * each * ended.Length, (int)Math.Ceiling(n), each);
                    tokens = tokens.Add(new TokenSample(
                        ended.Length, ended.Sum(i => (double)log.Prompts[i]), ended.Sum(i => (double)log.Answers[i]),
                        ended.Sum(i => (double)log.Prompts[i] * log.Prompts[i]), ended.Sum(i => (double)log.Answers[i] * log.Answers[i])));
                    pace = pace.Learn(prior, sample, tokens.Or(prior.PromptTokens, prior.AnswerTokens), start + TimeSpan.FromSeconds(to));
                    fit = fit.Add(sample);
                }
            }

            var k = Array.IndexOf(Looks, look);
            if (k < 0) continue;

            // As the body does: predicted anew for lengths that differ from those it was predicted for.
            variant = variant with { Service = ServicePriors.Of(asked.Limits, asked.Times, slo, TypicalLengths.Of(tokens, null, null).Sample(longest)) with { LogSpread = Spread } };
            var known = ModelKnowledge.Nothing with { Tokens = tokens, Paces = System.Collections.Immutable.ImmutableSortedDictionary<VariantId, Slowness>.Empty.Add(variant.Id, pace) };
            var estimate = CapacityEstimate.Of(variant, known)
                ?? new CapacityEstimate(fit.CapacityPerSecond(slo, asked.Limits.Sequences) ?? 0, 0, 0, pace.Factor, pace.Requests, true, 0, 0, true, "");
            result.Errors[k] = Errors.Relative(estimate.PerSecond, truth);
            result.Inside[k] = truth >= estimate.LowPerSecond && truth <= estimate.HighPerSecond ? 1 : 0;
            result.Pace[k] = Errors.Relative(pace.Factor, factor);
            result.Rule[k] = fit.CapacityPerSecond(slo, asked.Limits.Sequences) is { } rule ? Errors.Relative(rule, truth) : double.NaN;
        }

        return new Outcome(result.Errors, result.Rule, result.Pace, result.Inside, load, asked.Kind);
    }

    private static int Held(RequestLog log, double at)
    {
        var held = 0;
        for (var i = 0; i < log.Count && log.Arrivals[i] <= at; i++)
            if (!(log.Ends[i] <= at)) held++;
        return held;
    }

    private static RequestLog Simulate(CapacityCase asked, StepTimes times, double rate, SeededRandom random)
    {
        var (arrivals, prompts, answers) = (new List<double>(), new List<int>(), new List<int>());
        for (double now = random.NextExponential() / rate; now < Looks[^1] * Look && arrivals.Count < 200_000; now += random.NextExponential() / rate)
        {
            var (prompt, answer) = asked.Lengths.Sample[(int)(random.NextUnit() * asked.Lengths.Sample.Length)];
            arrivals.Add(now);
            prompts.Add(prompt);
            answers.Add(answer);
        }

        var log = new RequestLog([.. arrivals], [.. prompts], [.. answers]);
        new ReplicaGroup(asked.Limits, times, 1).Run(log);
        return log;
    }

    private static double? Seconds(CapacityCase asked, LatencyMetric metric) => asked.Targets.FirstOrDefault(target => target.Metric == metric)?.Seconds;

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
