using System.Globalization;
using Plimsoll.Cli.Load;

namespace Plimsoll.Prediction.Capacity;

/// <summary>One question: how much do so many replicas of this carry, of these requests, within this objective?</summary>
internal sealed record CapacityCase
{
    public required string Name { get; init; }

    public required ReplicaLimits Limits { get; init; }

    public required StepTimes Times { get; init; }

    public required RequestLengths Lengths { get; init; }

    public required int Replicas { get; init; }

    public required IReadOnlyList<LatencyTarget> Targets { get; init; }

    /// <summary>Targets by what they time, for the table: "ttft", "tpot", "e2e" or several.</summary>
    public string Kind => string.Join('+', Targets.Select(one => one.Metric switch { LatencyMetric.Ttft => "ttft", LatencyMetric.Tpot => "tpot", _ => "e2e" }));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Name} n={Replicas} {string.Join(' ', Targets.Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Metric}-p{one.Share * 100:0}={one.Seconds:G3}")))}");
}

/// <summary>Draws cases: the same seed, the same cases.</summary>
internal sealed class CapacityCases(IReadOnlyList<(string Name, ServedModel Served)> models, IReadOnlyList<(string Name, (int Prompt, int Answer)[] Requests)> traces)
{
    private static readonly int[] SequenceLimits = [64, 128, 256, 256, 512];
    private static readonly int[] StepLimits = [2048, 4096, 8192, 8192];
    private static readonly int[] Counts = [1, 1, 2, 3, 4, 6, 8];
    private static readonly double[] Shares = [0.9, 0.95, 0.99];

    public CapacityCase Draw(ulong seed, int number)
    {
        var random = new SeededRandom(SeededRandom.Mix(seed, (ulong)number));
        for (var turn = 0; turn < 100; turn++)
            if (Try(random) is { } drawn) return drawn;
        throw new InvalidOperationException("a hundred draws gave no case");
    }

    private CapacityCase? Try(SeededRandom random)
    {
        var (name, served) = models[(int)(random.NextUnit() * models.Count)];
        var (lengthName, lengths) = Lengths(random);
        var sequences = Pick(SequenceLimits, random);
        var limits = new ReplicaLimits
        {
            Blocks = served.KvTokens / 16,
            Sequences = sequences,
            StepTokens = Pick(StepLimits, random),
            SchedulesAhead = random.NextUnit() < 0.7,
        };

        // Room for a few requests at least: what cannot hold them is refused by the fit, not by the queue.
        if (limits.Blocks * 16 < 4 * lengths.Longest) return null;
        var times = new StepTimes(served.Model, served.Fitted, sequences);
        var alone = Alone(limits, times, lengths, random);
        var kind = (int)(random.NextUnit() * 5);
        var targets = new List<LatencyTarget>();
        if (kind is 0 or 3 or 4) targets.Add(Target(LatencyMetric.Ttft, 1.3, 10, alone, alone.Ttft, random));

        // A limit between tokens alone bounds no queue; one on the first token does, however wide.
        if (kind is 1) targets.Add(Target(LatencyMetric.Ttft, 20, 40, alone, alone.Ttft, random));
        if (kind is 1 or 3 or 4) targets.Add(Target(LatencyMetric.Tpot, 1.15, 4, alone, alone.Tpot, random));
        if (kind is 2 or 4) targets.Add(Target(LatencyMetric.EndToEnd, 1.15, 5, alone, alone.EndToEnd, random));
        return new CapacityCase
        {
            Name = $"{name}, {lengthName}, {limits.Sequences} × {limits.StepTokens}{(limits.SchedulesAhead ? "" : " sync")}",
            Limits = limits,
            Times = times,
            Lengths = lengths,
            Replicas = Pick(Counts, random),
            Targets = targets,
        };
    }

    private (string Name, RequestLengths Lengths) Lengths(SeededRandom random)
    {
        var kind = (int)(random.NextUnit() * (traces.Count + 3));
        if (kind < traces.Count)
        {
            var trace = traces[kind].Requests;
            return (traces[kind].Name, RequestLengths.Of(Enumerable.Range(0, 512).Select(_ => trace[(int)(random.NextUnit() * trace.Length)])));
        }

        double Between(double low, double high) => Math.Exp(Math.Log(low) + (random.NextUnit() * Math.Log(high / low)));
        var (prompt, answer) = (Between(100, 8000), Between(20, 1000));
        if (kind == traces.Count)
            return (string.Create(CultureInfo.InvariantCulture, $"fixed {prompt:F0}/{answer:F0}"), RequestLengths.Of([((int)prompt, (int)answer)]));
        var (wide, wider) = (Between(0.2, 1.2), Between(0.2, 1.2));
        int Draw(double median, double sigma) => Math.Clamp((int)(median * Math.Exp(sigma * random.NextNormal())), 1, 30_000);
        return (string.Create(CultureInfo.InvariantCulture, $"lognormal {prompt:F0}/{answer:F0} {wide:F1}/{wider:F1}"),
            RequestLengths.Of(Enumerable.Range(0, 512).Select(_ => (Draw(prompt, wide), Draw(answer, wider)))));
    }

    /// <summary>Requests that never meet another.</summary>
    private static RequestLog Alone(ReplicaLimits limits, StepTimes times, RequestLengths lengths, SeededRandom random)
    {
        var log = new RequestLog(
            [.. lengths.Sample.Select((_, i) => (i * 1e5) + random.NextUnit())], [.. lengths.Sample.Select(one => one.Prompt)], [.. lengths.Sample.Select(one => one.Answer)]);
        new ReplicaGroup(limits, times, 1).Run(log);
        return log;
    }

    /// <summary>A limit a factor above what requests see that are alone, at the same percentile.</summary>
    private static LatencyTarget Target(LatencyMetric metric, double low, double high, RequestLog alone, Func<int, double> seen, SeededRandom random)
    {
        var share = Pick(Shares, random);
        var sorted = Enumerable.Range(0, alone.Count).Select(seen).Order().ToArray();
        var factor = Math.Exp(Math.Log(low) + (random.NextUnit() * Math.Log(high / low)));
        return new LatencyTarget(metric, share, Math.Max(1e-3, factor * sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))]));
    }

    private static T Pick<T>(T[] of, SeededRandom random) => of[(int)(random.NextUnit() * of.Length)];
}
