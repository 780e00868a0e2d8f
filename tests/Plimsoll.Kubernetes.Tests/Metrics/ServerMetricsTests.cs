using System.Reflection;
using System.Text;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Metrics;

public sealed class ServerMetricsTests
{
    internal static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    internal static string Text(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static ServerSample Read(string text, string? servedName = null) => ServerMetrics.Read(
        Exposition.Read(Encoding.UTF8.GetBytes(text), MetricNames.Series, ExpositionLimits.Default), Noon, servedName);

    [Fact]
    public void vLLM_adds_its_engines_up_and_does_not_count_old_and_new_names_twice()
    {
        var sample = Read(Text("vllm-0.11"));
        Assert.Equal(ServerKind.Vllm, sample.Server);
        Assert.Equal(["meta-llama/Llama-3.1-8B-Instruct"], sample.ModelNames);
        Assert.Equal((8.0, 2.0), (sample.Running, sample.Waiting));
        Assert.Equal((850.0, 9.0, 1.0), (sample.Completed, sample.Aborted, sample.Failed));
        Assert.Equal((200000.0, 50000.0), (sample.PromptTokens, sample.GenerationTokens));
        Assert.Equal((0.25, 4.0, false), (sample.KvUsage, sample.Preemptions, sample.Asleep));
        Assert.Equal((859.0, 500.0), (sample.Latency!.Count, sample.Latency.Sum));
        Assert.Equal([new(0.3, 150), new(1, 790), new(double.PositiveInfinity, 859)], sample.Latency.Buckets);
        Assert.Equal((10.0, 30.0, 590.0), (sample.QueueTime!.Sum, sample.FirstToken!.Sum, sample.InterToken!.Sum));
        Assert.Null(sample.Rejected);
        Assert.Null(sample.Arrived);
        Assert.Null(sample.StartupSeconds);
    }

    [Fact]
    public void Old_vLLM_is_read_under_its_old_names_and_what_it_lacks_is_missing()
    {
        var sample = Read(Text("vllm-0.6"));
        Assert.Equal((2.0, 0.0, 10.0), (sample.Running, sample.Waiting, sample.Completed));
        Assert.Equal((0.75, 10.0), (sample.KvUsage, sample.InterToken!.Sum));
        Assert.Equal(0, sample.Aborted);
        Assert.Null(sample.Asleep);
        Assert.Null(sample.QueueTime);
    }

    [Fact]
    public void A_sleeping_vLLM_says_so() => Assert.True(Read(Text("vllm-asleep")).Asleep);

    [Theory]
    [InlineData("vllm:request_success_total{finished_reason=\"stop\"} 5\n")]
    [InlineData("vllm:request_success{finished_reason=\"stop\"} 5\n")]
    [InlineData("vllm_request_success_total{finished_reason=\"stop\"} 5\n")]
    [InlineData("vllm:request_success_total{finished_reason=\"stop\"} 5\nvllm:request_success{finished_reason=\"stop\"} 5\n")]
    public void A_counter_is_the_same_with_and_without_its_suffix_and_with_its_colon_rewritten(string text) =>
        Assert.Equal(5, Read(text).Completed);

    [Fact]
    public void SGLangs_ranks_work_on_the_same_requests()
    {
        var sample = Read(Text("sglang-0.5"));
        Assert.Equal(ServerKind.Sglang, sample.Server);
        Assert.Equal((6.0, 1.0, 100.0, 0.28), (sample.Running, sample.Waiting, sample.Completed, sample.KvUsage));
        Assert.Equal((92.5, 61.0), (sample.StartupSeconds, sample.LoadSeconds));
        Assert.Equal((250.0, 4.0, 20.0), (sample.Latency!.Sum, sample.QueueTime!.Sum, sample.FirstToken!.Sum));
        Assert.Null(sample.InterToken);
        Assert.Null(sample.Failed);
        Assert.Null(sample.Aborted);
    }

    [Fact]
    public void SGLangs_newer_names_are_read_with_underscores_too()
    {
        var sample = Read(Text("sglang-underscore"));
        Assert.Equal((4.0, 0.0, 100.0), (sample.Running, sample.Waiting, sample.Completed));
        Assert.Equal((92.5, 61.0, 5.0), (sample.StartupSeconds, sample.LoadSeconds, sample.InterToken!.Sum));
    }

    [Fact]
    public void TGI_counts_arrivals_itself_and_tells_refusals_from_failures()
    {
        var sample = Read(Text("tgi-3"));
        Assert.Equal(ServerKind.Tgi, sample.Server);
        Assert.Equal((7.0, 3.0, 160.0), (sample.Running, sample.Waiting, sample.Arrived));
        Assert.Equal((140.0, 3.0, 2.0, 5.0), (sample.Completed, sample.Failed, sample.Aborted, sample.Rejected));
        Assert.Equal((14500.0, 7000.0), (sample.PromptTokens, sample.GenerationTokens));
        Assert.Equal((112.5, 7.5, 2.8), (sample.Latency!.Sum, sample.QueueTime!.Sum, sample.InterToken!.Sum));
        Assert.Empty(sample.ModelNames);
        Assert.Null(sample.FirstToken);
        Assert.Null(sample.KvUsage);
    }

    [Fact]
    public void Triton_counts_the_named_model_alone_in_seconds()
    {
        var sample = Read(Text("triton-24"), "resnet50");
        Assert.Equal(ServerKind.Triton, sample.Server);
        Assert.Equal(["bert", "resnet50"], sample.ModelNames);
        Assert.Equal((9.0, 1000.0, 3.0, 3.0, 4.0), (sample.Waiting, sample.Completed, sample.Failed, sample.Aborted, sample.Rejected));
        Assert.Equal((1000.0, 25.0), (sample.Latency!.Count, Math.Round(sample.Latency.Sum, 9)));
        Assert.Equal(5, sample.QueueTime!.Sum, 9);
        Assert.Equal(25, sample.FirstToken!.Sum, 9);
        Assert.Equal([0.1, 0.5, double.PositiveInfinity], sample.FirstToken.Buckets.Select(bucket => Math.Round(bucket.UpperBound, 9)));
        Assert.Null(sample.Running);
    }

    [Fact]
    public void Of_several_models_of_Triton_one_must_be_named_since_an_ensembles_steps_count_its_requests_again()
    {
        const string text = "nv_inference_request_success{model=\"ensemble\"} 7\nnv_inference_request_success{model=\"tokenise\"} 7\nnv_inference_request_success{model=\"encode\"} 7\n";
        Assert.Equal("it serves encode, ensemble, tokenise, and an ensemble's steps count its requests again: name one in spec.metrics.model",
            Assert.Throws<MetricsException>(() => Read(text)).Message);
        Assert.Equal(7, Read(text, "ensemble").Completed);
        Assert.Equal(25, Read(Text("plimsoll")).Completed);
    }

    [Fact]
    public void A_name_that_the_server_does_not_serve_is_refused_naming_what_it_serves() =>
        Assert.Equal("it serves bert, resnet50, not llama",
            Assert.Throws<MetricsException>(() => Read(Text("triton-24"), "llama")).Message);

    [Fact]
    public void llama_cpp_counts_no_requests_and_says_what_it_works_on()
    {
        var sample = Read(Text("llamacpp"), "any name, since it names none");
        Assert.Equal(ServerKind.LlamaCpp, sample.Server);
        Assert.Equal((4.0, 46.0, 145222.0, 98765.0), (sample.Running, sample.Waiting, sample.PromptTokens, sample.GenerationTokens));
        Assert.Null(sample.Completed);
        Assert.Null(sample.Latency);
        Assert.Null(sample.KvUsage);
    }

    [Fact]
    public void Our_model_server_is_read_under_tritons_names_and_tells_its_load()
    {
        var sample = Read(Text("plimsoll"), "encoder");
        Assert.Equal((2.0, 25.0, 1.0), (sample.Waiting, sample.Completed, sample.Failed));
        Assert.Equal((2.0, 0.5), (sample.StartupSeconds, sample.LoadSeconds));
        Assert.Equal((25.0, 0.5), (sample.Latency!.Count, Math.Round(sample.Latency.Sum, 9)));
        Assert.Equal((0.0, 0.0), (sample.Aborted, sample.Rejected));
    }

    [Theory]
    [InlineData("http_requests_total 5\n", "its metrics have none of the names of vLLM, SGLang, TGI, Triton or llama.cpp that are read")]
    [InlineData("", "its metrics have none of the names of vLLM, SGLang, TGI, Triton or llama.cpp that are read")]
    [InlineData("vllm:num_requests_running -1\n", "vllm:num_requests_running is -1, which is not believed")]
    [InlineData("vllm:num_requests_running 1e300\n", "vllm:num_requests_running is 1E+300, which is not believed")]
    [InlineData("vllm:num_requests_running +Inf\n", "vllm:num_requests_running is Infinity, which is not believed")]
    [InlineData("tgi_request_count 1e17\n", "tgi_request_count is 1E+17, which is not believed")]
    [InlineData("tgi_request_duration_sum -1\ntgi_request_duration_count 1\n", "tgi_request_duration_sum is -1, which is not believed")]
    [InlineData("tgi_request_duration_bucket{le=\"1\"} 5\ntgi_request_duration_bucket{le=\"2\"} 4\ntgi_request_duration_sum 1\ntgi_request_duration_count 5\n",
        "the buckets of tgi_request_duration do not rise, so they are not believed")]
    [InlineData("tgi_request_duration_bucket{le=\"x\"} 5\ntgi_request_duration_sum 1\ntgi_request_duration_count 5\n",
        "a bucket of tgi_request_duration has no bound that is a number")]
    public void What_cannot_be_true_is_not_believed(string text, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<MetricsException>(() => Read(text)).Message);

    [Fact]
    public void A_gauge_that_is_no_number_is_missing_and_not_zero()
    {
        var sample = Read("vllm:num_requests_running 3\nvllm:num_requests_waiting NaN\n");
        Assert.Null(sample.Waiting);
        Assert.Equal(3, sample.InFlight);
    }

    [Fact]
    public void The_table_names_each_server_and_no_name_belongs_to_two()
    {
        Assert.Equal(Enum.GetValues<ServerKind>(), MetricNames.ByServer.Keys.Order());
        var names = MetricNames.ByServer.SelectMany(server => server.Value
            .Where(row => row.Field != MetricField.ProcessStart).SelectMany(row => row.Names).Distinct()).ToArray();
        Assert.Equal(names.Distinct().Count(), names.Length);
    }

    [Theory]
    [InlineData(0.5, 50)] // half of the first bucket's 100
    [InlineData(1, 100)]
    [InlineData(1.5, 150)] // half of the way from 100 to 200
    [InlineData(3, 200)] // the bucket without an end counts for nothing
    public void Within_a_bucket_observations_are_taken_as_spread_evenly(double seconds, double below) =>
        Assert.Equal(below, new HistogramSample(250, 1, [new(1, 100), new(2, 200), new(double.PositiveInfinity, 250)]).Below(seconds));
}
