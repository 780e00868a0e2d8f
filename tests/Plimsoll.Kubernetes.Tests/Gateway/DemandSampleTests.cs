using System.Text;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Tests.Metrics;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>What gateways and operators say to each other, and what a stranger at the gateway's address may say.</summary>
public sealed class DemandSampleTests
{
    private static readonly GatewaySettings Settings = new() { Workload = new ObjectName("home", "gateway"), PodTimeout = TimeSpan.FromSeconds(5), MaxBytes = 4096 };

    [Fact]
    public void What_is_written_is_what_is_read()
    {
        var counts = new GatewayCounts
        {
            Seconds = 7.5,
            Arrivals = 9,
            RequestBytes = 1 << 20,
            Completed = 4,
            Failed = 1,
            Abandoned = 2,
            Rejected = 1,
            WithinSlo = 3,
            HeldSeconds = 1.5,
            HeldNow = 1,
            OldestHeldSeconds = 0.25,
            Service = new ServiceSample(4, 5, 6, 7, 8, 2, 3.5),
        };
        var sample = new DemandSample
        {
            Instance = "abc",
            Uptime = TimeSpan.FromSeconds(12),
            Wakes = 3,
            Models = new Dictionary<ModelId, GatewayCounts> { [new("prod/ü\"\n")] = counts, [new("prod/b")] = GatewayCounts.Zero with { WithinSlo = null } },
        };
        var read = DemandSample.Read(sample.Write());
        Assert.Equal((sample.Instance, sample.Uptime, sample.Wakes), (read.Instance, read.Uptime, read.Wakes));
        Assert.Equal(sample.Models.OrderBy(one => one.Key), read.Models.OrderBy(one => one.Key));
        Assert.Equal(1, counts.InFlight);
    }

    [Theory]
    [InlineData("[]", "an instance and its models are wanted")]
    [InlineData("{\"instance\":\"\",\"models\":{}}", "an instance and its models are wanted")]
    [InlineData("{\"instance\":\"a\",\"uptimeSeconds\":1,\"wakes\":0,\"models\":{\"a/b\":7}}", "a model has no counts")]
    [InlineData("{\"instance\":\"a\",\"uptimeSeconds\":1,\"wakes\":0,\"models\":{\"a/b\":{\"arrivals\":-1}}}", "arrivals is no count")]
    [InlineData("{\"instance\":\"a\",\"uptimeSeconds\":1,\"wakes\":0,\"models\":{\"a/b\":{\"arrivals\":1e300}}}", "arrivals is no count")]
    [InlineData("{\"instance\":\"a\",\"uptimeSeconds\":1e300,\"wakes\":0,\"models\":{}}", "uptimeSeconds is no number in bounds")]
    [InlineData("{\"instance\":\"a\",\"wakes\":0,\"models\":{}}", "uptimeSeconds is no number in bounds")]
    public void What_is_no_gateways_answer_is_told_so(string json, string why)
    {
        var strange = Assert.Throws<MetricsException>(() => DemandSample.Read(Encoding.UTF8.GetBytes(json)));
        Assert.Equal($"its answer is not what a gateway says: {why}", strange.Message);
    }

    [Theory]
    [InlineData("no json", "its answer is no JSON")]
    [InlineData("{\"a\":", "its answer is no JSON")]
    [InlineData("*", "bytes that are read")]
    public async Task Whatever_answers_at_a_gateways_address_is_a_reading(string said, string why)
    {
        var text = said == "*" ? new string(' ', 10_000) : said;
        await using var stranger = new Endpoint((_, stream, stop) => Endpoint.WriteAsync(stream, text, stop, type: "application/json"));
        using var source = new GatewaySource(Settings);
        var reading = Assert.Single(await source.ReadAsync(
            [new GatewayEndpoint(new ObjectName("home", "a"), "a", true, stranger.Uri)], TestContext.Current.CancellationToken));
        Assert.Null(reading.Sample);
        Assert.StartsWith($"home/a at {stranger.Uri}: its answer is", reading.Why, StringComparison.Ordinal);
        Assert.Contains(said == "*" ? "more than the 4096 that are read" : why, reading.Why, StringComparison.Ordinal);
    }
}
