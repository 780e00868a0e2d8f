using System.Collections.Immutable;
using System.Text;

namespace Plimsoll.Pages;

/// <summary>What a plot draws of one model or of many.</summary>
/// <param name="At">Moments in seconds, rising.</param>
/// <param name="ArrivalsPerSecond">Rate at each of them.</param>
/// <param name="Ready">Replicas that serve.</param>
/// <param name="Loading">Replicas that load, beside them.</param>
internal sealed record Moments(ImmutableArray<double> At, ImmutableArray<double> ArrivalsPerSecond, ImmutableArray<int> Ready, ImmutableArray<int> Loading);

/// <summary>Over time: what arrives, and below it replicas as areas; other controllers' ready ones as lines.</summary>
internal sealed record ReplicaPlot
{
    private const double Left = 34, Right = 284, RateTop = 18, RateBottom = 60, Top = 84, Bottom = 164, Height = 192;

    // Of names to the right of their lines.
    private const double NameHeight = 10.5;

    /// <summary>Whose plot it is, for those who cannot see it.</summary>
    public required string Name { get; init; }

    public required Moments Own { get; init; }

    /// <summary>Behind the words of the legend; empty for none.</summary>
    public string Whose { get; init; } = "";

    /// <summary>What was expected to arrive, at the same moments; empty where that is not shown.</summary>
    public ImmutableArray<double> ForecastPerSecond { get; init; } = [];

    /// <summary>Other controllers: their colour (<see cref="LineColours"/>), name and moments.</summary>
    public IReadOnlyList<(int Index, string Name, Moments Moments)> Rivals { get; init; } = [];

    /// <summary>Seconds at the left end.</summary>
    public double From { get; init; }

    /// <summary>Seconds at the right end.</summary>
    public required double To { get; init; }

    public Markup Draw()
    {
        var (ours, rivals, length) = (Own, Rivals, To - From);
        var (unit, seconds) = length >= 3 * 86_400 ? ("d", 86_400) : length >= 2 * 3600 ? ("h", 3600) : length >= 180 ? ("min", 60) : ("s", 1);
        var x = Scale.Exact(From / seconds, To / seconds, Left, Right, 4);
        double At(double time) => x[time / seconds];
        var highest = ours.ArrivalsPerSecond.Max();
        var rate = Scale.Round(0, Math.Max(ForecastPerSecond.IsEmpty ? highest : Math.Max(highest, ForecastPerSecond.Max()), 1e-3), RateBottom, RateTop, 1);
        var most = Math.Max(1, Math.Max(
            ours.Ready.Zip(ours.Loading, (ready, loading) => ready + loading).Max(), rivals.Count == 0 ? 0 : rivals.Max(rival => rival.Moments.Ready.Max())));
        var y = Scale.Round(0, most, Bottom, Top, most < 3 ? most : 3);

        // To the right of the plot there is room for the others' names.
        var width = rivals.Count == 0 ? Right + 28 : 360;
        var svg = new MarkupWriter();
        svg.Add($"""<svg class="model" viewBox="0 0 {width} {Height}" role="img" aria-label="{Name}: arrivals a second, at most {Figures.Number(highest)}, and replicas, at most {most}, over {Durations.Show(length)}">""");
        svg.Add($"""<text class="axis" x="2" y="10">arrivals a second{(ForecastPerSecond.IsEmpty ? new Markup("") : new Markup("<tspan class=\"fforecast\" dx=\"6\">\u2500</tspan> planned for"))}</text>""");
        Ticks(svg, rate, [.. rate.Ticks.Where(tick => tick == rate.Ticks[0] || tick == rate.Ticks[^1])]);
        if (!ForecastPerSecond.IsEmpty) svg.Add($"""<path class="forecast" d="{Line(ours.At, ForecastPerSecond, At, rate)}"/>""");
        svg.Add($"""<path class="rate" d="{Line(ours.At, ours.ArrivalsPerSecond, At, rate)}"/>""");
        svg.Add($"""<text class="axis" x="2" y="76">replicas:<tspan class="fready" dx="4">{"\u25A0"}</tspan> ready<tspan class="floading" dx="6">{"\u25A0"}</tspan> loading{(Whose.Length == 0 ? "" : $" ({Whose})")}</text>""");
        Ticks(svg, y, y.Ticks);
        svg.Add($"""<path class="ready" d="{Area(ours, _ => 0, i => ours.Ready[i], At, y, To)}"/>""");
        svg.Add($"""<path class="loading" d="{Area(ours, i => ours.Ready[i], i => ours.Ready[i] + ours.Loading[i], At, y, To)}"/>""");
        foreach (var rival in rivals)
            svg.Add($"""<path class="rival c{LineColours.Of(rival.Index)}{LineColours.Dashes(rival.Index)} r{rival.Index}" d="{Steps(rival.Moments, At, y, To)}"><title>{rival.Name}, ready</title></path>""");
        Names(svg, [.. rivals.Select(rival => (rival.Index, rival.Name, y[rival.Moments.Ready[^1]]))]);
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
            svg.Add($"""<path class="grid" d="M{Left} {y[tick]}H{Right}"/><text class="tick" x="{Left - 5}" y="{y[tick] + 3.5}" text-anchor="end">{Figures.Tick(tick, y.Label(tick))}</text>""");
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
            svg.Add($"""<text class="end t{LineColours.Of(end.Index)} r{end.Index}" x="{Right + 15}" y="{at[i] + 3.5}">{Figures.Clean(end.Name, 11)}</text><path class="rival c{LineColours.Of(end.Index)} lead r{end.Index}" d="M{Right} {end.Y}h3L{Right + 10} {at[i]}h3"/>""");
        }
    }

    private static Markup Line(ImmutableArray<double> times, ImmutableArray<double> rates, Func<double, double> x, Scale y)
    {
        var path = new StringBuilder();
        for (var i = 0; i < times.Length; i++) Point(path, i == 0 ? 'M' : 'L', x(times[i]), y[rates[i]]);
        return new Markup(path.ToString());
    }

    private static Markup Steps(Moments moments, Func<double, double> x, Scale y, double end)
    {
        var path = new StringBuilder();
        var corners = Corners(moments, i => moments.Ready[i], x, y, end);
        for (var i = 0; i < corners.Count; i++) Point(path, i == 0 ? 'M' : 'L', corners[i].X, corners[i].Y);
        return new Markup(path.ToString());
    }

    private static Markup Area(Moments moments, Func<int, int> from, Func<int, int> to, Func<double, double> x, Scale y, double end)
    {
        var path = new StringBuilder();
        var (upper, lower) = (Corners(moments, to, x, y, end), Corners(moments, from, x, y, end));
        for (var i = 0; i < upper.Count; i++) Point(path, i == 0 ? 'M' : 'L', upper[i].X, upper[i].Y);
        for (var i = lower.Count - 1; i >= 0; i--) Point(path, 'L', lower[i].X, lower[i].Y);
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

    private static void Point(StringBuilder path, char command, double x, double y) =>
        path.Append(command).Append(MarkupWriter.Coordinate(x)).Append(' ').Append(MarkupWriter.Coordinate(y));
}
