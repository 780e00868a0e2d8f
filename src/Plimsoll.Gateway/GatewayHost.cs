using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace Plimsoll.Gateway;

/// <summary>The gateway could not be started; the message is one sentence for the person who started it.</summary>
public sealed class GatewayException(string message) : Exception(message);

/// <summary>The running gateway: a data port, and an admin port apart from it.</summary>
public sealed class GatewayHost : IAsyncDisposable
{
    // Of the file descriptors of this process: a request takes two, its client's and its replica's, and the rest is for all else,
    // since a process without any can neither look at its replicas nor start one.
    private const double ClientsShare = 0.4;
    private const double AdminShare = 0.05;

    // Connections above the bound that are open until they are closed.
    private const int TurnedAwayAtOnce = 16;

    private readonly WebApplication _data;
    private readonly WebApplication? _admin;
    private readonly HttpMessageInvoker _client;
    private readonly Router _router;
    private readonly RequestHandler _handler;
    private readonly TimeSpan _shutdown;
    private readonly CancellationTokenSource _now = new();
    private readonly Lock _gate = new();
    private bool _ended;
    private bool _disposed;

    private GatewayHost(
        WebApplication data, WebApplication? admin, HttpMessageInvoker client, Router router, RequestHandler handler, TimeSpan shutdown)
    {
        (_data, _admin, _client, _router, _handler, _shutdown) = (data, admin, client, router, handler, shutdown);
        Address = AddressOf(data);
        AdminAddress = admin is null ? null : AddressOf(admin);
    }

    /// <summary>Where requests are taken, with the port that was bound.</summary>
    public Uri Address { get; }

    /// <summary>Where health and metrics are; null when there is no admin port.</summary>
    public Uri? AdminAddress { get; }

