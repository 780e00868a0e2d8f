using System.Collections.Immutable;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>What a range query asks for: a value at <paramref name="From"/>, and each step until <paramref name="To"/>.</summary>
public sealed record PrometheusSpan(DateTimeOffset From, DateTimeOffset To, TimeSpan Step)
{
    /// <summary>Points asked for, both ends among them.</summary>
    public int Points => (int)Math.Floor((To - From) / Step) + 1;
}

/// <summary>One series over time. Where Prometheus has no value there is none here.</summary>
/// <param name="Values">In the order of time; not finite ones are left out.</param>
public sealed record PrometheusSeries(ImmutableArray<(DateTimeOffset At, double Value)> Values)
{
    private const int MostPoints = 10_000_000;

    /// <summary>Reads the JSON of /api/v1/query_range: one series, or none.</summary>
    /// <exception cref="MetricsException">The server refused the query, its answer is something else, or it has several series.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static PrometheusSeries Read(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 16 });
        var result = PrometheusAnswer.Result(document.RootElement, out var type);
        if (type != "matrix") throw new MetricsException($"the answer is a {type}, where a range (a matrix) is wanted: that of query_range");
        var count = result.GetArrayLength();
        if (count == 0) return new PrometheusSeries([]);
        if (count > 1) throw new MetricsException($"the query gives {count} series; sum(...) around it would make one of them");
        if (result[0].ValueKind != JsonValueKind.Object || !result[0].TryGetProperty("values", out var points) || points.ValueKind != JsonValueKind.Array)
            throw PrometheusAnswer.Strange("a series has no values");
        if (points.GetArrayLength() > MostPoints) throw new MetricsException($"its answer has {points.GetArrayLength()} values, more than the {MostPoints} that are read");
        var values = ImmutableArray.CreateBuilder<(DateTimeOffset, double)>(points.GetArrayLength());
        foreach (var point in points.EnumerateArray())
        {
            var (at, value) = PrometheusAnswer.Point(point);
            if (values.Count > 0 && at <= values[^1].Item1) throw PrometheusAnswer.Strange("its times do not rise");
            if (double.IsFinite(value)) values.Add((at, value));
        }

        return new PrometheusSeries(values.ToImmutable());
    }
}

/// <summary>Asks a Prometheus server for ranges, in parts where it would refuse the whole.</summary>
public sealed class PrometheusRange : IDisposable
{
    // Prometheus refuses more than 11,000 points a series.
    private const int PointsAtOnce = 10_000;
    private const int MostBytes = 64 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly HttpClient _client;
    private readonly PrometheusSettings _settings;

    public PrometheusRange(PrometheusSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _client = new HttpClient(HttpTransport.Handler(settings.Roots, settings.AcceptAnyCertificate)) { Timeout = System.Threading.Timeout.InfiniteTimeSpan };
    }

    /// <summary>The one series of a query.</summary>
    /// <exception cref="MetricsException">It cannot be had; the message says why.</exception>
    public async Task<PrometheusSeries> AskAsync(string query, PrometheusSpan span, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(span);
        var values = ImmutableArray.CreateBuilder<(DateTimeOffset, double)>();
        for (var first = 0; first < span.Points; first += PointsAtOnce)
        {
            var last = Math.Min(first + PointsAtOnce, span.Points) - 1;
            var part = new PrometheusSpan(span.From + (first * span.Step), span.From + (last * span.Step), span.Step);
            values.AddRange((await OnceAsync(query, part, cancellationToken)).Values);
        }

        return new PrometheusSeries(values.ToImmutable());
    }

    private async Task<PrometheusSeries> OnceAsync(string query, PrometheusSpan span, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_settings.Server, "api/v1/query_range"));
            request.Content = new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["query"] = query,
                ["start"] = Seconds(span.From - DateTimeOffset.UnixEpoch),
                ["end"] = Seconds(span.To - DateTimeOffset.UnixEpoch),
                ["step"] = Seconds(span.Step),
            });
            if (_settings.BearerTokenFile is { } token)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(token, patience.Token)).Trim());
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            var body = await HttpTransport.ReadBoundedAsync(response.Content, MostBytes, patience.Token);
            try
            {
                // A refused query is a 4xx with the reason in the same JSON.
                if (!response.IsSuccessStatusCode && response.Content.Headers.ContentType?.MediaType != "application/json")
                    throw new MetricsException($"it answered {(int)response.StatusCode} to a range query");
                return PrometheusSeries.Read(body.Memory);
            }
            finally
            {
                body.Return();
            }
        }
        catch (Exception problem) when (!cancellationToken.IsCancellationRequested && problem is not MetricsException && HttpTransport.Sentence(problem, Patience) is { } sentence)
        {
            throw new MetricsException(sentence);
        }
    }

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);

    public void Dispose() => _client.Dispose();
}
