using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>What a change of an object is sent as.</summary>
public enum PatchKind { Apply, Merge }

/// <summary>
/// Requests to the API server in plain JSON, so that of a large cluster only what is looked at is kept in memory. The
/// connection and its credentials are KubernetesClient's. Answers are bounded; what may pass is tried again.
/// </summary>
public sealed class KubernetesApi : IDisposable
{
    /// <summary>Under this name the server records what fields are ours.</summary>
    public const string FieldManager = "plimsoll";

    /// <summary>
    /// Under this name replicas are ours from the moment that a workload is made, so that applying the rest again without them
    /// takes nothing back.
    /// </summary>
    public const string ReplicasManager = FieldManager + "-replicas";

    private const int AnswerBytesMax = 64 << 20;
    private const int TriesMax = 4;
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryAfterMax = TimeSpan.FromSeconds(10);

    // All requests share a connection. One that died without a word, because the machine at its other end did, is given up
    // within a lease's duration: KubernetesClient would go on with it for three and a half minutes.
    private static readonly TimeSpan PingAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly k8s.Kubernetes _client;
    private readonly Meter _meter = new("Plimsoll.Kubernetes");
    private readonly Counter<long> _counter;
    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Verb, string Resource, string Answer), long> _byResource = new();

    public KubernetesApi(k8s.KubernetesClientConfiguration configuration, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var setup = configuration.FirstMessageHandlerSetup;
        configuration.FirstMessageHandlerSetup = handler =>
        {
            setup?.Invoke(handler);
            (handler.KeepAlivePingDelay, handler.KeepAlivePingTimeout, handler.ConnectTimeout) = (PingAfter, PingTimeout, ConnectTimeout);
        };
        (_client, Time) = (new k8s.Kubernetes(configuration), time as ClusterTime ?? new ClusterTime(time));
        _counter = _meter.CreateCounter<long>("plimsoll_apiserver_requests_total", description: "Requests to the API server, by verb and answer.");
    }

    public Uri Address => _client.BaseUri;

    /// <summary>The server's clock, which what it keeps was dated by.</summary>
    public ClusterTime Time { get; }

    /// <summary>Requests so far, by "VERB answer" ("GET 200", "WATCH 200", "PATCH 409", "GET none").</summary>
    public IReadOnlyDictionary<string, long> Requests => _counts;

    /// <summary>
    /// The same by what was asked for ("scaledmodels/status"; "none" where a path names no resource, as in discovery). A read
    /// of many objects is a LIST.
    /// </summary>
    public IReadOnlyDictionary<(string Verb, string Resource, string Answer), long> RequestsByResource => _byResource;

    /// <summary>Reads an object or a page of a list.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public Task<JsonDocument> GetAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, null, cancellationToken);

    /// <summary>Reads an object; null when there is none.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<JsonDocument?> FindAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await GetAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException none) when (none.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Creates an object. Not tried again after a broken connection, as it may be there then.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public Task<JsonDocument> CreateAsync(string path, byte[] json, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, json, "application/json", cancellationToken);

    /// <summary>Replaces an object; its resourceVersion makes sure that nobody wrote in between.</summary>
    /// <exception cref="ApiException">It was refused (409 when somebody wrote), or nothing answered.</exception>
    public Task<JsonDocument> ReplaceAsync(string path, byte[] json, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Put, path, json, "application/json", cancellationToken);

    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public Task<JsonDocument> PatchAsync(string path, byte[] json, PatchKind kind, CancellationToken cancellationToken, string manager = FieldManager) => kind switch
    {
        PatchKind.Apply => SendAsync(
            HttpMethod.Patch, $"{path}?fieldManager={manager}&force=true", ApplyBody.Of(json), "application/apply-patch+yaml", cancellationToken),
        _ => SendAsync(HttpMethod.Patch, $"{path}?fieldManager={manager}", json, "application/merge-patch+json", cancellationToken),
    };

    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public Task<JsonDocument> DeleteAsync(string path, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Delete, path, null, null, cancellationToken);

    /// <summary>Opens a watch; the caller reads its lines and disposes the answer.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<HttpResponseMessage> WatchAsync(string path, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(AnswerTimeMax);
        return await OpenAsync(HttpMethod.Get, path, null, null, "WATCH", cancellationToken, limit.Token).ConfigureAwait(false);
    }

    /// <summary>Counts a watch that was opened and then refused: a place that expired (410) is told of in its first line.</summary>
    internal void CountRefusedWatch(string path, int code) => Count("WATCH", path, code.ToString(System.Globalization.CultureInfo.InvariantCulture));

    public void Dispose()
    {
        _client.Dispose();
        _meter.Dispose();
    }

    private async Task<JsonDocument> SendAsync(
        HttpMethod verb, string path, byte[]? body, string? type, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                limit.CancelAfter(AnswerTimeMax);
                using var response = await OpenAsync(verb, path, body, type, verb.Method, cancellationToken, limit.Token).ConfigureAwait(false);
                try
                {
                    await response.Content.LoadIntoBufferAsync(AnswerBytesMax, limit.Token).ConfigureAwait(false);
                    var stream = await response.Content.ReadAsStreamAsync(limit.Token).ConfigureAwait(false);
                    await using (stream.ConfigureAwait(false))
                        return await JsonDocument.ParseAsync(stream, KubeFields.Deep, limit.Token).ConfigureAwait(false);
                }
                catch (Exception broken) when (IsBroken(broken, cancellationToken) || broken is JsonException)
                {
                    throw new ApiException($"the answer to {verb} {path.Split('?')[0]} broke off: {broken.Message}", inner: broken);
                }
            }
            catch (ApiException failed) when (failed.IsTransient && attempt < TriesMax && (verb != HttpMethod.Post || failed.Status == HttpStatusCode.TooManyRequests))
            {
                await Task.Delay(
                    failed.RetryAfter is { } told ? Jitter.After(told, 0.25) : Jitter.Around(TimeSpan.FromMilliseconds(100 * (1 << attempt)), 0.25),
                    Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(
        HttpMethod verb, string path, byte[]? body, string? type, string counted, CancellationToken cancelled, CancellationToken limit)
    {
        using var request = new HttpRequestMessage(verb, new Uri(_client.BaseUri, path)) { Version = HttpVersion.Version20 };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.TryAddWithoutValidation("User-Agent", "plimsoll");
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(type!);
        }

        HttpResponseMessage response;
        var asked = Time.GetTimestamp();
        try
        {
            if (_client.Credentials is { } credentials) await credentials.ProcessHttpRequestAsync(request, limit).ConfigureAwait(false);
            response = await _client.HttpClient.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit).ConfigureAwait(false);
        }
        catch (Exception broken) when (IsBroken(broken, cancelled))
        {
            Count(counted, path, "none");
            throw new ApiException($"the API server at {_client.BaseUri} does not answer: {Innermost(broken)}", inner: broken);
        }

        if (response.Headers.Date is { } date) Time.Heard(date, asked);
        Count(counted, path, ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (response.IsSuccessStatusCode) return response;
        using (response)
        {
            byte[] said = [];
            try
            {
                await response.Content.LoadIntoBufferAsync(1 << 20, limit).ConfigureAwait(false);
                said = await response.Content.ReadAsByteArrayAsync(limit).ConfigureAwait(false);
            }
            catch (Exception broken) when (IsBroken(broken, cancelled))
            {
                // The code says enough.
            }

            var refused = ApiException.Of(verb, path, response.StatusCode, said);
            if (response.Headers.RetryAfter?.Delta is { } delta) refused.RetryAfter = delta < RetryAfterMax ? delta : RetryAfterMax;
            throw refused;
        }
    }

    // A connection that is reset at the moment it is made is told of by the socket's own exception, which nobody wraps.
    private static bool IsBroken(Exception failure, CancellationToken cancelled) =>
        failure is HttpRequestException or SocketException or IOException || failure is OperationCanceledException && !cancelled.IsCancellationRequested;

    private static string Innermost(Exception failure) =>
        failure is OperationCanceledException ? $"no answer in {Durations.Show(AnswerTimeMax)}"
        : failure.InnerException is { } inner ? Innermost(inner) : failure.Message;

    // "api/v1/namespaces/x/pods/y/status" is of "pods/status"; a path that ends in the resource's own name reads many.
    private static (string Resource, bool Many) ResourceOf(string path)
    {
        var parts = path.Split('?')[0].Split('/');
        var at = parts[0] == "apis" ? 3 : 2;
        if (parts.Length > at + 2 && parts[at] == "namespaces") at += 2;
        if (parts.Length <= at) return ("none", false);
        return (parts.Length > at + 2 ? $"{parts[at]}/{parts[at + 2]}" : parts[at], parts.Length == at + 1);
    }

    private void Count(string verb, string path, string answer)
    {
        var (resource, many) = ResourceOf(path);
        _byResource.AddOrUpdate((many && verb == "GET" ? "LIST" : verb, resource, answer), 1, (_, count) => count + 1);
        _counts.AddOrUpdate($"{verb} {answer}", 1, (_, count) => count + 1);
        _counter.Add(1, new KeyValuePair<string, object?>("verb", verb), new KeyValuePair<string, object?>("code", answer));
    }
}
