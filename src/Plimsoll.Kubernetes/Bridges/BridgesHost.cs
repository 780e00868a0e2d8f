using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Gateway;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>The bridges on ports of their own, apart so that one reachable for everyone shows nothing of another.</summary>
public sealed class BridgesHost : IAsyncDisposable
{
    private const int MostKedaStreams = 50_000;

    private readonly List<WebApplication> _apps = [];
    private readonly List<IDisposable> _owned = [];
    private readonly TimeSpan _shutdown;

    private BridgesHost(TimeSpan shutdown) => _shutdown = shutdown;

    /// <summary>Where KEDA asks, with the port that was bound; null when it isn't served.</summary>
    public Uri? Keda { get; private set; }

    /// <summary>Where the API server asks; null when it isn't served.</summary>
    public Uri? ExternalMetrics { get; private set; }

    /// <summary>Where Prometheus asks, without /metrics; null when it isn't served.</summary>
    public Uri? OperatorMetrics { get; private set; }

    /// <summary>Binds and serves; the live page, where there is one, beside the metrics.</summary>
    /// <exception cref="BridgesException">The options contradict each other, a file cannot be read, or a port cannot be had.</exception>
    public static async Task<BridgesHost> StartAsync(
        BridgesOptions options, DesiredScales scales, IKubernetes kubernetes, TimeProvider time, ILoggerFactory? logs,
        CancellationToken cancellationToken, Prometheus.CollectorRegistry? registry = null, LiveEndpoint? live = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Problems().FirstOrDefault() is { } problem) throw new BridgesException(problem);
        var host = new BridgesHost(options.ShutdownTime);
        try
        {
            var files = options.CertificatePath is { } path
                ? new CertificateFiles(path, options.CertificateKeyPath!, time, (logs ?? NullLoggerFactory.Instance).CreateLogger<CertificateFiles>())
                : null;
            if (options.KedaPort is { } keda)
                host.Keda = await host.ServeAsync(KedaApp(options, keda, files, scales, time, logs), "KEDA", options, keda, cancellationToken);
            if (options.ExternalMetricsPort is { } external)
            {
                var api = host.Own(new ExternalMetricsApi(scales, kubernetes, time, logs?.CreateLogger<ExternalMetricsApi>()));
                var app = ExternalMetricsApp(options, external, files!, api, scales, logs);
                host.ExternalMetrics = await host.ServeAsync(app, "the external metrics API", options, external, cancellationToken);
            }

            if (options.OperatorMetricsPort is { } own)
            {
                var metrics = new OperatorMetrics(scales, time, registry);
                var app = Build(options, own, logs, listen => listen.Protocols = HttpProtocols.Http1);
                if (live is not null) app.Use((context, next) => live.TryAnswer(context) ?? next(context));
                app.MapOperatorMetrics(metrics);
                host.OperatorMetrics = await host.ServeAsync(app, "the operator's metrics", options, own, cancellationToken);
            }

            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes no new call, ends KEDA's streams, and lets other calls end for the shutdown time.</summary>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(_shutdown);
        await Task.WhenAll(_apps.Select(app => app.StopAsync(patience.Token)));
        foreach (var app in _apps) await app.DisposeAsync();
        foreach (var owned in _owned) owned.Dispose();
        _apps.Clear();
        _owned.Clear();
    }

    private static WebApplication KedaApp(
        BridgesOptions options, int port, CertificateFiles? files, DesiredScales scales, TimeProvider time, ILoggerFactory? logs)
    {
        var authorities = options.KedaClientAuthorityPath is { } path ? Authorities(path) : null;
        var app = Build(options, port, logs,
            listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                LetGo(listen, scales);
                if (options.KedaTls) listen.UseHttps(Tls(files!, authorities));
            },
            kestrel =>
            {
                // gRPC bounds each message, and answers with a status where Kestrel would cut the call.
                kestrel.Limits.MaxRequestBodySize = null;

                // A KEDA that vanished without a word would keep its streams for ever.
                kestrel.Limits.Http2.MaxStreamsPerConnection = MostKedaStreams;
                kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
                kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
            },
            services => services.AddKeda(scales, time));
        LetGo(app, scales);
        app.MapKeda();
        return app;
    }

    private static WebApplication ExternalMetricsApp(
        BridgesOptions options, int port, CertificateFiles files, ExternalMetricsApi api, DesiredScales scales, ILoggerFactory? logs)
    {
        var app = Build(options, port, logs, listen =>
        {
            listen.Protocols = HttpProtocols.Http1AndHttp2;
            LetGo(listen, scales);
            listen.UseHttps(Tls(files, null));
        });
        LetGo(app, scales);
        app.MapExternalMetrics(api);
        api.MapHealth(app);
        return app;
    }

    // A Service leads new connections to who leads, and leaves those that are there where they are: KEDA and the API server keep
    // theirs for as long as they live. So they end, in good order, when another leads; and those to one that leads not, once
    // they were answered.
    private static void LetGo(ListenOptions listen, DesiredScales scales) => listen.Use(next => async connection =>
    {
        var close = connection.Features.Get<IConnectionLifetimeNotificationFeature>();
        using var withdrawn = scales.Withdrawn.Register(() => close?.RequestClose());
        await next(connection);
    });

    private static void LetGo(WebApplication app, DesiredScales scales) => app.Use(async (context, next) =>
    {
        try
        {
            await next(context);
        }
        finally
        {
            if (!scales.Tells) context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
    });

    private static WebApplication Build(
        BridgesOptions options, int port, ILoggerFactory? logs, Action<ListenOptions> listen,
        Action<KestrelServerOptions>? configure = null, Action<IServiceCollection>? services = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 64 * 1024;
            kestrel.Limits.MaxConcurrentConnections = 1_000;
            configure?.Invoke(kestrel);
            kestrel.Listen(options.Address, port, listen);
        });
        if (logs is not null) builder.Services.AddSingleton(logs);
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTime);
        services?.Invoke(builder.Services);
        return builder.Build();
    }

    /// <summary>Asks for a client's certificate. Without authorities any or none will do: whoever answers judges it.</summary>
    private static TlsHandshakeCallbackOptions Tls(CertificateFiles files, X509Certificate2Collection? authorities) => new()
    {
        OnConnection = context =>
        {
            // No downloads: a stranger's certificate must not choose what is fetched from where.
            var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
            if (authorities is not null)
            {
                policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                policy.CustomTrustStore.AddRange(authorities);
            }

            return ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = files.Current(),
                ClientCertificateRequired = true,
                CertificateChainPolicy = policy,
                RemoteCertificateValidationCallback = (_, _, _, errors) => authorities is null || errors == SslPolicyErrors.None,
            });
        },
    };

    private static X509Certificate2Collection Authorities(string path)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(path);
            return authorities.Count > 0 ? authorities : throw new BridgesException($"{path} holds no certificate; it names who may issue KEDA's");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new BridgesException($"{path} could not be read as PEM certificates: {problem.Message}", problem);
        }
    }

    private async Task<Uri> ServeAsync(WebApplication app, string what, BridgesOptions options, int port, CancellationToken cancellationToken)
    {
        _apps.Add(app);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception problem) when (problem is SocketException or IOException)
        {
            var why = problem.InnerException is AddressInUseException
                ? "is in use; stop what uses it, or choose another port"
                : $"could not be bound: {problem.Message}";
            throw new BridgesException($"{options.Address}:{port} for {what} {why}", problem);
        }

        return new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
