using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Control;
using Plimsoll.Local;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Cli.Tests.Plans;

/// <summary>Plans of a fleet file and of what a journal recorded.</summary>
public sealed class PlanSourceTests : IDisposable
{
    // A request of 100 ms, one at a time, makes ten a second; 1.27 GiB of host memory while it loads and 1.18 afterwards.
    private const string Scenario = """
        name: f
        length: 10min
        nodes: [{name: cpu, count: 2, memory: 4GiB, cores: 8, pricePerHour: 1}]
        models:
        - {name: m, weights: 1GB, slo: {latency: 2s}, minReplicas: 1, maxReplicas: 9, runs: [{seconds: 100ms, concurrency: 1, cores: 1}], traffic: {rate: 4}}
        - {name: rests, weights: 1GB, minReplicas: 0, runs: [{seconds: 100ms, concurrency: 1, cores: 1}], traffic: {wave: {least: 0, most: 0, period: 10min}}}
        truth: {pace: 0}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-plan-of-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_journal_is_planned_from_what_ran_and_what_was_asked()
    {
        var last = await RecordAsync();
        var (code, plan) = await JsonAsync(_folder);
        Assert.Equal((ExitCode.Ok, "journal"), (code, plan.GetProperty("of").GetString()));
        var model = plan.GetProperty("models")[0];
        Assert.Equal("m", model.GetProperty("model").GetString());
        // What came lately is the mean, and what was prepared for the peak.
        Assert.InRange(model.GetProperty("demandPerSecond").GetDouble(), 0.5, 9);
        Assert.InRange(model.GetProperty("peakPerSecond").GetDouble(), model.GetProperty("demandPerSecond").GetDouble(), 30);
        // What the replicas were seen to carry, which no file says.
        Assert.InRange(model.GetProperty("capacityEachPerSecond").GetDouble(), 9, 11);
        Assert.Equal(last.Snapshot.Nodes.Length, plan.GetProperty("nodes").GetArrayLength());
        Assert.Equal(0, plan.GetProperty("models")[1].GetProperty("replicas").GetInt32());
    }

    [Fact]
    public async Task Demand_of_the_command_line_goes_over_what_was_seen_and_the_journals_file_does_as_its_folder()
    {
        await RecordAsync();
        var (code, plan) = await JsonAsync(_folder, "--demand", "m=28");
        var (_, ofFile) = await JsonAsync(Journal.PathIn(_folder), "--demand", "m=28");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal(plan.ToString(), ofFile.ToString());
        // Three of about ten a second.
        Assert.Equal((3, 28), (plan.GetProperty("models")[0].GetProperty("replicas").GetInt32(), plan.GetProperty("models")[0].GetProperty("peakPerSecond").GetDouble()));

        // Two nodes of 4 GiB hold three each, so 70 a second are too many.
        var (tooMuch, refused) = await JsonAsync(_folder, "--demand", "m=70");
        Assert.Equal((ExitCode.Refused, "m"), (tooMuch, refused.GetProperty("bottleneck").GetProperty("model").GetString()));
        Assert.Equal("host memory", refused.GetProperty("bottleneck").GetProperty("resource").GetString());
    }

    [Fact]
    public async Task The_first_line_says_what_was_read()
    {
        await RecordAsync();
        var (_, table, _) = await RunAsync(_folder);
        Assert.StartsWith("plan of journal of plimsoll-plan-of-", table, StringComparison.Ordinal);
        Assert.All(table.Split('\n'), line => Assert.True(line.Length <= 80, line));
        var scenario = Path.Combine(_folder, "s.yaml");
        await File.WriteAllTextAsync(scenario, Scenario, TestContext.Current.CancellationToken);
        Assert.StartsWith("plan of scenario ", (await RunAsync(scenario)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fleet_file_is_planned_for_this_machine_with_what_a_run_of_it_learned()
    {
        await RecordAsync();
        var file = await FleetFileAsync();
        var (code, plan) = await JsonAsync(file, "--demand", "tiny=1", "--state", Path.Combine(_folder, "nothing"));
        Assert.Equal(ExitCode.BadInput, code);

        (code, plan) = await JsonAsync(file);
        Assert.Equal((ExitCode.Ok, "fleet"), (code, plan.GetProperty("of").GetString()));
        Assert.Contains("no run has learned anything yet", plan.GetProperty("ofWhat").GetString(), StringComparison.Ordinal);
        // At least one is wanted, and nothing more without a demand.
        Assert.Equal(("tiny", 1), (plan.GetProperty("models")[0].GetProperty("model").GetString(), plan.GetProperty("models")[0].GetProperty("replicas").GetInt32()));
        var node = plan.GetProperty("nodes")[0];
        Assert.Equal(("local", 1L << 30, 2.0), (node.GetProperty("node").GetString(), node.GetProperty("hostBytes").GetInt64(), node.GetProperty("cores").GetDouble()));

        // Nobody knows what a replica carries, and that is said.
        (code, plan) = await JsonAsync(file, "--demand", "tiny=1");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Equal("nothing tells what a replica carries", plan.GetProperty("models")[0].GetProperty("problem").GetString());

        // The journal is of another fleet; only that it was read is told.
        (_, plan) = await JsonAsync(file, "--state", _folder);
        Assert.Contains("with what its run until 2026-01-05 00:09:", plan.GetProperty("ofWhat").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--demand", "nobody=1", "--demand names \"nobody\", which is no model of")]
    [InlineData("--nodes", "cpu=1", "--nodes is for scenarios, which have groups of nodes")]
    [InlineData("--state", "elsewhere", "--state is for fleet files, and")]
    public async Task What_a_journal_cannot_be_planned_with_is_said(string option, string value, string problem)
    {
        await RecordAsync();
        var (code, output, error) = await RunAsync(_folder, option, value);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_journal_of_a_cluster_whose_scheduler_places_pods_is_refused_with_the_reason()
    {
        await RecordAsync(Capabilities.HoldRequests);
        var (code, _, error) = await RunAsync(_folder);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("is of a cluster whose scheduler chooses the nodes", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_file_and_one_that_is_not_there_are_said()
    {
        var empty = Path.Combine(_folder, "empty.yaml");
        await File.WriteAllTextAsync(empty, "", TestContext.Current.CancellationToken);
        foreach (var path in (string[])[empty, Path.Combine(_folder, "nowhere.yaml")])
        {
            var (code, output, error) = await RunAsync(path);
            Assert.Equal((ExitCode.BadInput, ""), (code, output));
            Assert.Contains(Path.GetFileName(path), error, StringComparison.Ordinal);
        }
    }

    // A journal as the control loop writes it, of a run in the simulator.
    [Fact]
    public async Task A_fleet_file_with_a_slip_is_told_its_own_mistakes_and_not_a_scenarios()
    {
        var path = Path.Combine(_folder, "slip.yaml");
        await File.WriteAllTextAsync(path, "models:\n- {name: a, source: a.onnx, maxReplicas: 1, maxReplicas: 2}\n", TestContext.Current.CancellationToken);
        var (code, _, error) = await RunAsync(path);

        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("maxReplicas: written twice", error, StringComparison.Ordinal);
        Assert.DoesNotContain("length", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_is_read_once()
    {
        var path = Path.Combine(_folder, "pipe");
        using var made = System.Diagnostics.Process.Start("mkfifo", [path]);
        await made.WaitForExitAsync(TestContext.Current.CancellationToken);
        var writing = Task.Run(() => File.WriteAllTextAsync(path, Scenario, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        var (code, plan) = await JsonAsync(path);
        await writing;

        Assert.Equal((ExitCode.Ok, "scenario"), (code, plan.GetProperty("of").GetString()));
    }

    [Fact]
    public async Task A_tab_for_indentation_is_told_where_it_is()
    {
        var path = Path.Combine(_folder, "tab.yaml");
        await File.WriteAllTextAsync(path, "models:\n  - name: a\n\t  source: a.onnx\n", TestContext.Current.CancellationToken);
        var (code, _, error) = await RunAsync(path);

        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("tab.yaml:3:", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_of_models_may_be_named_from_where_one_is()
    {
        var folder = Path.Combine(_folder, "models");
        Directory.CreateDirectory(folder);
        var (made, _, _) = await CreateAsync(folder);
        Assert.Equal(0, made);
        var (file, _) = FolderScan.Read(Path.GetRelativePath(Directory.GetCurrentDirectory(), folder));

        Assert.Equal(Path.Combine(folder, "small.onnx"), Assert.Single(file.Document.Models).Source);
    }

    [Fact]
    public async Task A_model_of_somebodys_own_is_not_written_over()
    {
        var folder = Path.Combine(_folder, "mine");
        Directory.CreateDirectory(folder);
        var mine = Path.Combine(folder, "small.onnx");
        await File.WriteAllTextAsync(mine, "weights of a year", TestContext.Current.CancellationToken);
        var (code, _, error) = await CreateAsync(folder);
        Assert.Equal(1, code);
        Assert.Contains("it would be written over", error, StringComparison.Ordinal);
        Assert.Equal("weights of a year", await File.ReadAllTextAsync(mine, TestContext.Current.CancellationToken));

        // One of ours is made again, and left as it is.
        File.Delete(mine);
        Assert.Equal(0, (await CreateAsync(folder)).Code);
        Assert.Contains("there already", (await CreateAsync(folder)).Output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> CreateAsync(string folder)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        return (await CommandLine.RunAsync(["models", "create", "small", "--size", "1MB", "--folder", folder], output, error, TimeProvider.System), output.ToString(), error.ToString());
    }

    private async Task<Tick> RecordAsync(Capabilities? can = null)
    {
        var file = ScenarioFile.Parse(Scenario, "s.yaml");
        var world = new ScenarioResolver(file).Of(1, TestContext.Current.CancellationToken)!;
        Tick? last = null;
        SimulationRun.Plimsoll(world, 1, seen: tick => last = tick);
        var tick = can is { } instead ? last! with { Snapshot = last.Snapshot with { Can = instead } } : last!;
        await using var journal = Journal.Open(_folder, new JournalOptions(), TimeProvider.System, NullLogger.Instance);
        journal.StartRun(new JournalRun(tick.Snapshot.At, "1", "plimsoll", "here"), Knowledge.Empty);
        await journal.AppendAsync(tick, TestContext.Current.CancellationToken);
        return tick;
    }

    private async Task<string> FleetFileAsync()
    {
        var path = Path.Combine(_folder, $"plan-source-{Path.GetFileName(_folder)[^6..]}.yaml");
        var model = Path.Combine(_folder, "model");
        EndToEnd.Tests.LlamaFolder.WriteSmall(model);
        await File.WriteAllTextAsync(path, """
            machine: {memory: 1GiB, cores: 2}
            models:
            - {name: tiny, source: model, command: [/bin/true, "{port}"], minReplicas: 1}
            """, TestContext.Current.CancellationToken);
        return path;
    }

    private static async Task<(int Code, JsonElement Plan)> JsonAsync(string path, params string[] options)
    {
        var (code, output, error) = await RunAsync(path, [.. options, "--json"]);
        return output.Length == 0 ? (code, default) : (code, error.Length == 0 ? JsonDocument.Parse(output).RootElement : throw new InvalidOperationException(error));
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string path, params string[] options)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["plan", path, .. options], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
