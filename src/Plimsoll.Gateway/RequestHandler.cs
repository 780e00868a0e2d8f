using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Yarp.ReverseProxy.Forwarder;

namespace Plimsoll.Gateway;

/// <summary>One request from its first byte to its last: whose it is, where it goes, what came of it.</summary>
internal sealed class RequestHandler(
    Router router, GatewayOptions options, IHttpForwarder forwarder, HttpMessageInvoker client, TimeProvider time, LiveEndpoint? live = null)
{
    private readonly ForwarderRequestConfig _config = new() { ActivityTimeout = options.ReplicaSilence };
    private readonly BodyBudget _bodies = new(options.BufferedBodies);
    private readonly byte[]? _apiKey = options.ApiKey is { } key ? SHA256.HashData(Encoding.UTF8.GetBytes(key)) : null;

    /// <summary>Whether clients are asked to close their connections.</summary>
    public bool TurnsAway { get; set; }

    public Task InvokeAsync(HttpContext context)
    {
        if (TurnsAway && HttpProtocol.IsHttp11(context.Request.Protocol)) CloseAfter(context);
        var path = ProtocolPath.Parse(context.Request.Path.Value ?? "");
        var method = context.Request.Method;
        if (options.IsOpenOnLoopback && LoopbackCallers.Refusal(context.Request, hasKey: false) is { } stranger)
            return Answer.ErrorAsync(context, path, StatusCodes.Status403Forbidden, stranger);
        if (!IsAllowed(context)) return Answer.UnauthorizedAsync(context, path);
        if (path.Endpoint is not (Endpoint.Unknown or Endpoint.UnknownOpenAi) && !(path.IsRead ? HttpMethods.IsGet(method) || HttpMethods.IsHead(method) : HttpMethods.IsPost(method)))
            return Answer.MethodAsync(context, path, path.IsRead ? "GET, HEAD" : "POST");

        // A tunnel would keep a place in a replica for as long as its client likes, or take none at all.
        context.Request.Headers.Upgrade = default;

        // The key is between client and gateway; replicas have no business with it.
        if (_apiKey is not null) context.Request.Headers.Authorization = default;
        return path.Endpoint switch
        {
            Endpoint.ServerMetadata => Answer.ServerMetadataAsync(context),
            Endpoint.Live or Endpoint.Ready => Task.CompletedTask,
            Endpoint.ModelList => Answer.ModelListAsync(context, router),
            Endpoint.ModelEntry => Answer.ModelEntryAsync(context, path, router),
            Endpoint.Infer => InferAsync(context, path),
            Endpoint.OpenAi => OpenAiAsync(context, path),
            Endpoint.ModelMetadata or Endpoint.ModelReady => AskAsync(context, path),
            _ => live?.TryAnswer(context) ?? Answer.ErrorAsync(context, path, StatusCodes.Status404NotFound, $"{context.Request.Path} is not served here; /v2/models/MODEL/infer, /v1/chat/completions and the like are"),
        };
    }

    private async Task InferAsync(HttpContext context, ProtocolPath path)
    {
        var arrived = time.GetTimestamp();
        var request = context.Request;
        if (!router.TryFind(path.Model!, out var queue))
        {
            await UnknownAsync(context, path, path.Model!).ConfigureAwait(false);
            return;
        }

        if (request.ContentLength > options.LargestBody.Value)
        {
            await TooLargeAsync(context, path, Above(options.LargestBody)).ConfigureAwait(false);
            return;
        }

        // The path names the model, so a body too large to keep can still be streamed, once.
        if (request.ContentLength > options.BufferedBody.Value)
        {
            // HTTP/2 has one rate for all streams of a connection, so there it stays the lower one.
            if (HttpProtocol.IsHttp11(request.Protocol) && context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
                rate.MinDataRate = new Microsoft.AspNetCore.Server.Kestrel.Core.MinDataRate(options.SlowestStream.Value, options.BodyGrace);
            await ServeAsync(context, path, queue, null, request.ContentLength.Value, arrived).ConfigureAwait(false);
        }
        else if (await ReadAsync(context, path, queue).ConfigureAwait(false) is { } body)
            await ServeKeptAsync(context, path, queue, body, arrived).ConfigureAwait(false);
    }

    private async Task OpenAiAsync(HttpContext context, ProtocolPath path)
    {
        var arrived = time.GetTimestamp();
        if (await ReadAsync(context, path, null).ConfigureAwait(false) is not { } body) return;
        var (model, problem) = RequestBody.ModelOf(body);
        if (model is not null && router.TryFind(model, out var queue))
        {
            await ServeKeptAsync(context, path, queue, body, arrived).ConfigureAwait(false);
            return;
        }

        _bodies.Return(body.Length);
        if (model is null) await Answer.ErrorAsync(context, path, StatusCodes.Status400BadRequest, problem!).ConfigureAwait(false);
        else await UnknownAsync(context, path, model).ConfigureAwait(false);
    }

    // The body, or null when the client has been told why there is none.
    private async ValueTask<byte[]?> ReadAsync(HttpContext context, ProtocolPath path, ModelQueue? queue)
    {
        try
        {
            var (body, end) = await RequestBody.ReadAsync(context.Request, options.BufferedBody.Value, _bodies, context.RequestAborted)
                .ConfigureAwait(false);
            if (body is not null) return body;
            if (end == BodyEnd.TooLarge)
            {
                await TooLargeAsync(context, path, Above(options.BufferedBody)).ConfigureAwait(false);
                return null;
            }

            // Overload is demand too, where it is known for what.
            if (queue is not null)
            {
                Router.Arrived(queue, context.Request.ContentLength ?? 0);
                Router.Ended(queue, RequestEnd.Rejected, TimeSpan.Zero);
            }

            await Answer.BusyAsync(context, path, null, $"requests under way fill the {_bodies.Bound} kept for bodies").ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or OperationCanceledException or BadHttpRequestException)
        {
            if (!context.RequestAborted.IsCancellationRequested) await BrokenBodyAsync(context, path, problem).ConfigureAwait(false);
        }

        return null;
    }

    private async Task ServeKeptAsync(HttpContext context, ProtocolPath path, ModelQueue queue, byte[] body, long arrived)
    {
        try
        {
            await ServeAsync(context, path, queue, body, body.Length, arrived).ConfigureAwait(false);
        }
        finally
        {
            _bodies.Return(body.Length);
        }
    }

    private async Task ServeAsync(
        HttpContext context, ProtocolPath path, ModelQueue queue, byte[]? body, long size, long arrived)
    {
        Router.Arrived(queue, size);
        var held = TimeSpan.Zero;
        var unreached = TimeSpan.Zero;
        var end = RequestEnd.Failed;
        try
        {
            var again = false;
            for (var deaths = 0; ;)
            {
                var asked = time.GetTimestamp();
                var patience = (queue.Route.HoldTime ?? options.HoldTime) - held - unreached;
                var (slot, refused) = await router.TakeAsync(
                    queue, body?.Length ?? 0, patience > TimeSpan.Zero ? patience : TimeSpan.Zero, again, context.RequestAborted).ConfigureAwait(false);
                var sent = time.GetTimestamp();
                held += time.GetElapsedTime(asked, sent);
                if (slot is null)
                {
                    end = RequestEnd.Rejected;
                    await Answer.BusyAsync(context, path, WorthTrying(queue.Route), refused!).ConfigureAwait(false);
                    return;
                }

                var error = await AttemptAsync(context, queue, slot, body, held, hasDied: deaths > 0).ConfigureAwait(false);
                if (error == ForwarderError.None)
                {
                    end = context.Response.StatusCode < 500 ? RequestEnd.Completed : RequestEnd.Failed;
                    return;
                }

                // A response that broke off on the replica's side is cut off at the client too; that is no abandonment.
                if (error == ForwarderError.RequestBodyClient
                    || (context.RequestAborted.IsCancellationRequested && error != ForwarderError.ResponseBodyDestination))
                {
                    end = RequestEnd.Abandoned;
                    if (error == ForwarderError.RequestBodyClient)
                        await BrokenBodyAsync(context, path, context.GetForwarderErrorFeature()?.Exception).ConfigureAwait(false);
                    return;
                }

                // Only before the first byte of a response. A replica that was never reached has read nothing of the body;
                // after one that died with the request, only a body that was kept can be sent again.
                var missed = IsUnreached(context, error);
                if (missed) unreached += time.GetElapsedTime(sent);
                again = !context.Response.HasStarted && (missed || (body is not null && IsDeath(error) && ++deaths < options.Attempts));
                if (!again)
                {
                    if (context.Response.HasStarted) context.Abort();
                    else await Answer.ErrorAsync(context, path,
                        error == ForwarderError.RequestTimedOut ? StatusCodes.Status504GatewayTimeout : StatusCodes.Status502BadGateway,
                        $"the replica {slot.Route.Replica} {Complaint(error, context.GetForwarderErrorFeature()?.Exception)}").ConfigureAwait(false);
                    return;
                }

                context.Response.Clear();
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            end = RequestEnd.Abandoned;
        }
        finally
        {
            Router.Ended(queue, end, time.GetElapsedTime(arrived));
        }
    }

    private async ValueTask<ForwarderError> AttemptAsync(
        HttpContext context, ModelQueue queue, Slot slot, byte[]? body, TimeSpan held, bool hasDied)
    {
        if (body is not null)
        {
            context.Request.Body = new MemoryStream(body, writable: false);
            context.Request.ContentLength = body.Length;
            context.Request.Headers.TransferEncoding = default;

            // The body is here already: a replica that knows no "100 Continue" would cost a second of waiting for it.
            context.Request.Headers.Expect = default;
        }

        // Zero for nearly all: formatting is only paid for by those that waited.
        context.Response.Headers["x-plimsoll-held-ms"] = held < TimeSpan.FromMilliseconds(1) ? "0" : ((long)held.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        context.Response.Headers["x-plimsoll-replica"] = slot.Route.Replica.Value;

        // Held since before the end began.
        if (TurnsAway && HttpProtocol.IsHttp11(context.Request.Protocol)) context.Response.Headers.Connection = "close";
        var error = ForwarderError.RequestCanceled;
        try
        {
            error = await forwarder.SendAsync(context, slot.Route.Address.OriginalString, client, _config, HttpTransformer.Default).ConfigureAwait(false);
        }
        finally
        {
            var answered = error == ForwarderError.None && context.Response.StatusCode < 500;

            // It may be the request that is at fault, and not every replica that drops it: so its first death speaks against one,
            // and those after it do not. A replica that is dead refuses the next connection, which does again.
            var refused = !context.RequestAborted.IsCancellationRequested && error != ForwarderError.None
                && (IsUnreached(context, error) || (IsDeath(error) && !hasDied));
            router.Release(queue, slot, answered, refused);
        }

        return error;
    }

    // Nothing but a new fleet changes what cannot be served.
    private TimeSpan? WorthTrying(ModelRoute route) =>
        route.Unavailable is not null ? TimeSpan.FromMinutes(1) : route.ExpectedReady ?? (route.Pause?.Until - time.GetUtcNow());

    private static bool IsDeath(ForwarderError error) => error is ForwarderError.Request or ForwarderError.RequestBodyDestination;

    // Refused, or no connection within the connect timeout (which comes as a cancellation with a timeout inside).
    private static bool IsUnreached(HttpContext context, ForwarderError error) =>
        error is ForwarderError.Request or ForwarderError.RequestTimedOut
        && context.GetForwarderErrorFeature()?.Exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError }
            or OperationCanceledException { InnerException: TimeoutException };

    // What a replica did wrong that did not answer.
    private string Complaint(ForwarderError error, Exception? problem) => error switch
    {
        ForwarderError.RequestTimedOut => $"sent nothing for {Durations.Show(options.ReplicaSilence)}",
        ForwarderError.RequestBodyDestination => "ended or broke the connection before it had read the body",
        ForwarderError.ResponseHeaders => "answered with headers that cannot be passed on",
        ForwarderError.ResponseBodyDestination => "broke its answer off before any of it was passed on",
        ForwarderError.Request when problem is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } => "answered what is no HTTP",
        ForwarderError.Request when problem is HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => "answered with more headers than are taken",
        ForwarderError.Request => "ended or broke the connection before it answered",
        _ => $"could not be asked ({error})",
    };

    private static Task BrokenBodyAsync(HttpContext context, ProtocolPath path, Exception? problem)
    {
        // The forwarder wraps what it met when it read a streamed body.
        while (problem is not (null or BadHttpRequestException)) problem = (problem as AggregateException)?.InnerExceptions[0] ?? problem.InnerException;
        return Answer.ErrorAsync(context, path, (problem as BadHttpRequestException)?.StatusCode ?? StatusCodes.Status400BadRequest,
            problem is null ? "the body ended early or could not be read" : $"the body could not be read: {problem.Message}");
    }

    private static void CloseAfter(HttpContext context) => context.Response.OnStarting(() =>
    {
        context.Response.Headers.Connection = "close";
        return Task.CompletedTask;
    });

    private static string Above(Bytes bound) => $"the body is larger than the {bound} that are taken here";

    private async Task TooLargeAsync(HttpContext context, ProtocolPath path, string why)
    {
        if (HttpProtocol.IsHttp11(context.Request.Protocol)) CloseAfter(context);
        await Answer.ErrorAsync(context, path, StatusCodes.Status413PayloadTooLarge, why).ConfigureAwait(false);
        await context.Response.CompleteAsync().ConfigureAwait(false);

        // Closing under a client that still sends would reset the connection, and the client might never read the answer.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5), time);
        try
        {
            var chunk = new byte[16 * 1024];
            while (await context.Request.Body.ReadAsync(chunk, patience.Token).ConfigureAwait(false) > 0)
            {
                // Thrown away.
            }
        }
        catch (Exception end) when (end is IOException or OperationCanceledException or BadHttpRequestException)
        {
            // Long enough.
        }
    }

    // Metadata and readiness are no demand: they are asked of a replica that is there, or answered as not ready.
    private async Task AskAsync(HttpContext context, ProtocolPath path)
    {
        if (!router.TryFind(path.Model!, out var queue))
        {
            await UnknownAsync(context, path, path.Model!).ConfigureAwait(false);
            return;
        }

        if (HasBody(context.Request))
        {
            // No bound is kept to here, and no replica reads it.
            await TooLargeAsync(context, path, $"GET {context.Request.Path} takes no body").ConfigureAwait(false);
            return;
        }

        ReplicaRoute? route;
        lock (queue.Gate)
        {
            route = Array.Find(queue.Replicas, replica => replica.Routable && !replica.Route.Draining)?.Route;
        }

        if (route is null)
        {
            await Answer.BusyAsync(context, path, WorthTrying(queue.Route), $"{path.Model} is not loaded; a request for it loads it").ConfigureAwait(false);
            return;
        }

        var error = await forwarder.SendAsync(context, route.Address.OriginalString, client, _config, HttpTransformer.Default).ConfigureAwait(false);
        if (error != ForwarderError.None && !context.Response.HasStarted)
            await Answer.ErrorAsync(context, path, StatusCodes.Status502BadGateway, $"the replica {route.Replica} did not answer").ConfigureAwait(false);
    }

    // Over HTTP/2 a body need not announce itself.
    private static bool HasBody(HttpRequest request) => request.ContentLength > 0 || request.Headers.TransferEncoding.Count > 0
        || (!HttpProtocol.IsHttp11(request.Protocol) && request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true);

    private static Task UnknownAsync(HttpContext context, ProtocolPath path, string model) =>
        Answer.ErrorAsync(context, path, StatusCodes.Status404NotFound,
            $"there is no model '{(model.Length > 100 ? model[..100] + "…" : model)}' in this fleet; GET /v1/models lists those there are");

    private bool IsAllowed(HttpContext context)
    {
        if (_apiKey is null) return true;
        var header = context.Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) || header.Length > 4096) return false;

        // Hashes have one length, so the comparison tells nothing of the key's.
        return CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(header["Bearer ".Length..])), _apiKey);
    }
}
