using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Plans;

// A request of 100 ms, one at a time, makes ten a second; the weights of 6 GB take 6.86 GiB of host memory while they load
// and 6.3 GiB afterwards, those of 1 GB 1.27 and 1.18 GiB.
public sealed class PlanCommandTests : IDisposable
{
    private const string Cpu = "{name: cpu, memory: 16GiB, cores: 8, pricePerHour: 1}";
    private const string Heavy = "{name: heavy, weights: 6GB, runs: [{seconds: 100ms, concurrency: 1, cores: 1}], traffic: {rate: 9}}";

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-plan-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task As_many_run_as_the_demand_takes_and_memory_is_what_runs_out()
    {
        // 9/s take one of 10/s; a third would need 2 x 6.3 + 6.86 of 16 GiB, so 20/s are the end: 2.22 times 9/s.
        var (code, plan) = await JsonAsync(Fleet(Cpu, Heavy));
        Assert.Equal(ExitCode.Ok, code);
        var model = plan.GetProperty("models")[0];
        Assert.Equal(1, model.GetProperty("replicas").GetInt32());
        Assert.Equal(10, model.GetProperty("capacityPerSecond").GetDouble(), 6);
        Assert.Equal(1, model.GetProperty("beforeOneMorePerSecond").GetDouble(), 6);
        Assert.InRange(model.GetProperty("headroomPerSecond").GetDouble(), 10.7, 11);
        Assert.Equal("host memory", model.GetProperty("headroomResource").GetString());
        var next = plan.GetProperty("bottleneck");
        Assert.InRange(next.GetProperty("factor").GetDouble(), 2.19, 2.223);
        Assert.Equal(("heavy", "host memory"), (next.GetProperty("model").GetString(), next.GetProperty("resource").GetString()));
        Assert.Equal(1, plan.GetProperty("usdPerHour").GetDouble());
        // 6.3 of 16 GiB of a dollar.
        Assert.InRange(plan.GetProperty("heldUsdPerHour").GetDouble(), 0.38, 0.40);
    }

    [Fact]
    public async Task A_model_that_no_node_could_hold_is_refused_and_the_other_runs()
    {
        var (code, plan) = await JsonAsync(Fleet(Cpu, Heavy, "{name: huge, weights: 40GB, runs: [{seconds: 100ms}], traffic: {rate: 1}}"));
        Assert.Equal(ExitCode.Refused, code);
        Assert.False(plan.GetProperty("allHeld").GetBoolean());
        var (heavy, huge) = (plan.GetProperty("models")[0], plan.GetProperty("models")[1]);
        Assert.Equal((true, 1), (heavy.GetProperty("held").GetBoolean(), heavy.GetProperty("replicas").GetInt32()));
        Assert.Equal((false, 0), (huge.GetProperty("held").GetBoolean(), huge.GetProperty("replicas").GetInt32()));
        Assert.Equal("RefusedTooHeavy", huge.GetProperty("rule").GetString());
        Assert.Contains("against a budget of 16.0 GiB", huge.GetProperty("problem").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, plan.GetProperty("bottleneck").GetProperty("factor").GetDouble());
    }

