using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway.Tests;

public sealed class GatewayTests : GatewayScene
{
    [Fact]
    public async Task An_inference_goes_to_the_replica_of_its_model_and_is_counted()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));

        using var response = await InferAsync(gateway, """{"inputs":[]}""");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("ok", await response.Content.ReadAsStringAsync(Patience));
        Assert.Equal("bert-1", response.Headers.GetValues("x-plimsoll-replica").Single());
        Assert.Equal("""{"inputs":[]}""", upstream.Bodies.Single());

        var row = Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch));
        Assert.Equal((1, 13, 1, 0, 0), (row.Arrivals, row.RequestBytes, row.Completed, row.Failed, row.HeldNow));
        Assert.Equal(1, row.Service!.Count);
        Assert.Equal(0, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Arrivals);
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"messages":[{"model":"not this"}],"model":"bert"}""")]
    [InlineData("/v1/embeddings", """{"model":"bert","input":"x"}""")]
    [InlineData("/v1/completions", """{"stream":true,"model":"bert"}""")]
    public async Task An_openai_body_is_routed_by_its_top_level_model(string path, string body)
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync(context => context.Response.WriteAsync(context.Request.Path));
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var response = await Client.PostAsync(new Uri(gateway, path), new StringContent(body), Patience);
        Assert.Equal(path, await response.Content.ReadAsStringAsync(Patience));
        Assert.Equal(body, upstream.Bodies.Single());
    }

    [Theory]
    [InlineData("/v2/models/nobody/infer", "{}", 404, "error")]
    [InlineData("/v1/embeddings", """{"model":"nobody"}""", 404, "error.message")]
    [InlineData("/v1/embeddings", """{"input":"x"}""", 400, "error.message")]
    [InlineData("/v1/embeddings", """{"model":7}""", 400, "error.message")]
    [InlineData("/v1/embeddings", "{not json", 400, "error.message")]
    [InlineData("/v1/embeddings", "", 400, "error.message")]
    [InlineData("/elsewhere", "{}", 404, "error")]
    public async Task What_cannot_be_routed_is_refused_in_the_protocols_own_shape(string path, string body, int status, string where)
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        using var response = await Client.PostAsync(new Uri(gateway, path), new StringContent(body), Patience);
        Assert.Equal(status, (int)response.StatusCode);
        var error = await response.Content.ReadFromJsonAsync<JsonElement>(Patience);
        foreach (var name in where.Split('.')) error = error.GetProperty(name);
        Assert.NotEmpty(error.GetString()!);
    }

    [Fact]
    public async Task A_deep_body_is_refused_and_a_large_one_gets_413()
    {
        var gateway = await GatewayAsync(new GatewayOptions { BufferedBody = Bytes.KiB(64) });
        Router.Publish(new RouteTable([Route(Bert)]));
        var deep = """{"a":""" + new string('[', 20_000) + new string(']', 20_000) + """,   "model":"bert"}""";
        using var refused = await Client.PostAsync(new Uri(gateway, "/v1/embeddings"), new StringContent(deep), Patience);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        using var large = await Client.PostAsync(new Uri(gateway, "/v1/embeddings"), new StringContent(new string(' ', 70_000)), Patience);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
    }

    [Fact]
    public async Task A_v2_body_too_large_to_keep_is_streamed_because_its_path_names_the_model()
    {
        var gateway = await GatewayAsync(new GatewayOptions { BufferedBody = Bytes.KiB(64) });
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var response = await InferAsync(gateway, new string('x', 200_000));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(200_000, upstream.Bodies.Single().Length);
    }

    [Fact]
    public async Task A_request_for_a_model_nobody_serves_is_held_wakes_the_controller_and_goes_when_a_replica_comes()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        var woken = Router.WaitForChangeAsync(Patience);
        var waiting = InferAsync(gateway);
        await woken.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, Patience);
        var row = Assert.Single(Router.ReadTraffic(TimeProvider.System.GetUtcNow()));
        Assert.Equal((1, 1), (row.Arrivals, row.HeldNow));
        Assert.NotNull(row.OldestHeld);

        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var response = await waiting;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(0, Router.HeldCount);
    }

    [Fact]
    public async Task Past_the_hold_time_a_request_gets_503_with_retry_after()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HoldTime = TimeSpan.FromMilliseconds(50) });
        Router.Publish(new RouteTable([Route(Bert) with { ExpectedReady = TimeSpan.FromSeconds(6.2) }]));
        using var response = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(7), response.Headers.RetryAfter!.Delta);
        Assert.Equal(1, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Rejected);
    }

    [Fact]
    public async Task A_full_queue_turns_away_the_newest_of_the_lowest_priority()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HeldRequests = 2 });
        var vip = new ModelId("vip");
        Router.Publish(new RouteTable([Route(Bert), Route(vip) with { Priority = 9 }]));
        var first = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 1);
        var second = InferAsync(gateway);
        await UntilAsync(() => Router.HeldCount == 2);
        using var third = await InferAsync(gateway);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, third.StatusCode);

        var important = InferAsync(gateway, model: "vip");
        using var pushedOut = await second;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, pushedOut.StatusCode);
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address)), Route(vip, new ReplicaRoute(ReplicaId.Of(vip, 1), upstream.Address, 8, false)) with { Priority = 9 }]));
        using var one = await first;
        using var two = await important;
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (one.StatusCode, two.StatusCode));
    }

    [Fact]
    public async Task A_client_that_leaves_while_held_leaves_no_trace_in_the_queue()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        using var impatient = new CancellationTokenSource();
        var request = Client.PostAsync(new Uri(gateway, "/v2/models/bert/infer"), new StringContent("{}"), impatient.Token);
        await UntilAsync(() => Router.HeldCount == 1);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await UntilAsync(() => Router.HeldCount == 0);
        var rows = new List<ModelTraffic>();
        await UntilAsync(() =>
        {
            rows.AddRange(Router.ReadTraffic(DateTimeOffset.UnixEpoch));
            return rows.Sum(row => row.Abandoned) == 1;
        });
    }

    [Fact]
    public async Task A_replica_never_holds_more_than_its_concurrency_and_the_least_loaded_is_chosen()
    {
        var gateway = await GatewayAsync();
        Task Slow(HttpContext context) => Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, context.RequestAborted);
        var (a, b) = (await UpstreamAsync(Slow), await UpstreamAsync(Slow));
        Router.Publish(new RouteTable([Route(Bert, Replica(1, a.Address, 3), Replica(2, b.Address, 5))]));
        var responses = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => InferAsync(gateway)));
        Assert.All(responses, response => Assert.Equal(HttpStatusCode.OK, response.StatusCode));
        Assert.InRange(a.MostAtOnce, 1, 3);
        Assert.InRange(b.MostAtOnce, 1, 5);
        var row = Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch));
        Assert.Equal((500, 500), (row.Arrivals, row.Completed));
        foreach (var response in responses) response.Dispose();
    }

    [Fact]
    public async Task A_request_whose_replica_dies_before_answering_goes_to_another()
    {
        var gateway = await GatewayAsync();
        using var dying = new TcpListener(IPAddress.Loopback, 0);
        dying.Start();
        var deaths = Task.Run(async () =>
        {
            using var connection = await dying.AcceptSocketAsync(Patience);
            await connection.ReceiveAsync(new byte[1024], Patience);
            connection.Close(0);
        }, Patience);
        var upstream = await UpstreamAsync();
        var dyingAddress = new Uri($"http://127.0.0.1:{((IPEndPoint)dying.LocalEndpoint).Port}/");
        Router.Publish(new RouteTable([Route(Bert, Replica(1, dyingAddress), Replica(2, upstream.Address))]));
        using var response = await InferAsync(gateway, "again");
        await deaths;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("bert-2", response.Headers.GetValues("x-plimsoll-replica").Single());
        Assert.Equal("again", upstream.Bodies.Single());
        Assert.Equal((1, 1, 0), Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)) is var row ? (row.Arrivals, row.Completed, row.Failed) : default);
    }

    [Fact]
    public async Task After_the_first_byte_nothing_is_repeated_and_the_client_sees_the_break()
    {
        var gateway = await GatewayAsync();
        var seen = new TaskCompletionSource();
        var upstream = await UpstreamAsync(async context =>
        {
            context.Response.ContentLength = 100;
            await context.Response.WriteAsync("half of it");
            await context.Response.Body.FlushAsync();
            await seen.Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System);
            context.Abort();
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/infer")) { Content = new StringContent("{}") };
        using var response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Patience);
        await using var stream = await response.Content.ReadAsStreamAsync(Patience);
        await stream.ReadExactlyAsync(new byte["half of it".Length], Patience);
        seen.SetResult();
        await Assert.ThrowsAnyAsync<IOException>(async () => await stream.ReadExactlyAsync(new byte[1], Patience));
        Assert.Single(upstream.Bodies);
        Assert.Equal(1, (await TrafficAsync(row => row.Failed == 1)).Arrivals);
    }

    [Fact]
    public async Task Server_sent_events_flow_before_the_response_ends()
    {
        var gateway = await GatewayAsync();
        var go = new TaskCompletionSource();
        var upstream = await UpstreamAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: one\n\n");
            await context.Response.Body.FlushAsync();
            await go.Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System);
            await context.Response.WriteAsync("data: two\n\n");
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v1/chat/completions"))
        {
            Content = new StringContent("""{"model":"bert","stream":true}"""),
        };
        using var response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Patience);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Patience));
        Assert.Equal("data: one", await reader.ReadLineAsync(Patience));
        go.SetResult();
        Assert.Contains("data: two", await reader.ReadToEndAsync(Patience), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/load_lora_adapter")]
    [InlineData("/v1/chat/completions/render")]
    public async Task Calls_that_change_a_server_do_not_reach_it(string path)
    {
        var gateway = await GatewayAsync();
        var reached = 0;
        var upstream = await UpstreamAsync(_ =>
        {
            Interlocked.Increment(ref reached);
            return Task.CompletedTask;
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var body = new StringContent("""{"model":"bert"}""");
        using var response = await Client.PostAsync(new Uri(gateway, path), body, Patience);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("\"type\"", await response.Content.ReadAsStringAsync(Patience), StringComparison.Ordinal);
        Assert.Equal(0, reached);
    }

    [Fact]
    public async Task Ten_thousand_requests_through_twenty_forced_drains_lose_none()
    {
        var gateway = await GatewayAsync();
        var (a, b) = (await UpstreamAsync(), await UpstreamAsync());
        var routes = new[] { Replica(1, a.Address), Replica(2, b.Address) };
        Router.Publish(new RouteTable([Route(Bert, routes)]));
        var (sent, failures) = (0, 0);
        async Task Sender()
        {
            while (Interlocked.Increment(ref sent) <= 10_000)
            {
                using var response = await InferAsync(gateway);
                if (response.StatusCode != HttpStatusCode.OK) Interlocked.Increment(ref failures);
            }
        }

        var clients = Enumerable.Range(0, 16).Select(_ => Sender()).ToArray();
        for (var drain = 0; drain < 20; drain++)
        {
            var before = Volatile.Read(ref sent);
            var leaving = routes[drain % 2] with { Draining = true };
            Router.Publish(new RouteTable([Route(Bert, leaving, routes[1 - (drain % 2)])]));
            await UntilAsync(() => Router.Outstanding(leaving.Replica) == 0);
            Router.Publish(new RouteTable([Route(Bert, routes[1 - (drain % 2)])]));
            await UntilAsync(() => Volatile.Read(ref sent) >= Math.Min(10_000, before + 400));
            Router.Publish(new RouteTable([Route(Bert, routes)]));
        }

        await Task.WhenAll(clients);
        Assert.Equal(0, failures);
        var row = Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch));
        Assert.Equal((10_000, 10_000, 0, 0), (row.Arrivals, row.Completed, row.Failed, row.Rejected));
    }

    [Fact]
    public async Task Readiness_and_metadata_of_an_unloaded_model_are_answered_and_load_nothing()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        Assert.Equal(HttpStatusCode.OK, (await Client.GetAsync(new Uri(gateway, "/v2/health/ready"), Patience)).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await Client.GetAsync(new Uri(gateway, "/v2/models/bert/ready"), Patience)).StatusCode);
        Assert.Equal(0, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Arrivals);
        var list = await Client.GetFromJsonAsync<JsonElement>(new Uri(gateway, "/v1/models"), Patience);
        Assert.Equal("bert", list.GetProperty("data")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task The_admin_port_tells_metrics_and_the_data_port_does_not()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        (await InferAsync(gateway)).Dispose();
        Assert.Equal(HttpStatusCode.NotFound, (await Client.GetAsync(new Uri(gateway, "/metrics"), Patience)).StatusCode);
        var metrics = await Client.GetStringAsync(new Uri(AdminAddress, "/metrics"), Patience);
        Assert.Contains("plimsoll_gateway_requests_total{model=\"bert\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("plimsoll_gateway_request_duration_seconds_count{model=\"bert\"} 1\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_is_asked_for_where_one_is_set()
    {
        var gateway = await GatewayAsync(new GatewayOptions { ApiKey = "sesame" });
        Router.Publish(new RouteTable([Route(Bert)]));
        Assert.Equal(HttpStatusCode.Unauthorized, (await Client.GetAsync(new Uri(gateway, "/v1/models"), Patience)).StatusCode);
        Client.DefaultRequestHeaders.Authorization = new("Bearer", "sesam");
        Assert.Equal(HttpStatusCode.Unauthorized, (await Client.GetAsync(new Uri(gateway, "/v1/models"), Patience)).StatusCode);
        Client.DefaultRequestHeaders.Authorization = new("Bearer", "sesame");
        Assert.Equal(HttpStatusCode.OK, (await Client.GetAsync(new Uri(gateway, "/v1/models"), Patience)).StatusCode);
    }

    [Fact]
    public async Task Other_machines_are_served_only_with_tls_and_a_key()
    {
        var open = new GatewayOptions { Address = IPAddress.Any, Port = 0 };
        var problem = await Assert.ThrowsAsync<GatewayException>(() =>
            GatewayHost.StartAsync(open, new Plimsoll.Gateway.Router(open, TimeProvider.System), TimeProvider.System, null, Patience));
        Assert.Contains("gateway.tls.certificate", problem.Message, StringComparison.Ordinal);
        Assert.Equal(2, open.Problems().Count());
    }

    [Fact]
    public async Task A_port_in_use_is_one_clear_sentence()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var options = new GatewayOptions { Port = port };
        var problem = await Assert.ThrowsAsync<GatewayException>(() =>
            GatewayHost.StartAsync(options, new Plimsoll.Gateway.Router(options, TimeProvider.System), TimeProvider.System, null, Patience));
        Assert.Equal($"gateway.listen: port {port} on 127.0.0.1 is in use; stop what uses it, or choose another port (0 takes a free one)", problem.Message);
    }
}
