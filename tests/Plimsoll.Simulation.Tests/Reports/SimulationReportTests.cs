using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Plimsoll.Pages;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Reports;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;
using Plimsoll.Simulation.Tests.Runs;

namespace Plimsoll.Simulation.Tests.Reports;

public sealed partial class SimulationReportTests
{
    private const string Hostile = "</script><script>alert(1)</script>&\"'<img src=x onerror=alert(2)>\u202Etxt\u0007 ]]> | [a](javascript:b) `c`";

    private static readonly XNamespace Html = "http://www.w3.org/1999/xhtml";

    [Fact]
    public void A_real_run_makes_a_page_with_every_model_and_controller()
    {
        var world = Worlds.Of(
            [Worlds.Small("light", Worlds.Poisson(5, 300)), Worlds.Small("heavy", Worlds.Poisson(2, 300), weightMiB: 2000)], [Worlds.Processors(2, 8)], 300);
        ImmutableArray<RunResult> runs = [SimulationRun.Plimsoll(world, 1), SimulationRun.Rival(world, 1, "hpa"), SimulationRun.Plimsoll(world, 2), SimulationRun.Rival(world, 2, "hpa")];
        Assert.All(runs, run => Assert.Equal(run.Dollars, run.Models.Sum(model => model.Dollars), 9));
        var report = new SimulationReport { Scenario = "shop", About = "Who pays?", Length = world.Length, Runs = runs };
        var page = XDocument.Parse(report.Html());

        // The heaviest first, each with a row for each controller and a plot.
        var sections = page.Descendants(Html + "section").ToList();
        Assert.Equal(["heavy", "light"], sections.Select(section => section.Element(Html + "h3")!.Nodes().OfType<XText>().First().Value.Trim()));
        Assert.All(sections, section => Assert.Equal(["plimsoll", "hpa"], Rows(section)));
        Assert.All(sections, section => Assert.Single(section.Descendants(Html + "svg")));
        Assert.Equal(4, page.Descendants(Html + "circle").Count());
        Assert.Equal(["plimsoll", "hpa"], Rows(page.Descendants(Html + "table").First()));
        Assert.Contains("start", page.Descendants(Html + "table").Last().Value, StringComparison.Ordinal);
        Assert.Equal(report.Html(), report.Html());
        Assert.Equal(report.Html(), (report with { Runs = [.. runs] }).Html());

        var markdown = report.Markdown();
        Assert.Contains("| plimsoll | ", markdown, StringComparison.Ordinal);
        Assert.Contains("| heavy | 1.95 GiB | hpa | ", markdown, StringComparison.Ordinal);
    }

