using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Tests.Scenarios;

public sealed class ScenarioFileTests
{
    private const string Good = """
        length: 10min
        nodes:
        - {name: cpu, memory: 64GiB, cores: 16}
        models:
        - name: a
          weights: 100MB
          runs: [{seconds: 50ms}]
          traffic: {rate: 3}
        """;

    [Fact]
    public void A_whole_file_is_bound_without_a_problem()
    {
        var file = ScenarioFile.Parse(Good, "s");
        Assert.Equal([], file.Problems.Lines());
        Assert.Equal(TimeSpan.FromMinutes(10), file.Document.Length);
        Assert.Equal(TimeSpan.FromMilliseconds(50), file.Document.Models[0].Runs[0].Seconds);
    }

    [Theory]
    [InlineData("length: 10min", "length: soon", "s:1:9: length: found \"soon\"; ")]
    [InlineData("memory: 64GiB, ", "", "s:3:3: nodes[0].memory: missing; a size such as 64GiB would do, or an instance that says it")]
    [InlineData("memory: 64GiB", "memory: 64GiB, devices: 2", "s:3:3: nodes[0].device: missing; the kind of its devices, such as h100-80gb, would do")]
    [InlineData("weights: 100MB", "priority: 1", "s:5:3: models[0].source: either source or weights would do")]
    [InlineData("{seconds: 50ms}", "{device: h900, seconds: 50ms}", "models[0].runs[0].device: found \"h900\", which is no device of the catalogue; plimsoll devices lists them")]
    [InlineData("{seconds: 50ms}", "{gpus: 2, seconds: 50ms}", "models[0].runs[0].gpus: no device is named; name it, or leave this out")]
    [InlineData("{seconds: 50ms}", "{context: 5}", "models[0].runs[0].seconds: missing; without a source nothing tells how long a request takes, such as 50ms")]
    [InlineData("{seconds: 50ms}", "{seconds: 50ms, profile: [{batch: 1, latency: 8ms}]}", "models[0].runs[0].seconds: a profile says how long requests take; leave this out")]
    [InlineData("{seconds: 50ms}", "{profile: [{batch: 1, latency: 8ms}, {batch: 1, latency: 9ms}]}", "models[0].runs[0].profile: found two times for a batch of 1; one would do")]
    [InlineData("{rate: 3}", "{rate: 3, wave: {most: 4}}", "models[0].traffic: more than one of rate, wave and trace is given; one would do")]
    [InlineData("{rate: 3}", "{rate: 3}\n  events: [{at: 1min, for: 2min}]", "models[0].events[0].factor: it changes nothing; a factor other than 1 or addedPerSecond would do")]
    [InlineData("{rate: 3}", "{rate: 3}\n  events: [{at: 1min, factor: 2}]", "models[0].events[0].for: missing; a time such as 2h would do")]
    [InlineData("{rate: 3}", "{burstiness: 2}", "models[0].traffic: missing; rate, wave or trace would do")]
    [InlineData("{rate: 3}", "{rate: 3, scale: 2}", "models[0].traffic.scale: there is no trace whose rate it is times; a rate says itself how much")]
    [InlineData("{rate: 3}", "{wave: {least: 5, most: 4}}", "models[0].traffic.wave.least: is above most")]
    [InlineData("{rate: 3}", "{rate: 3}\nfaults: [{at: 1s, what: node-lost, strikes: cpu-1}]", "faults[0].strikes: found \"cpu-1\", which is no node of this scenario")]
    [InlineData("{rate: 3}", "{rate: 3}\nfaults: [{at: 1s, what: replica-dies, strikes: b}]", "faults[0].strikes: found \"b\", which is no model of this scenario")]
    [InlineData("{rate: 3}", "{rate: 3}\nfaults: [{at: 1s, what: replica-dies, strikes: a-1}]", "faults[0].strikes: found \"a-1\", which is no model of this scenario")]
    [InlineData("{rate: 3}", "{rate: 3}\n  copies: 3\nfaults: [{at: 1s, what: replica-dies, strikes: a}]", "faults[0].strikes: found \"a\", which is no model of this scenario; of its copies a-0 would do")]
    [InlineData("{rate: 3}", "{rate: 3}\nplacedBy: karpenter", "placedBy: found \"karpenter\"; planner or kube-scheduler would do")]
    [InlineData("{rate: 3}", "{rate: 3}\n- {name: a, weights: 1MB, runs: [{seconds: 1s}], traffic: {rate: 1}}", "models[1].name: found \"a\" a second time, first in models[0]; names must differ")]
    [InlineData("{seconds: 50ms}", "{seconds: 50ms, context: 512}]\n  tokens: {input: 1200, output: 220}\n  events: [", "models[0].runs[0].context: found 512, and requests are of 1,420 tokens on the mean (tokens); so many or more would do")]
    [InlineData("{rate: 3}", "{rate: 3}\n  copies: 3\n- {name: a-1, weights: 1MB, runs: [{seconds: 1s}], traffic: {rate: 1}}", "models[1].name: found \"a-1\", which a copy of a is called too; another name would do")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, on: cpu, memory: 1GB}]", "training[0].work: missing; a time such as 6h would do")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: gpu, memory: 1GB}]", "training[0].on: found \"gpu\", which is no group of nodes of this scenario")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: cpu}]", "training[0].gpus: missing; devices of each member, or memory, or source, which says both, would do")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: cpu, memory: 1GB, method: lora}]", "training[0].method: there is no source that it is of")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: cpu, memory: 1GB}, {name: t, work: 1h, on: cpu, memory: 1GB}]", "training[1].name: found \"t\" a second time, first in training[0]; names must differ")]
    [InlineData("{rate: 3}", "{rate: 3}\nothers: [{name: t, at: 1s, for: 1h, on: cpu}]\ntraining: [{name: t, work: 1h, on: cpu, memory: 1GB}]", "training[0].name: found \"t\", which one of others is called too; another name would do")]
    [InlineData("models:", "- {name: cpu, memory: 1GiB, cores: 1}\nmodels:", "nodes[1].name: found \"cpu\" a second time, first in nodes[0]; names must differ")]
    public void What_is_wrong_is_said_with_what_would_do(string part, string changed, string problem)
    {
        var lines = ScenarioFile.Parse(Good.Replace(part, changed, StringComparison.Ordinal), "s").Problems.Lines();
        Assert.Contains(lines, line => line.Contains(problem, StringComparison.Ordinal));
        Assert.All(lines, line => Assert.Matches(@"^s:[0-9]+:[0-9]+: ", line));
    }

    [Theory]
    [InlineData("name: cpu, memory: 64GiB, cores: 16", "name: gpu, instance: x99.large", "nodes[0].instance: found \"x99.large\", which is no machine of the catalogue")]
    [InlineData("weights: 100MB", "source: nowhere", "models[0].source: ")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: cpu, memory: 65GiB}]", "training[0].memory: 65.0 GiB of each member, and a node of cpu has 64.0 GiB; more members, or nodes with more, would do")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: cpu, gpus: 2}]", "training[0].gpus: 2 of each member, and a node of cpu has 0; more members of fewer would do")]
    [InlineData("{rate: 3}", "{rate: 3}\ntraining: [{name: t, work: 1h, on: cpu, source: nowhere}]", "training[0].on: nodes of cpu have no devices to train on; a group with some would do")]
    [InlineData("{rate: 3}", "{trace: nowhere.csv}", "models[0].traffic.trace: ")]
    [InlineData("{rate: 3}", "{rate: 900000}", "models[0].traffic: 540000000 requests would come; 50000000 is the most")]
    public void What_only_its_models_and_traces_show_is_a_problem_of_the_field_that_names_them(string part, string changed, string problem)
    {
        var file = ScenarioFile.Parse(Good.Replace(part, changed, StringComparison.Ordinal), "s");
        Assert.Equal([], file.Problems.Lines());
        Assert.Null(new ScenarioResolver(file).Of(1, TestContext.Current.CancellationToken));
        Assert.Contains(file.Problems.Lines(), line => line.Contains(problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("seconds,prompt_tokens,answer_tokens\n0,10,10\n700,10,10\n", "burstiness: 2", "models[0].traffic.burstiness: the trace tells when each request comes; leave this out")]
    [InlineData("seconds,prompt_tokens,answer_tokens\n0,10,10\n700,10,10\n", "client: 3", "models[0].traffic.client: the trace tells of no clients; leave this out")]
    [InlineData("seconds,requests_per_second\n0,1\n700,1\n", "client: 3", "models[0].traffic.client: the trace tells of no clients; leave this out")]
    public void What_a_trace_leaves_no_choice_of_is_refused(string trace, string field, string problem)
    {
        var path = Path.Combine(Path.GetTempPath(), $"plimsoll-trace-{Environment.ProcessId}-{field.Length}-{trace.Length}.csv");
        File.WriteAllText(path, trace);
        try
        {
            var file = ScenarioFile.Parse(Good.Replace("{rate: 3}", $"{{trace: {path}, {field}}}", StringComparison.Ordinal), "s");
            Assert.Equal([], file.Problems.Lines());
            Assert.Null(new ScenarioResolver(file).Of(1, TestContext.Current.CancellationToken));
            Assert.Contains(file.Problems.Lines(), line => line.Contains(problem, StringComparison.Ordinal));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private const string Trained = """
        length: 10min
        nodes:
        - {name: h100, count: 4, device: h100-80gb, devices: 8, memory: 2TiB, cores: 192}
        models:
        - {name: a, weights: 100MB, runs: [{seconds: 50ms}], traffic: {rate: 3}}
        training:
        - {name: t, work: 1h, on: h100, source: SOURCE}
        """;

    private static (ScenarioFile File, OtherJob? Job) Sized(string fields)
    {
        var source = Path.Combine(Repository(), "examples", "scenarios", "models", "llama-3.1-8b");
        var file = ScenarioFile.Parse(Trained.Replace("SOURCE", source + fields, StringComparison.Ordinal), "s");
        Assert.Equal([], file.Problems.Lines());
        return (file, new ScenarioResolver(file).Of(1, TestContext.Current.CancellationToken)?.Others.Single());
    }

    [Fact]
    public void A_wave_that_comes_too_often_is_said_before_anything_is_drawn()
    {
        var text = Good.Replace("10min", "365d", StringComparison.Ordinal).Replace("{rate: 3}", "{wave: {most: 4, period: 1s}}", StringComparison.Ordinal);
        Assert.Contains(ScenarioFile.Parse(text, "s").Problems.Lines(), line =>
            line.Contains("models[0].traffic.wave.period: found 1 s, more than 10000 times in the ", StringComparison.Ordinal) && line.EndsWith(" or more would do", StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_job_takes_follows_from_what_it_trains()
    {
        // Eight billion parameters at 16 bytes are 128 GB of weights, gradients and optimiser beside activations: two devices, and 14 of 16 bytes saved.
        var (file, full) = Sized("");
        Assert.Equal([], file.Problems.Lines());
        Assert.Equal(1, full!.Members);
        Assert.InRange(full.Devices, 2, 4);
        Assert.InRange(full.Training!.Checkpoint.Value / 1e9, 8.03 * 13.9, 8.03 * 14.1);
        Assert.True(full.Memory > full.Training.Checkpoint);
        Assert.Equal(-1, full.Training.Priority);

        // Adapters fit one device and save next to nothing.
        var (_, lora) = Sized(", method: lora");
        Assert.Equal((1, 1), (lora!.Members, lora.Devices));
        Assert.InRange(lora.Training!.Checkpoint.Value, 1_000_000, 1_000_000_000);

        // As it is asked for, over two nodes.
        var (_, wide) = Sized(", members: 2, gpus: 8");
        Assert.Equal((2, 8), (wide!.Members, wide.Devices));

        var (refused, none) = Sized(", gpus: 1");
        Assert.Null(none);
        Assert.Contains(refused.Problems.Lines(), line => line.Contains("training[0].gpus: does not fit 1 × h100-80gb", StringComparison.Ordinal));
    }

    [Fact]
    public void The_shipped_scenarios_are_whole()
    {
        var folder = Path.Combine(Repository(), "examples", "scenarios");
        var files = Directory.GetFiles(folder, "*.yaml", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var path in files) Assert.Equal([], ScenarioFile.Read(path).Problems.Lines());
    }

    private static string Repository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Plimsoll.slnx"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
