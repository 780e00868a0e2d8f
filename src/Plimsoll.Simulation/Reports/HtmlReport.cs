using System.Security.Cryptography;
using System.Text;
using Plimsoll.Pages;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Simulation.Reports;

/// <summary>The report as one HTML page.</summary>
internal static class HtmlReport
{
    /// <summary>Models with a plot.</summary>
    public const int PlottedMax = 40;

    public const int DecisionsMax = 500;

    // A page is for reading; --json has them all.
    private const int FoldedMax = 2000;

    // So many rivals' lines are seen at first; more would be a thicket.
    private const int LinesAtFirst = 2;

    public static string Of(ComparedRuns compared)
    {
        var page = new MarkupWriter();
        page.Add($"""<!DOCTYPE html>""");
        page.Add($"""<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>""");
        page.Add($"""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{ScriptHash()}'"/>""");
        page.Add($"""<meta name="viewport" content="width=device-width, initial-scale=1"/><link rel="icon" href="data:,"/><title>{compared.Report.Scenario}: simulated by plimsoll</title><style>{ReportStyle.Css}""");
        for (var rival = 1; rival < compared.Controllers.Length; rival++) page.Add($"{ReportStyle.Toggle(rival)}");
        page.Add($"""</style></head><body><main>""");
        Head(page, compared);
        Controllers(page, compared);
        page.Add($"""<h2>{(compared.IsPriced ? "Where each dollar went" : "Where each device hour went")}</h2><p class="soft">{(compared.IsPriced ? "Dollars" : "Device hours")} of what each model's replicas held, loading and draining included; first the model that is dearest under all of them together.{(compared.IsOfNodes ? " The rest of what nodes cost while they were there or on their way was held by nobody." : "")}</p>""");
        page.Add($"{CostBars.Of(compared)}");
        Models(page, compared);
        Decisions(page, compared);
        page.Add($"""</main><script>{ReportStyle.Script}</script></body></html>""");
        return page.Written().Text;
    }

    private static void Head(MarkupWriter page, ComparedRuns compared)
    {
        page.Add($"<h1>{compared.Report.Scenario}</h1>");
        if (compared.Report.About is { } about) page.Add($"""<p class="about">{about}</p>""");
        page.Add($"""<p class="soft">{Durations.Show(compared.Report.Length)} simulated, {compared.Seeds}: {string.Join(", ", compared.Controllers.Select(one => one.Name))}, each on the same nodes with the same requests.</p>""");
        page.Add($"<p>{compared.Finding}</p>");
    }

    private static void Controllers(MarkupWriter page, ComparedRuns compared)
    {
        page.Add($"""<h2>Attainment and cost</h2><div class="pair"><div class="wide" tabindex="0" role="region" aria-label="Controllers"><table><thead><tr><th scope="col">controller</th><th scope="col">requests</th><th scope="col">within SLO</th><th scope="col">device h</th><th scope="col">dollars</th>{(compared.IsOfNodes ? new Markup("<th scope=\"col\">of nodes</th>") : new Markup(""))}<th scope="col"><abbr title="replicas that died of memory, in all runs">OOM</abbr></th>{(compared.IsBounded ? new Markup("<th scope=\"col\">least</th>") : new Markup(""))}</tr></thead><tbody>""");
        foreach (var one in compared.Controllers)
            page.Add($"""<tr><th scope="row">{one.Name}</th><td>{Figures.Count(one.Requests)}</td><td>{Figures.Percent(one.Attainment)}</td><td>{Figures.Number(one.DeviceHours)}</td><td>{(compared.IsPriced ? Figures.Dollars(one.Dollars) : Figures.None)}</td>{(compared.IsOfNodes ? new Markup($"<td>{Figures.Dollars(one.NodeDollars)}</td>") : new Markup(""))}<td>{one.OutOfMemory}</td>{(compared.IsBounded ? new Markup($"<td>{Least(compared, one)}</td>") : new Markup(""))}</tr>""");
        page.Add($"</tbody></table></div>");
        page.Add($"{ScatterPlot.Of(compared)}</div>");
        if (!compared.Report.Curves.IsEmpty)
            page.Add($"""<p class="soft">A line joins the settings of a controller's dial that nothing of its own beats: of {compared.First.Name} the attainment that models ask for, of others their target.</p>""");
        if (compared.IsBounded)
            page.Add($"""<p class="soft">Least: for somebody who knows all arrivals and misses as many. No run can cost less, and perhaps none can cost as little. In the plot a dotted line leads there.</p>""");
    }

    private static string Least(ComparedRuns compared, ControllerRuns one) => compared.BoundOf(one) is { } least ? compared.Cost(least) : Figures.None;

