using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Bridges;

namespace Plimsoll.Kubernetes.Tests.Bridges;

public sealed class OperatorMetricsTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(new(2026, 11, 26, 6, 0, 0, TimeSpan.Zero));
    private readonly HttpClient _http = new();
    private DesiredScales _scales = null!;
    private BridgesHost _host = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _scales = new(_time);
        _host = await BridgesHost.StartAsync(
            new() { Address = System.Net.IPAddress.Loopback, OperatorMetricsPort = 0 }, _scales, NoKubernetes.Client, _time, null, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task A_scale_is_shown_while_it_is_fresh_and_its_age_for_as_long_as_the_plan_stands()
    {
        _scales.Publish([Scale("llama", 3), Scale("mistral", 0)]);
        _time.Advance(TimeSpan.FromSeconds(90));
        var lines = await Lines();
        Assert.Contains("# TYPE plimsoll_desired_replicas gauge", lines);
        Assert.Contains("""plimsoll_desired_replicas{namespace="prod",scaledmodel="llama"} 3""", lines);
        Assert.Contains("""plimsoll_desired_replicas{namespace="prod",scaledmodel="mistral"} 0""", lines);
        Assert.Contains("""plimsoll_desired_active{namespace="prod",scaledmodel="llama"} 1""", lines);
        Assert.Contains("""plimsoll_desired_active{namespace="prod",scaledmodel="mistral"} 0""", lines);
        Assert.Contains("""plimsoll_desired_age_seconds{namespace="prod",scaledmodel="llama"} 90""", lines);

        _time.Advance(TimeSpan.FromSeconds(31));
        lines = await Lines();
        Assert.DoesNotContain(lines, line => line.StartsWith("plimsoll_desired_replicas{", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.StartsWith("plimsoll_desired_active{", StringComparison.Ordinal));
        Assert.Contains("""plimsoll_desired_age_seconds{namespace="prod",scaledmodel="llama"} 121""", lines);

        _scales.Publish([Scale("llama", 4)]);
        lines = await Lines();
        Assert.Contains("""plimsoll_desired_replicas{namespace="prod",scaledmodel="llama"} 4""", lines);
        Assert.DoesNotContain(lines, line => line.Contains("mistral", StringComparison.Ordinal));
    }

    private async Task<string[]> Lines() =>
        (await _http.GetStringAsync(new Uri(_host.OperatorMetrics!, "/metrics"), Cancel)).Split('\n');

    private DesiredScale Scale(string name, int replicas) => new()
    {
        ScaledModel = new("prod", name),
        Replicas = replicas,
        Active = replicas > 0,
        DecidedAt = _time.GetUtcNow(),
        Reason = "as wanted",
    };
}
