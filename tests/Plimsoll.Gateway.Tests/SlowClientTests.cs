using System.Net;

namespace Plimsoll.Gateway.Tests;

public sealed class SlowClientTests : GatewayScene
{
    [Fact]
    public async Task Bodies_that_are_only_promised_take_no_room_from_those_that_come()
    {
        var gateway = await GatewayAsync(new GatewayOptions { BufferedBodies = Bytes.KiB(128) });
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        var promises = new List<RawClient>();
        try
        {
            for (var i = 0; i < 4; i++)
            {
                promises.Add(await RawClient.ConnectAsync(gateway));

                // "100 Continue" comes when the gateway begins to read.
                await promises[^1].SendAsync("POST /v2/models/bert/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
                Assert.StartsWith("HTTP/1.1 100", await promises[^1].ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
            }

            using var response = await InferAsync(gateway, new string('x', 50_000));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(50_000, upstream.Bodies.Single().Length);

            // And one of them keeps its promise.
            await promises[0].SendAsync(new string('y', 100_000));
            Assert.StartsWith("HTTP/1.1 200", await promises[0].ReadUntilAsync("ok"), StringComparison.Ordinal);
        }
        finally
        {
            foreach (var promise in promises) promise.Dispose();
        }
    }

    [Theory]
    [InlineData(50_000)]
    [InlineData(200_000)]
    public async Task A_body_that_stops_coming_gets_408_and_frees_what_it_took(int announced)
    {
        var gateway = await GatewayAsync(new GatewayOptions { BufferedBody = Bytes.KiB(64), BodyGrace = TimeSpan.FromSeconds(1.5) });
        var upstream = await UpstreamAsync();
        var replica = Replica(1, upstream.Address, concurrency: 1);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        using var slow = await RawClient.ConnectAsync(gateway);

        // Ten thousand bytes would buy 41 s at Kestrel's 240 bytes a second.
        await slow.SendAsync($"POST /v2/models/bert/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {announced}\r\n\r\n{new string('x', 10_000)}");
        Assert.StartsWith("HTTP/1.1 408", await slow.ReadUntilAsync("}"), StringComparison.Ordinal);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 0);
        using var other = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Fact]
    public async Task A_replica_that_takes_a_request_and_never_answers_is_given_up_on()
    {
        var gateway = await GatewayAsync(new GatewayOptions { ReplicaSilence = TimeSpan.FromMilliseconds(300) });
        using var silent = new DyingReplica();
        var replica = Replica(1, silent.Address);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        Assert.Equal((1, 0), (silent.Requests, Router.Outstanding(replica.Replica)));
        Assert.Equal(1, (await TrafficAsync(row => row.Failed == 1)).Arrivals);
    }
}
