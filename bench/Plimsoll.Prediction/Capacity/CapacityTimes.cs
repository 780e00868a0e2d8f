using System.Globalization;
using Plimsoll.Prediction.Steps;

namespace Plimsoll.Prediction.Capacity;

/// <summary>What an answer of the formula costs, and what it is, without the simulation: two builds can be compared by it.</summary>
internal static class CapacityTimes
{
    private const int Repeats = 5;

    /// <summary>A line of each case, its number, answer and median milliseconds of five from scratch; the quantiles to the error stream.</summary>
    public static int Print(ulong seed, int count)
    {
        if (CapacityCommand.Cases() is not { } cases) return CapacityCommand.Skipped();
        var asked = Enumerable.Range(0, count).Select(i => cases.Draw(seed, i)).ToArray();

        // Once through, so that what is timed is compiled.
        foreach (var one in asked) Answer(one);
        var before = Environment.CpuUsage.TotalTime;
        var all = new List<double>();
        for (var i = 0; i < count; i++)
        {
            var turns = Enumerable.Range(0, Repeats).Select(_ => Answer(asked[i])).ToArray();
            all.Add(Errors.Of(turns.Select(turn => turn.Milliseconds)).Quantile(0.5));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{i} {turns[0].PerSecond:R} {all[^1]:F4} {asked[i]}"));
        }

        var spent = (Environment.CpuUsage.TotalTime - before).TotalMilliseconds / (count * Repeats);
        var times = Errors.Of(all);
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{count} cases of seed {seed}: median {times.Quantile(0.5):F3} ms, p95 {times.Quantile(0.95):F3} ms, most {times.Sorted[^1]:F3} ms, mean {all.Average():F3} ms; of the processors' time {spent:F3} ms each"));
        return 0;
    }

    /// <summary>From limits, step times and lengths to the rate, nothing kept from another answer.</summary>
    public static (double PerSecond, double Milliseconds) Answer(CapacityCase asked)
    {
        var clock = TimeProvider.System.GetTimestamp();
        var perSecond = new GroupCapacity(asked.Limits, asked.Times, asked.Lengths).PerSecond(asked.Replicas, asked.Targets);
        return (perSecond, TimeProvider.System.GetElapsedTime(clock).TotalMilliseconds);
    }
}
