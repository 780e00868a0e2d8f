using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway;

/// <summary>How reading a body ended.</summary>
internal enum BodyEnd { Whole, TooLarge, NoRoom }

/// <summary>Bytes of all bodies that are kept at once.</summary>
internal sealed class BodyBudget(Bytes bound)
{
    private long _taken;

    public Bytes Bound => bound;

    public Bytes Taken => new(Interlocked.Read(ref _taken));

    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= bound.Value) return true;
        Return(bytes);
        return false;
    }

    public void Return(long bytes) => Interlocked.Add(ref _taken, -bytes);
}

/// <summary>A request's body, kept as far as routing or a retry needs.</summary>
internal static class RequestBody
{
    // Bodies are trees of messages; nobody's is this deep.
    private const int DeepestJson = 128;

    // What is set aside on a client's word alone.
    private const int Believed = 16 * 1024;

    /// <summary>
    /// Reads the whole body up to a bound. A body that is returned has taken its length from the budget, and whoever
    /// keeps it gives that back.
    /// </summary>
    /// <exception cref="IOException">The client broke the body off.</exception>
    public static async ValueTask<(byte[]? Body, BodyEnd End)> ReadAsync(
        HttpRequest request, long bound, BodyBudget budget, CancellationToken cancellationToken)
    {
        var taken = 0L;
        var whole = false;
        try
        {
            var announced = request.ContentLength;
            if (announced > bound) return (null, BodyEnd.TooLarge);
            if (announced <= Believed)
            {
                if (!budget.TryTake(announced.Value)) return (null, BodyEnd.NoRoom);
                taken = announced.Value;
                var exact = taken == 0 ? [] : GC.AllocateUninitializedArray<byte>((int)taken);
                await request.Body.ReadExactlyAsync(exact, cancellationToken).ConfigureAwait(false);
                whole = true;
                return (exact, BodyEnd.Whole);
            }

            // Room is taken as bytes come: a length that is only announced would let a few silent clients take it all.
            var body = GC.AllocateUninitializedArray<byte>(Believed);
            int read;
            while ((read = await request.Body.ReadAsync(body.AsMemory((int)taken), cancellationToken).ConfigureAwait(false)) > 0)
            {
                if (!budget.TryTake(read)) return (null, BodyEnd.NoRoom);
                taken += read;
                if (taken > bound) return (null, BodyEnd.TooLarge);
                if (taken == announced) break;
                if (taken == body.Length) Array.Resize(ref body, (int)Math.Min(announced ?? (bound + 1), 2 * taken));
            }

            if (taken < announced) throw new EndOfStreamException("the body ended before its announced length");
            if (taken < body.Length) Array.Resize(ref body, (int)taken);
            whole = true;
            return (body, BodyEnd.Whole);
        }
        finally
        {
            if (!whole) budget.Return(taken);
        }
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
