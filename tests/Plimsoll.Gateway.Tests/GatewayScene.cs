using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway.Tests;

/// <summary>A gateway on loopback, real servers behind it and a client before it.</summary>
public abstract class GatewayScene : IAsyncLifetime
{
    protected static readonly ModelId Bert = new("bert");
    protected static readonly Slo OneSecond = new(TimeSpan.FromSeconds(1), 0.99);
    protected static readonly CancellationToken Patience = CancellationToken.None;

    private readonly List<IAsyncDisposable> _running = [];

    protected HttpClient Client { get; } = new() { Timeout = TimeSpan.FromSeconds(120) };

    protected Router Router { get; private set; } = null!;

    protected GatewayHost Host { get; private set; } = null!;

    protected Uri AdminAddress => Host.AdminAddress!;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        foreach (var one in Enumerable.Reverse(_running)) await one.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected async Task<Uri> GatewayAsync(GatewayOptions? options = null)
    {
        options = (options ?? new GatewayOptions()) with { Port = 0 };
        Router = new Router(options, TimeProvider.System);
        Host = await GatewayHost.StartAsync(options, Router, TimeProvider.System, null, Patience);
        _running.Add(Host);
        return Host.Address;
    }

    private protected async Task<Upstream> UpstreamAsync(Func<HttpContext, Task>? answer = null, int port = 0)
    {
        var upstream = await Upstream.StartAsync(answer, port);
        _running.Add(upstream);
        return upstream;
    }

    protected static ModelRoute Route(ModelId model, params ReplicaRoute[] replicas) => new() { Model = model, Slo = OneSecond, Replicas = [.. replicas] };

    protected static ReplicaRoute Replica(int ordinal, Uri address, int concurrency = 8, bool draining = false) =>
        new(ReplicaId.Of(Bert, ordinal), address, concurrency, draining);

    /// <summary>An address where nothing listens.</summary>
    protected static Uri Nowhere()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/");
    }

    protected Task<HttpResponseMessage> InferAsync(Uri gateway, string body = "{}", string model = "bert") =>
        AbandonableAsync(gateway, Patience, body, model);

    protected Task<HttpResponseMessage> AbandonableAsync(Uri gateway, CancellationToken cancellationToken, string body = "{}", string model = "bert") =>
        Client.PostAsync(new Uri(gateway, $"/v2/models/{model}/infer"), new StringContent(body, Encoding.UTF8, "application/json"), cancellationToken);

    protected static async Task UntilAsync(Func<bool> holds)
    {
        var deadline = TimeProvider.System.GetTimestamp() + (60 * TimeProvider.System.TimestampFrequency);
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetTimestamp() < deadline, "waited a minute in vain");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Patience);
        }
    }

    /// <summary>Adds up the readings until they hold what is expected.</summary>
    protected async Task<ModelTraffic> TrafficAsync(Func<ModelTraffic, bool> holds)
    {
        ModelTraffic? sum = null;
        await UntilAsync(() =>
        {
            var row = Router.ReadTraffic(TimeProvider.System.GetUtcNow()).Single(row => row.Model == Bert);
            sum = sum is null ? row : row with
            {
                Arrivals = sum.Arrivals + row.Arrivals,
                Completed = sum.Completed + row.Completed,
                Failed = sum.Failed + row.Failed,
                Abandoned = sum.Abandoned + row.Abandoned,
                Rejected = sum.Rejected + row.Rejected,
                WithinSlo = sum.WithinSlo + row.WithinSlo,
                HeldRequestSeconds = sum.HeldRequestSeconds + row.HeldRequestSeconds,
            };
            return holds(sum);
        });
        return sum!;
    }
}
