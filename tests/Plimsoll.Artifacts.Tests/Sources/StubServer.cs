using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Plimsoll.Artifacts.Tests;

/// <summary>A real HTTP server on a free loopback port whose answers a test writes itself.</summary>
internal sealed class StubServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private long _sent;

    private StubServer(WebApplication app) => _app = app;

    public string Address => _app.Urls.Single();

    /// <summary>"path?query" of each request, as it came.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>Authorization headers that came, empty where there was none.</summary>
    public ConcurrentQueue<string> Authorizations { get; } = new();

    /// <summary>Bytes of all bodies that were sent by <see cref="SendAsync"/>.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public static async Task<StubServer> StartAsync(Func<StubServer, HttpContext, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new StubServer(builder.Build());
        server._app.Run(context =>
        {
            server.Asked.Enqueue(RawTarget(context));
            server.Authorizations.Enqueue(context.Request.Headers.Authorization.ToString());
            return answer(server, context);
        });
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    /// <summary>The request target as it stood on the wire, escapes and all.</summary>
    public static string RawTarget(HttpContext context) =>
        context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;

    /// <summary>Sends a file with the range that was asked for, an ETag and a length.</summary>
    public async Task SendAsync(HttpContext context, byte[] beginning, long length, string? etag = "\"one\"")
    {
        var (from, to) = (0L, length - 1);
        var range = context.Request.Headers.Range.ToString();
        if (etag is not null) context.Response.Headers.ETag = etag;
        if (range.StartsWith("bytes=", StringComparison.Ordinal))
        {
            var ends = range["bytes=".Length..].Split('-');
            from = long.Parse(ends[0], CultureInfo.InvariantCulture);
            to = ends[1].Length == 0 ? to : Math.Min(to, long.Parse(ends[1], CultureInfo.InvariantCulture));
            if (from >= length)
            {
                (context.Response.StatusCode, context.Response.Headers.ContentRange) = (416, $"bytes */{length}");
                return;
            }

            (context.Response.StatusCode, context.Response.Headers.ContentRange) = (206, $"bytes {from}-{to}/{length}");
        }

        var body = new byte[checked((int)(to - from + 1))];
        if (from < beginning.Length) beginning.AsSpan((int)from, (int)Math.Min(body.Length, beginning.Length - from)).CopyTo(body);
        context.Response.ContentLength = body.Length;
        Interlocked.Add(ref _sent, body.Length);
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    public Task TextAsync(HttpContext context, string text, int status = 200)
    {
        context.Response.StatusCode = status;
        Interlocked.Add(ref _sent, text.Length);
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>An environment of its own, so that tests run side by side and see nothing of this machine's.</summary>
    public static SourceSettings Settings(params (string Name, string Value)[] variables)
    {
        var all = variables.ToDictionary(one => one.Name, one => one.Value, StringComparer.Ordinal);
        return new SourceSettings { Variable = name => all.GetValueOrDefault(name) };
    }

    public static ArtifactSource Open(string address, SourceSettings settings) =>
        ArtifactSource.Open(SourceAddress.Parse(address), settings, TimeProvider.System, TestContext.Current.CancellationToken);

    public static string Refusal(string address, SourceSettings settings)
    {
        var message = Assert.Throws<ArtifactException>(() => Open(address, settings).Dispose()).Message;
        Assert.EndsWith(".", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
