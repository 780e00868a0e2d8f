using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>What a series is about; the fields of <see cref="ServerSample"/>.</summary>
internal enum MetricField
{
    Running, Waiting, Arrived, Completed, Failed, Aborted, Rejected, PromptTokens, GenerationTokens, KvUsage,
    Preemptions, Awake, Asleep, Latency, QueueTime, FirstToken, InterToken, PromptLengths, AnswerLengths, Startup, Load, ProcessStart,

    /// <summary>Says only whose metrics these are.</summary>
    Identity,
}

/// <summary>How a field's value is made of its series.</summary>
internal enum MetricForm
{
    /// <summary>The sum over label sets.</summary>
    Sum,

    /// <summary>The largest over label sets.</summary>
    Most,

    /// <summary>NAME_bucket, NAME_sum and NAME_count.</summary>
    Histogram,

    /// <summary>Two counters: the summed time and, second, what it is divided by.</summary>
    Pair,
}

/// <summary>One row of the table.</summary>
/// <param name="Server">Whose it is.</param>
/// <param name="Field">What it is about.</param>
/// <param name="Form">How it is added up.</param>
/// <param name="Scale">What turns its unit into seconds; 1 for counts.</param>
/// <param name="Where">Which series count; null for all.</param>
/// <param name="Names">Names in the order they are tried: the first that the server has is the one that counts.</param>
internal sealed record MetricAlias(
    ServerKind Server, MetricField Field, MetricForm Form, double Scale, LabelRule? Where, ImmutableArray<string> Names)
{
    /// <summary>The names of the lines that make up one name.</summary>
    public IEnumerable<string> Series(string name) =>
        Form == MetricForm.Histogram ? [name + "_bucket", name + "_sum", name + "_count"] : [name];
}

/// <summary>A condition on one label: it is one of the values, or it is none of them. A missing label reads as "".</summary>
internal sealed record LabelRule(string Label, bool IsOneOf, ImmutableArray<string> Values)
{
    public bool Admits(ExpositionSample sample) => Values.Contains(sample.Label(Label) ?? "") == IsOneOf;
}

/// <summary>The one table of metric names: every server, old names and new.</summary>
internal static class MetricNames
{
    // Columns: server, field, form (with its unit where it is not the second), names, and after a bar the series that
    // count. Of several names the first one there counts, so a version that exports old and new is not added up
    // twice. A colon in a name is also tried as an underscore, which is what collectors on the way make of it.
    // Names and labels as the projects publish them, August to November 2026; docs/kubernetes-metrics.md has the versions.
    private const string Table =
        """
        vllm      running           sum        vllm:num_requests_running
        vllm      waiting           sum        vllm:num_requests_waiting
        vllm      completed         sum        vllm:request_success_total vllm:request_success          | finished_reason != abort error
        vllm      aborted           sum        vllm:request_success_total vllm:request_success          | finished_reason = abort
        vllm      failed            sum        vllm:request_success_total vllm:request_success          | finished_reason = error
        vllm      prompttokens      sum        vllm:prompt_tokens_total vllm:prompt_tokens
        vllm      generationtokens  sum        vllm:generation_tokens_total vllm:generation_tokens
        vllm      kvusage           most       vllm:kv_cache_usage_perc vllm:gpu_cache_usage_perc
        vllm      preemptions       sum        vllm:num_preemptions_total vllm:num_preemptions
        vllm      awake             most       vllm:engine_sleep_state                                  | sleep_state = awake
        vllm      asleep            most       vllm:engine_sleep_state                                  | sleep_state != awake
        vllm      latency           histogram  vllm:e2e_request_latency_seconds
        vllm      queuetime         histogram  vllm:request_queue_time_seconds
        vllm      firsttoken        histogram  vllm:time_to_first_token_seconds
        vllm      intertoken        histogram  vllm:inter_token_latency_seconds vllm:time_per_output_token_seconds
        vllm      promptlengths     histogram  vllm:request_prompt_tokens
        vllm      answerlengths     histogram  vllm:request_generation_tokens
        vllm      identity          sum        vllm:cache_config_info
        sglang    running           sum        sglang:num_running_reqs
        sglang    waiting           sum        sglang:num_queue_reqs
        sglang    completed         sum        sglang:num_requests_total sglang:num_requests
        sglang    prompttokens      sum        sglang:prompt_tokens_total sglang:prompt_tokens
        sglang    generationtokens  sum        sglang:generation_tokens_total sglang:generation_tokens
        sglang    kvusage           most       sglang:token_usage
        sglang    latency           histogram  sglang:e2e_request_latency_seconds
        sglang    queuetime         histogram  sglang:queue_time_seconds
        sglang    firsttoken        histogram  sglang:time_to_first_token_seconds
        sglang    intertoken        histogram  sglang:inter_token_latency_seconds sglang:time_per_output_token_seconds
        sglang    startup           most       sglang:startup_time_seconds sglang:engine_startup_time   | phase != load_weight
        sglang    load              most       sglang:startup_time_seconds                              | phase = load_weight
        sglang    load              most       sglang:engine_load_weights_time
        sglang    identity          most       sglang:max_total_num_tokens
        tgi       running           sum        tgi_batch_current_size
        tgi       waiting           sum        tgi_queue_size
        tgi       arrived           sum        tgi_request_count_total tgi_request_count
        tgi       completed         sum        tgi_request_success_total tgi_request_success
        tgi       failed            sum        tgi_request_failure_total tgi_request_failure            | err != overloaded dropped
        tgi       aborted           sum        tgi_request_failure_total tgi_request_failure            | err = dropped
        tgi       rejected          sum        tgi_request_failure_total tgi_request_failure            | err = overloaded
        tgi       prompttokens      sum        tgi_request_input_length_sum
        tgi       generationtokens  sum        tgi_request_generated_tokens_sum
        tgi       latency           histogram  tgi_request_duration
        tgi       queuetime         histogram  tgi_request_queue_duration
        tgi       intertoken        histogram  tgi_request_mean_time_per_token_duration
        tgi       promptlengths     histogram  tgi_request_input_length
        tgi       answerlengths     histogram  tgi_request_generated_tokens
        triton    waiting           sum        nv_inference_pending_request_count
        triton    completed         sum        nv_inference_request_success
        triton    failed            sum        nv_inference_request_failure                             | reason != REJECTED CANCELED
        triton    aborted           sum        nv_inference_request_failure                             | reason = CANCELED
        triton    rejected          sum        nv_inference_request_failure                             | reason = REJECTED
        triton    latency           pair/us    nv_inference_request_duration_us nv_inference_request_success
        triton    queuetime         pair/us    nv_inference_queue_duration_us nv_inference_request_success
        triton    firsttoken        histogram/ms nv_inference_first_response_histogram_ms
        triton    startup           sum        plimsoll_model_load_duration_seconds
        triton    load              sum        plimsoll_model_load_duration_seconds                     | stage = read
        llamacpp  running           sum        llamacpp:requests_processing
        llamacpp  waiting           sum        llamacpp:requests_deferred
        llamacpp  prompttokens      sum        llamacpp:prompt_tokens_total
        llamacpp  generationtokens  sum        llamacpp:tokens_predicted_total
        llamacpp  kvusage           most       llamacpp:kv_cache_usage_ratio
        any       processstart      most       process_start_time_seconds
        """;

