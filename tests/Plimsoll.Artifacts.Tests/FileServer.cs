using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Tests;

/// <summary>A real HTTP server of a folder on a free loopback port, with ranges and strong ETags as static files have them.</summary>
internal sealed class FileServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FileServer(WebApplication app) => _app = app;

    /// <summary>Comes before the file: true when it answered.</summary>
    public Func<HttpContext, Task<bool>> Instead { get; set; } = _ => Task.FromResult(false);

    /// <summary>"/path Range-header" of each request, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>Bytes of all bodies that were announced.</summary>
    public long Announced;

    public string Address => _app.Urls.Single();

    public static async Task<FileServer> StartAsync(string folder)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new FileServer(builder.Build());
        server._app.Use(server.AnswerAsync);
        server._app.UseStaticFiles(new StaticFileOptions
        {
            FileProvider = new PhysicalFileProvider(folder),
            ServeUnknownFileTypes = true,
        });
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        Requests.Enqueue($"{context.Request.Path} {context.Request.Headers.Range}");
        context.Response.OnStarting(() =>
        {
            Interlocked.Add(ref Announced, context.Response.ContentLength ?? 0);
            return Task.CompletedTask;
        });
        if (!await Instead(context)) await next(context);
    }
}
