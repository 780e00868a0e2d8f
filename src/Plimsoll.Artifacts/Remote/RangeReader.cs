using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace Plimsoll.Artifacts;

/// <summary>What a server sent for one range.</summary>
/// <param name="From">What answered, redirects followed.</param>
/// <param name="Length">Bytes of the whole file.</param>
/// <param name="Validator">A strong ETag, else the date of the last change; null when it tells neither.</param>
/// <param name="Content">The range; null from a server that knows no ranges, unless the file is small enough to be read whole.</param>
internal sealed record RangeAnswer(SourceRequest From, long Length, string? Validator, byte[]? Content);

/// <summary>
/// Asks http(s) servers for parts of files. What it may spend in all is bounded: bytes, requests, redirects and time, so
/// that neither a slow server nor a file that lies about itself can hold up a start for long. It may be asked many things at once.
/// </summary>
internal sealed class RangeReader : IDisposable
{
    /// <summary>Far more than any header. A folder of a trillion parameters, experts stored one by one, has 20 MB of index and as
    /// much of headers; a tokenizer of 256,000 words takes about 10 MB.</summary>
    public const long BytesMax = 128L << 20;

    private const int RequestsMax = 4000;
    private const int RedirectsMax = 5;
    private const int PausesMax = 3;

    // Without ranges a file is read whole only when that costs no more than its header might.
    private const int WholeMax = 4 << 20;

    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ConnectMax = TimeSpan.FromSeconds(10);

    // A server that asks for a longer pause than this is not waited for.
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(10);

    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = ConnectMax,
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _patience;
    private readonly CancellationTokenSource _end;
    private readonly CancellationToken _cancelled;
    private long _bytes;
    private int _requests;

    public RangeReader(TimeProvider time, CancellationToken cancellationToken)
    {
        (_time, _cancelled) = (time, cancellationToken);
        _patience = new CancellationTokenSource(TimeMax, time);
        _end = CancellationTokenSource.CreateLinkedTokenSource(_patience.Token, cancellationToken);
    }

    /// <summary>Bytes of all answers that were read.</summary>
    public long BytesRead => Interlocked.Read(ref _bytes);

    /// <summary>Reads <paramref name="count"/> bytes from <paramref name="offset"/> on, fewer at the end; an empty file has none.</summary>
    /// <exception cref="ArtifactException">It cannot; the message says why.</exception>
    public Task<RangeAnswer> ReadAsync(SourceRequest request, long offset, int count) =>
        AskAsync(request, new RangeHeaderValue(offset, offset + count - 1), (from, response) => AnswerAsync(from, response, offset, count));

    /// <summary>The same for a reader that knows no waiting.</summary>
    /// <exception cref="ArtifactException">It cannot; the message says why.</exception>
    public RangeAnswer Read(SourceRequest request, long offset, int count) =>
        Task.Run(() => ReadAsync(request, offset, count)).GetAwaiter().GetResult();

    /// <summary>Reads a listing, whose length need not be told.</summary>
    /// <exception cref="ArtifactException">It cannot, or it has more than <paramref name="bytesMax"/> bytes.</exception>
    public byte[] ReadListing(SourceRequest request, int bytesMax) =>
        Task.Run(() => AskAsync(request, null, (from, response) => ListingAsync(from, response, bytesMax))).GetAwaiter().GetResult();

    public void Dispose()
    {
        _http.Dispose();
        _end.Dispose();
        _patience.Dispose();
    }

    private async Task<T> AskAsync<T>(SourceRequest request, RangeHeaderValue? range, Func<SourceRequest, HttpResponseMessage, Task<T>> read)
    {
        var (name, pauses) = (request.Shown, 0);
        for (var hop = 0; hop <= RedirectsMax;)
        {
            if (Interlocked.Increment(ref _requests) > RequestsMax) throw new ArtifactException($"{name}: its header lies in more than {RequestsMax} places.");
            using var message = request.Message();
            message.Headers.Range = range;
            try
            {
                using var response = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, _end.Token).ConfigureAwait(false);
                if (response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable
                    && response.Headers.RetryAfter?.Delta is { } pause && pause <= PauseMax && pauses++ < PausesMax)
                {
                    await Task.Delay(pause, _time, _end.Token).ConfigureAwait(false);
                    continue;
                }

                if (!SourceRequest.IsRedirect(response)) return await read(request, response).ConfigureAwait(false);
                (request, hop) = (request.Redirected(response), hop + 1);
            }
            catch (Exception e) when (e is HttpRequestException or SocketException or IOException or OperationCanceledException)
            {
                _cancelled.ThrowIfCancellationRequested();
                throw !_patience.IsCancellationRequested ? request.Unanswered(e) : new ArtifactException(
                    string.Create(CultureInfo.InvariantCulture, $"{name}: its header could not be read within {TimeMax.TotalSeconds:0} s."), e)
                { Unreachable = true };
            }
        }

