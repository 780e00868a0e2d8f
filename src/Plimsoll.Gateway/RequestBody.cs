using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway;

/// <summary>A request's body, kept as far as routing or a retry needs.</summary>
internal static class RequestBody
{
    // Bodies are trees of messages; nobody's is this deep.
    private const int DeepestJson = 128;

    /// <summary>Reads the whole body up to a bound; null when it is larger.</summary>
    public static async ValueTask<byte[]?> ReadAsync(HttpRequest request, long bound, CancellationToken cancellationToken)
    {
        if (request.ContentLength is { } length)
        {
            if (length > bound) return null;
            var exact = GC.AllocateUninitializedArray<byte>((int)length);
            await request.Body.ReadExactlyAsync(exact, cancellationToken).ConfigureAwait(false);
            return exact;
        }

        using var buffer = new MemoryStream();
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await request.Body.ReadAsync(chunk, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (buffer.Length + read > bound) return null;
            buffer.Write(chunk, 0, read);
        }

        return buffer.ToArray();
    }

    /// <summary>The value of the top-level "model"; null with what is wrong where there is none.</summary>
    public static (string? Model, string? Problem) ModelOf(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = DeepestJson });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return (null, "the body must be a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isModel = reader.ValueTextEquals("model"u8);
                reader.Read();
                if (isModel)
                    return reader.TokenType == JsonTokenType.String
                        ? (reader.GetString(), null)
                        : (null, $"\"model\" must be a string, found {reader.TokenType}");
                reader.Skip();
            }

            return (null, "the body has no \"model\"");
        }
        catch (JsonException problem)
        {
            return (null, $"the body is not JSON: line {problem.LineNumber + 1}, byte {problem.BytePositionInLine}");
        }
        catch (InvalidOperationException)
        {
            return (null, "\"model\" is not valid text");
        }
    }
}
