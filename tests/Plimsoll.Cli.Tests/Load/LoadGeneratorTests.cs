using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.Cli.Tests.Load;

public sealed class LoadGeneratorTests
{
    private static readonly ModelId Model = ModelId.Of("m");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stalled_server_shows_in_the_latency_of_every_request_that_was_due_meanwhile()
    {
        // The server answers nobody until all 40 have arrived: a generator that waited for answers would never get there.
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await FakeModelServer.StartAsync((n, _) =>
        {
            if (n == 40) all.SetResult();
            return all.Task;
        });

        var results = await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(10), 40));

        Assert.Equal(40, results.Count(result => result is { IsSent: true, Failure: null }));
        // The gate opened at the last request's time, 390 ms, at the earliest: request k waited from 10 k ms on.
        foreach (var result in results)
            Assert.True(result.Latency + result.Request.At >= TimeSpan.FromMilliseconds(390), $"{result.Request.At}: {result.Latency}");
    }

    [Fact]
    public async Task A_known_delay_is_in_every_latency()
    {
        await using var server = await FakeModelServer.StartAsync((_, context) =>
            Task.Delay(TimeSpan.FromMilliseconds(80), TimeProvider.System, context.RequestAborted));

        var results = await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(5), 20));

        Assert.Equal(20, results.Count);
        // The server's own timer may fire a few milliseconds early.
        Assert.All(results, result => Assert.True(result.Latency >= TimeSpan.FromMilliseconds(70), result.Latency.ToString()));
        Assert.All(results, result => Assert.True(result.Lag >= TimeSpan.Zero, $"sent early by {-result.Lag}"));
    }

    [Fact]
    public async Task What_is_due_beyond_the_bound_in_flight_is_counted_as_not_sent()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await FakeModelServer.StartAsync((_, _) => gate.Task);
        var notSent = 0;

        var results = await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(1), 10), o => o with { MaxInFlight = 3 },
            result =>
            {
                if (!result.IsSent && ++notSent == 7) gate.SetResult();
            });

        Assert.Equal(3, results.Count(result => result.IsSent));
        Assert.Equal(7, results.Count(result => result is { IsSent: false, Failure: LoadGenerator.NotSent }));
        Assert.Equal(3, server.Arrived);
    }

    [Fact]
    public async Task Failures_are_told_apart_by_kind()
    {
        await using var server = await FakeModelServer.StartAsync((n, context) =>
        {
            if (n % 2 == 0) context.Abort();
            else context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });

        var results = await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(20), 10));

        Assert.Equal(5, results.Count(result => result.Failure == "HTTP 503"));
        Assert.Equal(5, results.Count(result => result.Failure is "the answer broke off" or "broken connection"));
    }

    [Fact]
    public async Task A_port_nobody_listens_on_is_a_failure_and_not_an_end()
    {
        using var reserved = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        reserved.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        var results = await SendAsync(new Uri($"http://127.0.0.1:{((IPEndPoint)reserved.LocalEndPoint!).Port}"), Every(TimeSpan.FromMilliseconds(1), 3));

        Assert.Equal(["connection refused", "connection refused", "connection refused"], results.Select(result => result.Failure));
    }

    [Fact]
    public async Task A_request_without_an_answer_fails_at_its_deadline()
    {
        await using var server = await FakeModelServer.StartAsync((_, context) =>
            Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));

        var results = await SendAsync(
            server.Address, Every(TimeSpan.FromMilliseconds(1), 2), o => o with { Timeout = TimeSpan.FromMilliseconds(50) });

        Assert.Equal(["no answer in time", "no answer in time"], results.Select(result => result.Failure));
    }

    [Fact]
    public async Task Stopping_gives_up_what_is_in_flight_and_says_so()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        await using var server = await FakeModelServer.StartAsync(async (n, context) =>
        {
            if (n == 2) await stop.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });

        var results = await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(1), 1_000_000), stop: stop.Token);

        Assert.InRange(results.Count, 2, 10_000);
        Assert.All(results, result => Assert.Equal(LoadGenerator.Unfinished, result.Failure));
    }

    [Fact]
    public async Task What_the_gateway_held_is_read_from_its_header()
    {
        await using var server = await FakeModelServer.StartAsync((n, context) =>
        {
            if (n == 1) context.Response.Headers[LoadGenerator.HeldHeader] = "1250.5";
            return Task.CompletedTask;
        });

        var results = await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(20), 2));

        Assert.Equal(TimeSpan.FromMilliseconds(1250.5), Assert.Single(results, result => result.Held is not null).Held);
    }

    [Fact]
    public async Task The_bodies_of_a_seeded_run_are_the_same_each_time()
    {
        var bodies = new ConcurrentBag<string>();
        await using var server = await FakeModelServer.StartAsync(async (_, context) =>
        {
            using var reader = new StreamReader(context.Request.Body);
            bodies.Add(await reader.ReadToEndAsync(context.RequestAborted));
        });

        await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(1), 5));
        await SendAsync(server.Address, Every(TimeSpan.FromMilliseconds(1), 5));

        Assert.Equal([2, 2, 2, 2, 2], bodies.GroupBy(body => body).Select(same => same.Count()));
    }

    private static IEnumerable<ScheduledRequest> Every(TimeSpan gap, int count) =>
        Enumerable.Range(0, count).Select(n => new ScheduledRequest(gap * n, Model, 4));

    private static async Task<List<RequestResult>> SendAsync(
        Uri address, IEnumerable<ScheduledRequest> schedule, Func<SendingOptions, SendingOptions>? with = null,
        Action<RequestResult>? also = null, CancellationToken? stop = null)
    {
        var options = new SendingOptions { Gateway = address, Seed = 1 };
        using var generator = new LoadGenerator(
            with?.Invoke(options) ?? options, new Dictionary<ModelId, ModelInputs> { [Model] = ModelInputs.TokenIds }, TimeProvider.System);
        var results = new ConcurrentQueue<RequestResult>();
        await generator.RunAsync(schedule, result =>
        {
            results.Enqueue(result);
            also?.Invoke(result);
        }, stop ?? Stop);
        return [.. results.OrderBy(result => result.Request.At)];
    }
}
