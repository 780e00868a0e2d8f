using System.Globalization;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>Against a real Prometheus, but for those answers that a real one does not give.</summary>
public sealed class PrometheusSourceTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static PrometheusSource Source(Uri server) => new(new PrometheusSettings { Server = server }, TimeProvider.System);

    /// <summary>Asks until it is so, for as long as patience lasts.</summary>
    private static async Task<T> Until<T>(Func<Task<T>> ask, Func<T, bool> isSo)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var answer = await ask();
            if (isSo(answer)) return answer;
            if (TimeProvider.System.GetElapsedTime(start) > Patience) Assert.Fail($"still {answer} after {Patience}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Stop);
        }
    }

    [Fact]
    public async Task Asked_faster_than_it_scrapes_the_meter_still_counts_each_request_once()
    {
        long completed = 1000;
        await using var vllm = new Endpoint(() => string.Create(CultureInfo.InvariantCulture,
            $$"""
            vllm:num_requests_running{engine="0",model_name="m"} 2
            vllm:num_requests_waiting{engine="0",model_name="m"} 0
            vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} {{Interlocked.Read(ref completed)}}

            """));
        await using var other = new Endpoint(() => ServerMetricsTests.Text("sglang-0.5"));
        await using var prometheus = await PrometheusServer.StartAsync(("prod", "a", vllm), ("test", "b", other));
        using var source = Source(prometheus.Uri);
        PodEndpoint[] pods = [MeterScene.Pod("a"), MeterScene.Pod("b") with { Pod = new ObjectName("test", "b"), Model = new ModelId("test/b") }];
        var known = await Until(() => source.ReadAsync(pods, Stop), readings => readings.All(reading => reading.Sample.TryGetKnown(out _)));
        Assert.True(known[1].Sample.TryGetKnown(out var sglang));
        Assert.Equal((6.0, 100.0, 250.0), (sglang.Running!.Value, sglang.Completed!.Value, sglang.Latency!.Sum));

        var scene = new MeterScene();
        long arrivals = 0;
        var looks = 0;
        await Until(async () =>
        {
            var readings = await source.ReadAsync([pods[0]], Stop);
            foreach (var row in scene.Look(TimeProvider.System.GetUtcNow(), [.. readings]).Traffic) arrivals += row.Arrivals;
            if (looks++ < 40) Interlocked.Add(ref completed, 3);
            return arrivals;
        }, counted => counted >= 120);
        Assert.Equal(120, arrivals);
    }

    [Fact]
    public async Task A_pod_that_prometheus_loses_is_stale_and_one_it_never_had_is_missing()
    {
        var vllm = new Endpoint(() => ServerMetricsTests.Text("vllm-0.11"));
        await using var prometheus = await PrometheusServer.StartAsync(("prod", "a", vllm));
        using var source = Source(prometheus.Uri);
        PodEndpoint[] pods = [MeterScene.Pod("a"), MeterScene.Pod("never")];
        var known = await Until(() => source.ReadAsync(pods, Stop), readings => readings[0].Sample.TryGetKnown(out _));
        Assert.True(known[0].Sample.TryGetKnown(out var sample));
        Assert.Equal((8.0, 850.0, 500.0), (sample.Running!.Value, sample.Completed!.Value, sample.Latency!.Sum));
        Assert.Equal("prod/never at http://never.invalid/metrics: Prometheus has no series of it under the names that are read", known[1].Sample.Why);
        await vllm.DisposeAsync();
        var lost = await Until(() => source.ReadAsync(pods, Stop), readings => readings[0].Sample.State == SignalState.Stale);
        Assert.EndsWith("Prometheus has no series of it under the names that are read", lost[0].Sample.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pod_that_two_unlike_jobs_scrape_counts_once_and_is_read_from_one_of_them()
    {
        await using var vllm = new Endpoint(() => ServerMetricsTests.Text("vllm-0.11"));
        var address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{vllm.Port}");
        await using var prometheus = await PrometheusServer.StartAsync(
            [("prod", "a", address)],
            $"- job_name: podmonitor\n  static_configs:\n  - targets: ['{address}']\n    labels: {{namespace: prod, pod: a, container: vllm, node: n}}\n");
        using var source = Source(prometheus.Uri);
        using var client = new HttpClient();
        await Until(() => client.GetStringAsync(new Uri(prometheus.Uri, "api/v1/query?query=vllm:num_requests_running"), Stop),
            answer => answer.Split("\"instance\"").Length == 5); // two engines in each of two jobs

        var read = new List<ServerSample>();
        for (var look = 0; look < 20; look++)
        {
            Assert.True(Assert.Single(await source.ReadAsync([MeterScene.Pod("a")], Stop)).Sample.TryGetKnown(out var sample));
            read.Add(sample);
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Stop);
        }

        Assert.Equal([(8.0, 850.0)], read.Select(sample => (sample.Running!.Value, sample.Completed!.Value)).Distinct());
        Assert.Single(read.Select(sample => sample.Target).Distinct());
        Assert.True(read.Select(sample => sample.At).Distinct().Count() > 2);
    }

    [Fact]
    public async Task A_users_query_counts_what_arrives_in_front()
    {
        await using var picker = new Endpoint(() =>
            """
            inference_extension_flow_control_queue_size{model_name="m",priority="0"} 3
            inference_extension_flow_control_queue_size{model_name="m",priority="1"} 4
            inference_extension_flow_control_queue_size{model_name="other",priority="0"} 9
            ingress_requests_total{route="m",replica="x"} 100
            ingress_requests_total{route="m",replica="y"} 20

            """);
        await using var prometheus = await PrometheusServer.StartAsync(("infra", "picker", picker));
        using var source = Source(prometheus.Uri);
        var (m, bad, rate) = (new ModelId("prod/m"), new ModelId("prod/bad"), new ModelId("prod/rate"));
        var fronts = await Until(() => source.ReadFrontsAsync(
        [
            new FrontQuery(m, "ingress_requests_total{route=\"m\"}", "sum(inference_extension_flow_control_queue_size{model_name=\"m\"})"),
            new FrontQuery(bad, "sum(", null),
            new FrontQuery(rate, "ingress_requests_total[1m]", null),
        ], Stop), fronts => fronts[m].TryGetKnown(out _));
        Assert.True(fronts[m].TryGetKnown(out var front));
        Assert.Equal(7, front.Queued);
        Assert.Equal([20.0, 100.0], front.Arrived!.Values.Order());
        Assert.Contains("the query for arrivals failed: it refused the query: ", fronts[bad].Why, StringComparison.Ordinal);
        Assert.Contains("parse error", fronts[bad].Why, StringComparison.Ordinal);
        Assert.Equal("prod/rate: the query for arrivals failed: the query gives a matrix, where a value of this moment is wanted", fronts[rate].Why);
    }

    [Fact]
    public async Task The_queries_of_the_table_are_ones_that_a_real_server_takes()
    {
        await using var prometheus = await PrometheusServer.StartAsync();
        using var source = Source(prometheus.Uri);
        var reading = Assert.Single(await source.ReadAsync([MeterScene.Pod("a")], Stop));
        Assert.EndsWith("Prometheus has no series of it under the names that are read", reading.Sample.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_pod_that_is_lost_between_the_two_queries_is_as_one_that_has_no_series(bool clockSeesIt)
    {
        var name = clockSeesIt ? "" : "\"__name__\":\"vllm:num_requests_running\",";
        var seen = "{\"metric\":{" + name + "\"namespace\":\"prod\",\"pod\":\"a\"},\"value\":[1,\"1\"]}";
        await using var endpoint = new Endpoint(async (request, stream, stop) =>
        {
            var isClock = (await Endpoint.WholeAsync(request, stream, stop)).Contains("timestamp", StringComparison.Ordinal);
            var result = isClock == clockSeesIt ? seen : "";
            await Endpoint.WriteAsync(
                stream, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" + result + "]}}", stop, type: "application/json");
        });
        using var source = Source(new Uri(endpoint.Uri, "/"));
        var reading = Assert.Single(await source.ReadAsync([MeterScene.Pod("a")], Stop));
        Assert.EndsWith("Prometheus has no series of it under the names that are read", reading.Sample.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "its answer is not what Prometheus gives: it has no result", "refused")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1]}]}}", "a value is not a time and a text", "")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1e300,\"1\"]}]}}", "a time is out of range", "")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,\"x\"]}]}}", "a value is no number", "")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"a\":1},\"value\":[1,\"1\"]}]}}", "a label is no text", "")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"x\"]}}", "the query gives a string", "")]
    [InlineData("{\"status\":\"error\",\"error\":\"one\\ntwo\"}", "it refused the query: one two", "")]
    [InlineData("{\"status\"", "its answer is no JSON that a Prometheus server writes", "")]
    public async Task A_server_that_is_no_prometheus_is_told_so(string json, string sentence, string instead)
    {
        await using var endpoint = new Endpoint((_, stream, stop) => Endpoint.WriteAsync(stream, json, stop, type: "application/json"));
        using var source = Source(new Uri(endpoint.Uri, "/"));
        var reading = Assert.Single(await source.ReadAsync([MeterScene.Pod("a")], Stop));
        Assert.Equal(SignalState.Missing, reading.Sample.State);
        Assert.Contains(instead.Length > 0 ? instead : sentence, reading.Sample.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_is_sent_and_read_anew_and_a_path_before_the_api_is_kept()
    {
        const string empty = "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}";
        await using var endpoint = new Endpoint((_, stream, stop) => Endpoint.WriteAsync(stream, empty, stop, type: "application/json"));
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "first\n", Stop);
            using var source = new PrometheusSource(
                new PrometheusSettings { Server = new Uri(endpoint.Uri, "/team-a"), BearerTokenFile = file }, TimeProvider.System);
            await source.ReadFrontsAsync([new FrontQuery(MeterScene.Model, "x", null)], Stop);
            await File.WriteAllTextAsync(file, "second", Stop);
            await source.ReadFrontsAsync([new FrontQuery(MeterScene.Model, "x", null)], Stop);
            Assert.All(endpoint.Requests, request => Assert.StartsWith("POST /team-a/api/v1/query HTTP", request, StringComparison.Ordinal));
            Assert.Equal(["Bearer first", "Bearer second"], endpoint.Requests.Select(request =>
                request.Split("Authorization: ")[1].Split("\r\n")[0]));
            File.Delete(file);
            var missing = await source.ReadFrontsAsync([new FrontQuery(MeterScene.Model, "x", null)], Stop);
            Assert.Contains($"the bearer token cannot be read from {file}", missing[MeterScene.Model].Why, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
