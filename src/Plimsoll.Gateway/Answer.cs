using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway;

/// <summary>What the gateway answers itself, in the shape of the protocol that was spoken.</summary>
internal static class Answer
{
    public static Task ErrorAsync(
        HttpContext context, ProtocolPath path, int status, string message, Action<IHeaderDictionary>? headers = null)
    {
        if (context.Response.HasStarted) return Task.CompletedTask;
        context.Response.Clear();
        context.Response.StatusCode = status;
        headers?.Invoke(context.Response.Headers);
        return JsonAsync(context, writer =>
        {
            writer.WriteStartObject();
            if (path.IsOpenAi)
            {
                writer.WriteStartObject("error");
                writer.WriteString("message", message);
                writer.WriteString("type", status >= 500 ? "server_error" : "invalid_request_error");
                writer.WriteNull("param");
                writer.WriteString("code", Code(status));
                writer.WriteEndObject();
            }
            else
            {
                writer.WriteString("error", message);
            }

            writer.WriteEndObject();
        });
    }

    /// <summary>503 with Retry-After: when a replica is expected, else a second.</summary>
    public static Task BusyAsync(HttpContext context, ProtocolPath path, TimeSpan? expectedReady, string message)
    {
        if (context.Response.HasStarted) return Task.CompletedTask;
        var seconds = Math.Clamp(Math.Ceiling((expectedReady ?? TimeSpan.Zero).TotalSeconds), 1, 3600);
        return ErrorAsync(context, path, StatusCodes.Status503ServiceUnavailable, message,
            headers => headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture));
    }

    public static Task UnauthorizedAsync(HttpContext context, ProtocolPath path) =>
        ErrorAsync(context, path, StatusCodes.Status401Unauthorized, "a valid API key is needed: Authorization: Bearer <key>",
            headers => headers.WWWAuthenticate = "Bearer");

    public static Task MethodAsync(HttpContext context, ProtocolPath path, string allowed) =>
        ErrorAsync(context, path, StatusCodes.Status405MethodNotAllowed, $"{context.Request.Path} takes {allowed}",
            headers => headers.Allow = allowed);

    public static Task ServerMetadataAsync(HttpContext context) => JsonAsync(context, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("name", "plimsoll");
        writer.WriteString("version", typeof(Answer).Assembly.GetName().Version?.ToString(3));
        writer.WriteStartArray("extensions");
        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    public static Task ModelListAsync(HttpContext context, Router router) => JsonAsync(context, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        foreach (var model in router.Models) Entry(writer, model);
        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    public static Task ModelEntryAsync(HttpContext context, ProtocolPath path, Router router) =>
        path.Model is { } model && router.TryFind(model, out var queue)
            ? JsonAsync(context, writer => Entry(writer, queue.Route.Model))
            : ErrorAsync(context, path, StatusCodes.Status404NotFound, $"there is no model at {context.Request.Path}");

    private static void Entry(Utf8JsonWriter writer, ModelId model)
    {
        writer.WriteStartObject();
        writer.WriteString("id", model.Value);
        writer.WriteString("object", "model");
        writer.WriteNumber("created", 0);
        writer.WriteString("owned_by", "plimsoll");
        writer.WriteEndObject();
    }

    private static async Task JsonAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        context.Response.ContentType = "application/json";
        using var buffer = new MemoryStream();
        await using (var writer = new Utf8JsonWriter(buffer)) write(writer);
        context.Response.ContentLength = buffer.Length;
        await context.Response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), context.RequestAborted).ConfigureAwait(false);
    }

    private static string Code(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => "invalid_api_key",
        StatusCodes.Status403Forbidden => "forbidden",
        StatusCodes.Status404NotFound => "model_not_found",
        StatusCodes.Status405MethodNotAllowed => "method_not_allowed",
        StatusCodes.Status413PayloadTooLarge => "request_too_large",
        StatusCodes.Status503ServiceUnavailable => "model_not_ready",
        _ => status >= 500 ? "server_error" : "invalid_request",
    };
}
