using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Local.Tests;

/// <summary>A real HTTP server of one file, which can be told to misbehave.</summary>
internal sealed class ArtifactServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ArtifactServer(WebApplication app) => _app = app;

    public byte[] Content { get; set; } = [];

    public string? ETag { get; set; } = "\"one\"";

    public bool KnowsRanges { get; set; } = true;

    /// <summary>What to do with the next requests, in order; served properly when empty.</summary>
    public ConcurrentQueue<Func<HttpContext, Task>> Faults { get; } = new();

    /// <summary>The Range header of each request, empty where there was none.</summary>
    public ConcurrentQueue<string> Ranges { get; } = new();

    /// <summary>What each request asked for, unescaped.</summary>
    public ConcurrentQueue<string> Paths { get; } = new();

    public string Url => _app.Urls.Single() + "/weights.bin";

    public static async Task<ArtifactServer> StartAsync(byte[] content)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new ArtifactServer(builder.Build()) { Content = content };
        server._app.Run(server.AnswerAsync);
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    /// <summary>Sends so many bytes of the file properly and cuts the connection.</summary>
    public Task CutAfterAsync(HttpContext context, int bytes) => ServeAsync(context, bytes);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        Paths.Enqueue($"{context.Request.Path.Value}{context.Request.QueryString}");
        Ranges.Enqueue(context.Request.Headers.Range.ToString());
        return Faults.TryDequeue(out var fault) ? fault(context) : ServeAsync(context, null);
    }

    private async Task ServeAsync(HttpContext context, int? cutAfter)
    {
        var (content, tag) = (Content, ETag);
        var from = 0;
        var range = context.Request.Headers.Range.ToString();
        var same = !context.Request.Headers.ContainsKey("If-Range") || context.Request.Headers.IfRange == tag;
        if (tag is not null) context.Response.Headers.ETag = tag;
        if (KnowsRanges && same && range.StartsWith("bytes=", StringComparison.Ordinal))
        {
            from = int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture);
            if (from >= content.Length)
            {
                context.Response.StatusCode = 416;
                context.Response.Headers.ContentRange = $"bytes */{content.Length}";
                return;
            }

            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{content.Length - 1}/{content.Length}";
        }

        context.Response.ContentLength = content.Length - from;
        var end = cutAfter is { } cut ? Math.Min(content.Length, from + cut) : content.Length;
        await context.Response.Body.WriteAsync(content.AsMemory(from, end - from), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        if (cutAfter is not null) context.Abort();
    }
}
