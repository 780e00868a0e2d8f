using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Plimsoll.Gateway;
using Yarp.ReverseProxy.Forwarder;

namespace Plimsoll.GatewayBench;

/// <summary>A server of the comparison, and where it listens.</summary>
internal sealed record Running(Uri Address, IReadOnlyList<IAsyncDisposable> Parts) : IAsyncDisposable
{
    public async ValueTask DisposeAsync()
    {
        foreach (var part in Parts) await part.DisposeAsync();
    }
}

/// <summary>The three servers that are compared, each in a process of its own.</summary>
internal static class Servers
{
    private static readonly byte[] Reply = Encoding.UTF8.GetBytes(
        """{"model_name":"m","outputs":[{"name":"y","shape":[1,2],"datatype":"FP32","data":[0.25,0.75]}]}""");

    /// <summary>Reads the body and answers at once: what a replica would cost if inference were free.</summary>
    public static Task<Running> UpstreamAsync(CancellationToken cancellationToken)
    {
        var app = Build(_ => { });
        app.Run(async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
            context.Response.ContentType = "application/json";
            context.Response.ContentLength = Reply.Length;
            await context.Response.Body.WriteAsync(Reply, context.RequestAborted);
        });
        return StartAsync(app, cancellationToken);
    }

    /// <summary>YARP's forwarder and nothing else, with the gateway's Kestrel and client settings.</summary>
    public static async Task<Running> BareYarpAsync(Uri upstream, CancellationToken cancellationToken)
    {
        var app = Build(services => services.AddHttpForwarder());
        var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(60),
        });
        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        var config = new ForwarderRequestConfig { ActivityTimeout = new GatewayOptions().ReplicaSilence };
        var address = upstream.OriginalString;
        app.Run(async context =>
        {
            var error = await forwarder.SendAsync(context, address, client, config, HttpTransformer.Default);
            if (error != ForwarderError.None) context.Abort();
        });
        return await StartAsync(app, cancellationToken);
    }

    /// <summary>The gateway as it ships, with one replica that always has room.</summary>
    public static async Task<Running> OursAsync(Uri upstream, CancellationToken cancellationToken)
    {
        var options = new GatewayOptions { Port = 0, AdminPort = null };
        var router = new Router(options, TimeProvider.System);
        var model = new ModelId("m");
        router.Publish(new RouteTable(
        [
            new ModelRoute
            {
                Model = model,
                Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
                Replicas = [new ReplicaRoute(ReplicaId.Of(model, 1), upstream, Concurrency: 1024, Draining: false)],
            },
        ]));
        var host = await GatewayHost.StartAsync(options, router, TimeProvider.System, null, cancellationToken);
        return new Running(host.Address, [host]);
    }

    private static WebApplication Build(Action<IServiceCollection> add)
    {
        var options = new GatewayOptions();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MaxConcurrentConnections = options.Connections;
            kestrel.Limits.RequestHeadersTimeout = options.HeaderTime;
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(options.SlowestBody.Value, options.BodyGrace);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        add(builder.Services);
        return builder.Build();
    }

    private static async Task<Running> StartAsync(WebApplication app, CancellationToken cancellationToken)
    {
        await app.StartAsync(cancellationToken);
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return new Running(new Uri(address), [app]);
    }
}