    /// <summary>Binds and serves.</summary>
    /// <param name="options">How.</param>
    /// <param name="router">Where requests go.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logs">Null for none.</param>
    /// <param name="cancellationToken">Gives up starting.</param>
    /// <param name="trouble">What goes wrong now beside serving requests, in a sentence: the health page says it.</param>
    /// <param name="pages">More pages of the admin port, asked first; null for a path that is not one of theirs.</param>
    /// <param name="live">The live page, on both ports; on the data port the API key, where there is one, is asked for it too.</param>
    /// <exception cref="GatewayException">The options contradict each other, or a port cannot be had.</exception>
    public static async Task<GatewayHost> StartAsync(
        GatewayOptions options, Router router, TimeProvider time, ILoggerFactory? logs, CancellationToken cancellationToken,
        Func<string?>? trouble = null, Func<HttpContext, Task?>? pages = null, LiveEndpoint? live = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Problems().FirstOrDefault() is { } problem) throw new GatewayException(problem);
        var tls = options.TlsCertificatePath is { } path ? Tls(path, options.TlsKeyPath!) : null;
        var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),

            // Kestrel reads and writes headers so too: what is not ASCII goes on in the bytes that it came in.
            RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
            ResponseHeaderEncodingSelector = (_, _) => Encoding.UTF8,
        });
        var data = Build(options.Address, options.Port, DescriptorLimit.Bound(options.Connections, ClientsShare), options, tls, logs);
        var handler = new RequestHandler(router, options, data.Services.GetRequiredService<IHttpForwarder>(), client, time, live);
        data.Run(handler.InvokeAsync);
        WebApplication? admin = null;
        try
        {
            await BindAsync(data, "gateway.listen", options.Address, options.Port, cancellationToken).ConfigureAwait(false);
            if (options.AdminPort is { } adminPort)
            {
                admin = Build(options.AdminAddress, adminPort, DescriptorLimit.Bound(options.Connections, AdminShare), options, null, logs);
                admin.Run(context => !options.IsGuarded && LoopbackCallers.Refusal(context.Request, hasKey: true) is { } stranger
                    ? AdminPages.RefuseAsync(context, stranger) : live?.TryAnswer(context) ?? AdminPages.InvokeAsync(context, router, trouble, pages));
                await BindAsync(admin, "gateway.adminListen", options.AdminAddress, adminPort, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            if (admin is not null) await admin.DisposeAsync().ConfigureAwait(false);
            await data.DisposeAsync().ConfigureAwait(false);
            client.Dispose();
            throw;
        }

        return new GatewayHost(data, admin, client, router, handler, options.ShutdownTime);
    }

    /// <summary>
    /// Goes on serving, and asks clients to close their connections after the next answer, so that what comes next goes to
    /// another gateway.
    /// </summary>
    public void TurnAway() => _handler.TurnsAway = true;

    /// <summary>Has the end wait no longer for requests under way, whether it has begun or not.</summary>
    public void Hurry()
    {
        lock (_gate)
        {
            if (!_ended) _ = _now.CancelAsync();
        }
    }

    /// <summary>
    /// Takes no new connection, tells those who wait for a model without a replica, lets requests under way end for the
    /// shutdown time, then cuts them.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_now.Token);
        patience.CancelAfter(_shutdown);
        var stopped = _data.StopAsync(patience.Token);
        _router.End();
        await stopped.ConfigureAwait(false);
        await _data.DisposeAsync().ConfigureAwait(false);
        if (_admin is not null)
        {
            await _admin.StopAsync(CancellationToken.None).ConfigureAwait(false);
            await _admin.DisposeAsync().ConfigureAwait(false);
        }

        _client.Dispose();
        lock (_gate) _ended = true;
        _now.Dispose();
    }

    private static WebApplication Build(
        IPAddress address, int port, long connections, GatewayOptions options, HttpsConnectionAdapterOptions? tls, ILoggerFactory? logs)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;

            // The request handler bounds bodies. Kestrel would cut the connection instead, and the client miss the 413.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MaxConcurrentConnections = connections;
            kestrel.ResponseHeaderEncodingSelector = _ => Encoding.UTF8;
            kestrel.Limits.RequestHeadersTimeout = options.HeaderTime;
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(options.SlowestBody.Value, options.BodyGrace);
            kestrel.Listen(address, port, listen =>
            {
                listen.Protocols = tls is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
                if (tls is not null) listen.UseHttps(tls);
            });
        });
        if (tls is not null) builder.WebHost.UseKestrelHttpsConfiguration();

        // Kestrel turns away who is above the bound, one after the other.
        builder.Services.RemoveAll<IConnectionListenerFactory>();
        builder.Services.AddSingleton<IConnectionListenerFactory>(services => new BoundedListener.Factory(
            ActivatorUtilities.CreateInstance<SocketTransportFactory>(services), (int)Math.Min(connections + TurnedAwayAtOnce, int.MaxValue)));
        if (logs is not null) builder.Services.AddSingleton(logs);
        builder.Services.AddHttpForwarder();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTime);
        return builder.Build();
    }

    private static async Task BindAsync(
        WebApplication app, string field, IPAddress address, int port, CancellationToken cancellationToken)
    {
        try
        {
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException problem) when (problem.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException)
        {
            throw new GatewayException($"{field}: port {port} on {address} is in use; stop what uses it, or choose another port (0 takes a free one)");
        }
        catch (Exception problem) when (problem is SocketException or IOException)
        {
            throw new GatewayException($"{field}: {address}:{port} could not be bound: {problem.Message}");
        }
    }

    private static HttpsConnectionAdapterOptions Tls(string path, string key)
    {
        try
        {
            // The file may hold intermediates after the certificate itself; clients want those too.
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(path);
            return new HttpsConnectionAdapterOptions
            {
                ServerCertificate = X509Certificate2.CreateFromPemFile(path, key),
                ServerCertificateChain = chain,
            };
        }
        catch (Exception problem) when (problem is IOException or System.Security.Cryptography.CryptographicException or UnauthorizedAccessException)
        {
            throw new GatewayException($"gateway.tls: {path} with {key} could not be read as a PEM certificate and key: {problem.Message}");
        }
    }

    private static Uri AddressOf(WebApplication app) =>
        new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
}
