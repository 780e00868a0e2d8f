using System.Net;
using System.Net.Http.Headers;

namespace Plimsoll.Gateway.Tests;

public sealed class BoundsTests : GatewayScene
{
    private static readonly ModelId Other = new("other");

    [Fact]
    public async Task A_request_whose_time_ends_in_the_moment_its_place_is_taken_is_told_why()
    {
        var router = new Router(new GatewayOptions(), TimeProvider.System);
        router.Publish(new RouteTable([Route(Bert)]));
        Assert.True(router.TryFind("bert", out var queue));
        using var isWaiting = new ManualResetEventSlim();
        var taking = Task.Run(async () =>
        {
            var take = router.TakeAsync(queue, 0, TimeSpan.FromMilliseconds(50), again: false, Patience);
            isWaiting.Set();
            return await take;
        }, Patience);
        isWaiting.Wait(Patience);
        lock (queue.Gate)
        {
            // Its time ends, and it cannot leave the queue before its place is taken.
            isWaiting.Reset();
            isWaiting.Wait(TimeSpan.FromMilliseconds(500), Patience);
            router.Publish(new RouteTable([Route(Bert) with { Unavailable = "no more" }]));
        }

        var (slot, refused) = await taking;
        Assert.Null(slot);
        Assert.NotNull(refused);
    }

    [Theory]
    [InlineData("Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n", 409)]
    [InlineData("Max open files            1048576              1048576              files\n", 10_000)]
    [InlineData("Max open files            20                   20                   files\n", 16)]
    [InlineData("Max open files            unlimited            unlimited            files\n", 10_000)]
    [InlineData("", 10_000)]
    public void Connections_leave_most_file_descriptors_to_others(string limits, long connections) =>
        Assert.Equal(connections, DescriptorLimit.Bound(10_000, 0.4, DescriptorLimit.Parse(limits)));