    [Fact]
    public async Task Of_two_that_do_not_fit_together_the_one_of_higher_priority_runs()
    {
        var node = Cpu.Replace("16GiB", "8GiB", StringComparison.Ordinal);
        var (code, plan) = await JsonAsync(Fleet(node, Heavy, Heavy.Replace("name: heavy", "name: urgent, priority: 1", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.Refused, code);
        Assert.Equal([("heavy", 0), ("urgent", 1)], plan.GetProperty("models").EnumerateArray().Select(one => (one.GetProperty("model").GetString()!, one.GetProperty("replicas").GetInt32())));
        Assert.Equal("host memory", plan.GetProperty("bottleneck").GetProperty("resource").GetString());
    }

    [Fact]
    public async Task Nodes_are_asked_of_the_cheapest_group_that_fits()
    {
        // Five of two cores each: two on each node of four cores that is there, and one on a node that comes.
        var groups = "{name: dear, count: 1, most: 4, memory: 16GiB, cores: 4, pricePerHour: 3}, {name: plain, count: 1, most: 3, memory: 16GiB, cores: 4, pricePerHour: 1}";
        var (code, plan) = await JsonAsync(Fleet(groups, "{name: m, weights: 1GB, runs: [{seconds: 100ms, concurrency: 1, cores: 2}], traffic: {rate: 45}}"));
        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal(["dear-0", "plain-0", "plain-1"], plan.GetProperty("nodes").EnumerateArray().Select(node => node.GetProperty("node").GetString()));
        Assert.Equal(5, plan.GetProperty("usdPerHour").GetDouble());
        // Four dear and three plain nodes of two replicas each, of ten a second: 140/s.
        Assert.InRange(plan.GetProperty("bottleneck").GetProperty("factor").GetDouble(), 3.07, 3.112);
        Assert.StartsWith("cores", plan.GetProperty("bottleneck").GetProperty("resource").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_holds_one_of_two_models_is_what_runs_out()
    {
        var model = "{name: a, weights: 3GB, cache: true, runs: [{seconds: 100ms}], traffic: {rate: 1}}";
        var (code, plan) = await JsonAsync(Fleet("{name: cpu, memory: 64GiB, cores: 32, cache: 5GB}", model, model.Replace("name: a", "name: b", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.Refused, code);
        Assert.Equal(("b", "disk"), (plan.GetProperty("bottleneck").GetProperty("model").GetString(), plan.GetProperty("bottleneck").GetProperty("resource").GetString()));
        var node = plan.GetProperty("nodes")[0];
        Assert.Equal((3_000_000_000, 5_000_000_000), (node.GetProperty("diskUsedBytes").GetInt64(), node.GetProperty("diskBytes").GetInt64()));
        Assert.False(plan.TryGetProperty("usdPerHour", out _));
    }

    [Fact]
    public async Task A_model_too_big_for_one_device_runs_on_as_many_as_hold_it_and_the_rest_is_rejected_with_the_reason()
    {
        var source = Path.Combine(Root(), "examples", "scenarios", "models", "llama-3.1-70b");
        var (code, plan) = await JsonAsync(Fleet(
            "{name: h100, instance: p5.48xlarge}, {name: l4, instance: g6.12xlarge}",
            $"{{name: llama, source: {source}, slo: {{ttft: 2s, tpot: 60ms}}, runs: [{{device: l4-24gb, context: 16384}}, {{device: h100-80gb, gpus: 4, context: 16384}}, {{device: h100-80gb, gpus: 8, context: 16384}}], traffic: {{rate: 1}}}}"));
        Assert.Equal(ExitCode.Ok, code);
        var model = plan.GetProperty("models")[0];
        Assert.Equal(("vllm-4xh100-80gb", 1), (model.GetProperty("variant").GetString(), model.GetProperty("replicas").GetInt32()));
        // Four of the eight devices of a node of 55.04 dollars.
        Assert.Equal(27.52, model.GetProperty("usdPerHour").GetDouble(), 2);
        var rejected = model.GetProperty("rejected").EnumerateArray().ToDictionary(one => one.GetProperty("variant").GetString()!);
        Assert.StartsWith("dearer by $27.52 an hour", rejected["vllm-8xh100-80gb"].GetProperty("why").GetString(), StringComparison.Ordinal);
        Assert.Contains("l4-24gb", rejected["vllm-1xl4-24gb"].GetProperty("why").GetString(), StringComparison.Ordinal);
        Assert.False(rejected["vllm-1xl4-24gb"].TryGetProperty("replicas", out _));
    }

    [Fact]
    public async Task The_cheapest_way_is_chosen_whatever_the_order_and_the_order_decides_without_prices()
    {
        const string Model = "{name: m, weights: 1GB, runs: [{device: h100-80gb, seconds: 100ms, engine: triton}, {device: l4-24gb, seconds: 100ms, engine: triton}], traffic: {rate: 1}}";
        var (_, plan) = await JsonAsync(Fleet(
            "{name: a, device: h100-80gb, memory: 64GiB, cores: 8, pricePerHour: 8}, {name: b, device: l4-24gb, memory: 64GiB, cores: 8, pricePerHour: 0.5}", Model));
        Assert.Equal("triton-1xl4-24gb", plan.GetProperty("models")[0].GetProperty("variant").GetString());
        Assert.Equal("dearer by $7.50 an hour", plan.GetProperty("models")[0].GetProperty("rejected")[0].GetProperty("why").GetString());

        (_, plan) = await JsonAsync(Fleet("{name: a, device: h100-80gb, memory: 64GiB, cores: 8}, {name: b, device: l4-24gb, memory: 64GiB, cores: 8}", Model));
        Assert.Equal("triton-1xh100-80gb", plan.GetProperty("models")[0].GetProperty("variant").GetString());
        Assert.StartsWith("later in the order of preference", plan.GetProperty("models")[0].GetProperty("rejected")[0].GetProperty("why").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mixture_is_told_by_its_parts()
    {
        // Ten a second for $8 an hour or one for 40 cents, of which either takes the same bytes.
        var fleet = Fleet(
            "{name: a, count: 8, device: h100-80gb, memory: 64GiB, cores: 1, pricePerHour: 8}, {name: b, count: 8, device: l4-24gb, memory: 64GiB, cores: 1, pricePerHour: 0.4}",
            "{name: m, weights: 1GB, runs: [{device: h100-80gb, seconds: 100ms, engine: triton, concurrency: 1, cores: 1}, {device: l4-24gb, seconds: 1s, engine: triton, concurrency: 1, cores: 1}], slo: {latency: 4s}, maxReplicas: 20, traffic: {rate: 64}}");
        var (code, plan) = await JsonAsync(fleet);
        Assert.Equal(ExitCode.Ok, code);
        var runs = plan.GetProperty("models")[0].GetProperty("runs").EnumerateArray()
            .Select(run => $"{run.GetProperty("replicas").GetInt32()} {run.GetProperty("variant").GetString()}");
        Assert.Equal(["6 triton-1xh100-80gb", "4 triton-1xl4-24gb"], runs);
        Assert.Equal(64, plan.GetProperty("models")[0].GetProperty("capacityPerSecond").GetDouble(), 6);

        var (_, table, _) = await RunAsync(fleet);
        Assert.Contains("10, mixed", table, StringComparison.Ordinal);
        Assert.Contains("    as 6 × h100-80gb and 4 × l4-24gb", table, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_objective_that_is_missed_even_alone_is_not_held_however_many_run()
    {
        var (code, plan) = await JsonAsync(Fleet(Cpu, Heavy.Replace("seconds: 100ms", "seconds: 3s", StringComparison.Ordinal)), "--demand", "heavy=0.1");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("missed even by requests that are alone", plan.GetProperty("models")[0].GetProperty("problem").GetString(), StringComparison.Ordinal);
        Assert.Equal("speed", plan.GetProperty("bottleneck").GetProperty("resource").GetString());
    }

    [Fact]
    public async Task Demand_of_the_command_line_and_of_a_file_goes_over_the_scenarios_and_its_peak_is_planned_for()
    {
        var csv = Path.Combine(_folder, "d.csv");
        await File.WriteAllTextAsync(csv, "model,rate,peak\nheavy,4,18\n", TestContext.Current.CancellationToken);
        var (_, typed) = await JsonAsync(Fleet(Cpu, Heavy), "--demand", "heavy=4..18");
        var (_, read) = await JsonAsync(Fleet(Cpu, Heavy), "--demand", csv);
        Assert.Equal(typed.ToString(), read.ToString());
        var model = typed.GetProperty("models")[0];
        Assert.Equal((4, 18, 2), (model.GetProperty("demandPerSecond").GetDouble(), model.GetProperty("peakPerSecond").GetDouble(), model.GetProperty("replicas").GetInt32()));
    }

    [Fact]
    public async Task More_nodes_hold_more()
    {
        var (one, _) = await JsonAsync(Fleet(Cpu, Heavy), "--demand", "heavy=30");
        var (two, plan) = await JsonAsync(Fleet(Cpu, Heavy), "--demand", "heavy=30", "--nodes", "cpu=2");
        Assert.Equal((ExitCode.Refused, ExitCode.Ok), (one, two));
        Assert.Equal(2, plan.GetProperty("usdPerHour").GetDouble());
    }

    [Fact]
    public async Task Copies_share_a_demand_by_their_name_and_the_same_inputs_make_the_same_bytes_in_eighty_columns()
    {
        var fleet = Fleet(Cpu, "{name: enc, copies: 3, weights: 100MB, runs: [{seconds: 20ms}], traffic: {wave: {least: 1, most: 5}}}", "{name: huge, weights: 40GB, runs: [{seconds: 100ms}], traffic: {rate: 1}}");
        var (_, first, _) = await RunAsync(fleet, "--demand", "enc=7");
        var (_, second, _) = await RunAsync(fleet, "--demand", "enc=7");
        Assert.Equal(first, second);
        Assert.Contains("enc-0 and 2 more: ", first, StringComparison.Ordinal);
        Assert.Contains("not held, and why\n  huge: 0 of 1 wanted; too heavy", first, StringComparison.Ordinal);
        Assert.All(first.Split('\n'), line => Assert.True(line.Length <= 80, line));
        // A wave is its mean and its most.
        var (_, plan) = await JsonAsync(fleet);
        Assert.Equal((3, 5), (plan.GetProperty("models")[0].GetProperty("demandPerSecond").GetDouble(), plan.GetProperty("models")[0].GetProperty("peakPerSecond").GetDouble()));
    }

    [Theory]
    [InlineData("--demand", "nobody=1", "--demand names \"nobody\", which is no model of")]
    [InlineData("--demand", "heavy=9..3", "--demand of heavy is \"9..3\"; a rate such as 4, or 4..10 with the peak after the mean, would do")]
    [InlineData("--demand", "heavy=-1", "--demand of heavy is \"-1\"")]
    [InlineData("--demand", "heavy=NaN", "--demand of heavy is \"NaN\"")]
    [InlineData("--demand", "heavy=1,heavy=2", "--demand names heavy twice")]
    [InlineData("--demand", "heavy=", "--demand has \"heavy=\"")]
    [InlineData("--demand", "nowhere.csv", "--demand nowhere.csv: there is no such file")]
    [InlineData("--nodes", "cpu=0", "--nodes of cpu is \"0\"; 1 to 10000 would do")]
    [InlineData("--nodes", "gpu=2", "--nodes names \"gpu\", which is no group of nodes of")]
    public async Task What_cannot_be_planned_for_is_said(string option, string value, string problem)
    {
        var (code, output, error) = await RunAsync(Fleet(Cpu, Heavy), option, value);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("heavy", ":1: found 1 fields; model,rate or model,rate,peak would do")]
    [InlineData("heavy,1,0.5", ":1: peak: found \"0.5\"")]
    [InlineData("model,rate\nheavy,many", ":2: rate: found \"many\"")]
    [InlineData("heavy,1\nheavy,2", ":2: model: heavy is there a second time")]
    public async Task A_mistake_in_a_file_of_demand_is_said_with_its_line(string text, string problem)
    {
        var csv = Path.Combine(_folder, "bad.csv");
        await File.WriteAllTextAsync(csv, text, TestContext.Current.CancellationToken);
        var (code, _, error) = await RunAsync(Fleet(Cpu, Heavy), "--demand", csv);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mistakes_of_the_fleet_are_said_with_file_line_and_field()
    {
        var (code, _, error) = await RunAsync(Fleet(Cpu, Heavy.Replace("weights: 6GB", "weights: much", StringComparison.Ordinal)));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("models[0].weights", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_takes_what_models_leave_and_gives_way_where_they_need_it()
    {
        var fleet = Fleet("{name: cpu, memory: 16GiB, cores: 8, count: 2}", Heavy)
            + "training:\n- {name: first, work: 1h, on: cpu, members: 2, memory: 3GiB, checkpoint: 1GiB}\n- {name: later, at: 1h, work: 1h, on: cpu, memory: 12GiB, checkpoint: 1GiB}\n";
        var (code, plan) = await JsonAsync(fleet);
        Assert.Equal(ExitCode.Ok, code);
        var (first, later) = (plan.GetProperty("training")[0], plan.GetProperty("training")[1]);
        Assert.Equal((true, true), (first.GetProperty("runs").GetBoolean(), later.GetProperty("runs").GetBoolean()));
        Assert.Equal(2, first.GetProperty("places").EnumerateArray().Sum(place => place.GetProperty("replicas").GetInt32()));
        var used = plan.GetProperty("nodes").EnumerateArray().Sum(node => node.GetProperty("hostUsedBytes").GetInt64());
        Assert.True(used > 18L << 30, $"{used}");

        // Two of 6.3 GiB on each node, and no training beside them, carry 40/s.
        Assert.InRange(plan.GetProperty("bottleneck").GetProperty("factor").GetDouble(), 40 / 9.0 * 0.99, 40 / 9.0);

        // 25/s take three of 6.3 GiB, for which one of 12 GiB goes, and the small gang stays.
        (code, plan) = await JsonAsync(fleet, "--demand", "heavy=25");
        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal([true, false], plan.GetProperty("training").EnumerateArray().Select(job => job.GetProperty("runs").GetBoolean()));

        var (_, output, _) = await RunAsync(fleet, "--demand", "heavy=25");
        Assert.Contains("    waits: needs 1 × 12.0 GiB of host memory at once, and there is room for 0;", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    private static string Fleet(string nodes, params string[] models) => $"name: f\nlength: 1h\nnodes: [{nodes}]\nmodels:\n{string.Concat(models.Select(model => $"- {model}\n"))}";

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Plimsoll.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }

    private async Task<(int Code, JsonElement Plan)> JsonAsync(string fleet, params string[] options)
    {
        var (code, output, error) = await RunAsync(fleet, [.. options, "--json"]);
        Assert.Equal("", error);
        return (code, JsonDocument.Parse(output).RootElement);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(string fleet, params string[] options)
    {
        var path = Path.Combine(_folder, "f.yaml");
        await File.WriteAllTextAsync(path, fleet, TestContext.Current.CancellationToken);
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["plan", path, .. options], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
