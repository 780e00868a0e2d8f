using System.Globalization;
using System.Text;
using Plimsoll.Pages;

namespace Plimsoll.Simulation.Reports;

/// <summary>The report as Markdown: the tables without the plots.</summary>
internal static class MarkdownReport
{
    private const int DecisionsMax = 100;

    public static string Of(ComparedRuns compared)
    {
        var text = new StringBuilder();
        Line(text, $"# {Escaped(compared.Report.Scenario)}", "");
        if (compared.Report.About is { } about) Line(text, Escaped(about), "");
        Line(text, $"{Durations.Show(compared.Report.Length)} simulated, {compared.Seeds}: {Escaped(string.Join(", ", compared.Controllers.Select(one => one.Name)))}, each on the same nodes with the same requests.", "");
        Line(text, Escaped(compared.Finding), "");
        Line(text, "## Attainment and cost", "", $"| controller | requests | within SLO | device h | dollars | {(compared.IsOfNodes ? "of nodes | " : "")}out of memory |", $"| :-- | --: | --: | --: | --: | {(compared.IsOfNodes ? "--: | " : "")}--: |");
        foreach (var one in compared.Controllers)
            Line(text, $"| {Escaped(one.Name)} | {Figures.Count(one.Requests)} | {Figures.Percent(one.Attainment)} | {Figures.Number(one.DeviceHours)} | {(compared.IsPriced ? Figures.Dollars(one.Dollars) : Figures.None)} | {(compared.IsOfNodes ? Figures.Dollars(one.NodeDollars) + " | " : "")}{one.OutOfMemory.ToString(CultureInfo.InvariantCulture)} |");
        foreach (var one in compared.Controllers)
            if (compared.BoundOf(one) is { } least) Line(text, "", $"Whoever knows all arrivals and misses as many as {Escaped(one.Name)} spends {compared.Cost(least)} at the least.");
        Curves(text, compared);
        Models(text, compared);
        Decisions(text, compared);
        return text.ToString();
    }

    private static void Curves(StringBuilder text, ComparedRuns compared)
    {
        if (compared.Report.Curves.IsEmpty) return;
        var equal = compared.CostOf(compared.First);
        Line(text, "", "## Along each dial", "", $"| controller | settings | 99% within SLO costs | within SLO for {compared.Cost(equal)} |", "| :-- | --: | --: | --: |");
        foreach (var one in compared.Report.Curves)
            Line(text, $"| {Escaped(one.Controller)} | {one.Points.Length} | {(one.CostAt(0.99) is { } cost ? compared.Cost(cost) : Figures.None)} | {(one.AttainmentAt(equal) is { } share ? Figures.Percent(share) : Figures.None)} |");
    }

    private static void Models(StringBuilder text, ComparedRuns compared)
    {
        Line(text, "", "## Models, the heaviest first", "", $"| model | weight | controller | in SLO | p50 | p99 | device h | {(compared.IsPriced ? "dollars | " : "")}starts |",
            $"| :-- | --: | :-- | --: | --: | --: | --: | {(compared.IsPriced ? "--: | " : "")}--: |");
        foreach (var index in compared.Heaviest.Take(HtmlReport.PlottedMax))
        {
            foreach (var one in compared.Controllers)
            {
                var model = one.Models[index];
                Line(text, $"| {Escaped(model.Model.Value)} | {model.Weights} | {Escaped(one.Name)} | {Figures.Percent(model.Attainment)} | {Figures.Seconds(model.P50Seconds)} | {Figures.Seconds(model.P99Seconds)} | {Figures.Number(model.DeviceHours)} | {(compared.IsPriced ? Figures.Dollars(model.Dollars) + " | " : "")}{Figures.Mean(model.Starts)} |");
            }
        }

        if (compared.Heaviest.Length > HtmlReport.PlottedMax)
            Line(text, "", $"{Figures.Count(compared.Heaviest.Length - HtmlReport.PlottedMax)} lighter models are left out here.");
    }

    private static void Decisions(StringBuilder text, ComparedRuns compared)
    {
        var run = compared.First.Runs[0];
        if (run.Decisions.IsEmpty) return;
        var shown = Math.Min(run.Decisions.Length, DecisionsMax);
        Line(text, "", $"## What {Escaped(compared.First.Name)} did, and why", "", $"The first {shown.ToString(CultureInfo.InvariantCulture)} of {Figures.Count(run.DecisionCount)} steps of seed {run.Seed.ToString(CultureInfo.InvariantCulture)}.", "", "| time | model | what | why |", "| :-- | :-- | :-- | :-- |");
        foreach (var one in run.Decisions.Take(shown))
            Line(text, $"| {Durations.Show(one.At)} | {Escaped(one.Model?.Value ?? Figures.None)} | {Escaped(one.What)} | {Escaped(one.Why)} |");
    }

    private static void Line(StringBuilder text, params ReadOnlySpan<string> lines)
    {
        foreach (var line in lines) text.Append(line).Append('\n');
    }

    // What Markdown, or HTML within it, would take for its own; a colon so that no address becomes a link.
    private static string Escaped(string text)
    {
        var escaped = new StringBuilder();
        foreach (var character in Figures.Clean(text))
        {
            if (@"\`*_{}[]<>#|!&~$@".Contains(character, StringComparison.Ordinal)) escaped.Append('\\');
            escaped.Append(character);
        }

        return escaped.Replace("://", "\\://").ToString();
    }
}
