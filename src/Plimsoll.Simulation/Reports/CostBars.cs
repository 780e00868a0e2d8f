using Plimsoll.Pages;

namespace Plimsoll.Simulation.Reports;

/// <summary>Where the money went: for each controller a bar of its models, the dearest first; device hours where all is owned.</summary>
internal static class CostBars
{
    private const int NamedMax = 8;

    private const int Tones = 4;

    private const string Nobody = "held by nobody";

    // Of the longest bar: a name has room in a part that is at least so wide, on a telephone too.
    private const double NamedShare = 0.16;

    public static Markup Of(ComparedRuns compared)
    {
        var page = new MarkupWriter();
        var longest = Math.Max(1e-12, compared.Controllers.Max(compared.CostOf));
        var order = Order(compared);
        var named = order.Count <= NamedMax + 1 ? order.Count : NamedMax;
        page.Add($"""<div class="bars">""");
        foreach (var one in compared.Controllers)
        {
            page.Add($"""<div class="bar"><span>{one.Name}</span><div class="stack">""");
            for (var i = 0; i < named; i++) Part(one.Models[order[i]].Model.Value, compared.CostOf(one.Models[order[i]]), i % Tones);
            if (named < order.Count) Part($"{order.Count - named} others", order.Skip(named).Sum(model => compared.CostOf(one.Models[model])), named % Tones);
            if (compared.IsOfNodes) Part(Nobody, compared.CostOf(one) - one.Models.Sum(compared.CostOf), (named + 1) % Tones);
            page.Add($"""</div><span class="cost">{compared.Cost(compared.CostOf(one))}</span></div>""");
        }

        page.Add($"</div>");
        Table(page, compared, order);
        return page.Written();

        void Part(string name, double cost, int tone)
        {
            var share = cost / longest;
            if (share < 0.0005) return;
            var roomy = share >= NamedShare;
            page.Add($"""<span class="s{tone}{(roomy ? " l" : "")}" style="width:{share * 100}%" title="{name}: {compared.Cost(cost)}">{(roomy ? name : "")}</span>""");
        }
    }

    /// <summary>Models by what they cost under all controllers together.</summary>
    public static List<int> Order(ComparedRuns compared) =>
        [.. Enumerable.Range(0, compared.First.Models.Length)
            .OrderByDescending(model => compared.Controllers.Sum(one => compared.CostOf(one.Models[model])))
            .ThenBy(model => compared.First.Models[model].Model)];

    private static void Table(MarkupWriter page, ComparedRuns compared, List<int> order)
    {
        const int RowsMax = 40;
        page.Add($"""<details><summary>The figures</summary><div class="wide" tabindex="0" role="region" aria-label="Cost by model"><table class="small"><thead><tr><th scope="col">{compared.CostWords}</th>""");
        foreach (var one in compared.Controllers) page.Add($"""<th scope="col">{one.Name}</th>""");
        page.Add($"</tr></thead><tbody>");
        foreach (var model in order.Take(RowsMax))
        {
            page.Add($"""<tr><th scope="row">{compared.First.Models[model].Model.Value}</th>""");
            foreach (var one in compared.Controllers) page.Add($"<td>{Short(one.Models[model])}</td>");
            page.Add($"</tr>");
        }

        if (compared.IsOfNodes)
        {
            page.Add($"""<tr><th scope="row">{Nobody}</th>""");
            foreach (var one in compared.Controllers) page.Add($"<td>{Figures.Dollars(compared.CostOf(one) - one.Models.Sum(compared.CostOf))}</td>");
            page.Add($"</tr>");
        }

        page.Add($"</tbody></table></div>");
        if (order.Count > RowsMax) page.Add($"""<p class="soft">{order.Count - RowsMax} cheaper models are left out here.</p>""");
        page.Add($"</details>");

        string Short(ModelMeans model) => compared.IsPriced ? Figures.Dollars(model.Dollars) : Figures.Number(model.DeviceHours);
    }
}
