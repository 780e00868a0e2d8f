using System.Collections.Immutable;
using System.Net;
using System.Security.Authentication;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>
/// How one file of a source is asked for: its address, and the headers that let us in. Those go to the host they are meant
/// for and nowhere else; it prints as it may be shown.
/// </summary>
public sealed class SourceRequest
{
    private readonly Uri _url;
    private readonly ImmutableArray<KeyValuePair<string, string>> _headers;
    private readonly Func<HttpResponseMessage, string?>? _explain;
    private readonly bool _elsewhere;

    /// <param name="url">Without a user; its query may hold a signature.</param>
    /// <param name="shown">As messages name it.</param>
    /// <param name="headers">For the address's own host only.</param>
    /// <param name="explain">What would do about a refusal; null when nothing special is known.</param>
    internal SourceRequest(
        Uri url, string shown, ImmutableArray<KeyValuePair<string, string>> headers = default, Func<HttpResponseMessage, string?>? explain = null)
        : this(url, shown, headers.IsDefault ? [] : headers, explain, elsewhere: false)
    {
    }

    private SourceRequest(
        Uri url, string shown, ImmutableArray<KeyValuePair<string, string>> headers, Func<HttpResponseMessage, string?>? explain, bool elsewhere) =>
        (_url, Shown, _headers, _explain, _elsewhere) = (url, shown, headers, explain, elsewhere);

    /// <summary>The file as messages name it.</summary>
    public string Shown { get; }

    /// <summary>Where it is, for the one who asks; never to be shown.</summary>
    internal Uri Url => _url;

    /// <summary>A file behind a web server; a user in the address becomes a header.</summary>
    public static SourceRequest Of(Uri url)
    {
        ArgumentNullException.ThrowIfNull(url);
        if (url.UserInfo.Length == 0) return new SourceRequest(url, ShownOf(url), [], WebRefusal);
        var user = Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(url.UserInfo)));
        var bare = new UriBuilder(url) { UserName = "", Password = "" }.Uri;
        return new SourceRequest(bare, ShownOf(url), [new("Authorization", $"Basic {user}")], WebRefusal);
    }

    /// <summary>An address without what may be a secret in it: user, query and fragment.</summary>
    public static string ShownOf(Uri url)
    {
        ArgumentNullException.ThrowIfNull(url);
        return url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
    }

    /// <summary>A fresh request for the whole of it, to be narrowed by a range.</summary>
    public HttpRequestMessage Message()
    {
        var message = new HttpRequestMessage(HttpMethod.Get, _url);
        message.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        message.Headers.TryAddWithoutValidation("User-Agent", "plimsoll");
        foreach (var (name, value) in _headers) message.Headers.TryAddWithoutValidation(name, value);
        return message;
    }

    public static bool IsRedirect(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
            or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
    }

    /// <summary>The request that a redirect asks for; what lets us in here is not told to another host.</summary>
    /// <exception cref="ArtifactException">It leads nowhere, or to where nobody should follow.</exception>
    public SourceRequest Redirected(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (response.Headers.Location is not { } location)
        {
            throw _explain?.Invoke(response) is { } why
                ? new ArtifactException($"{Shown} answered {(int)response.StatusCode}: {why}.") : new ArtifactException($"{Shown} redirects to nowhere.");
        }

        if (!Uri.TryCreate(_url, location, out var target)) throw new ArtifactException($"{Shown} redirects to what is no address.");
        if (target.Scheme is not ("http" or "https") || _url.Scheme == "https" && target.Scheme != "https")
            throw new ArtifactException($"{Shown} redirects to {target.Scheme}://, which is not followed from {_url.Scheme}://.");
        if (target.UserInfo.Length > 0) target = new UriBuilder(target) { UserName = "", Password = "" }.Uri;
        var same = Uri.Compare(target, _url, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;
        return same ? new SourceRequest(target, Shown, _headers, _explain, _elsewhere) : new SourceRequest(target, Shown, [], null, elsewhere: true);
    }

    /// <summary>What an answer other than the file means, as one sentence.</summary>
    public ArtifactException Refused(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var code = (int)response.StatusCode;
        // The server's own words might repeat what it was sent.
        using var standard = new HttpResponseMessage(response.StatusCode);
        var why = _explain?.Invoke(response) ?? code switch
        {
            401 or 403 when _elsewhere => "the host it redirects to does not let us in; its permission may have run out, try again",
            429 => "it answers no more requests for now; try again later",
            _ => null,
        };
        if (code is 429 or 503 && response.Headers.RetryAfter?.Delta is { } pause && pause > TimeSpan.Zero)
            why = FormattableString.Invariant($"it answers no more requests for {Math.Min(pause.TotalSeconds, 1_000_000):0} s; try again then");
        return new ArtifactException($"{Shown} answered {code} {standard.ReasonPhrase}".TrimEnd() + (why is null ? "." : $": {why}."))
        {
            Unreachable = code is 408 or 429 or >= 500,
            Missing = code is 404 or 410,
            Forbidden = code is 401 or 403,
        };
    }

    /// <summary>Why nobody answered, as one sentence.</summary>
    public ArtifactException Unanswered(Exception why)
    {
        ArgumentNullException.ThrowIfNull(why);
        var said = why is not HttpRequestException failed ? why.Message : failed.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError => "the name of its host is not known",
            HttpRequestError.SecureConnectionError => why.InnerException is AuthenticationException inner
                ? $"its certificate or its TLS is not accepted: {inner.Message}" : "a secure connection could not be made",
            HttpRequestError.InvalidResponse => "what answers there does not speak HTTP",
            HttpRequestError.ConfigurationLimitExceeded => "the headers of its answer are too long",
            _ => why.Message,
        };
        return new ArtifactException($"{Shown} cannot be reached: {said.TrimEnd('.').ReplaceLineEndings(" ")}.", why) { Unreachable = true };
    }

    public override string ToString() => Shown;

    private static string? WebRefusal(HttpResponseMessage response) => response.StatusCode switch
    {
        HttpStatusCode.Unauthorized => "it asks who we are; https://USER:PASSWORD@HOST/PATH would tell it",
        HttpStatusCode.Forbidden => "it does not let us in; a signed address, or a user in it, may do",
        _ => null,
    };
}
