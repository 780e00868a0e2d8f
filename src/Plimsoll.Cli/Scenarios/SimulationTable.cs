using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Weighing;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Cli.Scenarios;

/// <summary>What runs of a scenario came to, for people, 80 columns wide.</summary>
internal static class SimulationTable
{
    private const int ModelsMax = 40;
    private const int DecisionsMax = 400;

    public static IEnumerable<string> Lines(SimulationListing listing)
    {
        yield return $"{Show.Text(listing.Scenario, 64)}: {Durations.Show(TimeSpan.FromSeconds(listing.SimulatedSeconds))}, {Seeds(listing)}, simulated in {Durations.Show(TimeSpan.FromSeconds(listing.TookSeconds))}";
        if (listing.About is { } about)
            foreach (var line in EightyColumns.Hung(about, "  ", "  ")) yield return line;
        yield return "";
        var bound = listing.Controllers.Any(one => one.Bound is not null);
        // With all columns at once a line would be longer than a terminal is wide.
        var counted = !(bound && listing.NodesComeAndGo);
        yield return $"{"",-23}{(counted ? $"{"requests",9}" : "")}{"within SLO",11}{"device h",10}{"dollars",9}{(listing.NodesComeAndGo ? $"{"of nodes",9}" : "")}{"OOM",5}{(bound ? $"{"over bound",12}" : "")}";
        foreach (var one in listing.Controllers)
        {
            yield return $"{one.Controller,-23}{(counted ? $"{EightyColumns.Count((long)one.Runs.Average(run => (double)run.Requests)),9}" : "")}{Percent(one.Attainment),11}"
                + $"{Number(one.DeviceHours),10}{(one.Dollars > 0 ? Number(one.Dollars) : "-"),9}{(listing.NodesComeAndGo ? $"{Number(one.NodeDollars),9}" : "")}{one.Runs.Sum(run => run.OutOfMemory),5}"
                + (bound ? $"{(one.OverBound is { } over ? over.ToString("0.00", CultureInfo.InvariantCulture) + " x" : "-"),12}" : "");
        }

        if (listing.NodesComeAndGo)
        {
            foreach (var line in EightyColumns.Hung("dollars are what replicas held; of nodes is what whole nodes cost while they were there or on their way, whoever used them", "  ", "    ")) yield return line;
        }

        foreach (var line in Others(listing)) yield return line;
        if (bound)
        {
            foreach (var line in EightyColumns.Hung("over bound: what was paid over the least that anybody pays who answers as many of each model in time, all arrivals known", "  ", "    ")) yield return line;
        }

        foreach (var line in Curves(listing.Curves)) yield return line;
        if (!listing.Notes.IsEmpty) yield return "";
        foreach (var note in listing.Notes)
            foreach (var line in EightyColumns.Hung(note, "  ", "    ")) yield return line;

        foreach (var one in listing.Controllers)
        {
            yield return "";
            var title = listing.Controllers.Length == 1 ? "model" : one.Controller;
            yield return $"{EightyColumns.Cut(title, 18),-18}{"weight",10}{"requests",9}{"in SLO",9}{"p50",8}{"p99",8}{"device h",10}{"starts",8}";
            foreach (var model in one.Models.OrderByDescending(model => model.WeightBytes).ThenBy(model => model.Model, StringComparer.Ordinal).Take(ModelsMax))
            {
                yield return $"{EightyColumns.Cut(model.Model, 17),-18}{new Bytes(model.WeightBytes),10}{Requests((long)model.Requests),9}{Percent(model.Attainment),9}"
                    + $"{Seconds(model.P50Seconds),8}{Seconds(model.P99Seconds),8}{Number(model.DeviceHours),10}{model.Starts.ToString("0.#", CultureInfo.InvariantCulture),8}";
            }

            if (one.Models.Length > ModelsMax) yield return $"... and {one.Models.Length - ModelsMax} lighter models; --json has them all";
        }
    }

    private static IEnumerable<string> Others(SimulationListing listing)
    {
        if (listing.Controllers.All(one => one.Others.IsEmpty)) yield break;
        yield return "";
        foreach (var one in listing.Controllers.Where(one => !one.Others.IsEmpty))
        {
            foreach (var (jobs, what) in new[] { (one.Others.Where(job => job.GaveWay is null).ToList(), " of others"), (one.Others.Where(job => job.GaveWay is not null).ToList(), " of training") })
            {
                if (jobs.Count == 0) continue;
                var ended = jobs.Sum(job => job.Ended) / (double)one.Runs.Length;
                var done = jobs.Where(job => job.EndedAtSeconds is not null).ToList();
                var planned = jobs[0].GaveWay is null ? "" : string.Create(CultureInfo.InvariantCulture,
                    $"; gave way {jobs.Sum(job => job.GaveWay ?? 0):0.#} times and did {Durations.Show(TimeSpan.FromSeconds(jobs.Sum(job => job.LostSeconds ?? 0)))} of work twice");
                foreach (var line in EightyColumns.Hung(string.Create(CultureInfo.InvariantCulture,
                    $"{one.Controller}: {jobs.Count} {(jobs.Count == 1 ? "job" : "jobs")}{what} waited {Durations.Show(TimeSpan.FromSeconds(jobs.Average(job => job.WaitedSeconds)))} each, {ended:0.#} ended{(done.Count > 0 ? $", at {Durations.Show(TimeSpan.FromSeconds(done.Average(job => job.EndedAtSeconds!.Value)))}{(done.Count > 1 ? " on the mean" : "")}" : "")}{planned}"), "", "  ")) yield return line;
            }
        }
    }