    [Fact]
    public void A_curve_joins_what_nothing_of_its_own_beats_and_is_read_off_in_the_table()
    {
        var report = Made(models: 1, controllers: 1, name: i => $"m{i}");
        var name = report.Runs[0].Controller;
        report = report with { Curves = [new AttainmentCurve(name, [new("low", 0.98, 10), new("worse", 0.97, 15), new("high", 1.0, 20)])] };
        var curve = Assert.Single(XDocument.Parse(report.Html()).Descendants(Html + "path"), path => path.Attribute("class")?.Value.StartsWith("curve", StringComparison.Ordinal) == true);
        Assert.Equal(2, curve.Attribute("d")!.Value.Split('L').Length);
        Assert.Contains("99% within SLO costs", report.Markdown(), StringComparison.Ordinal);
        Assert.Contains("15", report.Markdown().Split('\n').Single(line => line.StartsWith($"| {name} | 3 |", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_from_a_scenario_becomes_markup()
    {
        var report = Made(models: 2, controllers: 2, name: i => Hostile + i) with { Scenario = Hostile, About = Hostile };
        var text = report.Html();
        var page = XDocument.Parse(text);
        Assert.Single(page.Descendants(Html + "script"));
        Assert.Empty(page.Descendants(Html + "img"));
        Assert.DoesNotContain("\u202E", text, StringComparison.Ordinal);
        Assert.Equal(Figures.Clean(Hostile), page.Descendants(Html + "h1").Single().Value);
        Assert.Equal(Figures.Clean(Hostile), page.Descendants(Html + "p").First().Value);
        Assert.Equal(Figures.Clean(Hostile), page.Descendants(Html + "tr").Last().Elements().Last().Value);

        foreach (var line in report.Markdown().Split('\n'))
        {
            Assert.DoesNotMatch(@"(?<!\\)<", line);
            Assert.DoesNotMatch(@"(?<!\\)\[", line);
            if (line.StartsWith("| ", StringComparison.Ordinal)) Assert.InRange(UnescapedPipe().Count(line), 5, 10);
        }
    }

    [Fact]
    public void The_page_asks_for_nothing_from_elsewhere()
    {
        var text = Made(models: 3, controllers: 3).Html();
        var page = XDocument.Parse(text);
        var addresses = AnyAddress().Matches(text).Select(match => match.Value).Distinct();
        Assert.Equal([Html.NamespaceName], addresses);
        var asking = page.Descendants().Attributes().Where(attribute => attribute.Name.LocalName is "src" or "href" or "srcset" or "action" or "data" or "poster").ToList();
        Assert.Equal("data:,", Assert.Single(asking).Value);
        Assert.DoesNotContain("url(", text, StringComparison.Ordinal);
        Assert.DoesNotContain("@import", text, StringComparison.Ordinal);

        // And a browser is told so: only this script may run.
        var policy = page.Descendants(Html + "meta").Single(meta => meta.Attribute("http-equiv") is not null).Attribute("content")!.Value;
        Assert.StartsWith("default-src 'none'", policy, StringComparison.Ordinal);
        var script = page.Descendants(Html + "script").Single().Value;
        Assert.Contains($"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)))}'", policy, StringComparison.Ordinal);
    }

    [Fact]
    public void Forty_models_and_seven_controllers_are_under_three_megabytes_and_the_rest_is_folded_away()
    {
        var text = Made(models: 300, controllers: 7, steps: 20_000).Html();
        Assert.InRange(Encoding.UTF8.GetByteCount(text), 500_000, 3_000_000);
        var page = XDocument.Parse(text);
        Assert.Equal(40, page.Descendants(Html + "section").Count());
        Assert.Equal(6, page.Descendants(Html + "input").Count());
        Assert.Equal(500, page.Descendants(Html + "tr").Count(row => row.Attribute("data-m") is not null));
        Assert.Contains("260 lighter models", text, StringComparison.Ordinal);
        for (var i = 0; i < 300; i++) Assert.Contains($">m{i:000}<", text.Replace(" <small", "<small", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.9, 50, "No rival answered as many in time.")]
    [InlineData(1, 50, "rival1 was the cheapest, for less: 100.0% for $50.00")]
    [InlineData(1, 200, "rival1 was the cheapest, at a higher cost: 100.0% for $200.00")]
    public void The_page_says_who_won(double attainment, double dollars, string expected)
    {
        var made = Made(models: 1, controllers: 2);
        var rival = made.Runs[1] with { Dollars = dollars, Models = [made.Runs[1].Models[0] with { WithinSlo = (long)(1000 * attainment) }] };
        var text = (made with { Runs = [made.Runs[0] with { Dollars = 100 }, rival] }).Html();
        Assert.Contains(expected, text, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_all_is_owned_cost_is_in_device_hours_and_a_bound_is_shown_where_one_is_known()
    {
        var made = Made(models: 1, controllers: 2);
        var owned = made with { Runs = [.. made.Runs.Select(run => run with { Unit = CostUnit.DeviceHours, Dollars = 0 })] };
        Assert.Contains("Where each device hour went", owned.Html(), StringComparison.Ordinal);
        Assert.DoesNotContain("$", owned.Html(), StringComparison.Ordinal);
        var model = new ModelBound(ModelId.Of("m000"), 0.25, 0, null);
        var bound = new BoundResult([model], 0, 0.25);
        var bounded = owned with { Bounds = [bound, bound with { DeviceHours = 0.75 }] };
        Assert.Contains("<td>0.25 device h</td>", bounded.Html(), StringComparison.Ordinal);
        Assert.Contains("rival1, seed 1: at the least 0.75 device h", bounded.Html(), StringComparison.Ordinal);
        Assert.Contains("spends 0.75 device h at the least", bounded.Markdown(), StringComparison.Ordinal);
        var unknown = bound with { Models = [model with { Problem = "none" }] };
        Assert.DoesNotContain("at the least", (owned with { Bounds = [unknown, unknown] }).Html(), StringComparison.Ordinal);
    }

    /// <summary>Who holds less may have kept more nodes: what is paid are these.</summary>
    [Fact]
    public void Where_nodes_come_and_go_the_bill_of_whole_nodes_says_who_won()
    {
        var made = Made(models: 1, controllers: 2);
        var elastic = made with
        {
            Runs = [made.Runs[0] with { Unit = CostUnit.NodeDollars, Dollars = 4, NodeDollars = 30 }, made.Runs[1] with { Unit = CostUnit.NodeDollars, Dollars = 4, NodeDollars = 20 }],
        };
        foreach (var text in (string[])[elastic.Html(), elastic.Markdown()])
        {
            Assert.Contains("rival1 was the cheapest, for less: 99.0", text, StringComparison.Ordinal);
            Assert.Contains("of nodes", text, StringComparison.Ordinal);
        }

        // Its one model held $4 of them.
        Assert.Contains("held by nobody: $16.00", elastic.Html(), StringComparison.Ordinal);
        Assert.DoesNotContain("of nodes", made.Html() + made.Markdown(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_without_requests_timeline_or_steps_has_a_page_too()
    {
        var made = Made(models: 1, controllers: 1);
        var run = made.Runs[0] with { Timeline = null, Decisions = [], DecisionCount = 0, Dollars = 0, Models = [made.Runs[0].Models[0] with { Requests = 0, WithinSlo = 0, Late = 0, Seconds = null, DeviceHours = 0 }] };
        var text = (made with { Runs = [run] }).Html();
        Assert.DoesNotContain("NaN", text, StringComparison.Ordinal);
        Assert.DoesNotContain("∞", text, StringComparison.Ordinal);
        Assert.Contains("Nothing was kept.", XDocument.Parse(text).Root!.Value, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Rows(XElement within) =>
        within.Descendants(Html + "tbody").First().Elements(Html + "tr").Select(row => row.Elements().First().Value);

    /// <summary>Runs that nobody ran: replicas that change at every moment, the most that a page has to hold.</summary>
    private static SimulationReport Made(int models, int controllers, int steps = 3, Func<int, string>? name = null)
    {
        var ids = Enumerable.Range(0, models).Select(i => ModelId.Of(name is null ? $"m{i:000}" : name(i))).ToImmutableArray();
        var at = Enumerable.Range(0, 481).Select(i => i * 15.0).ToImmutableArray();
        var random = new Random(7);
        RunResult Run(int controller) => new()
        {
            Controller = controller == 0 ? "plimsoll" : $"rival{controller}",
            Seed = 1,
            Turns = 480,
            Models = [.. ids.Select((id, i) => new ModelResult
            {
                Model = id, Weights = Bytes.GiB(1 + (models - i)), Requests = 1000, WithinSlo = 990, Late = 10, Rejected = 0, Failed = 0, Unfinished = 0,
                Seconds = new AnswerSeconds(1.5, 2, 3), DeviceHours = 2 + i, Dollars = 4 + i, Starts = 3,
            })],
            Unit = CostUnit.Dollars,
            NodeDollars = 0,
            Dollars = 10 + controller,
            NodeHours = ImmutableSortedDictionary<string, double>.Empty,
            OutOfMemory = 0,
            Timeline = new Timeline
            {
                At = at,
                Models = [.. ids.Select(id => new ModelTimeline(
                    id, [.. at.Select(_ => random.NextDouble() * 20)], [.. at.Select(_ => random.Next(9))], [.. at.Select(_ => random.Next(3))],
                    [.. at.Select(_ => 0)], [.. at.Select(_ => (double?)1)]))],
            },
            Decisions = [.. Enumerable.Range(0, steps).Select(i => new Decision(i, ids[i % models], $"start {ids[i % models]}", name is null ? "because" : Hostile))],
            DecisionCount = steps,
        };
        return new SimulationReport { Scenario = "made", About = "a question", Length = TimeSpan.FromHours(2), Runs = [.. Enumerable.Range(0, controllers).Select(Run)] };
    }

    [GeneratedRegex("https?://[a-z][^\"' <]*")]
    private static partial Regex AnyAddress();

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex UnescapedPipe();
}
