using System.Text;

namespace Plimsoll.Simulation.Reports;

/// <summary>One model over time: what arrives, and the replicas below it, Plimsoll's as areas and the rivals' ready ones as lines.</summary>
internal static class ModelPlot
{
    private const double Width = 360, Left = 34, Right = 284, RateTop = 18, RateBottom = 60, Top = 84, Bottom = 164, Height = 192;

    // Of names to the right of their lines.
    private const double NameHeight = 10.5;

    /// <summary>Null where no run of the first controller kept its timeline.</summary>
    public static Markup? Of(ComparedRuns compared, int model)
    {
        if (compared.First.Runs[0].Timeline is not { At.Length: > 1 } own) return null;
        var name = own.Models[model].Model.Value;
        var ours = Moments.Of(own, model);
        var rivals = compared.Controllers.Skip(1)
            .Select((one, i) => (Index: i + 1, one.Name, Timeline: one.Runs[0].Timeline))
            .Where(one => one.Timeline is { At.Length: > 1 })
            .Select(one => (one.Index, one.Name, Moments: Moments.Of(one.Timeline!, model)))
            .ToList();
        var length = Math.Max(compared.Report.Length.TotalSeconds, own.At[^1]);
        var (unit, seconds) = length >= 3 * 86_400 ? ("d", 86_400) : length >= 2 * 3600 ? ("h", 3600) : length >= 180 ? ("min", 60) : ("s", 1);
        var x = Scale.Exact(0, length / seconds, Left, Right, 4);
        double At(double time) => x[time / seconds];
        var rate = Scale.Round(0, Math.Max(ours.ArrivalsPerSecond.Max(), 1e-3), RateBottom, RateTop, 1);
        var most = Math.Max(1, Math.Max(
            ours.Ready.Zip(ours.Loading, (ready, loading) => ready + loading).Max(), rivals.Count == 0 ? 0 : rivals.Max(rival => rival.Moments.Ready.Max())));
        var y = Scale.Round(0, most, Bottom, Top, most < 3 ? most : 3);

        var svg = new MarkupWriter();
        svg.Add($"""<svg class="model" viewBox="0 0 {Width} {Height}" role="img" aria-label="{name}: arrivals a second, at most {Figures.Number(ours.ArrivalsPerSecond.Max())}, and replicas, at most {most}, over {Durations.Show(length)}">""");
        svg.Add($"""<text class="axis" x="2" y="10">arrivals a second</text>""");
        Ticks(svg, rate, [.. rate.Ticks.Where(tick => tick == rate.Ticks[0] || tick == rate.Ticks[^1])]);
        svg.Add($"""<path class="rate" d="{Line(ours, At, rate)}"/>""");
        svg.Add($"""<text class="axis" x="2" y="76">replicas:<tspan class="fready" dx="4">{"\u25A0"}</tspan> ready<tspan class="floading" dx="6">{"\u25A0"}</tspan> loading ({compared.First.Name})</text>""");
        Ticks(svg, y, y.Ticks);
        svg.Add($"""<path class="ready" d="{Area(ours, _ => 0, i => ours.Ready[i], At, y, length)}"/>""");
        svg.Add($"""<path class="loading" d="{Area(ours, i => ours.Ready[i], i => ours.Ready[i] + ours.Loading[i], At, y, length)}"/>""");
        foreach (var rival in rivals)
            svg.Add($"""<path class="rival c{RivalColours.Of(rival.Index)}{RivalColours.Dashes(rival.Index)} r{rival.Index}" d="{Steps(rival.Moments, At, y, length)}"><title>{rival.Name}, ready</title></path>""");
        Names(svg, rivals.ConvertAll(rival => (rival.Index, rival.Name, y[rival.Moments.Ready[^1]])));
        foreach (var tick in x.Ticks)
        {
            var last = tick == x.Ticks[^1];
            svg.Add($"""<path class="mark" d="M{x[tick]} {Bottom}v4"/><text class="tick" x="{x[tick]}" y="{Bottom + 16}" text-anchor="middle">{x.Label(tick)}{(last ? " " + unit : "")}</text>""");
        }

        svg.Add($"</svg>");
        return svg.Written();
    }

