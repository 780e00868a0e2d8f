using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Artifacts;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>An operator with all that it needs: the watches, the election, the loop and the probes.</summary>
public sealed class OperatorHost : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly List<Task> _running = [];
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly List<IDisposable> _disposed = [];

    private Func<SslStreamCertificateContext?>? _webhookCertificate;

    private OperatorHost()
    {
    }

    public required KubernetesApi Api { get; init; }

    public required DesiredScales Desired { get; init; }

    public OperatorTelemetry Telemetry { get; } = new();

    public OperatorRun Run { get; private set; } = null!;

    internal ClusterWatch Cluster { get; private set; } = null!;

    /// <summary>Where probes ask; null when they are not served.</summary>
    public Uri? Health { get; private set; }

    /// <summary>Where the API server asks the webhook; null when it is not served.</summary>
    public Uri? Webhook { get; private set; }

    /// <summary>Whether the webhook has a certificate to show.</summary>
    public bool WebhookReady => _webhookCertificate?.Invoke() is not null;

    /// <summary>Ends when the operator's loop does, which before it is disposed is a mistake of ours.</summary>
    public Task Ended => Task.WhenAny(_running).Unwrap();

    /// <summary>Looks at the cluster, then starts to stand for election.</summary>
    /// <exception cref="ApiException">The server cannot be reached, or lacks our resources, or refuses.</exception>
    /// <exception cref="IOException">The probes' port cannot be had.</exception>
    public static async Task<OperatorHost> StartAsync(
        OperatorOptions options, KubernetesClientConfiguration configuration, SourceSettings sources, TimeProvider time, Action<string> log,
        Action<Tick>? applied, CancellationToken cancellationToken, TickJournal? journal = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var api = new KubernetesApi(configuration, time);
        // All that is dated is by the cluster's clock: what is read of it is, and what is written should be.
        time = api.Time;
        var host = new OperatorHost { Api = api, Desired = new DesiredScales(time) };
        try
        {
            if (options.HealthPort is { } port) await host.ServeHealthAsync(options.Address, port, cancellationToken).ConfigureAwait(false);
            var cluster = await ClusterWatch.StartAsync(host.Api, time, cancellationToken, options.CacheFolder).ConfigureAwait(false);
            host._owned.Add(cluster);
            host.Cluster = cluster;
            var election = host.Owned(new LeaseElection(
                host.Api, new ObjectName(options.Namespace, options.LeaseName), options.Identity, options.Lease, time, log));
            var prometheus = options.Prometheus is { } server ? host.Owned(new PrometheusSource(server, time)) : null;
            var webhook = options.Webhook is { } served
                ? await host.ServeWebhookAsync(served, options.Namespace, cluster, () => election.MayWrite, time, log, cancellationToken).ConfigureAwait(false) : null;
            var parts = new KubernetesFleetParts
            {
                Cluster = cluster,
                Footprints = host.Owned(new FootprintStore(sources, time)),
                ReadPods = prometheus is not null ? prometheus.ReadAsync : host.Owned(new MetricsScraper(options.Metrics, time)).ScrapeAsync,
                ReadFronts = prometheus is not null ? prometheus.ReadFrontsAsync : null,
                Gateway = options.Gateway is { } gateway ? host.Owned(new GatewaySource(gateway)) : null,
                Desired = host.Desired,
                MayWrite = () => election.MayWrite,
                Time = time,
                FleetName = options.Fleet,
                Namespace = options.Namespace,
                Patched = webhook is null ? null : webhook.Covers,
                Log = log,
            };
            host.Run = new OperatorRun(
                parts, election, new KnowledgeStore(host.Api, options.Namespace, options.LeaseName, log), options,
                new Planner(options.Allocator), applied, host.Telemetry,
                options.Pod is { } pod ? new LeaderLabel(host.Api, new ObjectName(options.Namespace, pod), log) : null, journal);
            host.Telemetry.Registry.AddBeforeCollectCallback(() => host.Telemetry.Tell(host.Run.Health, host.Api.Requests, host.Api.RequestsByResource));
            var token = host._ending.Token;
            host._running.Add(Task.Run(() => host.Run.RunAsync(token), CancellationToken.None));
            if (webhook is not null) host._running.Add(Task.Run(() => webhook.RunAsync(token), CancellationToken.None));
            // The lease is given up last: until the loop has ended, nobody else may lead.
            host._running.Add(Task.Run(() => host.ElectAsync(election), CancellationToken.None));
            return host;
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var owned in Enumerable.Reverse(_owned)) await owned.DisposeAsync().ConfigureAwait(false);
        foreach (var owned in _disposed) owned.Dispose();
        Api.Dispose();
        _ending.Dispose();
    }

    private async Task ElectAsync(LeaseElection election)
    {
        using var last = new CancellationTokenSource();
        var electing = election.RunAsync(last.Token);
        await _running[0].ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await last.CancelAsync().ConfigureAwait(false);
        await electing.ConfigureAwait(false);
    }

    private async Task<WebhookRegistration> ServeWebhookAsync(
        WebhookOptions options, string space, ClusterWatch cluster, Func<bool> mayWrite, TimeProvider time, Action<string> log, CancellationToken cancellationToken)
    {
        if (options.Problem is { } problem) throw new BridgesException(problem);
        var models = new AppliedModels(cluster);
        var files = options.CertificatePath is { } path
            ? new CertificateFiles(path, options.CertificateKeyPath!, time, NullLogger<CertificateFiles>.Instance) : null;
        WebhookRegistration? registration = null;
        _webhookCertificate = () => files?.Current() ?? registration?.Certificate;
        var served = await WebhookHost.StartAsync(options, models, _webhookCertificate, time, cancellationToken).ConfigureAwait(false);
        _owned.Add(served);
        Webhook = served.Address;
        return registration = new WebhookRegistration(Api, models, options, space, mayWrite, time, log);
    }

    // Alive is who turns; ready is who sees the cluster, leading or standing by.
    private async Task ServeHealthAsync(IPAddress address, int port, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(address, port, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        _owned.Add(app);
        app.MapGet("/healthz", (RequestDelegate)(context => AnswerAsync(context, _running.Any(task => task.IsCompleted) ? "the loop has ended" : Run?.Stuck)));
        app.MapGet("/readyz", (RequestDelegate)(context => AnswerAsync(context, Run is null ? "the cluster is being listed" : Run.Health.Problem)));
        try
        {
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException taken)
        {
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{address}:{port} for the probes cannot be bound: {taken.Message}"), taken);
        }

        Health = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    private static Task AnswerAsync(HttpContext context, string? problem)
    {
        context.Response.StatusCode = problem is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(problem ?? "ok");
    }

    private T Owned<T>(T owned) where T : IDisposable
    {
        _disposed.Add(owned);
        return owned;
    }
}