        throw new ArtifactException($"{name}: more than {RedirectsMax} redirects.");
    }

    private async Task<byte[]> ListingAsync(SourceRequest from, HttpResponseMessage response, int bytesMax)
    {
        if (response.StatusCode != HttpStatusCode.OK) throw from.Refused(response);
        var told = response.Content.Headers.ContentLength ?? 0;
        if (told > bytesMax) throw new ArtifactException($"{from.Shown} has a listing of more than {new Bytes(bytesMax)}.");
        var stream = await response.Content.ReadAsStreamAsync(_end.Token).ConfigureAwait(false);
        await using var closing = stream.ConfigureAwait(false);
        using var content = new MemoryStream();
        var piece = new byte[64 * 1024];
        for (int read; (read = await stream.ReadAsync(piece, _end.Token).ConfigureAwait(false)) > 0;)
        {
            Spend(from.Shown, read);
            if (content.Length + read > bytesMax) throw new ArtifactException($"{from.Shown} has a listing of more than {new Bytes(bytesMax)}.");
            content.Write(piece, 0, read);
        }

        return content.ToArray();
    }

    private async Task<RangeAnswer> AnswerAsync(SourceRequest from, HttpResponseMessage response, long offset, int count)
    {
        var (name, headers) = (from.Shown, response.Content.Headers);
        var validator = response.Headers.ETag is { IsWeak: false } tag ? tag.Tag : headers.LastModified?.ToString("R");
        if (headers.ContentEncoding.Count > 0 && response.IsSuccessStatusCode)
            throw new ArtifactException($"{name} is sent compressed although it was asked for as it is; its parts cannot be told so.");
        switch (response.StatusCode)
        {
            case HttpStatusCode.PartialContent:
                var part = headers.ContentRange;
                // A part that begins or ends elsewhere than asked, or past its own end, would be taken for other bytes.
                if (part is not { From: { } first, To: { } last, Length: { } whole } || first != offset || whole <= offset
                    || last != Math.Min(whole, offset + count) - 1)
                    throw new ArtifactException($"{name} sent another part than it was asked for.");
                if (whole > ByteFolder.FileBytesMax) throw TooLarge(name, whole);
                return new RangeAnswer(from, whole, validator, await ContentAsync(name, response, (int)(last - first + 1)).ConfigureAwait(false));
            case HttpStatusCode.RequestedRangeNotSatisfiable when offset == 0:
                return new RangeAnswer(from, 0, validator, []);
            case HttpStatusCode.OK when headers.ContentLength is null:
                throw new ArtifactException($"{name} does not tell its size, which must be known before it is fetched.");
            case HttpStatusCode.OK:
                var known = headers.ContentLength!.Value;
                if (known > ByteFolder.FileBytesMax) throw TooLarge(name, known);
                var small = offset == 0 && known <= WholeMax;
                return new RangeAnswer(from, known, validator, small ? await ContentAsync(name, response, (int)known).ConfigureAwait(false) : null);
            default:
                throw from.Refused(response);
        }
    }

    private static ArtifactException TooLarge(string name, long bytes) => new($"{name} is said to have {bytes} bytes, which no file of a model has.");

    private async Task<byte[]> ContentAsync(string name, HttpResponseMessage response, int count)
    {
        Spend(name, count);
        var stream = await response.Content.ReadAsStreamAsync(_end.Token).ConfigureAwait(false);
        await using var closing = stream.ConfigureAwait(false);
        var content = new byte[count];
        var read = await stream.ReadAtLeastAsync(content, count, throwOnEndOfStream: false, _end.Token).ConfigureAwait(false);
        return read == count ? content : throw new ArtifactException($"{name} ended after {read} of {count} bytes that were asked for.");
    }

    private void Spend(string name, int count)
    {
        if (Interlocked.Add(ref _bytes, count) > BytesMax) throw new ArtifactException($"{name}: its header is longer than {new Bytes(BytesMax)}.");
    }
}
