using System.Net;
using System.Text;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>On priced memory an idle replica goes at its break-even, and the heavier one outlasts the lighter one.</summary>
public sealed class PricedHoldTests
{
    [Fact]
    public async Task An_idle_replica_on_priced_memory_goes_at_break_even_and_the_heavier_one_later()
    {
        await using var scene = new Scene();
        // Half of the requests in time: a miss then costs no more than the time of one request, and holds are short.
        const string Slo = "slo: {latency: 200ms, attainment: 50%}";
        var (light, heavy) = (await scene.ModelAsync("light", Bytes.MiB(1)), await scene.ModelAsync("heavy", Bytes.MiB(60)));
        scene.Fleet($"""
            gateway:
              listen: 127.0.0.1:0
            prices:
              hostMemoryPerGiB: 0.01
            models:
            - name: light
              source: {light}
              {Slo}
            - name: heavy
              source: {heavy}
              {Slo}
              loadBandwidth: 10MiB/s
            """);
        var up = scene.Up();
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        foreach (var model in new[] { "heavy", "light" })
        {
            using var body = new StringContent(
                """{"inputs": [{"name": "input_ids", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]}]}""", Encoding.UTF8, "application/json");
            using var answer = await client.PostAsync(new Uri($"/v2/models/{model}/infer", UriKind.Relative), body, Scene.Cancel);
            Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Scene.Cancel));
        }

        var holds = new Dictionary<string, double?>(StringComparer.Ordinal);
        await Scene.UntilAsync(() =>
        {
            foreach (var model in scene.StatusAsync().GetAwaiter().GetResult().Models) holds[model.Model] = model.HoldSeconds;
            return holds is { Count: 2 } && holds.Values.All(hold => hold > 0);
        }, () => "no hold of both");
        Assert.True(holds["heavy"] > holds["light"], $"{holds["heavy"]} s and {holds["light"]} s");
        await up.LineAsync("ended light-1");
        await up.LineAsync("ended heavy-1");

        var why = Scene.Unfolded(await scene.SaysAsync("history"));
        Assert.True(why.Contains("holding has cost as much as coming back would", StringComparison.Ordinal), why);
        await scene.EndAsync(up);
    }
}
