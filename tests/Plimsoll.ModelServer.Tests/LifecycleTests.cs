using System.Net;
using System.Net.Sockets;

namespace Plimsoll.ModelServer.Tests;

public sealed class LifecycleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-server-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task While_it_loads_it_lives_but_is_not_ready_and_says_so()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        // 400 kB at 4 kB/s: a hundred seconds, more than this test lasts.
        await using var server = await ServerProcess.StartAsync(model.Path, "--load-bandwidth", "4kB/s");
        var cancel = TestContext.Current.CancellationToken;

        Assert.Equal(200, (int)(await server.Client.GetAsync("/v2/health/live", cancel)).StatusCode);
        Assert.Equal(503, (int)(await server.Client.GetAsync("/v2/health/ready", cancel)).StatusCode);
        Assert.Equal(503, (int)(await server.Client.GetAsync("/v2/models/m/ready", cancel)).StatusCode);
        Assert.Equal(200, (int)(await server.Client.GetAsync("/v2/models/m", cancel)).StatusCode);
        using var refused = await server.InferAsync(ServerProcess.Body([[1]]));
        Assert.Equal(503, (int)refused.StatusCode);
        Assert.Contains("still loading", await refused.Content.ReadAsStringAsync(cancel), StringComparison.Ordinal);

        server.Terminate();
        Assert.Equal((0, ""), await server.ExitAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Loading_takes_no_less_than_bytes_over_bandwidth_however_warm_the_cache(bool external)
    {
        var model = await ServerProcess.ModelAsync(_folder, 2_000_000, external);
        foreach (var file in model.Files)
            await File.ReadAllBytesAsync(file.Path, TestContext.Current.CancellationToken);
        await using var server = await ServerProcess.StartReadyAsync(model.Path, "--load-bandwidth", "2MB/s");

        var bytes = await server.MetricAsync("plimsoll_model_load_bytes");
        var text = await server.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        var read = PrometheusText.Parse(text).Single(sample => sample.Labels.Contains("stage=\"read\"", StringComparison.Ordinal));
        Assert.InRange(bytes, 1_950_000, 2_050_000);
        // The bucket holds a fiftieth of a second; nothing else may be ahead of the limit.
        Assert.True(read.Value >= bytes / 2e6 - 0.02, $"{bytes} bytes in {read.Value} s");
        Assert.Equal(32 * 2, (await server.EmbeddingAsync([1, 2], [3, 4])).Length);
    }

    [Fact]
    public async Task External_and_inline_weights_and_packed_ones_give_the_same_answers()
    {
        var inline = await ServerProcess.ModelAsync(Path.Combine(_folder, "inline"));
        var external = await ServerProcess.ModelAsync(Path.Combine(_folder, "external"), external: true);
        await using var first = await ServerProcess.StartReadyAsync(inline.Path);
        await using var second = await ServerProcess.StartReadyAsync(external.Path, "--prepack");
        long[] ids = [5, 6, 7, 8];

        foreach (var (one, other) in (await first.EmbeddingAsync(ids)).Zip(await second.EmbeddingAsync(ids)))
            Assert.Equal(one, other, 1e-4f);
    }

    [Fact]
    public async Task Terminated_it_refuses_new_requests_answers_those_in_flight_and_exits_0()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        await using var server = await ServerProcess.StartReadyAsync(model.Path, "--batch-delay", "10s");
        var inFlight = server.EmbeddingAsync([1, 2, 3]);
        await BatchingTests.UntilPendingAsync(server, 1);

        server.Terminate();
        await server.UntilReadyAsync(status: 503);
        using var refused = await server.InferAsync(ServerProcess.Body([[1]]));

        Assert.Equal(503, (int)refused.StatusCode);
        Assert.Equal(16, (await inFlight).Length);
        Assert.Equal((0, ""), await server.ExitAsync());
    }

    [Fact]
    public async Task Terminated_it_waits_no_longer_than_the_drain_timeout()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        await using var server = await ServerProcess.StartReadyAsync(
            model.Path, "--batch-delay", "1h", "--drain-timeout", "100ms");
        var inFlight = server.InferAsync(ServerProcess.Body([[1]]));
        await BatchingTests.UntilPendingAsync(server, 1);

        server.Terminate();

        Assert.Equal(503, (int)(await inFlight).StatusCode);
        Assert.Equal((0, ""), await server.ExitAsync());
    }

    [Fact]
    public async Task A_model_that_cannot_be_served_is_one_sentence_and_exit_code_3()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        var cut = Path.Combine(_folder, "cut.onnx");
        await File.WriteAllBytesAsync(cut, (await File.ReadAllBytesAsync(model.Path, TestContext.Current.CancellationToken))[..200_000],
            TestContext.Current.CancellationToken);
        var text = Path.Combine(_folder, "text.onnx");
        await File.WriteAllTextAsync(text, "no model", TestContext.Current.CancellationToken);

        foreach (var (path, expected) in new[] { (cut, "is truncated"), (text, "is not an ONNX model"), ("/no/such.onnx", "does not exist") })
        {
            var (code, error) = await ServerProcess.RunToEndAsync("--model", path, "--port", "0");
            Assert.Equal(3, code);
            Assert.Contains($"{path} ", error, StringComparison.Ordinal);
            Assert.Contains(expected, error, StringComparison.Ordinal);
            Assert.Single(error.TrimEnd().Split('\n'));
        }
    }

    [Fact]
    public async Task A_model_that_ONNX_Runtime_refuses_is_one_sentence_and_exit_code_3()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        var bytes = await File.ReadAllBytesAsync(model.Path, TestContext.Current.CancellationToken);
        var at = bytes.AsSpan().IndexOf("Gather"u8);
        // The first "Gather" is an output's name or the operator: renaming them all keeps the file whole.
        for (; at >= 0; at = bytes.AsSpan().IndexOf("Gather"u8))
            "Gafher"u8.CopyTo(bytes.AsSpan(at));
        await File.WriteAllBytesAsync(model.Path, bytes, TestContext.Current.CancellationToken);

        var (code, error) = await ServerProcess.RunToEndAsync("--model", model.Path, "--port", "0");

        Assert.Equal(3, code);
        Assert.Contains("is refused by ONNX Runtime", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task A_port_in_use_is_one_sentence_and_exit_code_4()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        var (code, error) = await ServerProcess.RunToEndAsync("--model", model.Path, "--port", $"{port}");

        Assert.Equal((4, $"Port {port} of 127.0.0.1 cannot be listened on: another process listens there.\n"), (code, error));
    }

    [Theory]
    [InlineData("--port", "70000", "a whole number from 0 to 65535")]
    [InlineData("--cores", "0", "a number above 0")]
    [InlineData("--load-bandwidth", "fast", "bytes per second")]
    [InlineData("--batch-delay", "2", "a duration")]
    [InlineData("--host", "somewhere", "an IP address")]
    [InlineData("--colour", "red", "--colour")]
    public async Task A_bad_option_is_named_with_exit_code_2(string option, string value, string expected)
    {
        var (code, error) = await ServerProcess.RunToEndAsync("--model", "m.onnx", option, value);

        Assert.Equal(2, code);
        Assert.Contains(option, error, StringComparison.Ordinal);
        Assert.Contains(expected, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }
}
