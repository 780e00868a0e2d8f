using System.Globalization;
using Plimsoll.Pages;

namespace Plimsoll.Simulation.Reports;

/// <summary>How many requests were answered in time against what that cost: a point for each controller and seed, named where it lies.</summary>
internal static class ScatterPlot
{
    private const double Width = 460, Height = 330, Left = 46, Right = 446, Top = 26, Bottom = 284;

    // Of the letters of the plot, so that labels can be kept apart.
    private const double LetterWidth = 7.4, LetterHeight = 13;

    public static Markup Of(ComparedRuns compared)
    {
        var points = compared.Controllers
            .Select((one, i) => (Index: i, one.Name, At: one.Runs.Select(run => (Cost: run.Cost, Percent: run.Attainment * 100)).ToList()))
            .ToList();
        var all = points.SelectMany(one => one.At).ToList();
        var curves = compared.Report.Curves.SelectMany(curve => curve.Front).Select(point => (point.Cost, Percent: point.Attainment * 100)).ToList();
        var (least, most) = (all.Concat(curves).Min(one => one.Cost), all.Concat(curves).Max(one => one.Cost));
        least = Math.Min(least, compared.Report.Runs.Min(compared.BoundOf) ?? least);
        var room = Math.Max((most - least) * 0.06, most * 0.02);
        var x = Scale.Round(least < most * 0.4 ? 0 : Math.Max(0, least - room), most + room, Left, Right, 5);
        var lowest = all.Concat(curves).Min(one => one.Percent);
        var y = Scale.Round(Math.Max(0, lowest - Math.Max(0.05, (100 - lowest) * 0.1)), 100, Bottom, Top, 5);

        var svg = new MarkupWriter();
        svg.Add($"""<svg class="scatter" viewBox="0 0 {Width} {Height}" role="img" aria-label="Requests within their objectives against cost, a point for each controller and seed; the table above has the figures">""");
        foreach (var tick in y.Ticks)
            svg.Add($"""<path class="grid" d="M{Left} {y[tick]}H{Right}"/><text class="tick" x="{Left - 6}" y="{y[tick] + 4}" text-anchor="end">{y.Label(tick)}</text>""");
        foreach (var tick in x.Ticks)
            svg.Add($"""<path class="grid" d="M{x[tick]} {Top}V{Bottom}"/><text class="tick" x="{x[tick]}" y="{Bottom + 16}" text-anchor="middle">{x.Label(tick)}</text>""");
        svg.Add($"""<text class="axis" x="4" y="13">within SLO, %</text><text class="axis" x="{Right}" y="{Bottom + 36}" text-anchor="end">{compared.CostWords} a run</text>""");
        svg.Add($"""<text class="axis" x="{Right}" y="13" text-anchor="end">{"\u2196 better: more in time, for less"}</text>""");
        foreach (var run in compared.Report.Runs)
        {
            // From the least possible to what it was, for as many in time: what is left to be gained.
            if (compared.BoundOf(run) is not { } bound) continue;
            var at = y[run.Attainment * 100];
            svg.Add($"""<path class="bound" d="M{x[bound]} {at - 4}v8m0 -4H{x[run.Cost]}"><title>{run.Controller}, seed {run.Seed}: at the least {compared.Cost(bound)}</title></path>""");
        }

        foreach (var one in points)
        {
            if (compared.Report.Curves.FirstOrDefault(curve => curve.Controller == one.Name) is not { Front: { Length: > 1 } front }) continue;
            svg.Add($"""<path class="curve c{LineColours.Of(one.Index)}" d="M{string.Join('L', front.Select(point => string.Create(CultureInfo.InvariantCulture, $"{x[point.Cost]:0.##} {y[point.Attainment * 100]:0.##}")))}"><title>{one.Name}: {string.Join("; ", front.Select(point => $"{point.Dial}: {Figures.Percent(point.Attainment)} for {compared.Cost(point.Cost)}"))}</title></path>""");
        }

        foreach (var one in points.AsEnumerable().Reverse())
        {
            foreach (var (run, seed) in one.At.Zip(compared.Controllers[one.Index].Runs.Select(run => run.Seed)))
                svg.Add($"""<circle class="p c{LineColours.Of(one.Index)}" cx="{x[run.Cost]}" cy="{y[run.Percent]}" r="{(one.Index == 0 ? 5.5 : 4.5)}"><title>{one.Name}, seed {seed}: {Figures.Percent(run.Percent / 100)} for {compared.Cost(run.Cost)}</title></circle>""");
        }

        var dots = all.Select(one => new Box(x[one.Cost] - 5, y[one.Percent] - 5, 10, 10)).ToList();
        var placed = new List<Box>();
        foreach (var one in points)
        {
            var (cx, cy) = (x[one.At.Average(run => run.Cost)], y[one.At.Average(run => run.Percent)]);
            var label = Place(cx, cy, one.Name.Length * LetterWidth, dots, placed);
            placed.Add(label);
            var (tx, ty) = (Math.Clamp(cx, label.X, label.X + label.Width), label.Y + (label.Height / 2));
            if (Math.Abs(tx - cx) + Math.Abs(ty - cy) > 22) svg.Add($"""<path class="lead" d="M{cx} {cy}L{tx} {(ty > cy ? label.Y + 2 : label.Y + label.Height - 1)}"/>""");

            // Held at the side that is next to the point, whatever width the letters come to.
            var (anchor, at) = label.X >= cx ? ("start", label.X) : label.X + label.Width <= cx ? ("end", label.X + label.Width) : ("middle", label.X + (label.Width / 2));
            svg.Add($"""<text class="name t{LineColours.Of(one.Index)}" x="{at}" y="{label.Y + 10.5}" text-anchor="{anchor}">{one.Name}</text>""");
        }

        svg.Add($"</svg>");
        return svg.Written();
    }

    /// <summary>Where a name covers the least, near to its point.</summary>
    private static Box Place(double x, double y, double width, List<Box> dots, List<Box> placed)
    {
        (Box Box, double Cost) best = (default, double.PositiveInfinity);
        for (var ring = 0; ring < 7; ring++)
        {
            var away = 8 + (ring * 11);
            foreach (var (dx, dy) in (ReadOnlySpan<(double, double)>)[(1, 0), (-1, 0), (0, -1), (0, 1), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7)])
            {
                var left = x + (dx * away) - (dx > 0 ? 0 : dx < 0 ? width : width / 2);
                var box = new Box(left, y + (dy * (away + 2)) - (LetterHeight / 2), width, LetterHeight);
                var outside = box.X < Left + 1 || box.X + box.Width > Width - 2 || box.Y < Top - 8 || box.Y + box.Height > Bottom - 1;
                var cost = ring + (outside ? 1000 : 0) + (placed.Count(box.Meets) * 60) + (dots.Count(box.Meets) * 12);
                if (cost < best.Cost) best = (box, cost);
            }
        }

        return best.Box;
    }

    private readonly record struct Box(double X, double Y, double Width, double Height)
    {
        public bool Meets(Box other) =>
            X < other.X + other.Width && other.X < X + Width && Y < other.Y + other.Height && other.Y < Y + Height;
    }
}
