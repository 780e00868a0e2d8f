using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Forwarder;

namespace Plimsoll.Gateway;

/// <summary>One request from its first byte to its last: whose it is, where it goes, what came of it.</summary>
internal sealed class RequestHandler(
    Router router, GatewayOptions options, IHttpForwarder forwarder, HttpMessageInvoker client, TimeProvider time)
{
    private readonly ForwarderRequestConfig _config = new() { ActivityTimeout = options.ReplicaSilence };
    private readonly byte[]? _apiKey = options.ApiKey is { } key ? SHA256.HashData(Encoding.UTF8.GetBytes(key)) : null;

    public Task InvokeAsync(HttpContext context)
    {
        var path = ProtocolPath.Parse(context.Request.Path.Value ?? "", context.Request.Method);
        if (!IsAllowed(context)) return Answer.ErrorAsync(context, path, StatusCodes.Status401Unauthorized, "a valid API key is needed: Authorization: Bearer <key>");
        return path.Endpoint switch
        {
            Endpoint.ServerMetadata => Answer.ServerMetadataAsync(context),
            Endpoint.Live or Endpoint.Ready => Task.CompletedTask,
            Endpoint.ModelList => Answer.ModelListAsync(context, router),
            Endpoint.ModelEntry => Answer.ModelEntryAsync(context, path, router),
            Endpoint.Infer => InferAsync(context, path),
            Endpoint.OpenAi => OpenAiAsync(context, path),
            Endpoint.ModelMetadata or Endpoint.ModelReady => AskAsync(context, path),
            _ => Answer.ErrorAsync(context, path, StatusCodes.Status404NotFound, $"{context.Request.Path} is not served here; /v2/models/MODEL/infer and /v1/… are"),
        };
    }

    private async Task InferAsync(HttpContext context, ProtocolPath path)
    {
        var arrived = time.GetTimestamp();
        if (!router.TryFind(path.Model!, out var queue))
        {
            await UnknownAsync(context, path, path.Model!).ConfigureAwait(false);
            return;
        }

        // The path names the model, so a body too large to keep can still be streamed, once.
        var stream = context.Request.ContentLength > options.BufferedBody.Value;
        byte[]? body = null;
        if (!stream && (body = await ReadAsync(context, path).ConfigureAwait(false)) is null) return;
        await ServeAsync(context, path, queue, body, context.Request.ContentLength ?? body?.Length ?? 0, arrived).ConfigureAwait(false);
    }

    private async Task OpenAiAsync(HttpContext context, ProtocolPath path)
    {
        var arrived = time.GetTimestamp();
        if (await ReadAsync(context, path).ConfigureAwait(false) is not { } body) return;
        var (model, problem) = RequestBody.ModelOf(body);
        if (model is null)
            await Answer.ErrorAsync(context, path, StatusCodes.Status400BadRequest, problem!).ConfigureAwait(false);
        else if (!router.TryFind(model, out var queue))
            await UnknownAsync(context, path, model).ConfigureAwait(false);
        else
            await ServeAsync(context, path, queue, body, body.Length, arrived).ConfigureAwait(false);
    }

    private async ValueTask<byte[]?> ReadAsync(HttpContext context, ProtocolPath path)
    {
        try
        {
            if (await RequestBody.ReadAsync(context.Request, options.BufferedBody.Value, context.RequestAborted).ConfigureAwait(false) is { } body)
                return body;
            await Answer.ErrorAsync(context, path, StatusCodes.Status413PayloadTooLarge,
                $"the body is larger than the {options.BufferedBody} kept for routing").ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or OperationCanceledException or BadHttpRequestException)
        {
            if (!context.RequestAborted.IsCancellationRequested)
                await Answer.ErrorAsync(context, path, StatusCodes.Status400BadRequest, "the body ended early or could not be read").ConfigureAwait(false);
        }

        return null;
    }

    private async Task ServeAsync(
        HttpContext context, ProtocolPath path, ModelQueue queue, byte[]? body, long size, long arrived)
    {
        Router.Arrived(queue, size);
        var held = TimeSpan.Zero;
        var end = RequestEnd.Failed;
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                var asked = time.GetTimestamp();
                var patience = options.HoldTime - held;
                var (slot, refused) = await router.TakeAsync(
                    queue, body?.Length ?? 0, patience > TimeSpan.Zero ? patience : TimeSpan.Zero, context.RequestAborted).ConfigureAwait(false);
                held += time.GetElapsedTime(asked);
                if (slot is null)
                {
                    end = RequestEnd.Rejected;
                    await Answer.BusyAsync(context, path, queue.Route, refused!).ConfigureAwait(false);
                    return;
                }

                var (error, served) = await AttemptAsync(context, queue, slot, body, held).ConfigureAwait(false);
                if (error is ForwarderError.None)
                {
                    end = served ? RequestEnd.Completed : RequestEnd.Failed;
                    return;
                }

                // A response that broke off on the replica's side is cut off at the client too; that is no abandonment.
                if (context.RequestAborted.IsCancellationRequested && error != ForwarderError.ResponseBodyDestination)
                {
                    end = RequestEnd.Abandoned;
                    return;
                }

                // Only before the first byte of a response, and only a body that can be sent again.
                var again = body is not null && attempt < options.Attempts && !context.Response.HasStarted
                    && error is ForwarderError.Request or ForwarderError.RequestBodyDestination;
                if (!again)
                {
                    if (context.Response.HasStarted) context.Abort();
                    else await Answer.ErrorAsync(context, path, StatusCodes.Status502BadGateway,
                        $"the replica {slot.Route.Replica} ended or failed before it answered").ConfigureAwait(false);
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

    private async ValueTask<(ForwarderError Error, bool Served)> AttemptAsync(
        HttpContext context, ModelQueue queue, Slot slot, byte[]? body, TimeSpan held)
    {
        if (body is not null)
        {
            context.Request.Body = new MemoryStream(body, writable: false);
            context.Request.ContentLength = body.Length;
            context.Request.Headers.TransferEncoding = default;
        }

        // Zero for nearly all: formatting is only paid for by those that waited.
        context.Response.Headers["x-plimsoll-held-ms"] = held < TimeSpan.FromMilliseconds(1) ? "0" : ((long)held.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        context.Response.Headers["x-plimsoll-replica"] = slot.Route.Replica.Value;
        var error = ForwarderError.Request;
        try
        {
            error = await forwarder.SendAsync(context, slot.Route.Address.OriginalString, client, _config, HttpTransformer.Default).ConfigureAwait(false);
        }
        finally
        {
            var answered = error == ForwarderError.None && context.Response.StatusCode < 500;
            router.Release(queue, slot, answered, refused: error is ForwarderError.Request or ForwarderError.RequestBodyDestination);
        }

        return (error, context.Response.StatusCode < 500);
    }

    // Metadata and readiness are no demand: they are asked of a replica that is there, or answered as not ready.
    private async Task AskAsync(HttpContext context, ProtocolPath path)
    {
        if (!router.TryFind(path.Model!, out var queue))
        {
            await UnknownAsync(context, path, path.Model!).ConfigureAwait(false);
            return;
        }

        ReplicaRoute? route;
        lock (queue.Gate)
        {
            route = queue.Replicas.Values.FirstOrDefault(replica => replica.Routable && !replica.Route.Draining)?.Route;
        }

        if (route is null)
        {
            await Answer.BusyAsync(context, path, queue.Route, $"{path.Model} is not loaded; a request for it loads it").ConfigureAwait(false);
            return;
        }

        var error = await forwarder.SendAsync(context, route.Address.OriginalString, client, _config, HttpTransformer.Default).ConfigureAwait(false);
        if (error != ForwarderError.None && !context.Response.HasStarted)
            await Answer.ErrorAsync(context, path, StatusCodes.Status502BadGateway, $"the replica {route.Replica} did not answer").ConfigureAwait(false);
    }

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
