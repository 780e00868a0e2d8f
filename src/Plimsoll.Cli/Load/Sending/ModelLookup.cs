using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Plimsoll.Cli.Load.Sending;

/// <summary>What a model is to be sent, or why that cannot be known.</summary>
/// <param name="Inputs">What it is sent; null when nothing can be.</param>
/// <param name="Note">A sentence for the person, where there is something to say.</param>
public sealed record LookedUp(ModelInputs? Inputs, string? Note);

/// <summary>Asks a server what a model takes.</summary>
public static class ModelLookup
{
    private const int LongestAnswer = 1 << 20;

    /// <summary>
    /// Reads the model's metadata. A server that knows the model but cannot describe it now (nothing loaded yet)
    /// leaves the sample models' input as the assumption, and the note says so.
    /// </summary>
    public static async Task<LookedUp> AskAsync(
        SendingOptions options, ModelId model, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LongestAnswer,
        };
        if (options.ApiKey is { } key) client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        using var deadline = new CancellationTokenSource(options.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var answer = await client.GetAsync(
                new Uri(options.Gateway, $"/v2/models/{Uri.EscapeDataString(model.Value)}"), either.Token).ConfigureAwait(false);
            if (answer.StatusCode is HttpStatusCode.NotFound)
                return new LookedUp(null, $"{options.Gateway} serves no model '{model}'.");
            if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
                return new LookedUp(null, $"{options.Gateway} wants an API key (HTTP {(int)answer.StatusCode}); give it in PLIMSOLL_API_KEY.");
            if (!answer.IsSuccessStatusCode) return Assumed(model, $"HTTP {(int)answer.StatusCode}");
            var text = await answer.Content.ReadAsByteArrayAsync(either.Token).ConfigureAwait(false);
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 32 });
            var (inputs, why) = ModelInputs.FromMetadata(document.RootElement);
            return inputs is not null ? new LookedUp(inputs, null)
                : new LookedUp(null, $"'{model}' cannot be sent made-up requests: {why}.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Assumed(model, "no answer in time");
        }
        catch (JsonException)
        {
            return new LookedUp(null, $"what {options.Gateway} says of '{model}' is no JSON; is it an Open Inference v2 server?");
        }
        catch (Exception problem) when (problem is HttpRequestException or SocketException)
        {
            return new LookedUp(null, $"nothing answers at {options.Gateway} ({problem.Message}); plimsoll status says whether a fleet runs and where, --url names its address");
        }
    }

    private static LookedUp Assumed(ModelId model, string what) =>
        new(ModelInputs.TokenIds, $"'{model}' is not described now ({what}); sending input_ids INT64 [1, length].");
}