    private static IEnumerable<string> Curves(ImmutableArray<CurveListing> curves)
    {
        if (curves.IsEmpty) yield break;
        var equal = Number(curves[0].EqualCost);
        yield return "";
        yield return $"{"along its dial",-23}{"points",7}{"within SLO",16}{"cost",18}{"at 99%",8}{"at " + equal,8}";
        foreach (var one in curves)
        {
            yield return $"{one.Controller,-23}{one.Points.Length,7}{Range(one.Points.Select(point => point.Attainment), Percent),16}{Range(one.Points.Select(point => point.Cost), Number),18}"
                + $"{(one.CostAt99 is { } cost ? Number(cost) : "n/a"),8}{(one.AttainmentAtEqualCost is { } share ? Percent(share) : "n/a"),8}";
        }

        foreach (var line in EightyColumns.Hung($"at 99%: what 99% within SLO costs; at {equal}: the share within SLO for what plimsoll costs as it is set; both between points that were run, n/a where none lie around it", "  ", "    ")) yield return line;
    }

    private static string Range(IEnumerable<double> values, Func<double, string> show) => $"{show(values.Min())}-{show(values.Max())}";

    /// <summary>What was done and why.</summary>
    public static IEnumerable<string> Decisions(RunResult run)
    {
        yield return "";
        yield return $"what {run.Controller} did with seed {run.Seed.ToString(CultureInfo.InvariantCulture)}";
        foreach (var decision in run.Decisions.Take(DecisionsMax))
        {
            foreach (var line in EightyColumns.Hung($"{decision.What}: {decision.Why}", $"{Moment(decision.At)}  ", "            ")) yield return line;
        }

        if (run.DecisionCount > DecisionsMax) yield return $"... and {EightyColumns.Count(run.DecisionCount - DecisionsMax)} more";
    }

    /// <summary>A moment of a run.</summary>
    public static string Moment(double seconds) =>
        TimeSpan.FromSeconds(seconds).ToString(seconds < 86_400 ? @"hh\:mm\:ss" : @"d\.hh\:mm\:ss", CultureInfo.InvariantCulture);

    /// <summary>What follows from each model's weight, as Plimsoll had it when the first run ended.</summary>
    public static IEnumerable<string> ByWeight(SimulationListing listing)
    {
        yield return "";
        yield return $"{"by weight",-16}{"weight",10}{"load p90",11}{"looks ahead",12}{"held idle",13}{"starts",8}{"in SLO",9}";
        var models = listing.Controllers[0].Models.Where(model => model.LoadSeconds is not null)
            .OrderByDescending(model => model.WeightBytes).ThenBy(model => model.Model, StringComparer.Ordinal).ToList();
        foreach (var model in models.Take(ModelsMax))
        {
            yield return $"{EightyColumns.Cut(model.Model, 15),-16}{new Bytes(model.WeightBytes),10}{Durations.Show(model.LoadSeconds!.Value),11}{Durations.Show(model.HorizonSeconds!.Value),12}"
                + $"{(model.HoldSeconds is { } hold ? Durations.Show(hold) : "till claimed"),13}{model.Starts.ToString("0.#", CultureInfo.InvariantCulture),8}{Percent(model.Attainment),9}";
        }

        if (models.Count > ModelsMax) yield return $"... and {models.Count - ModelsMax} lighter models; --json has them all";
    }

    private static string Seeds(SimulationListing listing) => listing.Controllers[0].Runs.Length is > 1 and var count ? $"means of {count} seeds" : "one seed";

    private static string Seconds(double? seconds) => seconds is { } known ? LoadTable.Milliseconds(known * 1000) : "-";

    // More than its column has room for is told in millions; --json has it whole.
    private static string Requests(long count) => count < 1_000_000 ? EightyColumns.Count(count) : string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:0.00} M");

    private static string Percent(double share) => (share * 100).ToString(share > 0.9995 && share < 1 ? "0.000" : "0.0", CultureInfo.InvariantCulture) + "%";

    private static string Number(double value) => value.ToString(value >= 100 ? "N0" : value >= 1 ? "0.0" : "0.000", CultureInfo.InvariantCulture);
}
