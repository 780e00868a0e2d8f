using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Plimsoll.Simulation.Runs.Rules;

namespace Plimsoll.Cli.Scenarios;

/// <summary>What a metric's name or PromQL reads, as far as the simulated cluster has it.</summary>
/// <param name="told">What the user says of metrics that nobody knows: quantities by name.</param>
internal sealed partial class MetricWords(ImmutableDictionary<string, string> told)
{
    /// <summary>What a user may say that a metric is.</summary>
    public static readonly FrozenDictionary<string, (SimulatedMetric Reads, double Scale)> Quantities = new Dictionary<string, (SimulatedMetric, double)>(StringComparer.Ordinal)
    {
        ["in-flight"] = (SimulatedMetric.InFlight, 1),
        ["running"] = (SimulatedMetric.Running, 1),
        ["waiting"] = (SimulatedMetric.Waiting, 1),
        ["cache-use"] = (SimulatedMetric.CacheUse, 1),
        ["cache-use-percent"] = (SimulatedMetric.CacheUse, 100),
        ["busy"] = (SimulatedMetric.Busy, 1),
        ["busy-percent"] = (SimulatedMetric.Busy, 100),
        ["requests-per-second"] = (SimulatedMetric.ArrivalsPerSecond, 1),
        ["answers-per-second"] = (SimulatedMetric.AnsweredPerSecond, 1),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // Servers' own names, which say nothing while no pod runs; then what gateways and adapters count.
    private static readonly (string[] Words, SimulatedMetric Reads, double Scale, bool OfPods)[] Known =
    [
        (["num_requests_waiting", "num_queue_reqs", "tgi_queue_size", "nv_inference_pending_request_count"], SimulatedMetric.Waiting, 1, true),
        (["num_requests_running", "num_running_reqs", "tgi_batch_current_size"], SimulatedMetric.Running, 1, true),
        (["kv_cache_usage_perc", "gpu_cache_usage_perc", "sglang:token_usage", "sglang_token_usage"], SimulatedMetric.CacheUse, 1, true),
        (["request_success_total", "nv_inference_request_success", "tgi_request_success"], SimulatedMetric.AnsweredPerSecond, 1, true),
        (["dcgm_fi_dev_gpu_util"], SimulatedMetric.Busy, 100, true),
        (["nv_gpu_utilization"], SimulatedMetric.Busy, 1, true),
        (["plimsoll_requests_in_flight", "in_flight", "inflight", "ongoing_requests", "active_requests", "concurrent_requests", "concurrency"], SimulatedMetric.InFlight, 1, false),
        (["queue_length", "queue_depth", "queue_size"], SimulatedMetric.Waiting, 1, false),
        (["requests_per_second", "requests-per-second", "request_rate", "requests_total", "request_count", "request_total"], SimulatedMetric.ArrivalsPerSecond, 1, false),
    ];

    /// <summary>The metric with what it reads; null where nobody knows.</summary>
    /// <param name="name">The metric's name.</param>
    /// <param name="query">Its PromQL, where there is one.</param>
    public OwnMetric? Of(string name, string? query)
    {
        var metric = new OwnMetric { Name = name, Reads = SimulatedMetric.InFlight, Kind = MetricTarget.AverageValue, Target = 0, Aggregate = AggregateOf(query), Window = WindowOf(query) };
        if (told.GetValueOrDefault(name) is { } said)
        {
            var (reads, scale) = Quantities[said];
            return metric with { Reads = reads, Scale = scale, OfPods = reads is SimulatedMetric.Running or SimulatedMetric.CacheUse or SimulatedMetric.Busy or SimulatedMetric.AnsweredPerSecond || Matches((query ?? name).ToLowerInvariant()).Any(one => one.OfPods), Aggregate = Joined(reads) };
        }

        var text = (query ?? name).ToLowerInvariant();
        var found = Matches(text);

        // Those that run and those that wait, added up.
        if (found.Count == 2 && found.All(one => one.Reads is SimulatedMetric.Running or SimulatedMetric.Waiting) && text.Contains('+', StringComparison.Ordinal))
            return metric with { Reads = SimulatedMetric.InFlight, OfPods = true };
        if (found.Count != 1 || (query is not null && found[0].Reads != SimulatedMetric.InFlight && Arithmetic().IsMatch(Labels().Replace(query, "")))) return null;
        var (_, is_, times, ofPods) = found[0];
        return metric with { Reads = is_, Scale = times, OfPods = ofPods, Aggregate = Joined(is_) };

        // Shares are not added up, unless a query says so.
        MetricAggregate Joined(SimulatedMetric reads) => query is null && reads is SimulatedMetric.CacheUse or SimulatedMetric.Busy ? MetricAggregate.Mean : metric.Aggregate;
    }

    // A server's own name may hold a gateway's in it: then it is the longer one.
    private static List<(string[] Words, SimulatedMetric Reads, double Scale, bool OfPods)> Matches(string text)
    {
        var hits = Known.SelectMany(one => one.Words.Where(word => text.Contains(word, StringComparison.Ordinal)).Select(word => (One: one, Word: word))).ToList();
        return [.. hits.Where(hit => !hits.Any(other => other.Word.Length > hit.Word.Length && other.Word.Contains(hit.Word, StringComparison.Ordinal))).Select(hit => hit.One).Distinct()];
    }

    /// <summary>What a metric reads, in the words of <c>--metric</c>.</summary>
    public static string NameOf(OwnMetric metric) =>
        Quantities.First(one => one.Value.Reads == metric.Reads && (one.Value.Scale == metric.Scale || one.Value.Scale == 1)).Key;

    private static MetricAggregate AggregateOf(string? query) => query?.TrimStart() switch
    {
        { } text when text.StartsWith("avg", StringComparison.OrdinalIgnoreCase) => MetricAggregate.Mean,
        { } text when text.StartsWith("max", StringComparison.OrdinalIgnoreCase) => MetricAggregate.Max,
        _ => MetricAggregate.Sum,
    };

    private static TimeSpan WindowOf(string? query) =>
        query is not null && RangeText().Match(query) is { Success: true } match && DurationText.TryParse(match.Groups[1].Value, out var window) && window > TimeSpan.Zero && window <= TimeSpan.FromDays(1)
            ? window : TimeSpan.FromMinutes(1);

    /// <summary>Reads <c>NAME=QUANTITY</c> of the command line.</summary>
    /// <exception cref="CommandException">It is not so.</exception>
    public static MetricWords Read(IEnumerable<string> said)
    {
        var told = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var one in said)
        {
            var equals = one.LastIndexOf('=');
            if (equals < 1 || !Quantities.ContainsKey(one[(equals + 1)..]))
                throw new CommandException(ExitCode.BadInput, $"--metric has '{FleetFiles.Show.Text(one, 80)}'; NAME={string.Join('|', Quantities.Keys.Order(StringComparer.Ordinal))} would do");
            told[one[..equals]] = one[(equals + 1)..];
        }

        return new MetricWords(told.ToImmutable());
    }

    [GeneratedRegex(@"\[([0-9.]+(?:ms|s|m|h|d))[\]:]", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex RangeText();

    // A product or a quotient changes the unit, and nobody here computes it.
    [GeneratedRegex(@"[*/%^]|\s-\s", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Arithmetic();

    [GeneratedRegex(@"\{[^{}]*\}|\[[^\[\]]*\]", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Labels();
}
