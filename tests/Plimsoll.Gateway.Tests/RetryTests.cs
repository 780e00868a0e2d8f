using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway.Tests;

public sealed class RetryTests : GatewayScene
{
    [Fact]
    public async Task A_replica_killed_with_requests_in_it_loses_none_of_them_nor_of_those_held()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HeldRequestsPerModel = 32, HeldRequests = 32 });
        using var dying = new DyingReplica();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, dying.Address, concurrency: 32))]));
        var requests = Enumerable.Range(0, 64).Select(i => InferAsync(gateway, $"body {i:00}")).ToArray();
        await UntilAsync(() => dying.Requests == 32 && Router.HeldCount == 32);
        dying.Die();

        // The queue was full already: those that come back go past its bounds.
        await UntilAsync(() => Router.HeldCount >= 33);
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(2, upstream.Address, concurrency: 4))]));
        var responses = await Task.WhenAll(requests);
        Assert.All(responses, response => Assert.Equal(HttpStatusCode.OK, response.StatusCode));
        Assert.Equal(Enumerable.Range(0, 64).Select(i => $"body {i:00}"), upstream.Bodies.Order(StringComparer.Ordinal));
        var traffic = await TrafficAsync(row => row.Completed == 64);
        Assert.Equal((64, 0, 0, 0, 0), (traffic.Arrivals, traffic.Failed, traffic.Rejected, traffic.Abandoned, traffic.HeldNow));
        foreach (var response in responses) response.Dispose();
    }

    [Fact]
    public async Task A_refused_connection_is_no_attempt_and_the_request_waits_for_the_next_table()
    {
        var gateway = await GatewayAsync(new GatewayOptions { Attempts = 1 });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, Nowhere()))]));
        var woken = Router.WaitForChangeAsync(Patience);
        var waiting = InferAsync(gateway);
        await woken.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, Patience);
        await UntilAsync(() => Router.HeldCount == 1);
        var upstream = await UpstreamAsync();

        // The same replica at another address: what it refused before is past.
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var response = await waiting;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("bert-1", response.Headers.GetValues("x-plimsoll-replica").Single());
    }

    [Fact]
    public async Task A_replica_that_refused_is_tried_again_by_itself()
    {
        var gateway = await GatewayAsync();
        var address = Nowhere();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, address))]));
        var waiting = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);
        await UpstreamAsync(port: address.Port);
        using var response = await waiting;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_replica_that_refuses_for_the_whole_hold_time_ends_in_503()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HoldTime = TimeSpan.FromMilliseconds(300) });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, Nowhere()))]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        Assert.Equal(1, (await TrafficAsync(row => row.Rejected == 1)).Arrivals);
    }

    [Fact]
    public async Task A_streamed_body_goes_to_another_replica_when_the_first_was_never_reached()
    {
        var gateway = await GatewayAsync(new GatewayOptions { BufferedBody = Bytes.KiB(64) });
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, Nowhere()), Replica(2, upstream.Address))]));
        using var response = await InferAsync(gateway, new string('x', 200_000));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(200_000, upstream.Bodies.Single().Length);
    }

    [Fact]
    public async Task A_request_that_kills_its_replicas_is_given_up_after_its_attempts()
    {
        var gateway = await GatewayAsync(new GatewayOptions { Attempts = 3 });
        using var dying = new DyingReplica(diesAfter: 0);
        Router.Publish(new RouteTable([Route(Bert, Replica(1, dying.Address))]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Equal(3, dying.Requests);
        Assert.Equal(1, (await TrafficAsync(row => row.Failed == 1)).Arrivals);
    }

    [Fact]
    public async Task A_request_that_its_replica_drops_again_and_again_costs_the_others_one_short_avoidance()
    {
        var gateway = await GatewayAsync();
        Upstream? upstream = null;
        upstream = await UpstreamAsync(context =>
        {
            if (upstream!.Bodies.Last() == "poison") context.Abort();
            return Task.CompletedTask;
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var poison = await InferAsync(gateway, "poison");
        Assert.Equal((HttpStatusCode.BadGateway, 5), (poison.StatusCode, upstream.Bodies.Count));
        using var plain = await InferAsync(gateway, "plain");
        Assert.Equal(HttpStatusCode.OK, plain.StatusCode);

        // After five failures in a row it would be four seconds.
        Assert.InRange(int.Parse(plain.Headers.GetValues("x-plimsoll-held-ms").Single(), CultureInfo.InvariantCulture), 0, 3000);
    }

    [Theory]
    [InlineData("", "ended or broke the connection before it answered")]
    [InlineData("no HTTP at all\r\n\r\n", "answered what is no HTTP")]
    public async Task What_a_replica_did_wrong_is_told_in_its_own_sentence(string answer, string said)
    {
        var gateway = await GatewayAsync(new GatewayOptions { Attempts = 1 });
        using var replica = new RawServer(answer);
        Router.Publish(new RouteTable([Route(Bert, Replica(1, replica.Address))]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Contains($"the replica bert-1 {said}", await response.Content.ReadAsStringAsync(Patience), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replica_that_is_silent_before_its_answer_is_told_as_that_and_one_in_mid_answer_counts_as_failed()
    {
        var gateway = await GatewayAsync(new GatewayOptions { ReplicaSilence = TimeSpan.FromMilliseconds(400) });
        var over = new TaskCompletionSource();
        var upstream = await UpstreamAsync(async context =>
        {
            if (context.Request.Headers.ContainsKey("X-Begin"))
            {
                await context.Response.WriteAsync("so far", Patience);
                await context.Response.Body.FlushAsync(Patience);
            }

            await over.Task;
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var silent = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.GatewayTimeout, silent.StatusCode);
        Assert.Contains("the replica bert-1 sent nothing for 400 ms", await silent.Content.ReadAsStringAsync(Patience), StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/infer")) { Content = new StringContent("{}") };
        request.Headers.Add("X-Begin", "yes");
        using var begun = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Patience);
        Assert.Equal(HttpStatusCode.OK, begun.StatusCode);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => begun.Content.ReadAsStringAsync(Patience));
        var traffic = await TrafficAsync(row => row.Failed + row.Abandoned == 2);
        Assert.Equal((2, 0), (traffic.Failed, traffic.Abandoned));
        over.SetResult();
    }

    [Fact]
    public async Task An_answer_of_the_replica_is_passed_on_whatever_it_says_and_never_repeated()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync(context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Single(upstream.Bodies);
        Assert.Equal(1, (await TrafficAsync(row => row.Failed == 1)).Arrivals);
    }
}
