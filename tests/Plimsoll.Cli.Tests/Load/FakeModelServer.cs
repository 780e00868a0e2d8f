using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Cli.Tests.Load;

/// <summary>A real web server on a free loopback port that speaks just enough of Open Inference v2 and answers as told.</summary>
internal sealed class FakeModelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _arrived;

    private FakeModelServer(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.Single());

    /// <summary>Inference requests that have arrived, answered or not.</summary>
    public int Arrived => Volatile.Read(ref _arrived);

    public static async Task<FakeModelServer> StartAsync(
        Func<int, HttpContext, Task> infer, Func<HttpContext, Task>? metadata = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var server = new FakeModelServer(app);
        app.MapPost("/v2/models/{model}/infer", context => infer(Interlocked.Increment(ref server._arrived), context));
        app.MapGet("/v2/models/{model}", metadata ?? (context => context.Response.WriteAsync(
            """{"name":"m","inputs":[{"name":"input_ids","datatype":"INT64","shape":[-1,-1]}]}""")));
        await app.StartAsync();
        return server;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
