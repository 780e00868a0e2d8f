using System.Text;
using Plimsoll.Gateway;
using Plimsoll.Gateway.Tests.Live;
using Plimsoll.Pages.Live;
using Plimsoll.Tests.Planning;

namespace Plimsoll.EndToEnd.Tests.Browsing;

/// <summary>The live page in a real browser.</summary>
public sealed class LivePageTests
{
    // The row of a model, and one of its cells.
    private const string Row = "[...document.querySelectorAll('#rows tr')].find(row => row.querySelector('button')?.textContent === 'NAME')";

    [Theory]
    [InlineData(1280, 900)]
    [InlineData(390, 844)]
    public async Task A_fleet_of_up_is_followed_with_the_keyboard_alone(int width, int height)
    {
        await using var browser = await Browser.StartAsync(width, height);
        await using var scene = new Scene();
        var (tiny, heavy) = (await scene.ModelAsync("tiny", Bytes.MiB(1)), await scene.ModelAsync("heavy", Bytes.MiB(16)));
        scene.Fleet($"""
            name: shop
            gateway: {"{"}listen: 127.0.0.1:{Scene.FreePort()}{"}"}
            models:
            - {"{"}name: tiny, source: {tiny}, minReplicas: 1{"}"}
            - {"{"}name: heavy, source: {heavy}, loadBandwidth: 4MB/s{"}"}
            """);
        var up = scene.Up();
        var gateway = await up.GatewayAsync();
        Assert.Equal($"what it does, in a browser: {gateway}", await up.LineAsync("in a browser"));
        await browser.GoAsync(gateway);
        await browser.UntilAsync("document.querySelectorAll('#rows button').length === 2");
        await browser.UntilAsync($"{Cell("tiny", 3)} === '1'");
        Assert.Equal(("shop", "shop: plimsoll"), (await browser.TextAsync("document.querySelector('h1').textContent"), await browser.TextAsync("document.title")));
        Assert.Equal("0", await browser.TextAsync(Cell("heavy", 3)));
        Assert.Equal("disk", await browser.TextAsync(Cell("heavy", 2)));
        Assert.Equal("16.0 MiB", await browser.TextAsync(Cell("heavy", 1)));

        // To the search, to what it finds, and into it.
        await browser.PressAsync("/");
        Assert.Equal("q", await browser.TextAsync("document.activeElement.id"));
        await browser.TypeAsync("HEA");
        await browser.UntilAsync("document.querySelectorAll('#rows button').length === 1");
        await browser.PressAsync("ArrowDown");
        Assert.Equal("heavy", await browser.TextAsync("document.activeElement.textContent"));
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.activeElement.getAttribute('aria-expanded') === 'true' && document.querySelectorAll('#rows .more dt').length >= 6");
        Assert.Contains("99 % within", await browser.TextAsync("document.querySelector('#rows .more').textContent"), StringComparison.Ordinal);
        var ticks = await browser.TextAsync("document.getElementById('when').textContent");

        // The fleet changes, and so does the page, while the focus stays.
        using var client = new HttpClient { BaseAddress = gateway, Timeout = Scene.Patience };
        using var body = new StringContent(
            """{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}""", Encoding.UTF8, "application/json");
        var answering = client.PostAsync(new Uri("/v2/models/heavy/infer", UriKind.Relative), body, Scene.Cancel);
        await browser.UntilAsync($"{Cell("heavy", 2)} === 'loading' && {Cell("heavy", 3)}.includes('+1 loading')");
        await browser.UntilAsync("document.querySelector('#totals').textContent.includes('1requests waiting')");
        await browser.UntilAsync($"{Cell("heavy", 2)} === 'memory' && {Cell("heavy", 3)} === '1'");
        (await answering).EnsureSuccessStatusCode().Dispose();
        await browser.UntilAsync("[...document.querySelectorAll('#done tr')].some(row => row.textContent.includes('start heavy-1') && row.textContent.includes('request waits'))");
        await browser.UntilAsync("document.querySelector('#rows .more svg path.ready') !== null && document.querySelector('#rows .more').textContent.includes('heavy-1')");
        Assert.Equal("heavy", await browser.TextAsync("document.activeElement.textContent"));
        Assert.NotEqual(ticks, await browser.TextAsync("document.getElementById('when').textContent"));
        Assert.Equal("host memory", await browser.TextAsync("document.querySelector('#memory .bar').firstChild.textContent"));
        Assert.Matches("(?s)heavy.*tiny|tiny.*heavy", await browser.TextAsync("[...document.querySelectorAll('#memory .stack span')].map(part => part.title).join()"));
        Assert.Equal("true", (await browser.TextAsync("document.documentElement.scrollWidth <= innerWidth")).ToLowerInvariant());

        await browser.PressAsync("Escape");
        await browser.UntilAsync("document.querySelector('#rows .more') === null && document.querySelector('#plot svg') !== null");
        await browser.PreferAsync("light");
        var light = await browser.TextAsync("getComputedStyle(document.body).backgroundColor");
        await browser.PreferAsync("dark");
        Assert.NotEqual(light, await browser.TextAsync("getComputedStyle(document.body).backgroundColor"));

        // Nothing was asked of anybody else, and nothing was refused.
        Assert.Empty(browser.Complaints);
        Assert.Contains(browser.Requests, address => address.StartsWith($"{gateway}fleet/events", StringComparison.Ordinal));
        Assert.All(browser.Requests, address => Assert.True(address.StartsWith(gateway.ToString(), StringComparison.Ordinal) || address.StartsWith("data:", StringComparison.Ordinal), address));

        // An open page does not keep the end waiting; it says that it is alone, and finds the next controller by itself.
        await scene.EndAsync(up);
        await browser.UntilAsync("document.getElementById('when').textContent.startsWith('no connection')");
        var again = scene.Up();
        await browser.UntilAsync("document.getElementById('when').textContent.startsWith('act, as of now') && !document.body.classList.contains('lost')");
        await scene.EndAsync(again);
    }

