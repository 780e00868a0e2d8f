using System.Globalization;
using System.Text;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;

namespace Plimsoll.Decisions;

/// <summary>What 99 % in time costs everybody, and what is in time for what Plimsoll costs: the section of docs/benchmarks/decisions.md about whole clouds of settings.</summary>
internal static class CurvePage
{
    /// <summary>The share in time that costs are compared at.</summary>
    public const double Goal = 0.99;

    /// <summary>The section of what is in a folder.</summary>
    public static string Of(string folder)
    {
        var page = new StringBuilder();
        var scenarios = CurveFile.All(folder).GroupBy(file => file.Scenario).Select(files => new Clouds([.. files])).ToList();
        page.AppendLine("| scenario | seeds | 99 %: Plimsoll | best rival | Plimsoll over it | bound | Plimsoll over bound | equal cost | Plimsoll | best rival |")
            .AppendLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        foreach (var one in scenarios) page.AppendLine(Glance(one));
        foreach (var one in scenarios) page.AppendLine().Append(Table(one));
        return page.ToString();
    }

    private static string Glance(Clouds one)
    {
        var (own, rival) = (one.Plimsoll?.Curve.CheapestFor(Goal), one.BestRivalAt(Goal));
        var (equal, best) = (one.EqualCost, one.BestRivalFor(one.EqualCost));
        return $"| {one.Name} | {one.Seeds} | {(one.Plimsoll is null ? "not run" : AtGoal(one.Plimsoll, own))} | {(rival is { } some ? $"{some.Cloud.Scaler} {Cost(some.Cloud, some.Point)}" : NotReached(one.Rivals))}"
            + $" | {(own is not null && rival is { } other ? Ratio(one.Plimsoll!.Runs(own), other.Cloud.Runs(other.Point)) : "–")}"
            + $" | {(one.Bound is { } bound ? Number(bound.Points[0].Runs.Average(run => run.Cost)) : "–")}"
            + $" | {(own is not null && one.Bound is { } least ? Ratio(one.Plimsoll!.Runs(own), least.Points[0].Runs) : "–")}"
            + $" | {(equal is { } money ? Number(money) : "–")} | {(equal is { } mine && one.Plimsoll!.Curve.BestFor(mine) is { } same ? Share(one.Plimsoll, same) : "–")}"
            + $" | {(best is { } answer ? $"{answer.Cloud.Scaler} {Share(answer.Cloud, answer.Point)}" : equal is null ? "–" : "nobody is as cheap")} |";
    }

    private static StringBuilder Table(Clouds one)
    {
        var table = new StringBuilder();
        table.AppendLine($"### {one.Name}").AppendLine()
            .AppendLine($"| {one.Seeds} seeds | settings | in time | 99 % costs | by | at equal cost | by |")
            .AppendLine("| --- | ---: | ---: | ---: | --- | ---: | --- |");
        foreach (var cloud in one.All)
        {
            var (goal, equal) = (cloud.Curve.CheapestFor(Goal), one.EqualCost is { } money ? cloud.Curve.BestFor(money) : null);
            table.AppendLine($"| {cloud.Scaler} | {cloud.Curve.Points.Length} | {Percent(cloud.Curve.Points.Min(point => point.Attainment))} to {Percent(cloud.Curve.Points.Max(point => point.Attainment))}"
                + $" | {AtGoal(cloud, goal)} | {goal?.Dial ?? "–"} | {(equal is null ? "none as cheap" : Share(cloud, equal))} | {equal?.Dial ?? "–"} |");
        }

        return table;
    }

    private static string AtGoal(Cloud cloud, CurvePoint? point) => point is null ? NotReached([cloud]) : Cost(cloud, point);

    private static string NotReached(IReadOnlyCollection<Cloud> clouds) => clouds.Count == 0 ? "not run"
        : clouds.SelectMany(cloud => cloud.Curve.Points.Select(point => (cloud, point))).MaxBy(one => one.point.Attainment) is var (who, most)
            ? $"not reached, most is {Percent(most.Attainment)}{(clouds.Count > 1 ? $" ({who.Scaler})" : "")}" : "";

