using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Gateway.Tests;

/// <summary>A real HTTP server on loopback that stands where a replica would.</summary>
internal sealed class Upstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _inside;

    private Upstream(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    public ConcurrentQueue<string> Bodies { get; } = [];

    public int MostAtOnce { get; private set; }

    public static async Task<Upstream> StartAsync(Func<HttpContext, Task>? answer = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        var app = builder.Build();
        var upstream = new Upstream(app);
        app.Run(async context =>
        {
            var inside = Interlocked.Increment(ref upstream._inside);
            lock (upstream.Bodies) upstream.MostAtOnce = Math.Max(upstream.MostAtOnce, inside);
            try
            {
                using var reader = new StreamReader(context.Request.Body);
                upstream.Bodies.Enqueue(await reader.ReadToEndAsync());
                if (answer is not null) await answer(context);
                else await context.Response.WriteAsync("ok");
            }
            finally
            {
                Interlocked.Decrement(ref upstream._inside);
            }
        });
        await app.StartAsync();
        return upstream;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