    private static void Ticks(MarkupWriter svg, Scale y, IReadOnlyList<double> ticks)
    {
        foreach (var tick in ticks)
            svg.Add($"""<path class="grid" d="M{Left} {y[tick]}H{Right}"/><text class="tick" x="{Left - 5}" y="{y[tick] + 3.5}" text-anchor="end">{y.Label(tick)}</text>""");
    }

    /// <summary>Names at their lines' ends, moved apart where lines end together, and led to.</summary>
    private static void Names(MarkupWriter svg, List<(int Index, string Name, double Y)> ends)
    {
        var sorted = ends.OrderBy(end => end.Y).ThenBy(end => end.Index).ToList();
        var room = Bottom - Top + 14;
        var height = Math.Min(NameHeight, room / Math.Max(1, sorted.Count));
        var at = sorted.Select(end => end.Y).ToArray();
        for (var i = 1; i < at.Length; i++) at[i] = Math.Max(at[i], at[i - 1] + height);
        var floor = Bottom - 1;
        for (var i = at.Length - 1; i >= 0; i--)
        {
            at[i] = Math.Min(at[i], floor);
            floor = at[i] - height;
        }

        for (var i = 0; i < at.Length; i++)
        {
            var end = sorted[i];
            svg.Add($"""<text class="end t{RivalColours.Of(end.Index)} r{end.Index}" x="{Right + 15}" y="{at[i] + 3.5}">{Figures.Clean(end.Name, 11)}</text><path class="rival c{RivalColours.Of(end.Index)} lead r{end.Index}" d="M{Right} {end.Y}h3L{Right + 10} {at[i]}h3"/>""");
        }
    }

    private static Markup Line(Moments moments, Func<double, double> x, Scale y)
    {
        var path = new StringBuilder();
        for (var i = 0; i < moments.At.Length; i++) To(path, i == 0 ? 'M' : 'L', x(moments.At[i]), y[moments.ArrivalsPerSecond[i]]);
        return new Markup(path.ToString());
    }

    private static Markup Steps(Moments moments, Func<double, double> x, Scale y, double end)
    {
        var path = new StringBuilder();
        var corners = Corners(moments, i => moments.Ready[i], x, y, end);
        for (var i = 0; i < corners.Count; i++) To(path, i == 0 ? 'M' : 'L', corners[i].X, corners[i].Y);
        return new Markup(path.ToString());
    }

    private static Markup Area(Moments moments, Func<int, int> from, Func<int, int> to, Func<double, double> x, Scale y, double end)
    {
        var path = new StringBuilder();
        var (upper, lower) = (Corners(moments, to, x, y, end), Corners(moments, from, x, y, end));
        for (var i = 0; i < upper.Count; i++) To(path, i == 0 ? 'M' : 'L', upper[i].X, upper[i].Y);
        for (var i = lower.Count - 1; i >= 0; i--) To(path, 'L', lower[i].X, lower[i].Y);
        return new Markup(path.Append('Z').ToString());
    }

    /// <summary>A number holds until it changes: two corners for each change.</summary>
    private static List<(double X, double Y)> Corners(Moments moments, Func<int, int> of, Func<double, double> x, Scale y, double end)
    {
        var corners = new List<(double X, double Y)> { (x(moments.At[0]), y[of(0)]) };
        for (var i = 1; i < moments.At.Length; i++)
        {
            if (of(i) == of(i - 1)) continue;
            var at = x(moments.At[i]);
            corners.Add((at, y[of(i - 1)]));
            corners.Add((at, y[of(i)]));
        }

        corners.Add((x(end), y[of(moments.At.Length - 1)]));
        return corners;
    }

    private static void To(StringBuilder path, char command, double x, double y) =>
        path.Append(command).Append(MarkupWriter.Coordinate(x)).Append(' ').Append(MarkupWriter.Coordinate(y));
}