    [Fact]
    public async Task One_model_holds_no_more_requests_than_its_share()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HeldRequestsPerModel = 1 });
        Router.Publish(new RouteTable([Route(Bert), Route(Other)]));
        using var leaving = new CancellationTokenSource();
        var first = AbandonableAsync(gateway, leaving.Token);
        await UntilAsync(() => Router.HeldCount == 1);
        using var second = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, second.StatusCode);
        var elsewhere = AbandonableAsync(gateway, leaving.Token, model: "other");
        await UntilAsync(() => Router.HeldCount == 2);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => elsewhere);
    }

    [Theory]
    [InlineData(1500, 1 << 20, 1 << 20)]
    [InlineData(1 << 20, 1500, 1 << 20)]
    [InlineData(1 << 20, 1 << 20, 1500)]
    public async Task Held_bytes_are_bounded_per_model_over_all_and_with_those_under_way(long perModel, long overall, long kept)
    {
        var gateway = await GatewayAsync(new GatewayOptions
        {
            HeldBytesPerModel = new Bytes(perModel),
            HeldBytes = new Bytes(overall),
            BufferedBodies = new Bytes(kept),
        });
        Router.Publish(new RouteTable([Route(Bert)]));
        var first = InferAsync(gateway, new string('x', 1000));
        await UntilAsync(() => Router.HeldCount == 1);
        using var second = await InferAsync(gateway, new string('x', 1000));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, second.StatusCode);
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var one = await first;

        // What ended gave its bytes back.
        using var third = await InferAsync(gateway, new string('x', 1000));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (one.StatusCode, third.StatusCode));
        var traffic = await TrafficAsync(row => row.Completed == 2);
        Assert.Equal((3, 1), (traffic.Arrivals, traffic.Rejected));
    }

    [Fact]
    public async Task A_models_own_hold_time_goes_before_the_gateways()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert) with { HoldTime = TimeSpan.FromMilliseconds(20) }]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Fact]
    public async Task A_model_that_is_not_started_for_longer_than_requests_are_held_says_so_at_once()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert) with { Pause = new StartPause(TimeProvider.System.GetUtcNow().AddMinutes(4), "failed 9 times, next try in 4 min: it exited with 1") }]));

        using var response = await InferAsync(gateway);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromMinutes(3.5), TimeSpan.FromMinutes(4));
        Assert.Equal("""{"error":"no replica of bert serves within 2 min: failed 9 times, next try in 4 min: it exited with 1"}""", await response.Content.ReadAsStringAsync(Patience));
        Assert.Equal(1, (await TrafficAsync(row => row.Rejected == 1)).Arrivals);
    }

    [Fact]
    public async Task A_model_that_is_started_again_within_the_hold_time_holds_and_says_at_its_end_why_none_came()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HoldTime = TimeSpan.FromMilliseconds(300) });
        Router.Publish(new RouteTable([Route(Bert) with { Pause = new StartPause(TimeProvider.System.GetUtcNow(), "failed twice, next try in 0 s") }]));
        using var first = await InferAsync(gateway);
        Assert.Equal("""{"error":"no replica of bert had room within 300 ms: failed twice, next try in 0 s"}""", await first.Content.ReadAsStringAsync(Patience));

        // A replica that serves is asked, whatever keeps more of them from being started.
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address)) with { Pause = new StartPause(TimeProvider.System.GetUtcNow().AddMinutes(4), "failed") }]));
        using var second = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
    }

    [Fact]
    public async Task A_model_that_can_never_be_served_says_so_at_once()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        var held = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);
        Router.Publish(new RouteTable([Route(Bert) with { Unavailable = "bert weighs more than the budget" }]));
        using var first = await held;
        using var second = await InferAsync(gateway);
        foreach (var response in new[] { first, second })
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.Equal("""{"error":"bert weighs more than the budget"}""", await response.Content.ReadAsStringAsync(Patience));
        }
    }

    [Fact]
    public async Task Requests_of_a_model_go_in_the_order_they_came()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        var requests = new List<Task<HttpResponseMessage>>();
        for (var i = 0; i < 5; i++)
        {
            requests.Add(InferAsync(gateway, $"{i}"));
            await UntilAsync(() => Router.HeldCount == i + 1);
        }

        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address, concurrency: 1))]));
        foreach (var response in await Task.WhenAll(requests)) response.Dispose();
        Assert.Equal(["0", "1", "2", "3", "4"], upstream.Bodies);
    }

    [Fact]
    public async Task Bodies_past_a_bound_get_413_announced_or_not()
    {
        var gateway = await GatewayAsync(new GatewayOptions { BufferedBody = Bytes.KiB(64), LargestBody = Bytes.KiB(128) });
        Router.Publish(new RouteTable([Route(Bert)]));
        using var announced = await InferAsync(gateway, new string('x', 200_000));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, announced.StatusCode);

        // In chunks the length is not known before the bound is passed.
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/infer"))
        {
            Content = new ByteArrayContent(new byte[100_000]),
        };
        request.Headers.TransferEncodingChunked = true;
        using var chunked = await Client.SendAsync(request, Patience);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, chunked.StatusCode);
        Assert.Equal(0, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Arrivals);
    }

    [Fact]
    public async Task A_chunked_body_within_the_bound_reaches_the_replica_whole()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v1/embeddings"))
        {
            Content = new StringContent("""{"input":"in chunks","model":"bert"}""", new MediaTypeHeaderValue("application/json")),
        };
        request.Headers.TransferEncodingChunked = true;
        using var response = await Client.SendAsync(request, Patience);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("""{"input":"in chunks","model":"bert"}""", upstream.Bodies.Single());
    }

    [Fact]
    public async Task Inference_takes_post_alone_and_nothing_else_is_demand()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        using var response = await Client.GetAsync(new Uri(gateway, "/v2/models/bert/infer"), Patience);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        using var posted = await Client.PostAsync(new Uri(gateway, "/v2/models/bert/ready"), new StringContent("{}"), Patience);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
        Assert.Equal(0, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Arrivals);
    }

    [Fact]
    public async Task Nobody_is_pushed_out_for_a_request_that_does_not_fit_even_so()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HeldBytes = new Bytes(3000) });
        var vip = new ModelId("vip");
        Router.Publish(new RouteTable([Route(Bert), Route(vip) with { Priority = 9 }]));
        var important = InferAsync(gateway, new string('v', 2000), "vip");
        await UntilAsync(() => Router.HeldCount == 1);
        var modest = InferAsync(gateway, new string('b', 900));
        await UntilAsync(() => Router.HeldCount == 2);

        // Even without the modest one, 2000 + 2000 is more than 3000.
        using var refused = await InferAsync(gateway, new string('v', 2000), "vip");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable(
        [
            Route(Bert, Replica(1, upstream.Address)),
            Route(vip, new ReplicaRoute(ReplicaId.Of(vip, 1), upstream.Address, 8, false)) with { Priority = 9 },
        ]));
        using var first = await important;
        using var second = await modest;
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (first.StatusCode, second.StatusCode));
    }
}
