using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Plimsoll.Pages.Live;

namespace Plimsoll.Gateway.Tests.Live;

public sealed partial class LiveEndpointTests : IAsyncDisposable
{
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(60) };
    private readonly LiveFleet _fleet = new("shop", TimeProvider.System);
    private LiveEndpoint _live = null!;
    private GatewayHost? _host;

    [Fact]
    public async Task The_page_is_at_the_root_of_both_ports_and_model_routes_stay_what_they_are()
    {
        var gateway = await StartAsync();
        foreach (var port in new[] { gateway, _host!.AdminAddress! })
        {
            using var page = await _client.GetAsync(port, TestContext.Current.CancellationToken);
            Assert.Equal((HttpStatusCode.OK, "text/html"), (page.StatusCode, page.Content.Headers.ContentType!.MediaType));
            Assert.Contains("<title>plimsoll</title>", await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        Assert.Equal("ok\n", await TextAsync(new Uri(_host.AdminAddress!, "/healthz")));
        Assert.Contains("\"object\":\"list\"", (await TextAsync(new Uri(gateway, "/v1/models"))).Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        foreach (var path in (string[])["/fleets", "/fleet/", "/index.html", "/v2/models/fleet"])
        {
            using var other = await _client.GetAsync(new Uri(gateway, path), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);
        }
    }

    [Fact]
    public async Task The_page_may_run_its_own_script_alone_and_asks_for_nothing_from_elsewhere()
    {
        using var answer = await _client.GetAsync(await StartAsync(), TestContext.Current.CancellationToken);
        var page = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none'; ", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        foreach (var (of, directive) in ((string, string)[])[("script", "script-src"), ("style", "style-src")])
        {
            var text = Assert.Single(Regex.Matches(page, $"<{of}>(.*?)</{of}>", RegexOptions.Singleline)).Groups[1].Value;
            Assert.Contains($"{directive} 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}';", policy, StringComparison.Ordinal);
        }

        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        // The namespace of SVG is a name, and no address that is asked.
        Assert.Equal(["http://www.w3.org/2000/svg"], AnyAddress().Matches(page).Select(match => match.Value).Distinct());
        Assert.DoesNotContain("url(", page, StringComparison.Ordinal);
        Assert.DoesNotContain("@import", page, StringComparison.Ordinal);
        Assert.DoesNotContain("innerHTML", page, StringComparison.Ordinal);
        Assert.InRange(Encoding.UTF8.GetByteCount(page), 10_000, 40_000);
    }

    [Fact]
    public async Task The_state_is_read_and_nothing_else_is_done()
    {
        var gateway = await StartAsync();
        _fleet.Show(Ticks.Three());
        using var state = JsonDocument.Parse(await TextAsync(new Uri(gateway, "/fleet?sort=weight&model=a")));
        Assert.Equal(("shop", "c", "a"), (
            state.RootElement.GetProperty("fleet").GetString(), state.RootElement.GetProperty("models").GetProperty("rows")[0].GetProperty("model").GetString(),
            state.RootElement.GetProperty("detail").GetProperty("model").GetProperty("model").GetString()));
        using var wrong = await _client.GetAsync(new Uri(gateway, "/fleet?sort=%3Cb%3E"), TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.BadRequest, "text/plain"), (wrong.StatusCode, wrong.Content.Headers.ContentType!.MediaType));
        foreach (var path in (string[])["/", "/fleet", "/fleet/events"])
        {
            using var posted = await _client.PostAsync(new Uri(gateway, path), null, TestContext.Current.CancellationToken);
            Assert.Equal((HttpStatusCode.MethodNotAllowed, "GET, HEAD"), (posted.StatusCode, string.Join(", ", posted.Content.Headers.Allow)));
            using var head = await _client.SendAsync(new HttpRequestMessage(HttpMethod.Head, new Uri(gateway, path)), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        }
    }

    [Fact]
    public async Task Where_requests_need_a_key_so_does_the_page_on_their_port()
    {
        var gateway = await StartAsync(new GatewayOptions { ApiKey = "secret" });
        foreach (var path in (string[])["/", "/fleet", "/fleet/events"])
        {
            using var refused = await _client.GetAsync(new Uri(gateway, path), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway, "/fleet"));
        request.Headers.Authorization = new("Bearer", "secret");
        using var answered = await _client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        Assert.Contains("shop", await TextAsync(new Uri(_host!.AdminAddress!, "/fleet")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_tick_is_an_event_and_one_that_comes_too_soon_after_another_takes_its_place()
    {
        var gateway = await StartAsync(limits: new LiveLimits { Pause = TimeSpan.FromMilliseconds(400) });
        _fleet.Show(Ticks.Three());
        using var stream = await OpenAsync(gateway);
        Assert.Equal("1", (await stream.NextAsync()).Id);
        for (var i = 0; i < 20; i++) _fleet.Show(Ticks.Three(i));
        var (id, state) = await stream.NextAsync();
        Assert.Equal("21", id);
        Assert.Equal("shop", state.RootElement.GetProperty("fleet").GetString());
        _fleet.Show(Ticks.Three(30));
        Assert.Equal("22", (await stream.NextAsync()).Id);
    }

    [Fact]
    public async Task Without_a_tick_the_last_state_is_told_again()
    {
        var gateway = await StartAsync(limits: new LiveLimits { Pause = TimeSpan.FromMilliseconds(20), Heartbeat = TimeSpan.FromMilliseconds(200) });
        using var stream = await OpenAsync(gateway);
        var first = await stream.NextAsync();
        var second = await stream.NextAsync();
        Assert.Equal(("0", "0"), (first.Id, second.Id));
        Assert.True(second.State.RootElement.GetProperty("now").GetDateTimeOffset() > first.State.RootElement.GetProperty("now").GetDateTimeOffset());
    }

    [Fact]
    public async Task More_listeners_than_there_is_room_for_are_turned_away_until_one_leaves()
    {
        var gateway = await StartAsync(limits: new LiveLimits { Listeners = 2, Pause = TimeSpan.FromMilliseconds(20), Heartbeat = TimeSpan.FromMilliseconds(50) });
        using var one = await OpenAsync(gateway);
        using (await OpenAsync(gateway))
        {
            using var refused = await _client.GetAsync(new Uri(gateway, "/fleet/events"), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal(2, _live.Listeners);
        }

        await UntilAsync(() => _live.Listeners == 1);
        using var again = await OpenAsync(gateway);
        await again.NextAsync();
    }

    [Fact]
    public async Task One_who_does_not_read_is_dropped_and_the_others_are_not_kept_waiting()
    {
        var gateway = await StartAsync(limits: new LiveLimits { Pause = TimeSpan.FromMilliseconds(1), Patience = TimeSpan.FromSeconds(1) });
        _fleet.Show(Ticks.Many(2000));
        using var deaf = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await deaf.ConnectAsync(gateway.Host, gateway.Port, TestContext.Current.CancellationToken);
        await deaf.SendAsync(Encoding.ASCII.GetBytes("GET /fleet/events HTTP/1.1\r\nHost: localhost\r\n\r\n"), TestContext.Current.CancellationToken);
        await UntilAsync(() => _live.Listeners == 1);
        using var stream = await OpenAsync(gateway);
        var tick = Ticks.Many(2000);
        using var ending = new CancellationTokenSource();
        var ticking = Task.Run(async () =>
        {
            while (!ending.IsCancellationRequested)
            {
                _fleet.Show(tick);
                await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
            }
        }, TestContext.Current.CancellationToken);
        // What is sent fills the buffers of the kernel first.
        var longest = TimeSpan.Zero;
        while (_live.Listeners == 2)
        {
            var since = TimeProvider.System.GetTimestamp();
            await stream.NextAsync();
            var took = TimeProvider.System.GetElapsedTime(since);
            if (took > longest) longest = took;
        }

        await ending.CancelAsync();
        await ticking;
        Assert.Equal(1, _live.Listeners);
        Assert.True(longest < TimeSpan.FromSeconds(10), $"{longest}");
    }

    [Fact]
    public async Task Listeners_do_not_keep_the_end_waiting()
    {
        var gateway = await StartAsync();
        using var stream = await OpenAsync(gateway);
        using var other = await OpenAsync(_host!.AdminAddress!);
        await stream.NextAsync();
        await other.NextAsync();
        var since = TimeProvider.System.GetTimestamp();
        await _host.DisposeAsync();
        Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(5));
        _host = null;
        await Assert.ThrowsAnyAsync<EndOfStreamException>(async () =>
        {
            while (true) await stream.NextAsync();
        });
        Assert.Equal(0, _live.Listeners);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_host is not null) await _host.DisposeAsync();
    }

    private async Task<Uri> StartAsync(GatewayOptions? options = null, LiveLimits? limits = null)
    {
        options = (options ?? new GatewayOptions()) with { Port = 0 };
        _live = new LiveEndpoint(_fleet, TimeProvider.System, limits);
        _host = await GatewayHost.StartAsync(options, new Router(options, TimeProvider.System), TimeProvider.System, null, TestContext.Current.CancellationToken, live: _live);
        return _host.Address;
    }

    private Task<string> TextAsync(Uri address) => _client.GetStringAsync(address, TestContext.Current.CancellationToken);

    private async Task<EventStream> OpenAsync(Uri gateway)
    {
        var response = await _client.GetAsync(new Uri(gateway, "/fleet/events"), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.OK, "text/event-stream"), (response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        return new EventStream(response, new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken)));
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromMinutes(1), "waited a minute in vain");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    [GeneratedRegex("""(?:https?:)?//[\w.-]+\.[^\s"'<>)`]+""")]
    private static partial Regex AnyAddress();

    private sealed class EventStream(HttpResponseMessage response, StreamReader reader) : IDisposable
    {
        public async Task<(string Id, JsonDocument State)> NextAsync()
        {
            var id = "";
            while (true)
            {
                var line = await reader.ReadLineAsync(TestContext.Current.CancellationToken) ?? throw new EndOfStreamException();
                if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
                if (line.StartsWith("data: ", StringComparison.Ordinal)) return (id, JsonDocument.Parse(line[6..]));
            }
        }

        public void Dispose()
        {
            reader.Dispose();
            response.Dispose();
        }
    }
}