    [Fact]
    public async Task Names_and_reasons_of_strangers_stay_text()
    {
        await using var browser = await Browser.StartAsync(390, 844);
        var model = Fleets.Model(Ticks.Hostile, 60, min: 1);
        var spec = Fleets.Spec(model);
        var tick = Ticks.Of(spec, Fleets.Snapshot(spec, Fleets.Node(1000, id: Ticks.Hostile), Fleets.Noon, Fleets.Replica(model, 1, ReplicaState.Ready, Fleets.Noon, node: Ticks.Hostile)) with
        {
            Outcomes = [new Outcome.Exited { At = Fleets.Noon, Replica = ReplicaId.Of(model.Id, 0), Model = model.Id, Was = ReplicaState.Loading, Asked = false, Why = Ticks.Hostile }],
        });
        var verdict = tick.Plan.Models[0] with { Reason = new Reason(Rule.HoldMissingData, [Fact.Of("what", Ticks.Hostile), Fact.Of("why", Ticks.Hostile)]) };
        tick = tick with { Plan = tick.Plan with { Models = [verdict] } };
        var fleet = new LiveFleet(Ticks.Hostile, TimeProvider.System, () => Ticks.Hostile);
        await using var host = await ServeAsync(fleet);
        fleet.Show(tick);
        fleet.Show(tick with { Snapshot = tick.Snapshot with { At = Fleets.Noon + TimeSpan.FromSeconds(5) } });
        await browser.GoAsync(host.Address);
        await browser.UntilAsync("document.querySelectorAll('#rows button').length === 1");
        await browser.AsksAsync("document.querySelector('#rows button').focus()");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('#rows .more svg') !== null");
        Assert.Equal("0", await browser.TextAsync("document.images.length"));
        Assert.Equal("1", await browser.TextAsync("document.scripts.length"));
        var shown = Ticks.Hostile.Replace("\u202E", "\uFFFD", StringComparison.Ordinal).Replace("\u0007", "\uFFFD", StringComparison.Ordinal);
        foreach (var place in (string[])["h1", "#trouble", "#rows button"])
            Assert.Equal(shown, await browser.TextAsync($"document.querySelector('{place}').textContent"));
        Assert.Contains($"{shown} is missing, so nothing is changed: {shown}", await browser.TextAsync("document.querySelector('#rows tr').textContent"), StringComparison.Ordinal);
        Assert.StartsWith(shown, await browser.TextAsync("document.querySelector('#rows .more svg').getAttribute('aria-label')"), StringComparison.Ordinal);
        Assert.Empty(browser.Complaints);
    }

