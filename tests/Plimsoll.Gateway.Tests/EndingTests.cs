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
    public async Task A_model_that_can_never_be_served_is_not_asked_for_again_every_second()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert) with { Unavailable = "bert weighs more than the budget" }]));
        using var response = await InferAsync(gateway);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromMinutes(1)), (response.StatusCode, response.Headers.RetryAfter!.Delta));
    }
}
