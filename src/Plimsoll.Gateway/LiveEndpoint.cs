using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plimsoll.Pages.Live;

namespace Plimsoll.Gateway;

/// <summary>What the live page's listeners may take up.</summary>
public sealed record LiveLimits
{
    /// <summary>Event streams at once; one more gets 503.</summary>
    public int Listeners { get; init; } = 32;

    /// <summary>Least time between two events of a stream; ticks in between are left out.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Without a tick for so long, the last state is sent again: what is wrong shows, and a dead connection is noticed.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A listener that has not taken an event after so long is dropped.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// The live page at "/", its state as JSON at "/fleet", and each tick's state as a server-sent event at "/fleet/events". It
/// changes nothing: only GET and HEAD are answered.
/// </summary>
public sealed class LiveEndpoint(LiveFleet fleet, TimeProvider time, LiveLimits? limits = null)
{
    private readonly LiveLimits _limits = limits ?? new LiveLimits();
    private int _listeners;

    /// <summary>Event streams that are open now.</summary>
    public int Listeners => Volatile.Read(ref _listeners);

    /// <summary>Answers a request for one of its paths; null for any other.</summary>
    public Task? TryAnswer(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var path = context.Request.Path.Value;
        if (path is not ("/" or "" or null or "/" + LivePage.StatePath or "/" + LivePage.EventsPath)) return null;
        var headers = context.Response.Headers;
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = LivePage.Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            headers.Allow = "GET, HEAD";
            return SayAsync(context, StatusCodes.Status405MethodNotAllowed, $"{path} takes GET; nothing is changed here");
        }

        if (path is "/" or "" or null) return SendAsync(context, "text/html; charset=utf-8", LivePage.Html);
        if (LiveQuery.Read(name => context.Request.Query.TryGetValue(name, out var values) ? values.ToString() : null, out var query) is { } wrong)
            return SayAsync(context, StatusCodes.Status400BadRequest, wrong);
        return path == "/" + LivePage.StatePath
            ? SendAsync(context, "application/json", fleet.State(query).State.Json()) : ListenAsync(context, query);
    }

    private async Task ListenAsync(HttpContext context, LiveQuery query)
    {
        if (HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.ContentType = "text/event-stream";
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _listeners) > _limits.Listeners)
            {
                context.Response.Headers.RetryAfter = "5";
                await SayAsync(context, StatusCodes.Status503ServiceUnavailable,
                    string.Create(CultureInfo.InvariantCulture, $"{_limits.Listeners} listen already; GET /{LivePage.StatePath} tells the same once")).ConfigureAwait(false);
                return;
            }

            var stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            using var gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            await StreamAsync(context, query, gone.Token).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _listeners);
        }
    }

    private async Task StreamAsync(HttpContext context, LiveQuery query, CancellationToken gone)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            await WriteAsync(context, "retry: 2000\n\n"u8.ToArray(), gone).ConfigureAwait(false);
            while (true)
            {
                var (state, version) = fleet.State(query);
                var id = string.Create(CultureInfo.InvariantCulture, $"id: {version}\ndata: ");
                await WriteAsync(context, [.. Encoding.UTF8.GetBytes(id), .. state.Json(), .. "\n\n"u8], gone).ConfigureAwait(false);
                await Task.Delay(_limits.Pause, time, gone).ConfigureAwait(false);
                using var waited = CancellationTokenSource.CreateLinkedTokenSource(gone);
                await Task.WhenAny(fleet.MoreThanAsync(version), Task.Delay(_limits.Heartbeat, time, waited.Token)).ConfigureAwait(false);
                await waited.CancelAsync().ConfigureAwait(false);
                gone.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (gone.IsCancellationRequested)
        {
            // It left, or the server ends.
        }
        catch (Exception slow) when (slow is OperationCanceledException or IOException)
        {
            context.Abort();
        }
    }

    private async Task WriteAsync(HttpContext context, byte[] bytes, CancellationToken gone)
    {
        using var patience = new CancellationTokenSource(_limits.Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(gone, patience.Token);
        await context.Response.Body.WriteAsync(bytes, either.Token).ConfigureAwait(false);
        await context.Response.Body.FlushAsync(either.Token).ConfigureAwait(false);
    }

    private static async Task SendAsync(HttpContext context, string type, ReadOnlyMemory<byte> body)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method)) await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    private static Task SayAsync(HttpContext context, int status, string what)
    {
        context.Response.StatusCode = status;
        return SendAsync(context, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(what + "\n"));
    }
}
