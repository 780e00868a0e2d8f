using System.Globalization;
using System.Text;
using System.Text.Json;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Decisions;

/// <summary>The tables of docs/benchmarks/decisions.md, of runs that were kept.</summary>
internal static class DecisionPage
{
    // Attainments nearer than this are taken to be equal: half a request in a hundred.
    private const double Equal = 0.005;

    /// <summary>Writes tables and curves between the page's marks, of whichever of them the folder has runs.</summary>
    /// <param name="folder">NAME.plimsoll.json, NAME.json with the rivals' defaults, and NAME.tuned.json where they were tuned; NAME.curve-SCALER.json of curves.</param>
    /// <param name="page">The page; the rest of it is kept.</param>
    /// <exception cref="InvalidOperationException">The page has no marks, or the folder no runs.</exception>
    public static void Write(string folder, string page)
    {
        var scenarios = Directory.GetFiles(folder, "*.plimsoll.json").Order(StringComparer.Ordinal)
            .Select(file => Scenario.Read(folder, Path.GetFileName(file)[..^".plimsoll.json".Length])).ToList();
        var hasCurves = CurveFile.All(folder).Any();
        if (scenarios.Count == 0 && !hasCurves) throw new InvalidOperationException($"{folder} has no runs; Plimsoll.Decisions run {folder}, or curves {folder}, makes them");
        if (scenarios.Count > 0) Put(page, "tables", Tables(scenarios));
        if (hasCurves) Put(page, "curves", CurvePage.Of(folder));
    }

    private static void Put(string page, string what, string content)
    {
        var text = File.ReadAllText(page);
        var (mark, behind) = ($"<!-- {what}: written by a command -->", $"<!-- end of {what} -->");
        var (begin, end) = (text.IndexOf(mark, StringComparison.Ordinal), text.IndexOf(behind, StringComparison.Ordinal));
        if (begin < 0 || end < begin) throw new InvalidOperationException($"{page} has no \"{mark}\" with \"{behind}\" behind it");
        File.WriteAllText(page, text[..(begin + mark.Length)] + "\n" + content + text[end..]);
    }

    private static string Tables(List<Scenario> scenarios)
    {
        var page = new StringBuilder();
        page.AppendLine("## All scenarios at a glance").AppendLine()
            .AppendLine("*As good, cheapest*: of all rivals, by their defaults or tuned, the cheapest that answers within half a point as many in time, or more. *Same money, best*: the one that")
            .AppendLine("answers most in time for no more money. *Closed*: of the distance from the former's cost to the bound, what Plimsoll saves; negative where Plimsoll is dearer. **Bold**: a rival wins.").AppendLine();
        Glances(page, scenarios, one => one.Attainment);
        page.AppendLine().AppendLine("The same by the mean of models, as each has an objective of its own and the small ones are asked most:").AppendLine();
        Glances(page, scenarios, MeanOfModels);
        foreach (var one in scenarios) page.AppendLine().Append(Table(one));
        return page.ToString();
    }

    private static void Glances(StringBuilder page, List<Scenario> scenarios, Func<ControllerListing, double> attainment)
    {
        page.AppendLine("| scenario | Plimsoll | over bound | as good, cheapest | closed | same money, best |").AppendLine("| --- | ---: | ---: | ---: | ---: | ---: |");
        foreach (var one in scenarios) page.AppendLine(Glance(one, attainment));
    }

    private static double MeanOfModels(ControllerListing one) => one.Models.Average(model => model.Attainment);

    private static string Glance(Scenario scenario, Func<ControllerListing, double> attainment)
    {
        var own = scenario.Own;
        var asGood = scenario.Rivals.Where(rival => attainment(rival) >= attainment(own) - Equal).MinBy(Cost);
        var sameMoney = scenario.Rivals.Where(rival => Cost(rival) <= Cost(own) * 1.01).MaxBy(attainment);
        string Named(ControllerListing? one) => one is null ? "nobody" : string.Create(CultureInfo.InvariantCulture, $"{one.Controller} {attainment(one):0.0%}, {Money(one)}");
        var closed = asGood is not null && own.Bound is { } bound && Cost(asGood) > bound ? (Cost(asGood) - Cost(own)) / (Cost(asGood) - bound) : (double?)null;
        return string.Create(CultureInfo.InvariantCulture,
            $"| {scenario.Name} | {attainment(own):0.0%}, {Money(own)} | {Ratio(own.OverBound)} | {Bold(Named(asGood), asGood is not null && Cost(asGood) < Cost(own))} | {(closed is { } share ? share.ToString("0%", CultureInfo.InvariantCulture) : "–")} | {Bold(Named(sameMoney), sameMoney is not null && attainment(sameMoney) > attainment(own) + Equal)} |");
    }

