using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;

namespace Plimsoll.Kubernetes.Webhook;

/// <summary>
/// The webhook's port, TLS only. Each replica of the operator serves it, leading or not. A request is bounded in size and
/// time; whoever asks learns no more than what a ScaledModel's status says.
/// </summary>
public sealed class WebhookHost : IAsyncDisposable
{
    // A pod is at most what the API server stores of one, sent with what it is wrapped in.
    private const int BodyBytesMax = 4 << 20;
    private const int AtOnceMax = 32;
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(2);

    private readonly WebApplication _app;
    private readonly AppliedModels _models;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _turns = new(AtOnceMax);

    private WebhookHost(WebApplication app, AppliedModels models, TimeProvider time) => (_app, _models, _time) = (app, models, time);

    /// <summary>Where it listens, with the port that was bound.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Binds and serves.</summary>
    /// <param name="options">Where.</param>
    /// <param name="models">Whose pods are patched.</param>
    /// <param name="certificate">Asked for each connection; while it is null no connection is taken.</param>
    /// <param name="time">Bounds an answer.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="IOException">The port cannot be had.</exception>
    public static async Task<WebhookHost> StartAsync(
        WebhookOptions options, AppliedModels models, Func<SslStreamCertificateContext?> certificate, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = BodyBytesMax;
            kestrel.Limits.MaxConcurrentConnections = 1_000;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
            kestrel.Listen(options.Address, options.Port, listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
                    {
                        ServerCertificateContext = certificate() ?? throw new IOException("there is no certificate yet"),
                    }),
                });
            });
        });
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        var host = new WebhookHost(app, models, time);
        app.MapPost(WebhookOptions.Path, (RequestDelegate)host.AnswerAsync);
        try
        {
            await app.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception taken) when (taken is SocketException or IOException)
        {
            await app.DisposeAsync().ConfigureAwait(false);
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{options.Address}:{options.Port} for the webhook cannot be bound: {taken.Message}"), taken);
        }

        host.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(AnswerTime, _time);
        await _app.StopAsync(patience.Token).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        _turns.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using var timer = _time.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), limit, AnswerTime, Timeout.InfiniteTimeSpan);
        var (status, body) = (StatusCodes.Status503ServiceUnavailable, "too many are asked at once");
        try
        {
            await _turns.WaitAsync(limit.Token).ConfigureAwait(false);
            try
            {
                using var read = new MemoryStream();
                await context.Request.Body.CopyToAsync(read, limit.Token).ConfigureAwait(false);
                body = Admission.Answer(read.GetBuffer().AsMemory(0, (int)read.Length), _models.Find, _models.WorkloadOf).ToJsonString();
                status = StatusCodes.Status200OK;
            }
            finally
            {
                _turns.Release();
            }
        }
        catch (JsonException odd)
        {
            (status, body) = (StatusCodes.Status400BadRequest, odd.Message);
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException odd)
        {
            (status, body) = (odd.StatusCode, odd.Message);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            // 503 as above.
        }

        if (context.RequestAborted.IsCancellationRequested) return;
        context.Response.StatusCode = status;
        context.Response.ContentType = status == StatusCodes.Status200OK ? "application/json" : "text/plain; charset=utf-8";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(body), context.RequestAborted).ConfigureAwait(false);
    }
}
