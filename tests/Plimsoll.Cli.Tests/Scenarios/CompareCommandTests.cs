using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Runs.Rules;

namespace Plimsoll.Cli.Tests.Scenarios;

public sealed class CompareCommandTests : IDisposable
{
    private const string Hpa = """
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: llama, namespace: prod}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: tiny}
          minReplicas: 2
          maxReplicas: 6
          metrics:
          - type: Pods
            pods: {metric: {name: vllm_num_requests_waiting}, target: {type: AverageValue, averageValue: 5500m}}
          behavior:
            scaleDown:
              stabilizationWindowSeconds: 120
              selectPolicy: Min
              policies: [{type: Pods, value: 1, periodSeconds: 60}]
        """;

    private const string Scaled = """
        apiVersion: keda.sh/v1alpha1
        kind: ScaledObject
        metadata: {name: llama}
        spec:
          scaleTargetRef: {name: tiny}
          maxReplicaCount: 4
          cooldownPeriod: 60
          triggers:
          - type: prometheus
            metadata:
              serverAddress: http://prometheus:9090
              threshold: "8"
              activationThreshold: "0.5"
              query: sum(vllm:num_requests_running{model_name="m"}) + sum(vllm:num_requests_waiting{model_name="m"})
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-compare-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task An_HPA_is_run_beside_Plimsoll_on_a_trace()
    {
        var (code, output, error) = await RunAsync("--hpa", Of("hpa.yaml", Hpa), "--source", Model(), "--device", "l4-24gb", "--slo", "latency=20s,attainment=95%", "--seeds", "2", "--bound");
        Assert.Equal((0, ""), (code, error));
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
        var text = string.Join(' ', output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("1 x l4-24gb a replica, 2 to 6 replicas", text, StringComparison.Ordinal);
        Assert.Contains("tiny: an HPA, 2 to 6 replicas, by vllm_num_requests_waiting (waiting, 5.5 a pod)", text, StringComparison.Ordinal);
        Assert.Matches("Plimsoll costs (as much as|[0-9]+% (less|more) than) yours and keeps", text);
        Assert.Contains("plimsoll 600 ", text, StringComparison.Ordinal);
        Assert.Contains("yours 600 ", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ScaledObject_scales_the_models_of_a_scenario_that_it_names()
    {
        var scenario = Of("s.yaml", """
            length: 5min
            nodes: [{name: cpu, count: 2, memory: 16GiB, cores: 8, pricePerHour: 1}]
            models:
            - {name: tiny, weights: 100MB, runs: [{seconds: 50ms, secondsEach: 5ms}], traffic: {rate: 30}}
            - {name: other, weights: 100MB, runs: [{seconds: 50ms}], traffic: {rate: 1}}
            """);
        var page = Path.Combine(_folder, "r.md");
        var (code, output, error) = await RunAsync([scenario, "--hpa", Of("so.yaml", Scaled), "--json", "--report", page], trace: false);
        Assert.Equal((0, ""), (code, error));
        var listing = JsonDocument.Parse(output).RootElement;
        Assert.Equal(["plimsoll", "yours"], listing.GetProperty("controllers").EnumerateArray().Select(one => one.GetProperty("controller").GetString()));
        var notes = listing.GetProperty("notes").EnumerateArray().Select(note => note.GetString()).ToList();
        Assert.Contains("tiny: KEDA, 0 to 4 replicas, by prometheus (in-flight, 8 a replica)", notes);
        Assert.Contains("without an autoscaler of yours, and so with as many replicas as they began with: other", notes);
        Assert.Contains(notes, note => note!.StartsWith("each side keeps to its own bounds, which differ: tiny (0 to ", StringComparison.Ordinal) && note.EndsWith(" in the scenario, 0 to 4 in yours)", StringComparison.Ordinal));

        // Its metric is the pods' own, so nothing wakes it from zero: as it would be in a cluster.
        var models = listing.GetProperty("controllers")[1].GetProperty("models").EnumerateArray().ToDictionary(model => model.GetProperty("model").GetString()!);
        Assert.Equal((0, 1), (models["tiny"].GetProperty("starts").GetDouble(), models["other"].GetProperty("starts").GetDouble()));
        Assert.StartsWith("# s\n", await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_of_manifests_is_read_as_one_file_of_them()
    {
        Of("b.yaml", Hpa);
        Of("a.yml", Scaled.Replace("name: tiny", "name: small", StringComparison.Ordinal));
        Of("notes.txt", "kind: [");
        Assert.Equal(["small", "tiny"], Read(BoundedText.Read(_folder, 10_000)).Select(one => one.Target));
        Assert.Contains($"over {new Bytes(700)}", Assert.Throws<CommandException>(() => BoundedText.Read(_folder, 700)).Message, StringComparison.Ordinal);
        var empty = Directory.CreateDirectory(Path.Combine(_folder, "none")).FullName;
        Assert.Contains("with no .yaml", Assert.Throws<CommandException>(() => BoundedText.Read(empty, 1000)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Manifests_are_read_as_their_API_says()
    {
        var own = Read($"{Hpa}\n---\nkind: Service\n---\n{Scaled.Replace("name: tiny", "name: small", StringComparison.Ordinal)}");
        Assert.Equal(["tiny", "small"], own.Select(one => one.Target));
        var (hpa, keda) = (own[0], own[1]);
        Assert.Equal((2, 6), (hpa.MinReplicas, hpa.MaxReplicas));
        var metric = Assert.Single(hpa.Metrics);
        Assert.Equal((SimulatedMetric.Waiting, MetricTarget.PerPod, 5.5, true), (metric.Reads, metric.Kind, metric.Target, metric.OfPods));
        Assert.Equal((TimeSpan.FromSeconds(120), HpaPolicySelect.Min), (hpa.Hpa.Behavior!.ScaleDown.StabilizationWindow, hpa.Hpa.Behavior.ScaleDown.SelectPolicy));
        Assert.Equal([HpaPolicy.OfPods(1, TimeSpan.FromMinutes(1))], hpa.Hpa.Behavior.ScaleDown.Policies);
        Assert.Equal(new HpaBehavior().ScaleUp.Policies, hpa.Hpa.Behavior.ScaleUp.Policies);
        Assert.Equal((0, 4, 60.0), (keda.MinReplicas, keda.MaxReplicas, keda.Keda!.CooldownPeriod.TotalSeconds));
        metric = Assert.Single(keda.Metrics);
        Assert.Equal((SimulatedMetric.InFlight, MetricTarget.AverageValue, 8, 0.5, true), (metric.Reads, metric.Kind, metric.Target, metric.Activation, metric.OfPods));
    }

    [Theory]
    [InlineData("avg(vllm:kv_cache_usage_perc{model_name=\"m\"})", SimulatedMetric.CacheUse, MetricAggregate.Mean, 60)]
    [InlineData("sum(rate(http_requests_total{app=\"a*b\"}[2m]))", SimulatedMetric.ArrivalsPerSecond, MetricAggregate.Sum, 120)]
    [InlineData("sum(rate(vllm:request_success_total[30s]))", SimulatedMetric.AnsweredPerSecond, MetricAggregate.Sum, 30)]
    [InlineData("max(sglang:num_queue_reqs)", SimulatedMetric.Waiting, MetricAggregate.Max, 60)]
    [InlineData("avg(DCGM_FI_DEV_GPU_UTIL)", SimulatedMetric.Busy, MetricAggregate.Mean, 60)]
    public void A_query_is_known_by_the_metric_in_it(string query, SimulatedMetric reads, MetricAggregate aggregate, int seconds)
    {
        var metric = MetricWords.Read([]).Of("q", query)!;
        Assert.Equal((reads, aggregate, seconds), (metric.Reads, metric.Aggregate, (int)metric.Window.TotalSeconds));
    }

    [Theory]
    [InlineData("tgi_queue_size", SimulatedMetric.Waiting, true)]
    [InlineData("nv_inference_pending_request_count", SimulatedMetric.Waiting, true)]
    [InlineData("queue_size", SimulatedMetric.Waiting, false)]
    public void A_servers_own_name_with_a_gateways_in_it_is_the_servers(string name, SimulatedMetric reads, bool ofPods)
    {
        var metric = MetricWords.Read([]).Of(name, null)!;
        Assert.Equal((reads, ofPods), (metric.Reads, metric.OfPods));
        Assert.Equal(ofPods, MetricWords.Read([$"{name}=waiting"]).Of(name, null)!.OfPods);
    }

    [Fact]
    public void A_share_that_a_user_names_is_what_the_HPA_makes_percent_of_and_is_not_added_up()
    {
        const string Cpu = """
            apiVersion: autoscaling/v2
            kind: HorizontalPodAutoscaler
            metadata: {name: h}
            spec:
              scaleTargetRef: {name: tiny}
              maxReplicas: 8
              metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
            """;
        var metric = new OwnManifests("own.yaml", MetricWords.Read(["cpu=busy-percent"])).Read(Cpu)[0].Metrics[0];
        Assert.Equal((MetricTarget.Utilization, 1.0, 70.0), (metric.Kind, metric.Scale, metric.Target));
        Assert.Equal(MetricAggregate.Mean, MetricWords.Read(["util=busy-percent"]).Of("util", null)!.Aggregate);
    }

    [Fact]
    public async Task Where_yours_cost_nothing_no_share_of_that_is_told()
    {
        var scenario = Of("s.yaml", """
            length: 5min
            nodes: [{name: cpu, count: 2, memory: 16GiB, cores: 8, pricePerHour: 1}]
            models: [{name: tiny, weights: 100MB, runs: [{seconds: 50ms, secondsEach: 5ms}], traffic: {rate: 30}}]
            """);
        var (_, output, _) = await RunAsync([scenario, "--hpa", Of("so.yaml", Scaled)], trace: false);
        Assert.Matches(@"Plimsoll costs \$[0-9.]*[1-9]\s+where\s+yours\s+costs\s+nothing", output);
        Assert.DoesNotContain("costs as much", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sum(vllm:num_requests_waiting) * 2")]
    [InlineData("histogram_quantile(0.9, sum(rate(vllm:time_to_first_token_seconds_bucket[1m])) by (le))")]
    [InlineData("sum(vllm:num_requests_waiting) / sum(vllm:num_requests_running)")]
    public void What_would_have_to_be_guessed_is_not(string query)
    {
        Assert.Null(MetricWords.Read([]).Of("q", query));
        Assert.Equal(SimulatedMetric.InFlight, MetricWords.Read(["q=in-flight"]).Of("q", query)!.Reads);
    }

    [Theory]
    [InlineData("maxReplicas: 6", "maxReplicas: 1", "HorizontalPodAutoscaler llama: spec.maxReplicas is 1; 2 to 1000 would do")]
    [InlineData("averageValue: 5500m", "averageValue: 0", "spec.metrics[0].pods.target.averageValue is '0'; a quantity above 0")]
    [InlineData("averageValue: 5500m", "averageValue: soon", "a HorizontalPodAutoscaler has a number or quantity that is none: ")]
    [InlineData("minReplicas: 2", "minReplicas: two", "a HorizontalPodAutoscaler has at spec.minReplicas something else than its API says")]
    [InlineData("averageValue: 5500m", "value: 5", "spec.metrics[0].pods.target.averageValue is missing")]
    [InlineData("vllm_num_requests_waiting", "my_metric", "spec.metrics[0].pods.metric.name reads my_metric, of which it is not known what the simulation has to show: --metric my_metric=QUANTITY")]
    [InlineData("name: tiny", "nam: tiny", "spec.scaleTargetRef.name is missing")]
    [InlineData("selectPolicy: Min", "selectPolicy: Most", "spec.behavior.scaleDown.selectPolicy is 'Most'; Max, Min or Disabled would do")]
    [InlineData("kind: HorizontalPodAutoscaler", "kind: Pod", "no HorizontalPodAutoscaler and no ScaledObject is in it")]
    public void What_cannot_be_run_is_named(string found, string instead, string problem) =>
        Assert.Contains(problem, Assert.Throws<CommandException>(() => Read(Hpa.Replace(found, instead, StringComparison.Ordinal))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("--source is missing")]
    [InlineData("--device is \"h101\", which is no device of the catalogue", "--source", ".", "--device", "h101")]
    [InlineData("--metric has 'cpu=much'; NAME=", "--metric", "cpu=much")]
    [InlineData("--instance p5.48xlarge has h100-80gb, not l4-24gb", "--source", ".", "--device", "l4-24gb", "--instance", "p5.48xlarge")]
    public async Task What_is_missing_is_said(string problem, params string[] options)
    {
        var (code, output, error) = await RunAsync([.. options, "--hpa", Of("hpa.yaml", Hpa)]);
        Assert.Equal((ExitCode.BadInput, ""), (code, output));
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    private static System.Collections.Immutable.ImmutableArray<OwnAutoscaler> Read(string yaml) => new OwnManifests("own.yaml", MetricWords.Read([])).Read(yaml);

    private string Model()
    {
        // Llama's shape, small: its weights are never read.
        Of("config.json", """
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":2048,"intermediate_size":8192,"num_hidden_layers":16,
             "num_attention_heads":32,"num_key_value_heads":8,"head_dim":64,"vocab_size":128256,"max_position_embeddings":8192,"torch_dtype":"bfloat16","tie_word_embeddings":true}
            """);
        return _folder;
    }

    private string Of(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private Task<(int Code, string Output, string Error)> RunAsync(params string[] options) => RunAsync(options, trace: true);

    private async Task<(int Code, string Output, string Error)> RunAsync(string[] options, bool trace)
    {
        if (trace)
        {
            var lines = Enumerable.Range(0, 601).Select(second => string.Create(CultureInfo.InvariantCulture, $"{second},300,60"));
            options = [Of("trace.csv", $"seconds,prompt_tokens,answer_tokens\n{string.Join('\n', lines)}\n"), .. options];
        }

        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["compare", .. options], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