    private static void Models(MarkupWriter page, ComparedRuns compared)
    {
        page.Add($"""<h2>Models, the heaviest first</h2><div class="wrap">""");
        if (compared.First.Runs[0].Timeline is not null)
        {
            page.Add($"""<p class="soft">Plots are of seed {compared.First.Runs[0].Seed}.</p>""");
            if (compared.Controllers.Length > 1) Toggles(page, compared);
        }

        page.Add($"""<div class="cards">""");
        foreach (var model in compared.Heaviest.Take(PlottedMax)) Model(page, compared, model);
        page.Add($"</div></div>");
        if (compared.Heaviest.Length <= PlottedMax) return;

        page.Add($"""<details><summary>{Figures.Count(compared.Heaviest.Length - PlottedMax)} lighter models, under {compared.First.Name}</summary><div class="wide" tabindex="0" role="region" aria-label="Lighter models"><table class="small"><thead><tr><th scope="col">model</th><th scope="col">weight</th><th scope="col">requests</th>{Columns(compared)}</tr></thead><tbody>""");
        foreach (var index in compared.Heaviest.Skip(PlottedMax).Take(FoldedMax))
        {
            var model = compared.First.Models[index];
            page.Add($"""<tr><th scope="row">{model.Model.Value}</th><td>{model.Weights.ToString()}</td><td>{Figures.Count(model.Requests)}</td>{Cells(compared, model)}</tr>""");
        }

        page.Add($"</tbody></table></div>");
        if (compared.Heaviest.Length > PlottedMax + FoldedMax)
            page.Add($"""<p class="soft">{Figures.Count(compared.Heaviest.Length - PlottedMax - FoldedMax)} still lighter ones are left out here; --json has them all.</p>""");
        page.Add($"</details>");
    }

    private static void Toggles(MarkupWriter page, ComparedRuns compared)
    {
        page.Add($"""<fieldset class="toggles"><legend>Ready replicas of</legend>""");
        for (var rival = 1; rival < compared.Controllers.Length; rival++)
            page.Add($"""<label><input type="checkbox" id="r{rival}"{(rival <= LinesAtFirst ? new Markup(" checked=\"checked\"") : new Markup(""))}/><svg viewBox="0 0 24 8" aria-hidden="true"><path class="rival c{LineColours.Of(rival)}{LineColours.Dashes(rival)}" d="M0 4H24"/></svg>{compared.Controllers[rival].Name}</label>""");
        page.Add($"</fieldset>");
    }

    private static void Model(MarkupWriter page, ComparedRuns compared, int index)
    {
        var model = compared.First.Models[index];
        page.Add($"""<section><h3>{model.Model.Value} <small>{model.Weights.ToString()}, {Figures.Count(model.Requests)} requests</small></h3><div class="wide" tabindex="0" role="region" aria-label="{model.Model.Value} under each controller"><table class="small"><thead><tr><th scope="col"></th>{Columns(compared)}</tr></thead><tbody>""");
        foreach (var one in compared.Controllers) page.Add($"""<tr><th scope="row">{one.Name}</th>{Cells(compared, one.Models[index])}</tr>""");
        page.Add($"</tbody></table></div>");
        if (ModelPlot.Of(compared, index) is { } plot) page.Add($"{plot}");
        page.Add($"</section>");
    }

    private static Markup Columns(ComparedRuns compared) => new MarkupWriter()
        .Add($"""<th scope="col">in SLO</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">device h</th>{(compared.IsPriced ? new Markup("<th scope=\"col\">cost</th>") : new Markup(""))}<th scope="col">starts</th>""").Written();

    private static Markup Cells(ComparedRuns compared, ModelMeans model) => new MarkupWriter()
        .Add($"<td>{Figures.Percent(model.Attainment)}</td><td>{Figures.Seconds(model.P50Seconds)}</td><td>{Figures.Seconds(model.P99Seconds)}</td><td>{Figures.Number(model.DeviceHours)}</td>{(compared.IsPriced ? new Markup($"<td>{Figures.Dollars(model.Dollars)}</td>") : new Markup(""))}<td>{Figures.Mean(model.Starts)}</td>").Written();

    private static void Decisions(MarkupWriter page, ComparedRuns compared)
    {
        var run = compared.First.Runs[0];
        page.Add($"<h2>What {compared.First.Name} did, and why</h2>");
        if (run.Decisions.IsEmpty)
        {
            page.Add($"""<p class="soft">Nothing was kept.</p>""");
            return;
        }

        List<Decision> shown = [.. run.Decisions.Take(DecisionsMax)];
        List<ModelId> models = [.. shown.Select(one => one.Model).OfType<ModelId>().Distinct().Order()];
        page.Add($"""<details open="open"><summary>{(shown.Count < run.DecisionCount ? $"The first {shown.Count} of {Figures.Count(run.DecisionCount)} steps" : $"{shown.Count} steps")} of seed {run.Seed}</summary>""");
        if (models.Count > 1)
        {
            page.Add($"""<p class="pick"><label for="pick">Model </label><select id="pick"><option value="">all</option>""");
            for (var i = 0; i < models.Count; i++) page.Add($"""<option value="{i}">{models[i].Value}</option>""");
            page.Add($"</select></p>");
        }

        page.Add($"""<table class="small steps"><thead><tr><th scope="col">time</th><th scope="col">model</th><th scope="col">what</th><th scope="col">why</th></tr></thead><tbody>""");
        foreach (var one in shown)
            page.Add($"""<tr data-m="{(one.Model is { } of ? models.IndexOf(of) : -1)}"><td>{Durations.Show(one.At)}</td><td>{one.Model?.Value ?? Figures.None}</td><td>{one.What}</td><td>{one.Why}</td></tr>""");
        page.Add($"</tbody></table></details>");
    }

    // Nothing but this page's own script may run in it, whatever a scenario's texts say.
    private static string ScriptHash() => Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(ReportStyle.Script.Text)));
}
