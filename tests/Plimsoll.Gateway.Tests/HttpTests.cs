using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway.Tests;

public sealed class HttpTests : GatewayScene
{
    [Fact]
    public async Task A_kept_body_is_sent_on_without_asking_the_replica_whether_it_may_come()
    {
        var gateway = await GatewayAsync();
        IHeaderDictionary? seen = null;
        var upstream = await UpstreamAsync(context =>
        {
            seen = context.Request.Headers;
            return Task.CompletedTask;
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/infer")) { Content = new StringContent("{}") };
        request.Headers.ExpectContinue = true;
        using var response = await Client.SendAsync(request, Patience);
        Assert.Equal((HttpStatusCode.OK, ""), (response.StatusCode, seen!.Expect.ToString()));
    }

    [Theory]
    [InlineData("POST", "/v2/models/bert/infer")]
    [InlineData("GET", "/v2/models/bert")]
    public async Task A_connection_is_never_upgraded_since_a_tunnel_would_hold_its_place_for_ever(string method, string path)
    {
        var gateway = await GatewayAsync();
        var asked = "nobody";
        var upstream = await UpstreamAsync(context =>
        {
            asked = context.Request.Headers.Upgrade.ToString();
            return Task.CompletedTask;
        });
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var client = await RawClient.ConnectAsync(gateway);
        await client.SendAsync($"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200", await client.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal("", asked);
    }

    [Fact]
    public async Task A_header_that_is_not_ASCII_goes_to_the_replica_and_back_as_it_came_and_its_replica_is_thought_no_worse_of()
    {
        var gateway = await GatewayAsync();
        var seen = new List<string>();
        var upstream = await UpstreamAsync(context =>
        {
            seen.Add(context.Request.Headers["X-Title"].ToString());
            return Task.CompletedTask;
        });
        using var echo = new RawServer("HTTP/1.1 200 OK\r\nX-Title: Caf\u00c3\u00a9\r\nContent-Length: 0\r\n\r\n");
        foreach (var replica in new[] { Replica(1, upstream.Address), Replica(2, echo.Address) })
        {
            Router.Publish(new RouteTable([Route(Bert, replica)]));
            using var client = await RawClient.ConnectAsync(gateway);
            // The two bytes that are é in UTF-8.
            await client.SendAsync("POST /v2/models/bert/infer HTTP/1.1\r\nHost: localhost\r\nX-Title: Caf\u00c3\u00a9\r\nContent-Length: 2\r\n\r\n{}");
            var answer = await client.ReadUntilAsync("\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
            if (replica.Replica == ReplicaId.Of(Bert, 2)) Assert.Contains("X-Title: Caf\u00c3\u00a9\r\n", answer, StringComparison.Ordinal);
        }

        Assert.Equal(["Café"], seen);
        Assert.Contains("X-Title: Caf\u00c3\u00a9\r\n", Assert.Single(echo.Requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v2/models/bert", "Content-Length: 300000000\r\n", "413")]
    [InlineData("/v2/models/bert/ready", "Transfer-Encoding: chunked\r\n", "413")]
    [InlineData("/v2/models/bert/ready", "Content-Length: 0\r\n", "200")]
    public async Task A_question_for_metadata_brings_no_body(string path, string headers, string status)
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var client = await RawClient.ConnectAsync(gateway);
        await client.SendAsync($"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        Assert.StartsWith($"HTTP/1.1 {status}", await client.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal(status == "200" ? 1 : 0, upstream.Bodies.Count);
    }

    [Theory]
    [InlineData("DELETE", "/v1/models/bert", "GET, HEAD")]
    [InlineData("POST", "/v1/models", "GET, HEAD")]
    [InlineData("POST", "/v2", "GET, HEAD")]
    [InlineData("POST", "/v2/health/ready", "GET, HEAD")]
    [InlineData("PUT", "/v2/models/bert", "GET, HEAD")]
    [InlineData("GET", "/v2/models/bert/infer", "POST")]
    [InlineData("GET", "/v1/chat/completions", "POST")]
    public async Task A_method_that_a_path_does_not_take_gets_405_and_the_ones_it_does(string method, string path, string allowed)
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert)]));
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(gateway, path));
        using var response = await Client.SendAsync(request, Patience);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
        Assert.Equal(allowed, string.Join(", ", response.Content.Headers.Allow));
    }

    [Theory]
    [InlineData("/v2/models/bert/versions//infer")]
    [InlineData("/v2/models//infer")]
    [InlineData("/v2/models/bert//infer")]
    [InlineData("//v2/models/bert/infer")]
    [InlineData("/v2/models/be%2Frt/infer")]
    [InlineData("/v2/models/bert/versions/1/2/infer")]
    [InlineData("/v2/models/x/../bert/infer/../../../../metrics")]
    public async Task A_path_that_names_no_call_reaches_no_replica(string path)
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var client = await RawClient.ConnectAsync(gateway);
        await client.SendAsync($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}");
        Assert.StartsWith("HTTP/1.1 404", await client.ReadUntilAsync("}"), StringComparison.Ordinal);
        Assert.Empty(upstream.Bodies);
        Assert.Equal(0, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Arrivals);
    }

