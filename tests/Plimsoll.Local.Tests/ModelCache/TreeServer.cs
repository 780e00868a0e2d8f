using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Local.Tests;

/// <summary>A real HTTP server of many files by path, with ranges and strong ETags, which can be told to misbehave.</summary>
internal sealed class TreeServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TreeServer(WebApplication app) => _app = app;

    public ConcurrentDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Comes before the files: true when it answered.</summary>
    public Func<HttpContext, Task<bool>> Instead { get; set; } = _ => Task.FromResult(false);

    /// <summary>"path range" of each request, in order.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public ConcurrentQueue<string> Authorizations { get; } = new();

    public string Address => _app.Urls.Single();

    public static async Task<TreeServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new TreeServer(builder.Build());
        server._app.Run(async context =>
        {
            server.Asked.Enqueue($"{context.Request.Path.Value} {context.Request.Headers.Range}".TrimEnd());
            server.Authorizations.Enqueue(context.Request.Headers.Authorization.ToString());
            if (!await server.Instead(context)) await server.SendAsync(context);
        });
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    /// <summary>Sends the file that was asked for, or as much of it, and then cuts the connection.</summary>
    public async Task SendAsync(HttpContext context, int? cutAfter = null)
    {
        if (!Files.TryGetValue(context.Request.Path.Value!, out var content))
        {
            context.Response.StatusCode = 404;
            return;
        }

        var (from, to) = (0, content.Length - 1);
        context.Response.Headers.ETag = $"\"{CacheFixture.Sha(content)[..8]}\"";
        var range = context.Request.Headers.Range.ToString();
        if (range.Length > 0)
        {
            var ends = range["bytes=".Length..].Split('-');
            from = int.Parse(ends[0], CultureInfo.InvariantCulture);
            to = ends[1].Length == 0 ? to : Math.Min(to, int.Parse(ends[1], CultureInfo.InvariantCulture));
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{to}/{content.Length}";
        }

        context.Response.ContentLength = to - from + 1;
        await context.Response.Body.WriteAsync(content.AsMemory(from, Math.Min(cutAfter ?? int.MaxValue, to - from + 1)), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        if (cutAfter is not null) context.Abort();
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
