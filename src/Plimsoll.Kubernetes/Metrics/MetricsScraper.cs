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
    /// What a look waits for at the most. Where there are more pods than connections are kept for, it does not wait: they are
    /// read evenly all the time, those that have waited longest first, and a pod's last sample stands for it while it is fresh.
    /// </summary>
    public TimeSpan LookTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How old a sample may be that stands for a pod which a look had no time for: below half of the meter's longest gap.</summary>
    public TimeSpan FreshFor { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Pods asked at once.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>
    /// Pods asked a second at the most, on the average: of more they take turns, so that thousands of pods do not take all of a
    /// processor. Twenty thousand are read every twenty seconds, as often as Prometheus does.
    /// </summary>
    public int ReadsPerSecondMax { get; init; } = 1000;

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
/// pods that answered last time, as far as it has time; those that failed are tried beside them, and it is not they who
/// decide how long a turn takes. Looks must not overlap.
/// </summary>
public sealed class MetricsScraper : IDisposable
{
    private const string Cut = "this look ended before it had answered";

    // What was begun goes on so long after a look has ended, for the next one.
    private static readonly TimeSpan ReadsOn = TimeSpan.FromSeconds(3);

    // Of more pods than connections are kept for, those are chosen that will be read in so long.
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5);

    private readonly MetricsScraperSettings _settings;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;
    private readonly LastSamples _last = new();

    // 72 small ones with what they grew from are 54 MiB, and six large ones that pass their 4 MiB are 72: below 128 in all.
    private readonly SemaphoreSlim _large = new(6);

    // When each pod was asked last, and what went wrong then.
    private readonly ConcurrentDictionary<string, (long At, string? Why)> _asked = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentDictionary<string, bool> _flying = new(StringComparer.Ordinal);
    private double _allowed;
    private long? _allowedAt;
    private Task _reading = Task.CompletedTask;
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
        Forget(pods);
        _keepsConnections = pods.Count <= _settings.KeptConnectionsMax;
        if (_reading.IsCompleted)
        {
            await _reading;
            PodEndpoint[] due = [.. InTurn(pods, failing: false).Take(_keepsConnections ? Allowed() : (int)(_settings.ReadsPerSecondMax * Round.TotalSeconds))];
            _allowed = Math.Max(0, _allowed - due.Length);
            _reading = _keepsConnections ? AskAsync(due, _settings.Concurrency, _settings.LookTimeout + ReadsOn, null)
                : AskAsync(due, _settings.Concurrency, (Round * 2) + ReadsOn, _settings.ReadsPerSecondMax);
        }

        if (_retrying.IsCompleted) _retrying = AskAsync([.. InTurn(pods, failing: true)], Math.Max(1, _settings.Concurrency / 8), _settings.PodTimeout * 3, null);
        if (_keepsConnections)
        {
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(_reading, Task.Delay(_settings.LookTimeout, _time, enough.Token));
            await enough.CancelAsync();
        }

        if (_reading.IsFaulted) await _reading;
        cancellationToken.ThrowIfCancellationRequested();
        return [.. pods.Select(Now)];
    }

    private void Forget(IReadOnlyList<PodEndpoint> pods)
    {
        var wanted = pods.Select(pod => pod.Uid).ToHashSet(StringComparer.Ordinal);
        _last.Keep(wanted);
        foreach (var (uid, _) in _asked)
        {
            if (!wanted.Contains(uid)) _asked.TryRemove(uid, out _);
        }
    }

    // Whoever has waited longest comes first, so that in a few looks all are read, however many there are.
    private IEnumerable<PodEndpoint> InTurn(IReadOnlyList<PodEndpoint> pods, bool failing)
    {
        var turns = new List<(long At, int Index)>(failing ? 0 : pods.Count);
        for (var i = 0; i < pods.Count; i++)
        {
            var known = _asked.TryGetValue(pods[i].Uid, out var asked);
            if ((known && asked.Why is not null) == failing) turns.Add((known ? asked.At : long.MinValue, i));
        }

        turns.Sort();
        return turns.Select(turn => pods[turn.Index]);
    }

    // As many as the time since the look before allows, and what of the last few seconds was left over.
    private int Allowed()
    {
        var (now, most) = (_time.GetTimestamp(), _settings.ReadsPerSecondMax * ReadsOn.TotalSeconds);
        _allowed = _allowedAt is { } before ? Math.Min(most, _allowed + (_time.GetElapsedTime(before, now).TotalSeconds * _settings.ReadsPerSecondMax)) : most;
        _allowedAt = now;
        return Math.Max(_settings.Concurrency, (int)_allowed);
    }

    private bool Fails(PodEndpoint pod) => _asked.TryGetValue(pod.Uid, out var asked) && asked.Why is not null;

    // Of a pod that fails, what came of the last try; of others, what they said lately.
    private PodReading Now(PodEndpoint pod)
    {
        var why = _asked.TryGetValue(pod.Uid, out var asked) ? asked.Why : null;
        return why is null && _last.Fresh(pod, _time.GetUtcNow() - _settings.FreshFor) is { } fresh
            ? fresh : _last.Bad(pod, why ?? (_flying.ContainsKey(pod.Uid) ? Cut : "other pods took all of this look's time"));
    }

    // At an even pace, where there is one: in one rush thousands of pods would take the processor that a turn is planned on.
    private async Task AskAsync(PodEndpoint[] pods, int atOnce, TimeSpan longest, int? perSecond)
    {
        if (pods.Length == 0) return;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        using var timer = _time.CreateTimer(_ => Cancel(stop), null, longest, Timeout.InfiniteTimeSpan);
        var (next, began) = (-1, _time.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, Math.Min(atOnce, pods.Length)).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is var turn && turn < pods.Length && !stop.IsCancellationRequested)
            {
                if (perSecond is { } pace && TimeSpan.FromSeconds((double)turn / pace) - _time.GetElapsedTime(began) is var early && early > TimeSpan.Zero)
                    await Task.Delay(early, _time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await ReadAsync(pods[turn], stop.Token);
            }
        }));
    }

    private async Task ReadAsync(PodEndpoint pod, CancellationToken stop)
    {
        _flying[pod.Uid] = true;
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
            using var timer = _time.CreateTimer(_ => Cancel(patience), null, _settings.PodTimeout, Timeout.InfiniteTimeSpan);
            var samples = await FetchAsync(pod.Metrics, patience.Token);
            _last.Good(pod, ServerMetrics.Read(samples, _time.GetUtcNow(), pod.ServedName));
            _asked[pod.Uid] = (_time.GetTimestamp(), null);
        }
        catch (Exception problem) when (HttpTransport.Sentence(problem, _settings.PodTimeout) is { } why)
        {
            // One that was cut off has not failed; it has had its turn.
            _asked[pod.Uid] = (_time.GetTimestamp(), !stop.IsCancellationRequested ? why : Fails(pod) ? Cut : null);
        }
        finally
        {
            _flying.TryRemove(pod.Uid, out _);
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
        var body = await HttpTransport.ReadBoundedAsync(response.Content, _settings.Limits.MaxBytes, cancellationToken, _large);
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
