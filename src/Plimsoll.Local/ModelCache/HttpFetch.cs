using System.Net;
using System.Net.Http.Headers;

namespace Plimsoll.Local;

/// <summary>Opens http(s) sources at an offset, and makes sure that what comes continues what is here.</summary>
internal sealed class HttpFetch(HttpMessageInvoker http, TimeSpan stall, TimeProvider time)
{
    private const int MostRedirects = 5;

    /// <summary>A URL without what may be a secret in it: user, query and fragment.</summary>
    public static string Shown(Uri url) => url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    /// <param name="url">The file.</param>
    /// <param name="offset">Bytes that are here already.</param>
    /// <param name="validator">The ETag or date they came under.</param>
    /// <param name="checksummed">With a checksum at the end, a server without validators may be continued too.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<SourceStream> OpenAsync(
        Uri url, long offset, string? validator, bool checksummed, CancellationToken cancellationToken)
    {
        if (validator is null && !checksummed) offset = 0;
        for (var hop = 0; hop <= MostRedirects; hop++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
            request.Headers.TryAddWithoutValidation("User-Agent", "plimsoll");
            if (offset > 0)
            {
                request.Headers.Range = new RangeHeaderValue(offset, null);
                if (validator is not null) request.Headers.TryAddWithoutValidation("If-Range", validator);
            }

            var response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
                return await ReadAsync(url, response, offset, cancellationToken).ConfigureAwait(false);
            using (response) url = Redirected(url, response);
        }

        throw new FetchFailedException($"{Shown(url)}: more than {MostRedirects} redirects");
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(stall, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return await http.SendAsync(request, either.Token).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw new FetchFailedException($"{Shown(request.RequestUri!)} cannot be reached: {e.Message}", transient: true);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new FetchFailedException(
                $"{Shown(request.RequestUri!)} did not answer within {Durations.Show(stall)}", transient: true);
        }
    }

    private static Uri Redirected(Uri url, HttpResponseMessage response)
    {
        if (response.Headers.Location is not { } location)
            throw new FetchFailedException($"{Shown(url)} redirects to nowhere");
        var target = location.IsAbsoluteUri ? location : new Uri(url, location);
        if (target.Scheme is not ("http" or "https") || url.Scheme == "https" && target.Scheme != "https")
            throw new FetchFailedException($"{Shown(url)} redirects to {target.Scheme}://, which is not followed from {url.Scheme}://");
        return target;
    }

    private static async Task<SourceStream> ReadAsync(
        Uri url, HttpResponseMessage response, long offset, CancellationToken cancellationToken)
    {
        try
        {
            var content = response.Content.Headers;
            if (response.StatusCode == HttpStatusCode.PartialContent)
            {
                // A part that begins elsewhere than asked would make a whole of the wrong bytes.
                if (content.ContentRange is not { From: { } from, Length: var whole } || from != offset)
                    throw new FetchFailedException($"{Shown(url)} sent another part than asked for", dropPartial: true);
                return await StreamAsync(offset, whole).ConfigureAwait(false);
            }

            if (response.StatusCode == HttpStatusCode.OK)
                return await StreamAsync(0, content.ContentLength).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && offset > 0)
            {
                // All of it is here already, or the file is shorter now than what is here.
                if (content.ContentRange?.Length == offset)
                    return new SourceStream(Stream.Null, offset, offset, Validator(response), response);
                throw new FetchFailedException($"{Shown(url)} is shorter than what was fetched of it", transient: true, dropPartial: true);
            }

            var code = (int)response.StatusCode;
            throw new FetchFailedException(
                $"{Shown(url)} answered {code} {response.ReasonPhrase}", transient: code is 408 or 429 or >= 500);
        }
        catch
        {
            response.Dispose();
            throw;
        }

        async Task<SourceStream> StreamAsync(long startsAt, long? length) => new(
            await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), startsAt, length,
            Validator(response), response);
    }

    // A weak ETag says "as good as", which is not enough to join two halves.
    private static string? Validator(HttpResponseMessage response) =>
        response.Headers.ETag is { IsWeak: false } tag ? tag.Tag
        : response.Content.Headers.LastModified is { } modified ? modified.ToString("R") : null;
}
