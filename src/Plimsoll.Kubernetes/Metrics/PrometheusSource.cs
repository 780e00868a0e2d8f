using System.Collections.Immutable;
using System.Net.Http.Headers;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>
/// Reads the same metrics from a Prometheus server that scrapes the pods already: raw values at this moment, without
/// rate or increase, so that one meter does all sums. Times are the server's own. It never throws for what the server
/// does. Looks must not overlap.
/// </summary>
public sealed class PrometheusSource : IDisposable
{
    private const int FrontsAtOnce = 8;

    private readonly PrometheusSettings _settings;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;
    private readonly Uri _query;
    private readonly LastSamples _last = new();
    private int _turn;

    public PrometheusSource(PrometheusSettings settings, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(time);
        (_settings, _time) = (settings, time);
        var root = settings.Server.AbsoluteUri;
        _query = new Uri(new Uri(root.EndsWith('/') ? root : root + "/"), "api/v1/query");
        _client = new HttpClient(HttpTransport.Handler(settings.Roots, settings.AcceptAnyCertificate))
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>One reading a pod, in the order of the pods; a server that fails makes all of them stale or missing.</summary>
    public async Task<ImmutableArray<PodReading>> ReadAsync(
        IReadOnlyList<PodEndpoint> pods, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pods);
        _last.Keep(pods.Select(pod => pod.Uid).ToHashSet(StringComparer.Ordinal));
        if (pods.Count == 0) return [];
        var namespaces = pods.Select(pod => pod.Pod.Namespace).Distinct().Order(StringComparer.Ordinal).ToArray();
        var clock = AskAsync(PromQL.Clock(_settings, namespaces), cancellationToken);
        var (samples, problem) = await AskAsync(PromQL.Samples(_settings, namespaces), cancellationToken);
        var (clocks, clockProblem) = await clock;
        cancellationToken.ThrowIfCancellationRequested();
        if (samples is null || clocks is null)
            return [.. pods.Select(pod => _last.Bad(pod, $"Prometheus at {_settings.Server}: {problem ?? clockProblem}"))];
        var byPod = samples.Samples.ToLookup(PodOf);
        var scraped = clocks.Samples.ToLookup(PodOf);
        return [.. pods.Select(pod => Reading(pod, byPod[pod.Pod], scraped[pod.Pod], clocks.At))];
    }

    /// <summary>What the user's queries say of each model's front; missing, with a sentence, where they fail.</summary>
    public async Task<ImmutableSortedDictionary<ModelId, Signal<FrontSample>>> ReadFrontsAsync(
        IReadOnlyList<FrontQuery> queries, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queries);
        var models = queries.DistinctBy(query => query.Model).OrderBy(query => query.Model).ToArray();
        var answers = new Signal<FrontSample>?[models.Length];
        using var look = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        look.CancelAfter(_settings.FrontsTimeout);

