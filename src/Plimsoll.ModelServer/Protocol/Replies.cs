using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Plimsoll.ModelServer;

/// <summary>The protocol's response bodies.</summary>
internal static class Replies
{
    // These bodies are never part of a page, so quotes in sentences may stay readable.
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Task ErrorAsync(HttpContext context, int status, string message) =>
        JsonAsync(context, status, writer => writer.WriteString("error", message));

    public static Task ServerAsync(HttpContext context, string? token) => JsonAsync(context, 200, writer =>
    {
        writer.WriteString("name", "plimsoll-model-server");
        writer.WriteString("version", typeof(Replies).Assembly.GetName().Version!.ToString(3));
        writer.WriteStartArray("extensions");
        writer.WriteEndArray();
        if (token is not null)
            writer.WriteString("token", token);
    });

    public static Task ModelAsync(HttpContext context, ServedModel model) => JsonAsync(context, 200, writer =>
    {
        writer.WriteString("name", model.Name);
        writer.WriteStartArray("versions");
        writer.WriteStringValue(ServedModel.Version);
        writer.WriteEndArray();
        writer.WriteString("platform", ServedModel.Platform);
        Signatures(writer, "inputs", model.Inputs);
        Signatures(writer, "outputs", model.Outputs);
    });

    public static Task InferredAsync(HttpContext context, ServedModel model, string? id, TensorData[] outputs) =>
        JsonAsync(context, 200, writer =>
        {
            writer.WriteString("model_name", model.Name);
            writer.WriteString("model_version", ServedModel.Version);
            if (id is not null)
                writer.WriteString("id", id);
            writer.WriteStartArray("outputs");
            foreach (var output in outputs)
            {
                Head(writer, output.Name, output.Type, output.Shape);
                writer.WritePropertyName("data");
                TensorJson.Write(writer, output);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        });

    /// <summary>Writes one JSON object, whole, so that no error can cut a response that has begun.</summary>
    public static async Task JsonAsync(HttpContext context, int status, Action<Utf8JsonWriter> properties)
    {
        var body = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(body, Readable))
        {
            writer.WriteStartObject();
            properties(writer);
            writer.WriteEndObject();
        }

        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.WrittenCount;
        await context.Response.Body.WriteAsync(body.WrittenMemory, context.RequestAborted);
    }

    private static void Signatures(Utf8JsonWriter writer, string name, Signature[] signatures)
    {
        writer.WriteStartArray(name);
        foreach (var signature in signatures)
        {
            Head(writer, signature.Name, signature.Type, signature.Shape);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void Head(Utf8JsonWriter writer, string name, TensorType type, long[] shape)
    {
        writer.WriteStartObject();
        writer.WriteString("name", name);
        writer.WriteString("datatype", type.Protocol);
        writer.WriteStartArray("shape");
        foreach (var axis in shape)
            writer.WriteNumberValue(axis);
        writer.WriteEndArray();
    }
}
