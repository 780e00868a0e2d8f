namespace Plimsoll.ModelServer;

/// <summary>The Open Inference Protocol v2 over HTTP, and /metrics.</summary>
internal sealed class Endpoints(
    ServerOptions options, ServedModel model, ServerState state, Batcher batcher, ServerMetrics metrics, TimeProvider clock)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v2", context => Replies.ServerAsync(context, options.Token));
        routes.MapGet("/v2/health/live", context => Replies.JsonAsync(context, 200, w => w.WriteBoolean("live", true)));
        routes.MapGet("/v2/health/ready", ReadyAsync);
        routes.MapGet("/metrics", MetricsAsync);
        foreach (var prefix in new[] { "/v2/models/{model}", "/v2/models/{model}/versions/{version}" })
        {
            routes.MapGet(prefix, context => Known(context) ? Replies.ModelAsync(context, model) : UnknownAsync(context));
            routes.MapGet(prefix + "/ready", context => Known(context) ? ModelReadyAsync(context) : UnknownAsync(context));
            routes.MapPost(prefix + "/infer", context => Known(context) ? InferAsync(context) : UnknownAsync(context));
        }

        routes.MapFallback(context =>
            Replies.ErrorAsync(context, 404, $"there is nothing at {context.Request.Method} {context.Request.Path}"));
    }

    private bool Known(HttpContext context) =>
        context.GetRouteValue("model") as string == model.Name
        && context.GetRouteValue("version") as string is null or ServedModel.Version;

    private static Task UnknownAsync(HttpContext context)
    {
        var version = context.GetRouteValue("version") is string given ? $" version '{given}'" : "";
        return Replies.ErrorAsync(context, 404, $"there is no model '{context.GetRouteValue("model")}'{version} here");
    }

    private Task ReadyAsync(HttpContext context) =>
        Replies.JsonAsync(context, state.IsReady ? 200 : 503, writer => writer.WriteBoolean("ready", state.IsReady));

    private Task ModelReadyAsync(HttpContext context) => Replies.JsonAsync(context, state.IsReady ? 200 : 503, writer =>
    {
        writer.WriteString("name", model.Name);
        writer.WriteBoolean("ready", state.IsReady);
    });

    private Task MetricsAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(metrics.Text(model.Name), context.RequestAborted);
    }

    private async Task InferAsync(HttpContext context)
    {
        if (!state.TryEnter())
        {
            metrics.Failed();
            context.Response.Headers.RetryAfter = "1";
            await Replies.ErrorAsync(context, 503, $"model '{model.Name}' is not ready: {state.NotReadyReason}");
            return;
        }

        var start = clock.GetTimestamp();
        try
        {
            if (context.Request.Headers.ContainsKey("Inference-Header-Content-Length"))
                throw InferenceException.Binary;
            var body = await BodyAsync(context);
            var request = InferRequest.Read(body.Span, model);
            var outputs = await batcher.InferAsync(request.Inputs, request.Outputs, context.RequestAborted);
            metrics.Succeeded(clock.GetElapsedTime(start));
            await Replies.InferredAsync(context, model, request.Id, outputs);
        }
        catch (InferenceException e)
        {
            metrics.Failed();
            if (e.Status == 503)
                context.Response.Headers.RetryAfter = "1";
            await Replies.ErrorAsync(context, e.Status, e.Message);
        }
        catch (BadHttpRequestException e)
        {
            metrics.Failed();
            await Replies.ErrorAsync(context, e.StatusCode, "the body could not be read");
        }
        catch (OperationCanceledException)
        {
            // The client is gone; there is nobody to answer.
            metrics.Failed();
        }
        finally
        {
            state.Leave();
        }
    }

    private async Task<ReadOnlyMemory<byte>> BodyAsync(HttpContext context)
    {
        var length = context.Request.ContentLength;
        if (length > options.MaxBodyBytes)
            throw new InferenceException(413, $"the body has {length} bytes, and at most {options.MaxBodyBytes} are taken");
        // A declared length is only a claim: no more than this is set aside before bytes arrive.
        const int claimMax = 64 * 1024;
        using var body = new MemoryStream((int)Math.Min(length ?? 4096, claimMax));
        var buffer = new byte[16 * 1024];
        while (await context.Request.Body.ReadAsync(buffer, context.RequestAborted) is var read and > 0)
        {
            if (body.Length + read > options.MaxBodyBytes)
                throw new InferenceException(413, $"the body is larger than {options.MaxBodyBytes} bytes");
            body.Write(buffer, 0, read);
        }

        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }
}
