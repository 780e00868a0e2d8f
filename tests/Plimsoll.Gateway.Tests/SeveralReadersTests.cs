using System.Net;

namespace Plimsoll.Gateway.Tests;

/// <summary>What a gateway in a cluster needs beside one on a machine: counts for several readers, a wake, an end in order.</summary>
public sealed class SeveralReadersTests : GatewayScene
{
    [Fact]
    public async Task Totals_are_the_same_for_every_reader_and_a_request_for_a_model_at_zero_wakes_once()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        var waking = Router.WaitForWakeAsync(Router.Wakes, Patience);
        Assert.False(waking.IsCompleted);

        Task<HttpResponseMessage>[] asked = [InferAsync(gateway), InferAsync(gateway)];
        await UntilAsync(() => Router.HeldCount == 2);
        await waking;
        Assert.Equal(1, Router.Wakes);
        await Router.WaitForWakeAsync(0, Patience);
        Assert.Equal((2, 2), (Total().Arrivals, Total().HeldNow));

        Router.Publish(new RouteTable([Route(Bert, Replica(0, upstream.Address))]));
        foreach (var answer in await Task.WhenAll(asked)) Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await UntilAsync(() => Total().Completed == 2);
        var (first, second) = (Total(), Total());
        Assert.Equal(first.Arrivals, second.Arrivals);
        Assert.Equal((2, 2, 0), (second.Arrivals, second.Service!.Count, second.HeldNow));
        Assert.True(second.HeldRequestSeconds > 0);
    }

    [Fact]
    public async Task With_another_owner_or_back_in_the_table_a_model_has_counted_what_is_in_it_and_nothing_else()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        ModelRoute Owned(string owner, params ReplicaRoute[] replicas) => Route(Bert, replicas) with { Owner = owner };
        var replica = Replica(0, upstream.Address);
        Router.Publish(new RouteTable([Owned("prod/a", replica)]));
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.OK, (await InferAsync(gateway)).StatusCode);
        await UntilAsync(() => Total().Completed == 3);
        Router.Publish(new RouteTable([Owned("prod/a")]));
        var held = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);
        Assert.Equal((4, 3, 1), (Total().Arrivals, Total().Completed, Total().HeldNow));

        Router.Publish(new RouteTable([Owned("prod/b")]));
        Assert.Equal((1, 0, 1, null), (Total().Arrivals, Total().Completed, Total().HeldNow, Total().Service));
        Router.Publish(new RouteTable([Owned("prod/b", replica)]));
        Assert.Equal(HttpStatusCode.OK, (await held).StatusCode);
        await UntilAsync(() => Total().Completed == 1);
        Assert.Equal(1, Total().Arrivals);

        Router.Publish(RouteTable.Empty);
        Router.Publish(new RouteTable([Owned("prod/b", replica)]));
        Assert.Equal((0, 0), (Total().Arrivals, Total().Completed));
    }

    [Fact]
    public async Task A_gateway_that_turns_away_serves_on_and_closes_connections_also_of_those_it_held()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        var held = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);
        Host.TurnAway();
        Router.Publish(new RouteTable([Route(Bert, Replica(0, upstream.Address))]));

        Assert.True((await held).Headers.ConnectionClose);
        using var next = await InferAsync(gateway);
        Assert.Equal((HttpStatusCode.OK, true), (next.StatusCode, next.Headers.ConnectionClose));
    }

    [Fact]
    public void Only_where_others_guard_the_ports_may_it_listen_everywhere_without_a_key()
    {
        var open = new GatewayOptions { Address = IPAddress.Any, AdminAddress = IPAddress.Any };
        Assert.Equal(3, open.Problems().Count());
        Assert.Contains("gateway.adminListen", (new GatewayOptions() with { AdminAddress = IPAddress.Any }).Problems().Single(), StringComparison.Ordinal);
        Assert.Empty((open with { IsGuarded = true }).Problems());
    }

    private ModelTraffic Total() => Router.Totals(TimeProvider.System.GetUtcNow()).Single();
}
