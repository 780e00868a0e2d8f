using System.Text;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>Ranges of a real Prometheus, and answers that a real one does not give.</summary>
public sealed class PrometheusRangeTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task More_points_than_a_server_gives_at_once_are_asked_for_in_parts()
    {
        await using var prometheus = await PrometheusServer.StartAsync();
        using var asked = new PrometheusRange(new PrometheusSettings { Server = prometheus.Uri });
        var span = new PrometheusSpan(Noon.AddDays(-17), Noon, TimeSpan.FromMinutes(1));

        // The refusal that the parts are for.
        using var client = new HttpClient();
        var range = FormattableString.Invariant($"start={span.From.ToUnixTimeSeconds()}&end={span.To.ToUnixTimeSeconds()}");
        var whole = new Uri(prometheus.Uri, $"api/v1/query_range?query=vector(1)&step=60&{range}");
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, (await client.GetAsync(whole, Stop)).StatusCode);

        var series = await asked.AskAsync("vector(time())", span, Stop);
        Assert.Equal((17 * 1440) + 1, series.Values.Length);
        Assert.Equal(span.Points, series.Values.Length);
        for (var i = 0; i < series.Values.Length; i++)
            Assert.Equal((span.From.AddMinutes(i), span.From.AddMinutes(i).ToUnixTimeSeconds()), (series.Values[i].At, series.Values[i].Value));
    }

    [Theory]
    [InlineData("sum(", "it refused the query: 1:5: parse error")]
    [InlineData("vector(1) or label_replace(vector(2), \"a\", \"b\", \"\", \"\")", "the query gives 2 series; sum(...) around it would make one of them")]
    public async Task What_a_server_refuses_or_cannot_be_used_is_said(string query, string problem)
    {
        await using var prometheus = await PrometheusServer.StartAsync();
        using var asked = new PrometheusRange(new PrometheusSettings { Server = prometheus.Uri });
        var told = await Assert.ThrowsAsync<MetricsException>(() => asked.AskAsync(query, new PrometheusSpan(Noon.AddHours(-1), Noon, TimeSpan.FromMinutes(1)), Stop));
        Assert.StartsWith(problem, told.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Steps_without_a_value_and_values_that_are_no_number_are_left_out()
    {
        await using var prometheus = await PrometheusServer.StartAsync();
        using var asked = new PrometheusRange(new PrometheusSettings { Server = prometheus.Uri });
        var span = new PrometheusSpan(Noon.AddMinutes(-3), Noon, TimeSpan.FromMinutes(1));
        Assert.Empty((await asked.AskAsync("nobody_has_this", span, Stop)).Values);
        Assert.Empty((await asked.AskAsync("vector(0) / 0", span, Stop)).Values);
        Assert.Equal([Noon.AddMinutes(-2), Noon], (await asked.AskAsync("vector(time()) % 120 == 0", span, Stop)).Values.Select(value => value.At));
    }

    [Theory]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}", "a range (a matrix) is wanted")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{}]}}", "a series has no values")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"values\":[[60,\"1\"],[60,\"1\"]]}]}}", "its times do not rise")]
    [InlineData("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"values\":[[60,1]]}]}}", "a value is not a time and a text")]
    public void What_is_no_range_is_said(string json, string problem) =>
        Assert.Contains(problem, Assert.Throws<MetricsException>(() => PrometheusSeries.Read(Encoding.UTF8.GetBytes(json))).Message, StringComparison.Ordinal);
}
