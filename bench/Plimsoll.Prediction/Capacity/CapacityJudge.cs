using Plimsoll.Cli.Load;

namespace Plimsoll.Prediction.Capacity;

/// <summary>The same question put to the simulation: rates are halved until the highest that keeps the objective is known.</summary>
internal static class CapacityJudge
{
    private const double Precision = 0.004;

    /// <param name="asked">The case.</param>
    /// <param name="seed">Of arrivals; every rate sees the same ones, faster or slower.</param>
    /// <param name="start">Where the search begins; not where it ends.</param>
    /// <param name="most">Requests of one simulation, at the most.</param>
    public static double PerSecond(CapacityCase asked, ulong seed, double start, int most)
    {
        var places = Math.Min(asked.Limits.Sequences, asked.Limits.Blocks * asked.Limits.BlockTokens / asked.Lengths.Context);
        var count = (int)Math.Clamp(30 * asked.Replicas * places, 16_000, most);
        var random = new SeededRandom(seed);
        var gaps = new double[count];
        var (prompts, answers) = (new int[count], new int[count]);
        double now = 0;
        for (var i = 0; i < count; i++)
        {
            gaps[i] = now += random.NextExponential();
            (prompts[i], answers[i]) = asked.Lengths.Sample[(int)(random.NextUnit() * asked.Lengths.Sample.Length)];
        }

        var log = new RequestLog(new double[count], prompts, answers);
        var group = new ReplicaGroup(asked.Limits, asked.Times, asked.Replicas);
        return PerSecond(log, gaps, requests => group.Run(requests), asked.Targets, start);
    }

    /// <summary>The same of any replicas.</summary>
    /// <param name="log">What is asked; its arrivals are set.</param>
    /// <param name="gaps">When requests arrive at a rate of one a second.</param>
    /// <param name="run">Runs all requests to their end.</param>
    /// <param name="targets">What is to be kept.</param>
    /// <param name="start">Where the search begins; not where it ends.</param>
    public static double PerSecond(RequestLog log, double[] gaps, Action<RequestLog> run, IReadOnlyList<LatencyTarget> targets, double start)
    {
        bool Keeps(double rate)
        {
            for (var i = 0; i < gaps.Length; i++) log.Arrivals[i] = gaps[i] / rate;
            run(log);
            return targets.All(target => Late(log, target) <= 1 - target.Share);
        }

        var (low, high) = (0.0, Math.Max(1e-6, start));
        while (Keeps(high) && high < 1e7) (low, high) = (high, high * 1.25);
        for (var below = high / 1.25; low == 0 && below > high * 1e-6; below /= 1.25)
        {
            if (Keeps(below)) low = below;
            else high = below;
        }

        while (high - low > Precision * high)
        {
            var middle = (low + high) / 2;
            if (Keeps(middle)) low = middle;
            else high = middle;
        }

        return (low + high) / 2;
    }

    /// <summary>The share that misses a target, of those that came neither first nor last: a group that fills and one that empties are no measure.</summary>
    private static double Late(RequestLog log, LatencyTarget target)
    {
        var (from, to) = (log.Count / 8, log.Count * 15 / 16);
        var late = 0;
        for (var i = from; i < to; i++)
        {
            var seconds = target.Metric switch { LatencyMetric.Ttft => log.Ttft(i), LatencyMetric.Tpot => log.Tpot(i), _ => log.EndToEnd(i) };
            if (!(seconds <= target.Seconds)) late++;
        }

        return late / (double)(to - from);
    }
}
