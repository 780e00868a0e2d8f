using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Metrics;

public sealed class MetricsScraperTests
{
    private static readonly MetricsScraperSettings Settings = new()
    {
        PodTimeout = TimeSpan.FromSeconds(60),
        LookTimeout = TimeSpan.FromSeconds(120),
    };

    private static readonly MetricsScraperSettings Impatient = Settings with { PodTimeout = TimeSpan.FromSeconds(1) };

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static Task Forever(CancellationToken stop) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);

    private static PodEndpoint Pod(string name, Uri metrics) => MeterScene.Pod(name) with { Metrics = metrics };

    private static async Task<Signal<ServerSample>> Scrape(Endpoint endpoint, MetricsScraperSettings? settings = null)
    {
        using var scraper = new MetricsScraper(settings ?? Settings, TimeProvider.System);
        return Assert.Single(await scraper.ScrapeAsync([Pod("a", endpoint.Uri)], Stop)).Sample;
    }

    private static async Task<string> Why(Func<string, Stream, CancellationToken, Task> answer, MetricsScraperSettings? settings = null)
    {
        await using var endpoint = new Endpoint(answer);
        var signal = await Scrape(endpoint, settings);
        Assert.Equal(SignalState.Missing, signal.State);
        var prefix = $"prod/a at {endpoint.Uri}: ";
        Assert.StartsWith(prefix, signal.Why, StringComparison.Ordinal);
        return signal.Why![prefix.Length..];
    }

    private static Func<string, Stream, CancellationToken, Task> Says(string all) =>
        (_, stream, stop) => stream.WriteAsync(Encoding.ASCII.GetBytes(all), stop).AsTask();

    [Fact]
    public async Task A_pods_metrics_are_read_over_HTTP()
    {
        await using var endpoint = new Endpoint(() => ServerMetricsTests.Text("vllm-0.11"));
        Assert.True((await Scrape(endpoint)).TryGetKnown(out var sample));
        Assert.Equal((8.0, 850.0), (sample.Running!.Value, sample.Completed!.Value));
        Assert.Contains("GET /metrics", Assert.Single(endpoint.Requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenMetrics_that_ends_as_it_should_is_read()
    {
        await using var endpoint = new Endpoint((_, stream, stop) => Endpoint.WriteAsync(
            stream, "vllm:request_success_total{finished_reason=\"stop\"} 5 # {trace=\"x\"} 1\n# EOF\n", stop,
            type: "application/openmetrics-text; version=1.0.0"));
        Assert.True((await Scrape(endpoint)).TryGetKnown(out var sample));
        Assert.Equal(5, sample.Completed);
    }

    [Fact]
    public async Task Hanging_lying_and_resetting_endpoints_end_in_a_sentence()
    {
        Assert.Equal("it did not answer within 1 s", await Why((_, _, stop) => Forever(stop), Impatient));
        Assert.Equal("it did not answer within 1 s", await Why(async (_, stream, stop) =>
        {
            // Bytes that come too slowly are no better than none.
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"u8.ToArray(), stop);
            while (true)
            {
                await stream.WriteAsync("#"u8.ToArray(), stop);
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, stop);
            }
        }, Impatient));
        Assert.Equal("it broke the connection off", await Why(Says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\nvllm:num")));
        Assert.Equal("the metrics end within a line, so they were cut off",
            await Why(Says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nvllm:num_requests_running 12")));
        Assert.Equal("the metrics do not end in # EOF, so they were cut off", await Why((_, stream, stop) => Endpoint.WriteAsync(
            stream, "vllm:num_requests_running 1\n", stop, type: "application/openmetrics-text; version=1.0.0")));
        Assert.Equal("it does not speak HTTP as it should", await Why(Says("SSH-2.0-OpenSSH_9.2\r\n\r\n")));
        Assert.Equal("it answered 404 where 200 is expected", await Why((_, stream, stop) => Endpoint.WriteAsync(stream, "", stop, "404 Not Found")));
        Assert.Equal("it answered 302 where 200 is expected",
            await Why(Says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")));
        Assert.Equal("line 1 of vllm:num_requests_running cannot be read: its value is no number",
            await Why((_, stream, stop) => Endpoint.WriteAsync(stream, "vllm:num_requests_running many\n", stop)));
        Assert.Equal("its metrics have none of the names of vLLM, SGLang, TGI, Triton or llama.cpp that are read",
            await Why((_, stream, stop) => Endpoint.WriteAsync(stream, "<html>hello</html>\n", stop)));
        Assert.Equal("it broke the connection off", await Why((_, stream, _) =>
        {
            // Closing with unread state and no linger resets.
            ((NetworkStream)stream).Socket.LingerState = new LingerOption(true, 0);
            ((NetworkStream)stream).Socket.Close();
            return Task.CompletedTask;
        }));
    }

    [Fact]
    public async Task An_endless_answer_is_cut_at_its_bound()
    {
        var small = Settings with { Limits = new ExpositionLimits { MaxBytes = 100_000 } };
        Assert.Equal("its answer is 9000000000 bytes, more than the 100000 that are read",
            await Why(Says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9000000000\r\n\r\n"), small));
        Assert.Equal("its answer is more than the 100000 bytes that are read", await Why(async (_, stream, stop) =>
        {
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"u8.ToArray(), stop);
            var line = Encoding.ASCII.GetBytes(new string('#', 1000) + "\n");
            while (true) await stream.WriteAsync(line, stop);
        }, small));
    }

    [Fact]
    public async Task Large_answers_wait_their_turn_until_the_one_before_is_read_and_small_ones_do_not()
    {
        using var turns = new SemaphoreSlim(1);
        Task<PooledBody> Read(int bytes, int most = 4 << 20) =>
            HttpTransport.ReadBoundedAsync(new StreamContent(new MemoryStream(new byte[bytes])), most, Stop, turns);
        var first = await Read(3 << 20);
        var second = Read(3 << 20);
        (await Read(HttpTransport.SmallBytes - 1)).Return();
        Assert.False(second.IsCompleted);
        first.Return();
        (await second).Return();

        // One that is refused gives its turn on, and one that waits for it can be called off.
        await Assert.ThrowsAsync<MetricsException>(() => HttpTransport.ReadBoundedAsync(new StreamContent(new Unending()), 4 << 20, Stop, turns));
        first = await Read(3 << 20);
        using var off = new CancellationTokenSource();
        var waits = HttpTransport.ReadBoundedAsync(new StreamContent(new MemoryStream(new byte[3 << 20])), 4 << 20, off.Token, turns);
        await off.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
        first.Return();
        Assert.Equal(1, turns.CurrentCount);
    }

    private sealed class Unending : MemoryStream
    {
        public override bool CanSeek => false;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(buffer.Length);
    }

    [Fact]
    public async Task More_than_four_MiB_are_not_read_of_a_pod() => Assert.Equal(
        "its answer is 4194305 bytes, more than the 4194304 that are read",
        await Why(Says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4194305\r\n\r\n")));

    [Fact]
    public async Task Nobody_there_is_a_sentence_too()
    {
        Uri gone;
        await using (var endpoint = new Endpoint(() => "")) gone = endpoint.Uri;
        using var scraper = new MetricsScraper(Settings, TimeProvider.System);
        var reading = Assert.Single(await scraper.ScrapeAsync([Pod("a", gone)], Stop));
        Assert.Equal($"prod/a at {gone}: it cannot be reached (ConnectionRefused)", reading.Sample.Why);
    }

    [Fact]
    public async Task A_pod_that_stops_answering_is_stale_and_one_that_never_did_is_missing()
    {
        var good = true;
        await using var endpoint = new Endpoint((_, stream, stop) => Endpoint.WriteAsync(
            stream, ServerMetricsTests.Text("llamacpp"), stop, good ? "200 OK" : "500 Internal Server Error"));
        using var scraper = new MetricsScraper(Settings, TimeProvider.System);
        PodEndpoint[] pods = [Pod("a", endpoint.Uri)];
        Assert.True((await scraper.ScrapeAsync(pods, Stop))[0].Sample.TryGetKnown(out var known));
        good = false;
        var stale = (await scraper.ScrapeAsync(pods, Stop))[0].Sample;
        Assert.Equal((SignalState.Stale, known.At), (stale.State, stale.At!.Value));
        Assert.EndsWith("it answered 500 where 200 is expected", stale.Why, StringComparison.Ordinal);

        // A pod of the same name with another uid is another pod.
        Assert.Equal(SignalState.Missing, (await scraper.ScrapeAsync([pods[0] with { Uid = "another" }], Stop))[0].Sample.State);
    }

    [Fact]
    public async Task A_certificate_is_believed_when_its_root_is_named_or_any_will_do()
    {
        var (root, server) = Endpoint.Certificates();
        using (root)
        using (server)
        {
            await using var endpoint = new Endpoint(() => ServerMetricsTests.Text("llamacpp"), server);
            Assert.EndsWith("its certificate is not one we trust; name its root, or let any certificate do",
                (await Scrape(endpoint)).Why, StringComparison.Ordinal);
            Assert.True((await Scrape(endpoint, Settings with { Roots = [root] })).TryGetKnown(out _));
            Assert.True((await Scrape(endpoint, Settings with { AcceptAnyCertificate = true })).TryGetKnown(out _));
        }
    }

    [Fact]
    public async Task Pods_that_hang_do_not_keep_those_that_answer_from_being_read()
    {
        await using var hanging = new Endpoint((_, _, stop) => Forever(stop));
        await using var answering = new Endpoint(() => ServerMetricsTests.Text("llamacpp"));
        var settings = Settings with { Concurrency = 4, LookTimeout = TimeSpan.FromSeconds(2) };
        using var scraper = new MetricsScraper(settings, TimeProvider.System);
        var pods = Enumerable.Range(0, 20).Select(i => Pod(string.Create(CultureInfo.InvariantCulture, $"hangs-{i:00}"), hanging.Uri))
            .Append(Pod("works", answering.Uri)).ToArray();

        // At the first look nobody knows who hangs; from then on those that answer come first.
        var first = await scraper.ScrapeAsync(pods, Stop);
        Assert.Contains(first, reading => reading.Sample.Why!.EndsWith("this look ended before it had answered", StringComparison.Ordinal));
        Assert.Contains(first, reading => reading.Sample.Why!.EndsWith("other pods took all of this look's time", StringComparison.Ordinal));
        for (var look = 0; look < 20; look++)
        {
            if ((await scraper.ScrapeAsync(pods, Stop))[^1].Sample.TryGetKnown(out _)) return;
        }

        Assert.Fail("the pod that answers was never read");
    }

    [Fact]
    public async Task Readings_come_in_the_order_of_the_pods_however_many()
    {
        var endpoints = Enumerable.Range(0, 8).Select(i => new Endpoint(() =>
            string.Create(CultureInfo.InvariantCulture, $"llamacpp:requests_processing {i}\n"))).ToArray();
        using var scraper = new MetricsScraper(Settings, TimeProvider.System);
        var pods = Enumerable.Range(0, 200).Select(i => Pod(string.Create(CultureInfo.InvariantCulture, $"p{i}"), endpoints[i % 8].Uri)).ToArray();
        var readings = await scraper.ScrapeAsync(pods, Stop);
        foreach (var endpoint in endpoints) await endpoint.DisposeAsync();
        Assert.Equal(pods, readings.Select(reading => reading.Pod));
        Assert.All(readings, (reading, i) => Assert.True(reading.Sample.TryGetKnown(out var sample) && sample.Running == i % 8, reading.Sample.Why));
    }

    [Fact]
    public async Task A_look_that_is_called_off_throws_that_it_was()
    {
        await using var hanging = new Endpoint((_, _, stop) => Forever(stop));
        using var scraper = new MetricsScraper(Settings, TimeProvider.System);
        using var off = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var look = scraper.ScrapeAsync([Pod("a", hanging.Uri)], off.Token);
        while (hanging.Requests.IsEmpty) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Stop);
        await off.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => look);
    }
}
