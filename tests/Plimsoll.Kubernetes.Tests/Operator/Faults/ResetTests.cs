using System.Net;
using System.Net.Sockets;
using k8s;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Tests.Metrics;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>
/// A connection that is reset at the very moment it is made shows as the socket's own exception, not as HttpClient's, every now
/// and then: some hundreds of tries meet it.
/// </summary>
public sealed class ResetTests
{
    private const int Tries = 400;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_API_servers_resets_are_answers_that_did_not_come()
    {
        await using var server = new Resetting();
        using var api = new KubernetesApi(new KubernetesClientConfiguration { Host = server.Address.ToString() }, TimeProvider.System);
        for (var i = 0; i < Tries; i++)
        {
            var failed = await Assert.ThrowsAsync<ApiException>(() => api.CreateAsync("api/v1/namespaces/a/pods", "{}"u8.ToArray(), Cancel));
            Assert.Contains("does not answer", failed.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_pods_resets_are_metrics_that_are_missing()
    {
        await using var server = new Resetting();
        using var scraper = new MetricsScraper(new MetricsScraperSettings(), TimeProvider.System);
        for (var i = 0; i < Tries / 20; i++)
        {
            var pods = Enumerable.Range(0, 20).Select(pod => MeterScene.Pod($"p{pod}") with { Metrics = server.Address }).ToArray();
            Assert.All(await scraper.ScrapeAsync(pods, Cancel), reading => Assert.Equal(SignalState.Missing, reading.Sample.State));
        }
    }

    /// <summary>Takes connections and resets them.</summary>
    private sealed class Resetting : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _end = new();
        private readonly Task _taking;

        public Resetting()
        {
            _listener.Start();
            Address = new Uri($"http://{_listener.LocalEndpoint}/");
            _taking = Task.Run(async () =>
            {
                while (true) (await _listener.AcceptSocketAsync(_end.Token)).Close(0);
            });
        }

        public Uri Address { get; }

        public async ValueTask DisposeAsync()
        {
            await _end.CancelAsync();
            await _taking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _listener.Dispose();
            _end.Dispose();
        }
    }
}