    [Fact]
    public async Task What_is_of_another_day_says_so_and_a_reader_hears_only_of_what_is_lost_and_found()
    {
        await using var browser = await Browser.StartAsync(1280, 900);
        var fleet = new LiveFleet("shop", TimeProvider.System);
        var host = await ServeAsync(fleet);
        fleet.Show(Ticks.Three());
        await browser.GoAsync(host.Address);
        // Ticks of November 2026, whatever day it is; with one alone there is nothing to draw yet.
        await browser.UntilAsync("document.querySelectorAll('#done tr').length === 1 && document.getElementById('plot').textContent.startsWith('A moment, until')");
        Assert.Matches("^2[345] Nov, [0-9:]{8}$", await browser.TextAsync("document.querySelector('#done td').textContent"));
        Assert.Matches("^[0-9:]{8}$", await browser.TextAsync("clock(Date.now())"));
        Assert.Equal("", await browser.TextAsync("document.querySelector('#when').getAttribute('role') ?? ''"));
        Assert.Equal("", await browser.TextAsync("document.querySelector('#link[role=status]').textContent"));

        // Of an open model the plot is beside its facts, and the other one gone.
        fleet.Show(Ticks.Three(5));
        await browser.UntilAsync("document.querySelector('#plot svg') !== null");
        await browser.AsksAsync("document.querySelector('#rows button').click()");
        await browser.UntilAsync("document.querySelector('#rows .more svg') !== null && document.getElementById('time').hidden");
        await browser.AsksAsync("choose('')");
        await browser.UntilAsync("document.querySelector('#rows .more') === null && !document.getElementById('time').hidden");

        await host.DisposeAsync();
        await browser.UntilAsync("document.getElementById('link').textContent === 'no connection'");
    }

    [Fact]
    public async Task Five_thousand_models_are_leafed_through_and_searched()
    {
        await using var browser = await Browser.StartAsync(1280, 900);
        var fleet = new LiveFleet("shop", TimeProvider.System);
        await using var host = await ServeAsync(fleet);
        fleet.Show(Ticks.Many(5000));
        await browser.GoAsync(host.Address);
        await browser.UntilAsync("document.getElementById('page').textContent === '1–50 of 5,000'");
        Assert.Equal("50", await browser.TextAsync("document.querySelectorAll('#rows tr').length"));
        Assert.InRange((await browser.AsksAsync("document.querySelectorAll('*').length")).GetInt32(), 300, 2000);
        await browser.AsksAsync("document.getElementById('on').focus()");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.getElementById('page').textContent === '51–100 of 5,000'");
        await browser.PressAsync("/");
        await browser.TypeAsync("model-0499");
        await browser.UntilAsync("document.getElementById('page').textContent === '1–10 of 10'");

        // A tick is drawn well within the time between two.
        Assert.InRange((await browser.AsksAsync("(() => { const since = performance.now(); for (let i = 0; i < 10; i++) show(); return (performance.now() - since) / 10; })()")).GetDouble(), 0, 200);
        Assert.Empty(browser.Complaints);
    }

    private static string Cell(string model, int column) => $"({Row.Replace("NAME", model, StringComparison.Ordinal)}?.children[{column}].textContent)";

    private static Task<GatewayHost> ServeAsync(LiveFleet fleet)
    {
        var options = new GatewayOptions { Port = 0, AdminPort = null };
        return GatewayHost.StartAsync(options, new Router(options, TimeProvider.System), TimeProvider.System, null, Scene.Cancel, live: new LiveEndpoint(fleet, TimeProvider.System));
    }
}