    /// <summary>Rows of one server, those that hold for any server among them.</summary>
    public static readonly FrozenDictionary<ServerKind, ImmutableArray<MetricAlias>> ByServer =
        Parse(Table).GroupBy(alias => alias.Server).ToFrozenDictionary(rows => rows.Key, rows => rows.ToImmutableArray());

    /// <summary>Whose each line name is; a name that any server may have is not in it.</summary>
    public static readonly FrozenDictionary<string, ServerKind> Owners = ByServer.Values.SelectMany(rows => rows)
        .Where(alias => alias.Field != MetricField.ProcessStart)
        .SelectMany(alias => alias.Names.SelectMany(alias.Series).Select(series => (series, alias.Server)))
        .DistinctBy(pair => pair.series).ToFrozenDictionary(pair => pair.series, pair => pair.Server);

    /// <summary>Every line name that is read.</summary>
    public static readonly FrozenSet<string> Series =
        Owners.Keys.Append("process_start_time_seconds").ToFrozenSet(StringComparer.Ordinal);

    private static IEnumerable<MetricAlias> Parse(string table)
    {
        foreach (var line in table.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var halves = line.Split('|');
            var words = halves[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var form = words[2].Split('/');
            var scale = form.Length == 1 ? 1 : form[1] == "us" ? 1e-6 : 1e-3;
            var rule = halves.Length == 1 ? null : Rule(halves[1].Split(' ', StringSplitOptions.RemoveEmptyEntries));
            var names = words[3..].SelectMany(name => name.Contains(':', StringComparison.Ordinal)
                ? new[] { name, name.Replace(':', '_') } : [name]).ToImmutableArray();
            var servers = words[0] == "any" ? Enum.GetValues<ServerKind>() : [Enum.Parse<ServerKind>(words[0], ignoreCase: true)];
            foreach (var server in servers)
                yield return new MetricAlias(
                    server, Enum.Parse<MetricField>(words[1], ignoreCase: true),
                    Enum.Parse<MetricForm>(form[0], ignoreCase: true), scale, rule, names);
        }
    }

    private static LabelRule Rule(string[] words) => new(words[0], words[1] == "=", [.. words[2..]]);
}
