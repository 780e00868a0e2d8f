using System.Globalization;
using System.Text;
using Plimsoll.Footprints.Memory;
using Plimsoll.Prediction.Steps;

namespace Plimsoll.Prediction.Capacity;

/// <summary>The capacity formula against the simulation.</summary>
internal static class CapacityCommand
{
    private const int Count = 500;

    /// <summary>Development has one seed, the page another: what the formula was made by is not what it is judged by.</summary>
    internal const ulong DevelopmentSeed = 1;
    internal const ulong ReportSeed = 2026;
    private const int RequestsMax = 20_000;

    private sealed record Outcome(CapacityCase Case, double Ours, double Inferno, double Simulated, double Milliseconds);

    public static int Try(int count)
    {
        if (Cases() is not { } cases) return Skipped();
        foreach (var one in Outcomes(cases, DevelopmentSeed, count))
            Console.WriteLine(Invariant($"{Errors.Relative(one.Ours, one.Simulated) * 100,7:F1} % {one.Ours,9:F3} {one.Simulated,9:F3} inferno {one.Inferno,9:F3} {one.Milliseconds,6:F1} ms {one.Case}"));
        return 0;
    }

    public static int Report(string page)
    {
        if (Cases() is not { } cases) return Skipped();
        var all = Outcomes(cases, ReportSeed, Count).ToList();
        var text = new StringBuilder();
        text.Append("## Capacity\n\n");
        text.Append(Invariant($"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}. How many requests a second replicas carry within an objective: the formula (`src/Plimsoll/Performance/Capacity`) against the simulation of the same, over {Count} random cases of model, device, lengths, limits, objective and replicas (1 to 8). Written by `dotnet run -c Release --project bench/Plimsoll.Prediction -- capacity`.\n\n"));
        text.Append(Invariant($"Cases are drawn with seed {ReportSeed}; the formula and its six constants were made on the first 90 cases of seed {DevelopmentSeed}. Lengths are samples of the Azure and Mooncake traces, lognormal or fixed. Limits are a factor above what a request alone sees at the same percentile (p90, p95 or p99). The simulation is searched by halving to 0.4 %, each rate with the same 16,000 to {RequestsMax:N0} Poisson arrivals; its own noise from one seed to another is not taken off. Step times are those of the section above, for both sides alike.\n\n"));
        text.Append("Inferno is the queue of means that Workload-Variant-Autoscaler plans with (`Capacity/Inferno.cs`), with its three coefficients fitted on the same step times; it knows no percentiles, so it is held to the same limits on means.\n\n");
        text.Append("| cases | n | median error % | p90 | p95 | mean with sign | inferno: median | p90 | mean with sign |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        foreach (var group in all.GroupBy(one => one.Case.Kind).OrderBy(group => group.Key, StringComparer.Ordinal)) Row(text, group.Key, [.. group]);
        Row(text, "one replica", [.. all.Where(one => one.Case.Replicas == 1)]);
        Row(text, "two or more", [.. all.Where(one => one.Case.Replicas > 1)]);
        Row(text, "all", all);
        var times = Errors.Of(all.Skip(50).Select(one => one.Milliseconds));
        text.Append(Invariant($"\nTime of one capacity, all its rates, after the first 50 cases: median {times.Quantile(0.5):F1} ms, p95 {times.Quantile(0.95):F1} ms. The simulation could keep {all.Count(one => one.Simulated > 0)} of the {all.Count}.\n"));
        if (page.Length > 0) MarkdownSection.Write(page, "capacity", text.ToString());
        Console.Write(text);
        return 0;
    }

    private static void Row(StringBuilder text, string name, IReadOnlyList<Outcome> of)
    {
        if (of.Count == 0) return;
        var ours = of.Select(one => Errors.Relative(one.Ours, one.Simulated)).ToList();
        var theirs = of.Select(one => Errors.Relative(one.Inferno, one.Simulated)).ToList();
        var (sorted, inferno) = (Errors.Of(ours), Errors.Of(theirs));
        text.Append(Invariant($"| {name} | {of.Count} | {sorted.Quantile(0.5) * 100:F1} | {sorted.Quantile(0.9) * 100:F1} | {sorted.Quantile(0.95) * 100:F1} | {ours.Average() * 100:F1} | {inferno.Quantile(0.5) * 100:F1} | {inferno.Quantile(0.9) * 100:F1} | {theirs.Average() * 100:F1} |\n"));
    }

    private static IEnumerable<Outcome> Outcomes(CapacityCases cases, ulong seed, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var asked = cases.Draw(seed, i);
            var clock = TimeProvider.System.GetTimestamp();
            var formula = new GroupCapacity(asked.Limits, asked.Times, asked.Lengths);
            var ours = formula.PerSecond(asked.Replicas, asked.Targets);
            var spent = TimeProvider.System.GetElapsedTime(clock).TotalMilliseconds;
            var inferno = Inferno.PerSecond(asked, formula.Places);
            yield return new Outcome(asked, ours, inferno, CapacityJudge.PerSecond(asked, seed + 1000, ours > 0 ? ours : 1, RequestsMax), spent);
        }
    }

    internal static CapacityCases? Cases()
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") ?? "../shared/data";
        var folder = Path.Combine(data, "traces");
        if (!Directory.Exists(folder)) return null;
        var configurations = new Configurations(Path.Combine(data, "modelconfigs/huggingface"), "bench/Plimsoll.Footprints/configs");
        return new CapacityCases(ServedModel.All(configurations), Traces.All(folder));
    }

    internal static int Skipped()
    {
        Console.Error.WriteLine("skipped: no folder 'traces' under PLIMSOLL_DATA");
        return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
