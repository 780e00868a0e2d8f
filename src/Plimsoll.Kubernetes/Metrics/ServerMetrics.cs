using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>Turns series under any server's names into one sample.</summary>
internal static class ServerMetrics
{
    // Ranks of one engine work on the same requests, and two servers of Prometheus that scrape one pod see the same ones: of
    // series that differ in these labels alone the largest counts. Over all other labels (engine, dp_rank, version,
    // is_streaming, finished_reason) they add up.
    private static readonly ImmutableArray<string> SameRequests =
    [
        "tp_rank", "pp_rank", "moe_ep_rank", "pid", "job", "instance", "endpoint", "service", "prometheus",
        "prometheus_replica",
    ];

    // What is compared between two looks, series by series.
    private static readonly ImmutableArray<MetricField> Counters =
    [
        MetricField.Arrived, MetricField.Completed, MetricField.Failed, MetricField.Aborted, MetricField.Rejected,
        MetricField.PromptTokens, MetricField.GenerationTokens,
    ];

    // 2^53: up to here a double counts each one. No server holds ten million requests at once.
    private const double MostCounted = 9_007_199_254_740_992;
    private const double MostInFlight = 1e7;

    // Characters. They are kept from look to look, of each pod; who writes more has its sums compared.
    private const int MostLabels = 64 << 10;

    /// <summary>What the series say of the requests in one pod.</summary>
    /// <param name="samples">Series of <see cref="MetricNames.Series"/>.</param>
    /// <param name="at">When they were true.</param>
    /// <param name="servedName">Counts only series of this model, where series name models; null counts all, and of Triton's takes one.</param>
    /// <exception cref="MetricsException">They are of no known server, of other models, or cannot be true.</exception>
    public static ServerSample Read(ImmutableArray<ExpositionSample> samples, DateTimeOffset at, string? servedName)
    {
        var server = Server(samples);
        var models = samples.Where(sample => MetricNames.Owners.ContainsKey(sample.Name)).Select(ModelName).OfType<string>()
            .Distinct().Order(StringComparer.Ordinal).ToImmutableArray();
        if (servedName is not null && models.Length > 0 && !models.Contains(servedName))
            throw new MetricsException($"it serves {string.Join(", ", models.Take(5))}, not {servedName}");
        if (servedName is null && server == ServerKind.Triton && models.Length > 1)
            throw new MetricsException($"it serves {string.Join(", ", models.Take(5))}, and an ensemble's steps count its requests again: name one in spec.metrics.model");
        var mine = samples.Where(sample => servedName is null || (ModelName(sample) ?? servedName) == servedName)
            .ToLookup(sample => sample.Name, StringComparer.Ordinal);
        var rows = MetricNames.ByServer[server];
        var awake = Value(rows, MetricField.Awake, mine, 1);
        var asleep = Value(rows, MetricField.Asleep, mine, 1);
        return new ServerSample
        {
            Server = server,
            At = at,
            ModelNames = models,
            Running = Value(rows, MetricField.Running, mine, MostInFlight),
            Waiting = Value(rows, MetricField.Waiting, mine, MostInFlight),
            Arrived = Value(rows, MetricField.Arrived, mine, MostCounted),
            Completed = Value(rows, MetricField.Completed, mine, MostCounted),
            Failed = Value(rows, MetricField.Failed, mine, MostCounted),
            Aborted = Value(rows, MetricField.Aborted, mine, MostCounted),
            Rejected = Value(rows, MetricField.Rejected, mine, MostCounted),
            PromptTokens = Value(rows, MetricField.PromptTokens, mine, MostCounted),
            GenerationTokens = Value(rows, MetricField.GenerationTokens, mine, MostCounted),
            KvUsage = Value(rows, MetricField.KvUsage, mine, MostCounted),
            Preemptions = Value(rows, MetricField.Preemptions, mine, MostCounted),
            Asleep = awake is not null ? awake == 0 : asleep is not null ? asleep > 0 : null,
            Latency = Distribution(rows, MetricField.Latency, mine),
            QueueTime = Distribution(rows, MetricField.QueueTime, mine),
            FirstToken = Distribution(rows, MetricField.FirstToken, mine),
            InterToken = Distribution(rows, MetricField.InterToken, mine),
            PromptLengths = Distribution(rows, MetricField.PromptLengths, mine),
            AnswerLengths = Distribution(rows, MetricField.AnswerLengths, mine),
            StartupSeconds = Value(rows, MetricField.Startup, mine, MostCounted),
            LoadSeconds = Value(rows, MetricField.Load, mine, MostCounted),
            ProcessStartSeconds = Value(rows, MetricField.ProcessStart, mine, MostCounted),
            Series = Kept(Counters.SelectMany(field => Series(rows, field, mine))),
        };
    }

    // The server most of the names belong to, so that a stray series of a side-car changes nothing.
    private static ServerKind Server(ImmutableArray<ExpositionSample> samples)
    {
        var best = samples.Where(sample => MetricNames.Owners.ContainsKey(sample.Name))
            .GroupBy(sample => MetricNames.Owners[sample.Name])
            .OrderByDescending(group => group.Count()).ThenBy(group => group.Key).FirstOrDefault();
        return best?.Key ?? throw new MetricsException(
            "its metrics have none of the names of vLLM, SGLang, TGI, Triton or llama.cpp that are read");
    }

    private static string? ModelName(ExpositionSample sample) => sample.Label("model_name") ?? sample.Label("model");

