using System.Globalization;
using System.Text;
using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Scenarios;

public sealed class PrometheusImportTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-import-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_saved_answer_becomes_a_trace_that_a_scenario_is_run_on()
    {
        // 30 minutes of 20 requests a second with a gap of ten in the middle.
        var values = Enumerable.Range(0, 30).Where(minute => minute is < 10 or >= 20).Select(minute => string.Create(CultureInfo.InvariantCulture, $"[{1_700_000_000 + (minute * 60)},\"20\"]"));
        var (code, output, error) = await RunAsync("import", "prometheus", Of("answer.json", $"{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":{{}},\"values\":[{string.Join(',', values)}]}}]}}}}"));
        Assert.Equal(0, code);
        Assert.Equal("plimsoll: 30 steps of 1 min from 2023-11-14 22:12 UTC on: 13.333 requests a second on the mean, 20 at the most; 10 of them have no value and are taken for 0\n", error);
        Assert.StartsWith("seconds,requests_per_second\n0,20\n60,20\n", output, StringComparison.Ordinal);
        Assert.Contains("\n600,0\n", output, StringComparison.Ordinal);

        Of("rates.csv", output);
        var scenario = Of("s.yaml", """
            length: 30min
            nodes: [{name: cpu, memory: 16GiB, cores: 8, pricePerHour: 1}]
            models:
            - name: light
              weights: 100MB
              runs: [{seconds: 5ms}]
              traffic: {trace: rates.csv, scale: 0.5}
            """);
        (code, output, error) = await RunAsync("simulate", scenario, "--json");
        Assert.Equal((0, ""), (code, error));
        var model = JsonDocument.Parse(output).RootElement.GetProperty("controllers")[0].GetProperty("models")[0];
        Assert.InRange(model.GetProperty("requests").GetDouble(), 11_600, 12_400);

        // A part that the trace does not reach is an error of its field.
        Of("s.yaml", (await File.ReadAllTextAsync(scenario, TestContext.Current.CancellationToken)).Replace("scale: 0.5", "from: 5min", StringComparison.Ordinal));
        (code, _, error) = await RunAsync("simulate", scenario);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("models[0].traffic.trace: the trace ends after 30 min, which is before the scenario does", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"status\":\"error\",\"error\":\"no\"}", "it refused the query: no")]
    [InlineData("{", "is no JSON; the answer of /api/v1/query_range would do")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", "the answer has 0 values; two or more would do")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"values\":[[0,\"1\"],[0.001,\"1\"],[200000,\"1\"]]}]}}", "1000000 are the most")]
    public async Task What_is_no_answer_is_said(string text, string problem)
    {
        var (code, output, error) = await RunAsync("import", "prometheus", Of("a.json", text));
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--query is missing; PromQL of requests a second would do, or --vllm with the model's name")]
    [InlineData("--vllm says the queries itself; leave them out, or it", "--vllm", "a", "--query", "b")]
    [InlineData("one of --prompt-tokens and --answer-tokens is missing", "--query", "b", "--answer-tokens", "c")]
    [InlineData("--last is 1 min, which has no two steps of 1 min", "--query", "b", "--last", "1min")]
    [InlineData("--to is \"soon\"; a time such as", "--query", "b", "--to", "soon")]
    public async Task What_cannot_be_asked_is_said(string problem, params string[] options)
    {
        // Port 1 of loopback: nobody listens there.
        var (code, output, error) = await RunAsync(["import", "prometheus", "http://127.0.0.1:1", .. options]);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_not_there_has_failed_and_is_no_mistake_of_who_asks()
    {
        var (code, output, error) = await RunAsync("import", "prometheus", "http://127.0.0.1:1", "--vllm", "m", "--last", "1d");
        Assert.Equal((ExitCode.Failed, ""), (code, output));
        Assert.Contains("it cannot be reached (ConnectionRefused)", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_saved_answer_is_not_asked_for_another_step()
    {
        var (code, output, error) = await RunAsync("import", "prometheus", Of("a.json", "{}"), "--step", "5min");
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains("--step is of what a server is asked, and ", error, StringComparison.Ordinal);
    }

    private string Of(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text, new UTF8Encoding(false));
        return path;
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(arguments, output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