    private static StringBuilder Table(Scenario scenario)
    {
        var table = new StringBuilder();
        var elastic = scenario.Plimsoll.NodesComeAndGo;
        table.AppendLine($"## {scenario.Name}").AppendLine().AppendLine(scenario.Plimsoll.About).AppendLine()
            .AppendLine($"| {scenario.Own.Runs.Length} seeds | within SLO | mean of models | worst model | device hours | dollars | {(elastic ? "of whole nodes | " : "")}over bound |")
            .AppendLine($"| --- | ---: | ---: | ---: | ---: | ---: | {(elastic ? "---: | " : "")}---: |");
        foreach (var one in scenario.Rivals.Prepend(scenario.Own))
        {
            var worst = one.Models.MinBy(model => model.Attainment)!;
            table.AppendLine(string.Create(CultureInfo.InvariantCulture,
                $"| {one.Controller} | {one.Attainment:0.0%}{Interval(one)} | {MeanOfModels(one):0.0%} | {worst.Attainment:0%} {worst.Model} | {one.DeviceHours:0.0} | {one.Dollars:0.0} | {(elastic ? $"{one.NodeDollars:0.0} | " : "")}{Ratio(one.OverBound)} |"));
        }

        foreach (var tuned in scenario.Tuned?.Tuned ?? [])
            table.AppendLine().Append(CultureInfo.InvariantCulture, $"- {tuned.Rival}:tuned, of {tuned.Candidates} settings on seeds {string.Join(" and ", tuned.Seeds)}: {tuned.Chosen} ({tuned.Attainment:0.0%} there).");
        if (scenario.Tuned?.Tuned.IsDefaultOrEmpty == false) table.AppendLine();
        return table;
    }

    // Half the width of the 95 % interval of the mean over the seeds, in points.
    private static string Interval(ControllerListing one)
    {
        if (one.Runs.Length < 2) return "";
        return string.Create(CultureInfo.InvariantCulture, $" ± {100 * SeedSpread.Of([.. one.Runs.Select(run => run.Attainment)]).HalfWidth:0.0}");
    }

    private static double Cost(ControllerListing one) => one.Cost;

    private static string Money(ControllerListing one) => one.Dollars > 0
        ? string.Create(CultureInfo.InvariantCulture, $"${(one.Cost < 100 ? one.Cost.ToString("0.0", CultureInfo.InvariantCulture) : one.Cost.ToString("N0", CultureInfo.InvariantCulture))}")
        : string.Create(CultureInfo.InvariantCulture, $"{one.DeviceHours:0.0} h");

    private static string Bold(string text, bool wins) => wins ? $"**{text}**" : text;

    private static string Ratio(double? over) => over is { } ratio ? string.Create(CultureInfo.InvariantCulture, $"{ratio:0.00} x") : "–";

    private sealed record Scenario(SimulationListing Plimsoll, SimulationListing? Defaults, SimulationListing? Tuned)
    {
        private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

        public string Name => Plimsoll.Scenario;

        public ControllerListing Own => Plimsoll.Controllers[0];

        public IEnumerable<ControllerListing> Rivals => [.. Defaults?.Controllers.Skip(1) ?? [], .. Tuned?.Controllers.Skip(1) ?? []];

        public static Scenario Read(string folder, string name) => new(Of(Path.Combine(folder, name + ".plimsoll.json"))!, Of(Path.Combine(folder, name + ".json")), Of(Path.Combine(folder, name + ".tuned.json")));

        private static SimulationListing? Of(string file) => File.Exists(file) ? JsonSerializer.Deserialize<SimulationListing>(File.ReadAllText(file), Json) : null;
    }
}
