using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Scenarios;

public sealed class TuneCommandTests : IDisposable
{
    // Twelve replicas are kept of a model that two serve; nothing else is worth a word.
    private const string TooManyKept = """
        name: shop
        length: 5min
        nodes: [{name: cpu, count: 2, memory: 16GiB, cores: 16, pricePerHour: 10}]
        models:
        - name: light
          weights: 100MB
          minReplicas: 12
          runs: [{seconds: 50ms, secondsEach: 5ms}]
          traffic: {rate: 10}
        - name: heavy
          weights: 2GB
          minReplicas: 1
          runs: [{seconds: 100ms}]
          traffic: {rate: 4}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-tune-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task An_absurd_minimum_is_found_judged_on_other_seeds_and_written_as_yaml()
    {
        var (code, output, error) = await RunAsync(TooManyKept, "--seeds", "2", "--candidates", "8", "--json");
        Assert.Equal((0, ""), (code, error));
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.Equal([1001, 1002], Numbers(listing.GetProperty("searchedSeeds")));
        Assert.Equal([1, 2], Numbers(listing.GetProperty("judgedSeeds")));
        Assert.Equal("dollars", listing.GetProperty("costIn").GetString());
        var change = Assert.Single(listing.GetProperty("proposed").EnumerateArray());
        Assert.StartsWith("light minReplicas 12 to ", Assert.Single(change.GetProperty("what").EnumerateArray()).GetString(), StringComparison.Ordinal);
        // Twelve of 100 MB and one of 2 GB are held now: of the dozen at least three quarters may go, and nobody waits for it.
        Assert.InRange(change.GetProperty("saved").GetProperty("least").GetDouble() / listing.GetProperty("cost").GetProperty("mean").GetDouble(), 0.2, 0.95);
        Assert.InRange(change.GetProperty("moreInTime").GetProperty("least").GetDouble(), -0.01, 0.01);
        Assert.Matches("^models:\n- name: light\n  minReplicas: [01]\n$", listing.GetProperty("yaml").GetString());
        Assert.Equal(8, listing.GetProperty("candidates").GetInt32());
    }

    [Fact]
    public async Task What_it_proposes_is_not_proposed_again_once_it_is_written()
    {
        var (code, output, error) = await RunAsync(TooManyKept.Replace("minReplicas: 12", "minReplicas: 1", StringComparison.Ordinal).Replace("rate: 10", "rate: 40", StringComparison.Ordinal), "--seeds", "2", "--candidates", "4", "--want", "99.99%");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("Nothing to propose: none of the ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("to write into the file", output, StringComparison.Ordinal);
        Assert.Contains("99.99% of each model's requests in time", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_table_is_readable_in_eighty_columns_and_says_what_was_not_tried()
    {
        var (code, output, _) = await RunAsync(TooManyKept.Replace("name: light", "name: a-model-whose-name-is-as-long-as-names-of-models-are", StringComparison.Ordinal), "--seeds", "2", "--candidates", "4");
        Assert.Equal(0, code);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
        Assert.Contains("\nworth changing ", output, StringComparison.Ordinal);
        Assert.Contains("\nto write into the file:\n  models:\n  - name: a-model-whose-name-is-as-long-as-names-of-models-are\n", output, StringComparison.Ordinal);
        Assert.Contains("\nnot tried, for the bound on settings (--candidates): ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_maximum_that_keeps_requests_waiting_is_raised_for_what_is_wanted()
    {
        // One replica answers ten a second, one after the other, and fifteen come.
        var (code, output, error) = await RunAsync("""
            name: capped
            length: 5min
            nodes: [{name: cpu, count: 2, memory: 16GiB, cores: 16, pricePerHour: 10}]
            models:
            - name: busy
              weights: 100MB
              maxReplicas: 1
              runs: [{seconds: 100ms, concurrency: 1}]
              traffic: {rate: 15}
            """, "--seeds", "2", "--candidates", "12", "--json");
        Assert.Equal((0, ""), (code, error));
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.InRange(listing.GetProperty("missing").GetDouble(), 0.3, 1);
        Assert.Contains(listing.GetProperty("proposed").EnumerateArray(), change => change.GetProperty("what")[0].GetString() == "busy maxReplicas 1 to 2");
        Assert.Contains("maxReplicas: 2\n", listing.GetProperty("yaml").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--seeds", "1", "--seeds is 1; 2 to 100 would do, as one seed doesn't tell a gain from chance")]
    [InlineData("--candidates", "1", "--candidates is 1; 2 to 1000 would do")]
    [InlineData("--want", "most", "--want is \"most\"; a share such as 99% would do")]
    [InlineData("--want", "101%", "--want is \"101%\"; a share such as 99% would do")]
    public async Task What_cannot_be_searched_is_said(string option, string value, string problem)
    {
        var (code, output, error) = await RunAsync(TooManyKept, option, value);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mistakes_of_the_scenario_are_told_with_their_place()
    {
        var (code, output, error) = await RunAsync(TooManyKept.Replace("minReplicas: 12", "minReplicas: many", StringComparison.Ordinal));
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains("s.yaml:7:16: models[0].minReplicas: found \"many\"; a whole number such as 3 would do", error, StringComparison.Ordinal);
    }

    private static IEnumerable<int> Numbers(JsonElement list) => list.EnumerateArray().Select(one => one.GetInt32());

    private async Task<(int Code, string Output, string Error)> RunAsync(string scenario, params string[] options)
    {
        var path = Path.Combine(_folder, "s.yaml");
        await File.WriteAllTextAsync(path, scenario, TestContext.Current.CancellationToken);
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        return (await CommandLine.RunAsync(["tune", path, .. options], output, error, TimeProvider.System), output.ToString(), error.ToString());
    }
}