        // Who had no turn at this look begins at the next.
        var (first, next) = (models.Length > 0 ? _turn % models.Length : 0, -1);
        await Task.WhenAll(Enumerable.Range(0, Math.Min(FrontsAtOnce, models.Length)).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is var turn && turn < models.Length && !look.IsCancellationRequested)
            {
                var place = (first + turn) % models.Length;
                answers[place] = await FrontAsync(models[place], look.Token);
                Interlocked.Increment(ref _turn);
            }
        }));
        cancellationToken.ThrowIfCancellationRequested();
        _turn = models.Length > 0 ? _turn % models.Length : 0;
        return models.Select((query, place) => (query.Model, Signal: answers[place]
                ?? Signal.Missing<FrontSample>($"{query.Model}: other models' queries took all of this look's time")))
            .ToImmutableSortedDictionary(answer => answer.Model, answer => answer.Signal);
    }

    private async Task<Signal<FrontSample>> FrontAsync(FrontQuery query, CancellationToken cancellationToken)
    {
        Asked? arrivals = query.Arrivals is null ? null : (await AskAsync(query.Arrivals, cancellationToken, _settings.FrontMaxBytes)).Told("arrivals");
        Asked? queue = query.Queue is null ? null : (await AskAsync(query.Queue, cancellationToken, _settings.FrontMaxBytes)).Told("queue");
        if ((arrivals?.Why ?? queue?.Why) is { } why)
            return Signal.Missing<FrontSample>($"{query.Model}: {why}");
        var at = (arrivals?.Answer ?? queue?.Answer)?.At;
        if (at is null) return Signal.Missing<FrontSample>($"{query.Model} names no query for arrivals and none for a queue");
        var counters = arrivals?.Answer?.Samples.GroupBy(Identity, StringComparer.Ordinal)
            .ToImmutableSortedDictionary(group => group.Key, group => group.Max(sample => sample.Value), StringComparer.Ordinal);
        return Signal.Known(
            new FrontSample(at.Value, counters, queue?.Answer?.Samples.Sum(sample => sample.Value)), at.Value);
    }

    private PodReading Reading(
        PodEndpoint pod, IEnumerable<ExpositionSample> samples, IEnumerable<ExpositionSample> scraped, DateTimeOffset now)
    {
        try
        {
            // Two queries side by side: a pod that is lost between them is in one answer only.
            var byTarget = samples.ToLookup(Target, StringComparer.Ordinal);
            var targets = scraped.Select(clock => (Name: Target(clock), At: PrometheusAnswer.Moment(clock.Value)))
                .Where(target => byTarget.Contains(target.Name)).ToArray();
            if (targets.Length == 0) throw new MetricsException("Prometheus has no series of it under the names that are read");

            // Two jobs that scrape one pod count the same requests. The one read before stays while it is fresh: which is the
            // freshest changes with every scrape, and their counters are not compared with one another.
            var read = _last.Target(pod);
            var (name, at) = targets.OrderByDescending(target => target.Name == read && now - target.At <= _settings.StaleAfter)
                .ThenByDescending(target => target.At).ThenBy(target => target.Name, StringComparer.Ordinal).First();
            if (now - at > _settings.StaleAfter)
                throw new MetricsException($"Prometheus scraped it last {(now - at).TotalSeconds:0} s ago");
            return _last.Good(pod, ServerMetrics.Read([.. byTarget[name].Select(Bare)], at, pod.ServedName) with { Target = name });
        }
        catch (MetricsException problem)
        {
            return _last.Bad(pod, problem.Message);
        }
    }

    private async Task<Asked> AskAsync(string query, CancellationToken cancellationToken, int? maxBytes = null)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(_settings.Timeout);
            using var request = new HttpRequestMessage(HttpMethod.Post, _query)
            {
                Content = new FormUrlEncodedContent([new("query", query), new("timeout", $"{_settings.Timeout.TotalSeconds:0.###}s")]),
            };
            if (_settings.BearerTokenFile is { } file)
                request.Headers.Authorization = new AuthenticationHeaderValue(
                    "Bearer", (await File.ReadAllTextAsync(file, patience.Token)).Trim());
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);

            // A refused query answers 4xx with JSON that says why; everything else has no such thing to say.
            var json = response.Content.Headers.ContentType?.MediaType == "application/json";
            if (!json) return new Asked(null, $"it answered {(int)response.StatusCode} without JSON");
            var body = await HttpTransport.ReadBoundedAsync(response.Content, maxBytes ?? _settings.MaxBytes, patience.Token);
            try
            {
                return new Asked(PrometheusAnswer.Read(body.Memory, _time.GetUtcNow()), null);
            }
            finally
            {
                body.Return();
            }
        }
        catch (Exception problem) when (problem is UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException)
        {
            return new Asked(null, $"the bearer token cannot be read from {_settings.BearerTokenFile}");
        }
        catch (Exception problem) when (HttpTransport.Sentence(problem, _settings.Timeout) is { } why)
        {
            return new Asked(null, why);
        }
    }

    private ObjectName PodOf(ExpositionSample sample) =>
        new(sample.Label(_settings.NamespaceLabel) ?? "", sample.Label(_settings.PodLabel) ?? "");

    private static string Target(ExpositionSample sample) => $"{sample.Label("job")} {sample.Label("instance")}";

    // Prometheus' own labels name the pod, which is known by now.
    private ExpositionSample Bare(ExpositionSample sample) => sample with
    {
        Labels = [.. sample.Labels.Where(label => label.Name != _settings.PodLabel && label.Name != _settings.NamespaceLabel)],
    };

    private static string Identity(ExpositionSample sample) => string.Join(
        '\n', sample.Labels.OrderBy(label => label.Name, StringComparer.Ordinal)
            .Select(label => $"{label.Name}={label.Value}").Prepend(sample.Name));

    public void Dispose() => _client.Dispose();

    /// <summary>An answer, or why there is none.</summary>
    private readonly record struct Asked(PrometheusAnswer? Answer, string? Why)
    {
        /// <summary>As the user's query of this kind: requests are finite, and not fewer than none.</summary>
        public Asked Told(string what)
        {
            if (Why is not null) return new Asked(null, $"the query for {what} failed: {Why}");
            return Answer!.Samples.IsEmpty ? new Asked(null, $"the query for {what} finds no series")
                : Answer.Samples.Any(sample => !(sample.Value >= 0 && sample.Value <= 1e15))
                    ? new Asked(null, $"the query for {what} gives a value that counts no requests") : this;
        }
    }
}
