using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Scenarios;

public sealed class SimulateCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-simulate-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_scenario_is_run_for_each_seed_and_beside_rivals()
    {
        var (code, output, error) = await RunAsync("--seeds", "2", "--against", "hpa,keda", "--json");
        Assert.Equal((0, ""), (code, error));
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.Equal("shop", listing.GetProperty("scenario").GetString());
        var controllers = listing.GetProperty("controllers").EnumerateArray().ToList();
        Assert.Equal(["plimsoll", "hpa", "keda"], controllers.Select(one => one.GetProperty("controller").GetString()));
        foreach (var controller in controllers)
        {
            Assert.Equal([1, 2], controller.GetProperty("runs").EnumerateArray().Select(run => run.GetProperty("seed").GetInt32()));
            Assert.InRange(controller.GetProperty("attainment").GetDouble(), 0.5, 1);
            Assert.InRange(controller.GetProperty("dollars").GetDouble(), 0.0001, 1);
        }

        // The same requests for all of them.
        Assert.Single(controllers.Select(one => one.GetProperty("runs")[0].GetProperty("requests").GetInt64()).Distinct());
    }

    [Fact]
    public async Task The_table_is_readable_in_eighty_columns()
    {
        var (code, output, _) = await RunAsync("--against", "all");
        Assert.Equal(0, code);
        Assert.Contains("within SLO", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Theory]
    [InlineData("--decisions lists for a person, and --json has no such list; leave out one of the two", "--json", "--decisions")]
    [InlineData("--candidates is of rivals that are tuned, and none is; :tuned after a name in --against would do", "--against", "hpa", "--candidates", "4")]
    [InlineData("--tune-for is of rivals that are tuned, and none is", "--tune-for", "95%")]
    public async Task What_would_be_left_unheard_is_said(string problem, params string[] options)
    {
        var (code, output, error) = await RunAsync(options);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fluid_run_has_the_same_requests_and_comes_to_nearly_the_same()
    {
        JsonElement Totals(string output) => JsonDocument.Parse(output).RootElement.GetProperty("controllers")[0];
        var detailed = Totals((await RunAsync("--json")).Output);
        var (code, output, error) = await RunAsync("--fluid", "--json");
        Assert.Equal((0, ""), (code, error));
        var fluid = Totals(output);
        Assert.Equal(detailed.GetProperty("runs")[0].GetProperty("requests").GetInt64(), fluid.GetProperty("runs")[0].GetProperty("requests").GetInt64());
        Assert.InRange(fluid.GetProperty("attainment").GetDouble() - detailed.GetProperty("attainment").GetDouble(), -0.01, 0.01);
        Assert.InRange(fluid.GetProperty("deviceHours").GetDouble() / detailed.GetProperty("deviceHours").GetDouble(), 0.97, 1.03);
        Assert.Equal(0, (await RunAsync("--fluid", "--bound", "--against", "hpa:tuned", "--candidates", "2")).Code);
    }

    [Fact]
    public async Task Traffic_too_much_to_be_kept_is_drawn_as_a_fluid_run_goes()
    {
        var rates = Path.Combine(_folder, "rates.csv");
        await File.WriteAllTextAsync(rates, "seconds,requests_per_second\n0,1000\n120,3000\n240,500\n", TestContext.Current.CancellationToken);
        foreach (var traffic in (string[])["{rate: 2000, crowds: [{at: 1min, for: 2min, rate: 900}]}", $"{{trace: {rates}}}"])
        {
            var (code, output, _) = await RunScenarioAsync(traffic, "--fluid", "--json");
            Assert.Equal(0, code);
            var run = JsonDocument.Parse(output).RootElement.GetProperty("controllers")[0].GetProperty("runs")[0];
            Assert.InRange(run.GetProperty("requests").GetInt64(), traffic.Contains("rate:", StringComparison.Ordinal) ? 700_000 : 500_000, 720_000);
            var (refused, _, error) = await RunScenarioAsync(traffic, "--fluid", "--bound");
            Assert.Equal(ExitCode.BadInput, refused);
            Assert.Contains("--bound reads every request, and with --fluid those of busy are too many to be kept", error, StringComparison.Ordinal);
        }

        async Task<(int Code, string Output, string Error)> RunScenarioAsync(string traffic, params string[] options)
        {
            var path = Path.Combine(_folder, "busy.yaml");
            await File.WriteAllTextAsync(path, $$"""
                length: 5min
                nodes: [{name: cpu, count: 4, memory: 16GiB, cores: 8}]
                models:
                - name: busy
                  weights: 100MB
                  minReplicas: 2
                  runs: [{seconds: 5ms, concurrency: 16}]
                  traffic: {{traffic}}
                """, TestContext.Current.CancellationToken);
            using var output = new StringWriter { NewLine = "\n" };
            using var error = new StringWriter { NewLine = "\n" };
            return (await CommandLine.RunAsync(["simulate", path, .. options], output, error, TimeProvider.System), output.ToString(), error.ToString());
        }
    }

    [Fact]
    public async Task Models_are_explained_at_a_time_and_at_the_end_and_listed_by_weight()
    {
        var (code, output, error) = await RunAsync("--by-weight", "--explain", "heavy@90s", "--explain", "light");
        Assert.Equal((0, ""), (code, error));
        Assert.Matches(@"\nby weight +weight +load p90 +looks ahead +held idle +starts +in SLO\nheavy +3\.73 GiB ", output);
        Assert.Matches(@"\nheavy, at 00:01:(29|30): .*(\n.*)*\n  weight    3\.73 GiB \(unknown, declared\)", output);
        Assert.Matches(@"\nlight, at 00:04:59: ", output);
        Assert.Contains("\n  00:00:00 start heavy-1: ", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));

        var listing = JsonDocument.Parse((await RunAsync("--json", "--explain", "heavy@90s")).Output).RootElement;
        var explained = Assert.Single(listing.GetProperty("explained").EnumerateArray());
        Assert.Equal("heavy", explained.GetProperty("now").GetProperty("model").GetString());
        Assert.InRange(explained.GetProperty("atSeconds").GetDouble(), 85, 90);
        Assert.Equal("start heavy-1", explained.GetProperty("last")[0].GetProperty("what").GetString());
        Assert.All(
            listing.GetProperty("controllers")[0].GetProperty("models").EnumerateArray(),
            model => Assert.True(model.GetProperty("horizonSeconds").GetDouble() > model.GetProperty("loadSeconds").GetDouble()));
    }

    [Theory]
    [InlineData("heavi", "--explain: the fleet has no model 'heavi'; did you mean 'heavy'?")]
    [InlineData("heavy@9h", "--explain: heavy@9 h is after the run, which lasts 5 min")]
    [InlineData("heavy@noon", "--explain is \"heavy@noon\"; a model's name, or with a time of the run such as heavy@50min, would do")]
    [InlineData("heavy@", "--explain is \"heavy@\"; a model's name, or with a time of the run such as heavy@50min, would do")]
    public async Task What_cannot_be_explained_is_said(string asked, string problem)
    {
        var (code, output, error) = await RunAsync("--explain", asked);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--against", "hpa,hpb", "--against names \"hpb\"; all, or some of hpa, keda")]
    [InlineData("--seeds", "0", "--seeds is 0; 1 to 100 would do")]
    public async Task What_cannot_be_run_is_said(string option, string value, string problem)
    {
        var (code, _, error) = await RunAsync(option, value);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_is_written_in_the_form_that_its_name_ends_in()
    {
        var (html, markdown) = (Path.Combine(_folder, "r.html"), Path.Combine(_folder, "r.MD"));
        var (code, output, _) = await RunAsync("--against", "hpa", "--report", html);
        Assert.Equal(0, code);
        Assert.Contains("within SLO", output, StringComparison.Ordinal);
        var page = System.Xml.Linq.XDocument.Load(html).Root!.Value;
        Assert.All(["shop", "heavy", "light", "hpa"], name => Assert.Contains(name, page, StringComparison.Ordinal));
        Assert.Equal(0, (await RunAsync("--report", markdown)).Code);
        Assert.StartsWith("# shop\n", await File.ReadAllTextAsync(markdown, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("r.pdf", "would have to end in .html or .md")]
    [InlineData("nowhere/r.html", "is in a folder that is not there")]
    [InlineData("folder.html", "is a folder")]
    public async Task A_report_that_cannot_be_written_is_said_before_anything_runs(string file, string problem)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "folder.html"));
        var (code, output, error) = await RunAsync("--report", Path.Combine(_folder, file));
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rivals_are_tuned_on_other_seeds_and_what_was_chosen_is_said()
    {
        var (code, output, _) = await RunAsync("--against", "hpa,hpa:tuned,wva", "--candidates", "3", "--tune-for", "95%");
        Assert.Equal(0, code);
        Assert.Contains("\nhpa:tuned ", output, StringComparison.Ordinal);
        Assert.Contains("of 3 settings on seeds 1001, 1002", output.ReplaceLineEndings(" ").Replace("    ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("wva was not run: its rules are for models that generate text", output, StringComparison.Ordinal);
        Assert.Contains("modelmesh is not among the rivals", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task A_curve_is_read_off_in_the_table_and_said_in_the_report()
    {
        var page = Path.Combine(_folder, "curve.html");
        var (code, output, _) = await RunAsync("--against", "fixed", "--curve", "--report", page);
        Assert.Equal(0, code);
        Assert.Contains("along its dial", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
        Assert.Contains("A line joins the settings", await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("modelmesh", "which cannot be run here: it keeps many models")]
    [InlineData("nobody:tuned", "nobody:tuned")]
    public async Task A_rival_that_cannot_be_run_is_refused_with_the_reason(string name, string problem)
    {
        var (code, _, error) = await RunAsync("--against", name);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] options)
    {
        var path = Path.Combine(_folder, "s.yaml");
        await File.WriteAllTextAsync(path, """
            name: shop
            length: 5min
            nodes: [{name: cpu, count: 2, memory: 16GiB, cores: 8, pricePerHour: 1}]
            models:
            - name: light
              weights: 100MB
              runs: [{seconds: 50ms, secondsEach: 5ms}]
              traffic: {rate: 10}
            - name: heavy
              weights: 4GB
              minReplicas: 1
              runs: [{seconds: 100ms}]
              traffic: {wave: {most: 8, period: 5min, trough: 0s}, burstiness: 2}
            """, TestContext.Current.CancellationToken);
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["simulate", path, .. options], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