    private static double? Value(
        ImmutableArray<MetricAlias> rows, MetricField field, ILookup<string, ExpositionSample> samples, double most)
    {
        foreach (var row in rows)
        {
            if (row.Field != field) continue;
            var name = row.Names.FirstOrDefault(samples.Contains);
            if (name is not null && Added(name, samples[name], row, most) is { } value) return value;
        }

        return null;
    }

    // The series that Value adds up.
    private static IEnumerable<CounterSeries> Series(
        ImmutableArray<MetricAlias> rows, MetricField field, ILookup<string, ExpositionSample> samples)
    {
        var row = rows.FirstOrDefault(row => row.Field == field && row.Names.Any(samples.Contains));
        if (row is null) return [];
        var name = row.Names.First(samples.Contains);
        return Admitted(samples[name], row).GroupBy(Key, StringComparer.Ordinal)
            .Select(group => new CounterSeries(field, group.Key, row.Scale * Largest(name, group)))
            .Where(series => !double.IsNaN(series.Value));
    }

    private static ImmutableArray<CounterSeries> Kept(IEnumerable<CounterSeries> series)
    {
        var all = series.ToImmutableArray();
        return all.Sum(one => one.Labels.Length) <= MostLabels ? all : [];
    }

    private static IEnumerable<ExpositionSample> Admitted(IEnumerable<ExpositionSample> samples, MetricAlias row) =>
        samples.Where(sample => row.Where?.Admits(sample) ?? true);

    /// <summary>
    /// Zero where the name is there but no series of it passes the rule: the server counts by that label, and counted
    /// none. Null where a gauge says NaN, as prometheus clients do for what they do not know.
    /// </summary>
    private static double? Added(string name, IEnumerable<ExpositionSample> samples, MetricAlias row, double most)
    {
        var all = Admitted(samples, row).ToArray();
        if (row.Field is MetricField.Awake or MetricField.Asleep or MetricField.Startup or MetricField.Load && all.Length == 0)
            return null;
        var groups = Groups(name, all);
        if (groups.Any(double.IsNaN)) return null;
        var value = row.Scale * (row.Form == MetricForm.Most ? groups.DefaultIfEmpty(0).Max() : groups.Sum());
        return value >= 0 && value <= most ? value : throw Unbelievable(name, value);
    }

    private static HistogramSample? Distribution(
        ImmutableArray<MetricAlias> rows, MetricField field, ILookup<string, ExpositionSample> samples)
    {
        var row = rows.FirstOrDefault(row => row.Field == field);
        if (row is null) return null;
        if (row.Form == MetricForm.Pair)
        {
            var (time, count) = (row.Names[0], row.Names[1]);
            return samples.Contains(time) && samples.Contains(count)
                ? Checked(time, new HistogramSample(
                    Groups(count, samples[count]).Sum(), row.Scale * Groups(time, samples[time]).Sum(), []))
                : null;
        }

        var name = row.Names.FirstOrDefault(name => samples.Contains(name + "_sum") && samples.Contains(name + "_count"));
        if (name is null) return null;
        var buckets = samples[name + "_bucket"].GroupBy(sample => Bound(name, sample))
            .Select(bucket => new HistogramBucket(row.Scale * bucket.Key, Groups(name, bucket).Sum()))
            .OrderBy(bucket => bucket.UpperBound).ToImmutableArray();
        return Checked(name, new HistogramSample(
            Groups(name, samples[name + "_count"]).Sum(), row.Scale * Groups(name, samples[name + "_sum"]).Sum(), buckets));
    }

    private static double Bound(string name, ExpositionSample bucket)
    {
        var text = bucket.Label("le");
        if (text is "+Inf") return double.PositiveInfinity;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var bound) && !double.IsNaN(bound)
            ? bound : throw new MetricsException($"a bucket of {name} has no bound that is a number");
    }

    private static HistogramSample Checked(string name, HistogramSample histogram)
    {
        if (!(histogram.Count >= 0 && histogram.Count <= MostCounted)) throw Unbelievable(name + "_count", histogram.Count);
        if (!(histogram.Sum >= 0 && histogram.Sum <= MostCounted)) throw Unbelievable(name + "_sum", histogram.Sum);
        var below = 0.0;
        foreach (var bucket in histogram.Buckets)
        {
            if (!(bucket.Cumulative >= below && bucket.Cumulative <= MostCounted))
                throw new MetricsException($"the buckets of {name} do not rise, so they are not believed");
            below = bucket.Cumulative;
        }

        return histogram;
    }

    // One value for each set of labels that counts requests of its own.
    private static double[] Groups(string name, IEnumerable<ExpositionSample> samples) =>
        [.. samples.GroupBy(Key, StringComparer.Ordinal).Select(group => Largest(name, group))];

    private static double Largest(string name, IEnumerable<ExpositionSample> samples) =>
        samples.Aggregate(double.NegativeInfinity, (most, sample) => Larger(name, most, sample.Value));

    private static double Larger(string name, double most, double value) =>
        double.IsInfinity(value) ? throw Unbelievable(name, value) : Math.Max(most, value);

    private static string Key(ExpositionSample sample) => string.Join('\n', sample.Labels
        .Where(label => !SameRequests.Contains(label.Name))
        .OrderBy(label => label.Name, StringComparer.Ordinal).Select(label => $"{label.Name}={label.Value}"));

    private static MetricsException Unbelievable(string name, double value) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{name} is {value:R}, which is not believed"));
}
