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

    /// <summary>
    /// What a look waits for at the most. Pods not read by then come first at the next one; until then their last sample
    /// stands for them while it is fresh.
    /// </summary>
    public TimeSpan LookTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How old a sample may be that stands for a pod which a look had no time for: below half of the meter's longest gap.</summary>
    public TimeSpan FreshFor { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Pods asked at once.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>Pods up to which connections are kept open; of more, each is asked over a connection of its own, then closed.</summary>
    public int KeptConnectionsMax { get; init; } = 1000;

    public ExpositionLimits Limits { get; init; } = ExpositionLimits.Default;

    /// <summary>Roots that vouch for pods on HTTPS; null takes the system's.</summary>
    public X509Certificate2Collection? Roots { get; init; }

    /// <summary>Takes any certificate of a pod on HTTPS: what it says of itself is then as good as plain HTTP.</summary>
    public bool AcceptAnyCertificate { get; init; }
}

/// <summary>
/// Reads pods' metrics over HTTP. Whatever an endpoint does ends in a reading, never in an exception. A look waits for the
/// pods that answered last time, as far as it has time; those that failed are tried beside it, and it is not they who
/// decide how long a turn takes. Looks must not overlap.
/// </summary>
public sealed class MetricsScraper : IDisposable
{
    private readonly MetricsScraperSettings _settings;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;
    private readonly LastSamples _last = new();

    // When each pod was asked last, and what went wrong then.
    private readonly ConcurrentDictionary<string, (long At, string? Why)> _asked = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _ending = new();
    private Task _retrying = Task.CompletedTask;
    private bool _keepsConnections = true;

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
        foreach (var uid in _asked.Keys.Except(pods.Select(pod => pod.Uid)).ToArray()) _asked.TryRemove(uid, out _);
        _keepsConnections = pods.Count <= _settings.KeptConnectionsMax;
        using var look = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = _time.CreateTimer(_ => Cancel(look), null, _settings.LookTimeout, Timeout.InfiniteTimeSpan);

        // Whoever has waited longest comes first, so that in a few looks all are read, however many there are.
        var order = pods.OrderBy(pod => _asked.TryGetValue(pod.Uid, out var asked) ? asked.At : long.MinValue)
            .ThenBy(pod => pod.Uid, StringComparer.Ordinal).ToLookup(Fails);
        if (_retrying.IsCompleted && order[true].Any()) _retrying = RetryAsync([.. order[true]]);
        var readings = new ConcurrentDictionary<string, PodReading>(StringComparer.Ordinal);
        await AskAsync([.. order[false]], _settings.Concurrency, async pod => readings[pod.Uid] = await ReadAsync(pod, look.Token), look.Token);
        cancellationToken.ThrowIfCancellationRequested();
        return [.. pods.Select(pod => readings.TryGetValue(pod.Uid, out var reading) ? reading : Unread(pod))];
    }

    private bool Fails(PodEndpoint pod) => _asked.TryGetValue(pod.Uid, out var asked) && asked.Why is not null;

    // Of a pod that fails, what came of the last try; of one that there was no time for, what it said lately.
    private PodReading Unread(PodEndpoint pod)
    {
        var why = _asked.TryGetValue(pod.Uid, out var asked) ? asked.Why : null;
        return why is null && _last.Fresh(pod, _time.GetUtcNow() - _settings.FreshFor) is { } fresh
            ? fresh : _last.Bad(pod, why ?? "other pods took all of this look's time");
    }

    private static async Task AskAsync(PodEndpoint[] pods, int atOnce, Func<PodEndpoint, Task> ask, CancellationToken stop)
    {
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(atOnce, pods.Length)).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is var turn && turn < pods.Length && !stop.IsCancellationRequested) await ask(pods[turn]);
        }));
    }

    // As long as a few tries take; those that are left are the first of the next one.
    private async Task RetryAsync(PodEndpoint[] failing)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        using var timer = _time.CreateTimer(_ => Cancel(stop), null, _settings.PodTimeout * 3, Timeout.InfiniteTimeSpan);
        await Task.Yield();
        await AskAsync(failing, Math.Max(1, _settings.Concurrency / 8), pod => ReadAsync(pod, stop.Token), stop.Token);
    }

    private async Task<PodReading> ReadAsync(PodEndpoint pod, CancellationToken look)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(look);
            using var timer = _time.CreateTimer(_ => Cancel(patience), null, _settings.PodTimeout, Timeout.InfiniteTimeSpan);
            var samples = await FetchAsync(pod.Metrics, patience.Token);
            var sample = ServerMetrics.Read(samples, _time.GetUtcNow(), pod.ServedName);
            _asked[pod.Uid] = (_time.GetTimestamp(), null);
            return _last.Good(pod, sample);
        }
        catch (Exception problem) when (HttpTransport.Sentence(problem, _settings.PodTimeout) is { } why)
        {
            var cut = look.IsCancellationRequested;
            if (cut) why = "this look ended before it had answered";
            _asked[pod.Uid] = (_time.GetTimestamp(), why);
            return (cut ? _last.Fresh(pod, _time.GetUtcNow() - _settings.FreshFor) : null) ?? _last.Bad(pod, why);
        }
    }

    private async Task<ImmutableArray<ExpositionSample>> FetchAsync(Uri address, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/plain"));
        if (!_keepsConnections) request.Headers.ConnectionClose = true;
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

    public void Dispose()
    {
        _ending.Cancel();
        _client.Dispose();
        _ending.Dispose();
    }
}
