using System.Net;

namespace Plimsoll.Gateway.Tests;

public sealed class EndingTests : GatewayScene
{
    [Fact]
    public async Task The_end_tells_those_who_wait_for_a_model_without_a_replica()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        var held = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);
        var ending = Host.DisposeAsync().AsTask();
        using var response = await held;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        await ending;
    }

    [Fact]
    public async Task An_end_in_a_hurry_cuts_requests_under_way()
    {
        var gateway = await GatewayAsync(new GatewayOptions { ShutdownTime = TimeSpan.FromMinutes(10) });
        var upstream = await UpstreamAsync(context => Task.Delay(TimeSpan.FromMinutes(10), TimeProvider.System, context.RequestAborted));
        var replica = Replica(1, upstream.Address);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        var running = InferAsync(gateway);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 1);

        var ending = Host.DisposeAsync().AsTask();
        Assert.False(ending.IsCompleted);
        Host.Hurry();
        await ending.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<HttpRequestException>(() => running);
        Host.Hurry();
    }

    [Fact]
    public async Task A_model_that_can_never_be_served_is_not_asked_for_again_every_second()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert) with { Unavailable = "bert weighs more than the budget" }]));
        using var response = await InferAsync(gateway);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromMinutes(1)), (response.StatusCode, response.Headers.RetryAfter!.Delta));
    }

    [Fact]
    public async Task Requests_of_a_model_that_left_are_seen_in_its_replica_until_they_end()
    {
        var gateway = await GatewayAsync();
        var go = new TaskCompletionSource();
        var upstream = await UpstreamAsync(_ => go.Task.WaitAsync(TimeSpan.FromSeconds(120), TimeProvider.System));
        var replica = Replica(1, upstream.Address, concurrency: 1);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        var running = InferAsync(gateway);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 1);
        var held = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);

        // Who waits for a model that is gone is told so at once; what runs goes on, however often the table comes again.
        Router.Publish(new RouteTable([]));
        using (var refused = await held) Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Router.Publish(new RouteTable([]));
        Assert.Equal(1, Router.Outstanding(replica.Replica));

        // It came back while its last replica drains: that one still is as full as it was.
        Router.Publish(new RouteTable([Route(Bert, replica with { Draining = true })]));
        Assert.Equal(1, Router.Outstanding(replica.Replica));
        Router.Publish(new RouteTable([]));
        go.SetResult();
        using (var answer = await running) Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 0);
    }
}
