using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>Queries made of the one table of names.</summary>
internal static class PromQL
{
    // Buckets that nothing is computed from, and that are most of the bytes.
    private static readonly ImmutableArray<MetricField> WithoutBuckets =
        [MetricField.QueueTime, MetricField.FirstToken, MetricField.InterToken];

    private static readonly string Names = string.Join('|', MetricNames.ByServer.Values.SelectMany(rows => rows)
        .SelectMany(row => row.Names.SelectMany(row.Series).Where(series =>
            !WithoutBuckets.Contains(row.Field) || !series.EndsWith("_bucket", StringComparison.Ordinal)))
        .Distinct().Order(StringComparer.Ordinal));

    // One name of each server stands for all of its: they are scraped together.
    private static readonly ImmutableArray<string> Clocks =
    [
        .. MetricNames.ByServer.Values.SelectMany(rows => rows
            .Where(row => row.Field is MetricField.Running or MetricField.Completed or MetricField.Identity && row.Form != MetricForm.Histogram)
            .SelectMany(row => row.Names)).Distinct().Order(StringComparer.Ordinal),
    ];

    /// <summary>Every series of the pods in these namespaces, raw: the meter does the sums.</summary>
    public static string Samples(PrometheusSettings settings, IEnumerable<string> namespaces) =>
        $"{{__name__=~\"{Names}\",{Where(settings, namespaces)}}}";

    /// <summary>By pod and scrape job, when it was scraped last, in Unix seconds.</summary>
    public static string Clock(PrometheusSettings settings, IEnumerable<string> namespaces)
    {
        var where = Where(settings, namespaces);
        return $"max by ({settings.NamespaceLabel}, {settings.PodLabel}, job, instance) ("
            + string.Join(" or ", Clocks.Select(name => $"timestamp({{__name__=\"{name}\",{where}}})")) + ")";
    }

    // A namespace is a DNS label, so it needs no escaping.
    private static string Where(PrometheusSettings settings, IEnumerable<string> namespaces) =>
        $"{settings.NamespaceLabel}=~\"{string.Join('|', namespaces)}\",{settings.PodLabel}!=\"\"";
}
