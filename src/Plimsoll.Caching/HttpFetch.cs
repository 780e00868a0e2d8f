using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Plimsoll.Artifacts;

namespace Plimsoll.Caching;

/// <summary>Opens http(s) sources at an offset, and makes sure that what comes continues what is here.</summary>
internal sealed class HttpFetch(HttpMessageInvoker http, TimeSpan stall, TimeProvider time)
{
    private const int MostRedirects = 5;

    /// <param name="source">The file.</param>
    /// <param name="offset">Bytes that are here already.</param>
    /// <param name="validator">The ETag or date they came under.</param>
    /// <param name="checksummed">With a checksum at the end, a server without validators may be continued too.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<SourceStream> OpenAsync(
        SourceRequest source, long offset, string? validator, bool checksummed, CancellationToken cancellationToken)
    {
        if (validator is null && !checksummed) offset = 0;
        for (var hop = 0; hop <= MostRedirects; hop++)
        {
            using var request = source.Message();
            if (offset > 0)
            {
                request.Headers.Range = new RangeHeaderValue(offset, null);
                if (validator is not null) request.Headers.TryAddWithoutValidation("If-Range", validator);
            }

            var response = await SendAsync(source, request, cancellationToken).ConfigureAwait(false);
            if (!SourceRequest.IsRedirect(response)) return await ReadAsync(source, response, offset, validator, cancellationToken).ConfigureAwait(false);
            using (response) source = Redirected(source, response);
        }

        throw new FetchFailedException($"{source.Shown}: more than {MostRedirects} redirects");
    }

    private async Task<HttpResponseMessage> SendAsync(SourceRequest source, HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(stall, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return await http.SendAsync(request, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or SocketException)
        {
            throw FetchFailedException.Of(source.Unanswered(e));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new FetchFailedException($"{source.Shown} did not answer within {Durations.Show(stall)}", transient: true);
        }
    }

    private static SourceRequest Redirected(SourceRequest source, HttpResponseMessage response)
    {
        try
        {
            return source.Redirected(response);
        }
        catch (ArtifactException nowhere)
        {
            throw FetchFailedException.Of(nowhere);
        }
    }

    private static async Task<SourceStream> ReadAsync(
        SourceRequest source, HttpResponseMessage response, long offset, string? validator, CancellationToken cancellationToken)
    {
        try
        {
            var content = response.Content.Headers;
            if (content.ContentEncoding.Count > 0 && response.IsSuccessStatusCode)
                throw new FetchFailedException($"{source.Shown} is sent compressed although it was asked for as it is; those bytes are not the file's");
            if (response.StatusCode == HttpStatusCode.PartialContent)
            {
                // A part that begins elsewhere than asked would make a whole of the wrong bytes.
                if (content.ContentRange is not { From: { } from, Length: var whole } || from != offset)
                    throw new FetchFailedException($"{source.Shown} sent another part than asked for", dropPartial: true);
                // Not every server heeds If-Range; what it says of the part tells that it is of another file.
                if (offset > 0 && validator is not null && Validator(response) is { } now && now != validator)
                    throw new FetchFailedException($"{source.Shown} changed while it was fetched", transient: true, dropPartial: true);
                return await StreamAsync(offset, whole).ConfigureAwait(false);
            }

            if (response.StatusCode == HttpStatusCode.OK)
                return await StreamAsync(0, content.ContentLength).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && offset > 0)
            {
                // All of it is here already, or the file is shorter now than what is here.
                if (content.ContentRange?.Length == offset)
                    return new SourceStream(Stream.Null, offset, offset, Validator(response), response);
                throw new FetchFailedException($"{source.Shown} is shorter than what was fetched of it", transient: true, dropPartial: true);
            }

            throw FetchFailedException.Of(source.Refused(response), response.Headers.RetryAfter?.Delta);
        }
        catch
        {
            response.Dispose();
            throw;
        }

        async Task<SourceStream> StreamAsync(long startsAt, long? length) => new(
            await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), startsAt, length,
            Validator(response), response)
        { Sha256 = startsAt == 0 ? Sha256(response) : null };
    }

    // A weak ETag says "as good as", which is not enough to join two halves.
    private static string? Validator(HttpResponseMessage response) =>
        response.Headers.ETag is { IsWeak: false } tag ? tag.Tag
        : response.Content.Headers.LastModified is { } modified ? modified.ToString("R") : null;

    // Of an object that was uploaded whole. One of parts has a hash of their hashes, which ends in their number.
    private static string? Sha256(HttpResponseMessage response)
    {
        var hash = new byte[32];
        return response.StatusCode == HttpStatusCode.OK && response.Headers.TryGetValues("x-amz-checksum-sha256", out var values)
            && !(response.Headers.TryGetValues("x-amz-checksum-type", out var types) && types.Contains("COMPOSITE", StringComparer.OrdinalIgnoreCase))
            && Convert.TryFromBase64String(values.First(), hash, out var bytes) && bytes == hash.Length ? Convert.ToHexStringLower(hash) : null;
    }
}
