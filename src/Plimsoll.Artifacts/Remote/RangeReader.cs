using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Plimsoll.Artifacts;

/// <summary>What a server sent for one range.</summary>
/// <param name="From">The address that answered, redirects followed.</param>
/// <param name="Length">Bytes of the whole file.</param>
/// <param name="Validator">A strong ETag, else the date of the last change; null when it tells neither.</param>
/// <param name="Content">The range; null from a server that knows no ranges, unless the file is small enough to be read whole.</param>
internal sealed record RangeAnswer(Uri From, long Length, string? Validator, byte[]? Content);

/// <summary>
/// Asks http(s) servers for parts of files. What it may spend in all is bounded: bytes, requests, redirects and time, so
/// that neither a slow server nor a file that lies about itself can hold up a start for long.
/// </summary>
internal sealed class RangeReader : IDisposable
{
    /// <summary>Far more than any header; a tokenizer of 256,000 words takes about 10 MB.</summary>
    public const long BytesMax = 32L << 20;

    private const int RequestsMax = 4000;
    private const int RedirectsMax = 5;

    // Without ranges a file is read whole only when that costs no more than its header might.
    private const int WholeMax = 4 << 20;

    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ConnectMax = TimeSpan.FromSeconds(10);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = ConnectMax,
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    private readonly CancellationTokenSource _patience;
    private readonly CancellationTokenSource _end;
    private readonly CancellationToken _cancelled;
    private long _bytes;
    private int _requests;

    public RangeReader(TimeProvider time, CancellationToken cancellationToken)
    {
        _cancelled = cancellationToken;
        _patience = new CancellationTokenSource(TimeMax, time);
        _end = CancellationTokenSource.CreateLinkedTokenSource(_patience.Token, cancellationToken);
    }

    /// <summary>An address without what may be a secret in it: user, query and fragment.</summary>
    public static string Shown(Uri url) => url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    /// <summary>Reads <paramref name="count"/> bytes from <paramref name="offset"/> on, fewer at the end; an empty file has none.</summary>
    /// <exception cref="ArtifactException">It cannot; the message says why.</exception>
    public RangeAnswer Read(Uri url, long offset, int count)
    {
        var name = Shown(url);
        for (var hop = 0; hop <= RedirectsMax; hop++)
        {
            if (++_requests > RequestsMax) throw new ArtifactException($"{name}: its header lies in more than {RequestsMax} places.");
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
            request.Headers.TryAddWithoutValidation("User-Agent", "plimsoll");
            request.Headers.Range = new RangeHeaderValue(offset, offset + count - 1);
            try
            {
                using var response = _http.Send(request, HttpCompletionOption.ResponseHeadersRead, _end.Token);
                if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                    or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
                    return Answer(name, url, response, offset, count);
                url = Redirected(name, url, response);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
            {
                _cancelled.ThrowIfCancellationRequested();
                throw new ArtifactException(_patience.IsCancellationRequested
                    ? string.Create(CultureInfo.InvariantCulture, $"{name}: its header could not be read within {TimeMax.TotalSeconds:0} s.")
                    : $"{name} cannot be reached: {e.Message}.", e)
                { Unreachable = true };
            }
        }

        throw new ArtifactException($"{name}: more than {RedirectsMax} redirects.");
    }

    public void Dispose()
    {
        _http.Dispose();
        _end.Dispose();
        _patience.Dispose();
    }

    private static Uri Redirected(string name, Uri url, HttpResponseMessage response)
    {
        if (response.Headers.Location is not { } location) throw new ArtifactException($"{name} redirects to nowhere.");
        var target = location.IsAbsoluteUri ? location : new Uri(url, location);
        if (target.Scheme is not ("http" or "https") || url.Scheme == "https" && target.Scheme != "https")
            throw new ArtifactException($"{name} redirects to {target.Scheme}://, which is not followed from {url.Scheme}://.");
        return target;
    }

    private RangeAnswer Answer(string name, Uri url, HttpResponseMessage response, long offset, int count)
    {
        var headers = response.Content.Headers;
        var validator = response.Headers.ETag is { IsWeak: false } tag ? tag.Tag : headers.LastModified?.ToString("R");
        switch (response.StatusCode)
        {
            case HttpStatusCode.PartialContent:
                if (headers.ContentRange is not { From: { } from, Length: { } whole } || from != offset)
                    throw new ArtifactException($"{name} sent another part than it was asked for.");
                return new RangeAnswer(url, whole, validator, Content(name, response, (int)Math.Min(count, whole - offset)));
            case HttpStatusCode.RequestedRangeNotSatisfiable when offset == 0:
                return new RangeAnswer(url, 0, validator, []);
            case HttpStatusCode.OK when headers.ContentLength is null:
                throw new ArtifactException($"{name} does not tell its size, which must be known before it is fetched.");
            case HttpStatusCode.OK:
                var known = headers.ContentLength!.Value;
                var small = offset == 0 && known <= WholeMax;
                return new RangeAnswer(url, known, validator, small ? Content(name, response, (int)known) : null);
            default:
                throw new ArtifactException($"{name} answered {(int)response.StatusCode} {response.ReasonPhrase}.")
                {
                    Unreachable = response.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests
                        or >= HttpStatusCode.InternalServerError,
                    Missing = response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone,
                };
        }
    }

    private byte[] Content(string name, HttpResponseMessage response, int count)
    {
        if ((_bytes += count) > BytesMax) throw new ArtifactException($"{name}: its header is longer than {new Bytes(BytesMax)}.");
        // A read that waits knows no token; closing what it reads from ends it.
        using var abort = _end.Token.Register(response.Dispose);
        using var stream = response.Content.ReadAsStream(_end.Token);
        var content = new byte[count];
        var read = stream.ReadAtLeast(content, count, throwOnEndOfStream: false);
        return read == count ? content : throw new ArtifactException($"{name} ended after {read} of {count} bytes that were asked for.");
    }
}
