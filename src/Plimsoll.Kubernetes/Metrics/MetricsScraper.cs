using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;

namespace Plimsoll.Kubernetes.Metrics;

public sealed record MetricsScraperSettings
{
    /// <summary>What one pod gets, from the connection to the last byte.</summary>
    public TimeSpan PodTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What all of one look get together; pods not read by then are stale or missing.</summary>
    public TimeSpan LookTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Pods asked at once.</summary>
    public int Concurrency { get; init; } = 64;

    public ExpositionLimits Limits { get; init; } = ExpositionLimits.Default;

    /// <summary>Roots that vouch for pods on HTTPS; null takes the system's.</summary>
    public X509Certificate2Collection? Roots { get; init; }

    /// <summary>Takes any certificate of a pod on HTTPS: what it says of itself is then as good as plain HTTP.</summary>
    public bool AcceptAnyCertificate { get; init; }
}

/// <summary>
/// Reads pods' metrics over HTTP. Whatever an endpoint does ends in a reading, never in an exception. Looks must not
/// overlap.
/// </summary>
public sealed class MetricsScraper : IDisposable
{
    private readonly MetricsScraperSettings _settings;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;
    private readonly LastSamples _last = new();

    // When each failing pod was asked last; those that answer have no entry.
    private readonly ConcurrentDictionary<string, long> _failing = new(StringComparer.Ordinal);

    public MetricsScraper(MetricsScraperSettings settings, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        (_settings, _time) = (settings, time);
        _client = new HttpClient(HttpTransport.Handler(settings.Roots, settings.AcceptAnyCertificate))
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>One reading a pod, in the order of the pods.</summary>
    public async Task<ImmutableArray<PodReading>> ScrapeAsync(
        IReadOnlyList<PodEndpoint> pods, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pods);
        _last.Keep(pods);
        var readings = new PodReading?[pods.Count];
        using var look = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = _time.CreateTimer(_ => Cancel(look), null, _settings.LookTimeout, Timeout.InfiniteTimeSpan);

        // Pods that answer come first, so that a hundred that hang cannot starve them; of those that hang, the one
        // that has waited longest.
        var order = Enumerable.Range(0, pods.Count).OrderBy(i => _failing.TryGetValue(pods[i].Uid, out var asked) ? asked : long.MinValue)
            .ThenBy(i => pods[i].Uid, StringComparer.Ordinal).ToArray();
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(_settings.Concurrency, pods.Count)).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is var turn && turn < order.Length && !look.IsCancellationRequested)
                readings[order[turn]] = await ReadAsync(pods[order[turn]], look.Token);
        }));
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var uid in _failing.Keys.Except(pods.Select(pod => pod.Uid)).ToArray()) _failing.TryRemove(uid, out var _);
        return [.. readings.Select((reading, i) => reading ?? _last.Bad(pods[i], "other pods took all of this look's time"))];
    }

    private async Task<PodReading> ReadAsync(PodEndpoint pod, CancellationToken look)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(look);
            using var timer = _time.CreateTimer(_ => Cancel(patience), null, _settings.PodTimeout, Timeout.InfiniteTimeSpan);
            var samples = await FetchAsync(pod.Metrics, patience.Token);
            var sample = ServerMetrics.Read(samples, _time.GetUtcNow(), pod.ServedName);
            _failing.TryRemove(pod.Uid, out _);
            return _last.Good(pod, sample);
        }
        catch (Exception problem) when (HttpTransport.Sentence(problem, _settings.PodTimeout) is { } why)
        {
            _failing[pod.Uid] = _time.GetTimestamp();
            return _last.Bad(pod, look.IsCancellationRequested ? "this look ended before it had answered" : why);
        }
    }

    private async Task<ImmutableArray<ExpositionSample>> FetchAsync(Uri address, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/plain"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/openmetrics-text", 0.5));
        using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
            throw new MetricsException($"it answered {(int)response.StatusCode} where 200 is expected");
        var body = await HttpTransport.ReadBoundedAsync(response.Content, _settings.Limits.MaxBytes, cancellationToken);
        try
        {
            var text = body.Memory.Span;
            if (response.Content.Headers.ContentType?.MediaType == "application/openmetrics-text" && !text.EndsWith("# EOF\n"u8))
                throw new MetricsException("the metrics do not end in # EOF, so they were cut off");
            return Exposition.Read(text, MetricNames.Series, _settings.Limits);
        }
        finally
        {
            body.Return();
        }
    }

    // The timer may fire while the look ends.
    private static void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
        }
    }

    public void Dispose() => _client.Dispose();
}