    private static string Cost(Cloud cloud, CurvePoint point) => Spread(cloud.Runs(point).Select(run => run.Cost), Number);

    private static string Share(Cloud cloud, CurvePoint point) => Spread(cloud.Runs(point).Select(run => run.Attainment), Percent);

    // Seed by seed, as all of a seed answer the same requests.
    private static string Ratio(List<CloudRun> own, List<CloudRun> others)
    {
        List<double> ratios = [.. own.Join(others, run => run.Seed, run => run.Seed, (mine, other) => mine.Cost / other.Cost).Where(double.IsFinite)];
        return ratios.Count == 0 ? "–" : Spread(ratios, ratio => ratio.ToString(ratio >= 100 ? "N0" : "0.00", CultureInfo.InvariantCulture)) + " x";
    }

    private static string Spread(IEnumerable<double> values, Func<double, string> show)
    {
        var spread = SeedSpread.Of([.. values]);
        return $"{show(spread.Mean)} ({show(spread.Least)}–{show(spread.Most)})";
    }

    private static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + "%";

    private static string Number(double value) => value.ToString(value >= 100 ? "N0" : value >= 1 ? "0.0" : "0.00", CultureInfo.InvariantCulture);

    private sealed record Clouds(List<CurveFile> Files)
    {
        public string Name => Files[0].Scenario;

        public Cloud? Plimsoll => Of(CurveRun.Plimsoll).Select(file => new Cloud(file)).FirstOrDefault();

        public CurveFile? Bound => Of(CurveRun.Bound).FirstOrDefault();

        public List<Cloud> Rivals => [.. Files.Where(file => file.Scaler is not (CurveRun.Plimsoll or CurveRun.Bound)).Select(file => new Cloud(file))];

        public IEnumerable<Cloud> All => Plimsoll is { } own ? Rivals.Prepend(own) : Rivals;

        public int Seeds => All.SelectMany(cloud => cloud.Curve.Points.Select(point => cloud.Runs(point).Count)).DefaultIfEmpty(0).Min();

        /// <summary>What Plimsoll costs as the scenario has it; null where it was not run.</summary>
        public double? EqualCost => Plimsoll?.Curve.Points.FirstOrDefault(point => point.Dial == CurveRun.AsSet)?.Cost;

        public (Cloud Cloud, CurvePoint Point)? BestRivalAt(double attainment) =>
            Rivals.Select(cloud => (cloud, Point: cloud.Curve.CheapestFor(attainment))).Where(one => one.Point is not null).OrderBy(one => one.Point!.Cost).Select(one => ((Cloud, CurvePoint)?)(one.cloud, one.Point!)).FirstOrDefault();

        public (Cloud Cloud, CurvePoint Point)? BestRivalFor(double? cost) => cost is not { } money ? null
            : Rivals.Select(cloud => (cloud, Point: cloud.Curve.BestFor(money))).Where(one => one.Point is not null).OrderByDescending(one => one.Point!.Attainment).Select(one => ((Cloud, CurvePoint)?)(one.cloud, one.Point!)).FirstOrDefault();

        private IEnumerable<CurveFile> Of(string scaler) => Files.Where(file => file.Scaler == scaler);
    }

    // A cloud's envelope is a stair: nothing is read between settings that were run, as nobody can run between them.
    private sealed class Cloud(CurveFile file)
    {
        public string Scaler => file.Scaler;

        public AttainmentCurve Curve { get; } = new(file.Scaler, [.. file.Points.Select(point => new CurvePoint(point.Setting, point.Runs.Average(run => run.Attainment), point.Runs.Average(run => run.Cost)))]);

        public List<CloudRun> Runs(CurvePoint point) => file.Points.First(one => one.Setting == point.Dial).Runs;
    }
}
