using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Load;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Scenarios;

/// <summary>The command <c>plimsoll import prometheus</c>: what a Prometheus server kept of a model's traffic, as a trace for scenarios.</summary>
internal static class PrometheusImport
{
    private const int PointsMax = 1_000_000;
    private const int AnswerMax = 256 << 20;
    private const int QueryMax = 16_384;

    public static Command Create(TimeProvider time)
    {
        var from = new Argument<string>("SERVER") { Description = "Such as http://prometheus.monitoring:9090; or a file with the answer of a query_range, - for the standard input" };
        var query = Text("--query", "PromQL of requests a second, one series");
        var vllm = Text("--vllm", "A model by the name vLLM serves it under, in place of queries; its lengths are asked for too", "MODEL");
        var prompts = Text("--prompt-tokens", "PromQL of the mean tokens of a prompt");
        var answers = Text("--answer-tokens", "PromQL of the mean tokens of an answer");
        var back = TrafficOptions.Duration("--last", "How far back (default 7d)");
        var to = new Option<string?>("--to") { Description = "Until when, such as 2026-11-20T00:00:00Z (default now)", HelpName = "TIME" };
        var step = TrafficOptions.Duration("--step", "From one rate to the next (default 1min)");
        var token = new Option<string?>("--token-file") { Description = "The server's bearer token", HelpName = "FILE" };
        var any = new Option<bool>("--accept-any-certificate") { Description = "Whoever the server on HTTPS says it is" };
        var command = new Command("prometheus", "Print what a Prometheus server kept of a model's traffic as a trace for scenarios") { from, query, vllm, prompts, answers, back, to, step, token, any };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var place = parsed.GetValue(from)!;
            var wide = parsed.GetValue(step) ?? TimeSpan.FromMinutes(1);
            var queries = Queries.Of(parsed.GetValue(query), parsed.GetValue(vllm), parsed.GetValue(prompts), parsed.GetValue(answers), wide);
            Rates rates;
            if (Server(place) is { } server)
            {
                if (queries is null) throw new CommandException(ExitCode.BadInput, "--query is missing; PromQL of requests a second would do, or --vllm with the model's name");
                var span = Span(parsed.GetValue(to), parsed.GetValue(back) ?? TimeSpan.FromDays(7), wide, time.GetUtcNow());
                using var asked = new PrometheusRange(new PrometheusSettings { Server = server, BearerTokenFile = parsed.GetValue(token), AcceptAnyCertificate = parsed.GetValue(any) });
                rates = await AskAsync(asked, queries, span, place, cancellationToken);
            }
            else
            {
                if (queries is not null) throw new CommandException(ExitCode.BadInput, $"{Show.Text(place, 200)} is no server (http:// or https://), and a saved answer is asked nothing; leave the queries out");
                foreach (var option in (Option[])[back, to, step, token, any])
                    if (parsed.GetResult(option) is { Implicit: false }) throw new CommandException(ExitCode.BadInput, $"{option.Name} is of what a server is asked, and {Show.Text(place, 200)} is a saved answer; leave it out");
                rates = Rates.Of(Saved(place));
            }

            rates.Write(parsed.InvocationConfiguration.Output);
            parsed.InvocationConfiguration.Error.WriteLine($"plimsoll: {rates.Said}");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Option<string?> Text(string name, string description, string help = "PROMQL")
    {
        var option = new Option<string?>(name) { Description = description, HelpName = help };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && text.Trim().Length is 0 or > QueryMax) result.AddError($"{name}: found {text.Length} characters; 1 to {QueryMax} would do");
        });
        return option;
    }

    // A base without a slash at its end would lose its last part.
    private static Uri? Server(string place) =>
        Uri.TryCreate(place.EndsWith('/') ? place : place + "/", UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null;

    private static PrometheusSpan Span(string? to, TimeSpan back, TimeSpan step, DateTimeOffset now)
    {
        var end = now;
        if (to is not null && !DateTimeOffset.TryParse(to, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out end))
            throw new CommandException(ExitCode.BadInput, $"--to is \"{Show.Text(to)}\"; a time such as 2026-11-20T00:00:00Z would do");
        if (step < TimeSpan.FromSeconds(1)) throw new CommandException(ExitCode.BadInput, $"--step is {Durations.Show(step)}; 1s or more would do");
        if (back < 2 * step) throw new CommandException(ExitCode.BadInput, $"--last is {Durations.Show(back)}, which has no two steps of {Durations.Show(step)}; a longer time would do");
        if (back / step > PointsMax) throw new CommandException(ExitCode.BadInput, $"--last has {back / step:0} steps; {PointsMax} are the most, so a longer --step would do");
        if (end - back < DateTimeOffset.UnixEpoch) throw new CommandException(ExitCode.BadInput, "--last reaches back before 1970; a shorter time would do");

        // A value tells of the step that ends with it.
        return new PrometheusSpan(end - back + step, end, step);
    }

    private static async Task<Rates> AskAsync(PrometheusRange server, Queries queries, PrometheusSpan span, string place, CancellationToken cancellationToken)
    {
        async Task<PrometheusSeries> One(string option, string query)
        {
            try
            {
                return await server.AskAsync(query, span, cancellationToken);
            }
            catch (Exception problem) when (problem is MetricsException or IOException or UnauthorizedAccessException)
            {
                throw new CommandException(ExitCode.Failed, $"{Show.Text(place, 200)}, asked for {option}: {Show.Text(problem.Message, 400)}");
            }
        }

        var requests = await One("--query", queries.Requests);
        if (requests.Values.IsEmpty) throw new CommandException(ExitCode.BadInput, $"{Show.Text(place, 200)} has no value of {Show.Text(queries.Requests, 200)} in that time; a query that its own page shows would do");
        var prompts = queries.Prompts is { } prompt ? await One("--prompt-tokens", prompt) : null;
        var answers = queries.Answers is { } answer ? await One("--answer-tokens", answer) : null;
        return new Rates(span, requests, prompts, answers);
    }

    private static PrometheusSeries Saved(string path)
    {
        try
        {
            using var stream = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            using var kept = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int read; (read = stream.Read(buffer)) > 0;)
            {
                kept.Write(buffer, 0, read);
                if (kept.Length > AnswerMax) throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} is over {new Bytes(AnswerMax)}; a shorter time or a longer step would do");
            }

            return PrometheusSeries.Read(kept.GetBuffer().AsMemory(0, (int)kept.Length));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} cannot be read: {Show.Text(unreadable.Message, 200)}");
        }
        catch (MetricsException strange)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)}: {Show.Text(strange.Message, 400)}");
        }
        catch (JsonException)
        {
            throw new CommandException(ExitCode.BadInput, $"{Show.Text(path, 200)} is no JSON; the answer of /api/v1/query_range would do");
        }
    }

    /// <summary>What is asked.</summary>
    private sealed record Queries(string Requests, string? Prompts, string? Answers)
    {
        /// <summary>Null where nothing is named.</summary>
        public static Queries? Of(string? query, string? vllm, string? prompts, string? answers, TimeSpan step)
        {
            if (vllm is null) return query is null && (prompts ?? answers) is null ? null
                : query is null ? throw new CommandException(ExitCode.BadInput, "--query is missing; lengths alone make no traffic")
                : (prompts is null) != (answers is null) ? throw new CommandException(ExitCode.BadInput, "one of --prompt-tokens and --answer-tokens is missing; both or none would do")
                : new Queries(query, prompts, answers);
            if ((query ?? prompts ?? answers) is not null) throw new CommandException(ExitCode.BadInput, "--vllm says the queries itself; leave them out, or it");

            // Half a minute is two scrapes at the usual fifteen seconds; a rate needs two.
            var range = string.Create(CultureInfo.InvariantCulture, $"{Math.Max(30, Math.Ceiling(step.TotalSeconds)):0}s");
            var labels = $"{{model_name=\"{vllm.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"}}";
            string Rate(string counter) => $"sum(rate(vllm:{counter}{labels}[{range}]))";
            return new Queries(
                Rate("request_success_total"), $"{Rate("request_prompt_tokens_sum")} / {Rate("request_prompt_tokens_count")}", $"{Rate("request_generation_tokens_sum")} / {Rate("request_generation_tokens_count")}");
        }
    }

    /// <summary>What came, as rows of a trace.</summary>
    private sealed record Rates(PrometheusSpan Span, PrometheusSeries Requests, PrometheusSeries? Prompts, PrometheusSeries? Answers)
    {
        private readonly ImmutableArray<double?> _rates = OnSteps(Span, Requests);
        private readonly ImmutableArray<double?> _prompts = Prompts is null ? [] : OnSteps(Span, Prompts);
        private readonly ImmutableArray<double?> _answers = Answers is null ? [] : OnSteps(Span, Answers);

        /// <summary>Of a saved answer, whose shortest step is its step.</summary>
        public static Rates Of(PrometheusSeries series)
        {
            if (series.Values.Length < 2) throw new CommandException(ExitCode.BadInput, $"the answer has {series.Values.Length} values; two or more would do");
            var step = series.Values.Zip(series.Values.Skip(1), (before, after) => after.At - before.At).Min();
            var span = new PrometheusSpan(series.Values[0].At, series.Values[^1].At, step);
            if ((span.To - span.From) / step > PointsMax) throw new CommandException(ExitCode.BadInput, $"the answer has {(span.To - span.From) / step:0} steps; {PointsMax} are the most");
            return new Rates(span, series, null, null);
        }

        public void Write(TextWriter output)
        {
            output.WriteLine(Prompts is null ? RateFile.Header : RateFile.HeaderWithTokens);
            for (var i = 0; i < _rates.Length; i++)
            {
                var line = string.Create(CultureInfo.InvariantCulture, $"{(i * Span.Step).TotalSeconds:0.###},{Math.Max(0, _rates[i] ?? 0):0.######}");
                output.WriteLine(Prompts is null ? line : string.Create(CultureInfo.InvariantCulture, $"{line},{Math.Max(0, _prompts[i] ?? 0):0.#},{Math.Max(0, _answers[i] ?? 0):0.#}"));
            }
        }

        public string Said
        {
            get
            {
                var missing = _rates.Count(rate => rate is null);
                var begin = Span.From - Span.Step;
                return string.Create(CultureInfo.InvariantCulture,
                    $"{_rates.Length} steps of {Durations.Show(Span.Step)} from {begin.UtcDateTime:yyyy-MM-dd HH:mm} UTC on: {_rates.Average(rate => rate ?? 0):0.###} requests a second on the mean, {_rates.Max(rate => rate ?? 0):0.###} at the most")
                    + (missing == 0 ? "" : $"; {missing} of them have no value and are taken for 0");
            }
        }

        private static ImmutableArray<double?> OnSteps(PrometheusSpan span, PrometheusSeries series)
        {
            var values = new double?[span.Points];
            foreach (var (at, value) in series.Values)
            {
                var index = (int)Math.Round((at - span.From) / span.Step);
                if (index >= 0 && index < values.Length) values[index] = value;
            }

            return [.. values];
        }
    }
}
