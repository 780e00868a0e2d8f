using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>What listens at a pod's address. When it ends, requests in flight break off as they do with a killed server.</summary>
internal sealed class PodResponder : IAsyncDisposable
{
    private readonly WebApplication _application;

    private PodResponder(WebApplication application) => _application = application;

    public static async Task<PodResponder> StartAsync(IPEndPoint at, RequestDelegate server)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(at, listen => listen.Protocols = HttpProtocols.Http1));
        var application = builder.Build();
        application.Run(server);
        try
        {
            await application.StartAsync(CancellationToken.None);
            return new PodResponder(application);
        }
        catch
        {
            await application.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(new CancellationToken(canceled: true));
        await _application.DisposeAsync();
    }
}