    [Fact]
    public async Task Requests_sent_without_waiting_are_answered_in_their_order()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        using var client = await RawClient.ConnectAsync(gateway);
        await client.SendAsync(string.Concat(Enumerable.Range(0, 5).Select(i => $"POST /v2/models/bert/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{i}"))
            + "GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n");
        var answers = await client.ReadUntilAsync("/last");
        Assert.Equal(5, answers.Split("HTTP/1.1 200").Length - 1);
        Assert.Equal(["0", "1", "2", "3", "4"], upstream.Bodies);
    }

    [Fact]
    public async Task Errors_have_all_the_fields_that_clients_of_each_protocol_read()
    {
        var gateway = await GatewayAsync(new GatewayOptions { ApiKey = "sesame" });
        using var unknown = await Client.GetAsync(new Uri(gateway, "/v1/models"), Patience);
        Assert.Equal(HttpStatusCode.Unauthorized, unknown.StatusCode);
        Assert.Equal("Bearer", unknown.Headers.WwwAuthenticate.Single().Scheme);
        var error = (await unknown.Content.ReadFromJsonAsync<JsonElement>(Patience)).GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(field => field.Name));
    }

    [Fact]
    public void Options_do_not_show_their_key()
    {
        Assert.DoesNotContain("sesame", new GatewayOptions { ApiKey = "sesame" }.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("LOCALHOST:9")]
    [InlineData("models.localhost:8080")]
    [InlineData("127.0.0.1:8080")]
    [InlineData("127.0.0.2")]
    [InlineData("[::1]:8080")]
    [InlineData("localhost", "http://localhost:3000")]
    [InlineData("localhost", "http://127.0.0.1:8080")]
    [InlineData("localhost", "tauri://localhost")]
    [InlineData("evil.example", null, "403 'evil.example' is no name of this machine's loopback")]
    [InlineData("localhost.evil.example:80", null, "403 'localhost.evil.example:80' is no name of this machine's loopback")]
    [InlineData("evillocalhost", null, "403 'evillocalhost' is no name of this machine's loopback")]
    [InlineData("10.0.0.7:8080", null, "403 '10.0.0.7:8080' is no name of this machine's loopback")]
    [InlineData("localhost", "https://evil.example", "403 a page of 'https://evil.example' asks")]
    [InlineData("localhost", "http://localhost.evil.example", "403 a page of 'http://localhost.evil.example' asks")]
    [InlineData("localhost", "null", "403 a page of 'null' asks")]
    public async Task On_loopback_without_a_key_no_page_of_elsewhere_may_ask_even_by_a_name_that_points_here(string host, string? origin = null, string said = "200 ")
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
        foreach (var (to, path, method) in new[] { (gateway, "/v2/models/bert/infer", "POST"), (gateway, "/v1/models", "GET"), (AdminAddress, "/metrics", "GET") })
        {
            using var client = await RawClient.ConnectAsync(to);
            await client.SendAsync($"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{(origin is null ? "" : $"Origin: {origin}\r\n")}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}");
            var answer = await client.ReadUntilAsync("until it ends");
            Assert.StartsWith($"HTTP/1.1 {said[..4]}", answer, StringComparison.Ordinal);
            // JSON escapes an apostrophe.
            Assert.Contains(said[4..], answer.Replace("\\u0027", "'", StringComparison.Ordinal), StringComparison.Ordinal);
        }

        Assert.Equal(said == "200 " ? 1 : 0, upstream.Bodies.Count);
        Assert.Equal(upstream.Bodies.Count, Assert.Single(Router.ReadTraffic(DateTimeOffset.UnixEpoch)).Arrivals);
    }

    [Fact]
    public async Task With_a_key_or_guarded_by_others_any_name_and_origin_may_ask()
    {
        foreach (var options in new[] { new GatewayOptions { ApiKey = "sesame" }, new GatewayOptions { IsGuarded = true } })
        {
            var gateway = await GatewayAsync(options);
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway, "/v1/models"));
            request.Headers.Host = "models.example";
            request.Headers.Add("Origin", "https://chat.example");
            request.Headers.Authorization = new("Bearer", "sesame");
            using var response = await Client.SendAsync(request, Patience);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }
}
