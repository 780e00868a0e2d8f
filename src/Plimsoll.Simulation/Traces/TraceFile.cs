using System.Globalization;
using System.Text.Json;

namespace Plimsoll.Simulation.Traces;

/// <summary>
/// Reads traces of requests in their published formats, told apart by their first line:
/// <list type="bullet">
/// <item><c>TIMESTAMP,ContextTokens,GeneratedTokens</c>: Azure LLM inference traces (AzurePublicDataset), up to 100 ns;</item>
/// <item>lines of JSON with <c>timestamp</c> (ms), <c>input_length</c> and <c>output_length</c>: Mooncake;</item>
/// <item><c>seconds,prompt_tokens,answer_tokens</c>: ours, for traces made by hand or exported from elsewhere.</item>
/// </list>
/// A name that ends in .gz is unpacked. The first request is at second 0.
/// </summary>
public static class TraceFile
{
    /// <summary>No context of a real model is longer; a larger number is a broken line.</summary>
    public const int TokensMax = 10_000_000;

    // Mooncake's lines list the blocks of a prompt: some thousands.
    private const int LongestLine = 1 << 18;
    private static readonly TimeSpan LongestSpan = TimeSpan.FromDays(366);
    private static readonly string[] TimestampFormats = ["yyyy-MM-dd HH:mm:ss.FFFFFFF", "yyyy-MM-dd HH:mm:ss.FFFFFFFzzz"];

    private delegate (double Seconds, int Prompt, int Answer) LineParser(string path, long number, string text);

    /// <exception cref="TraceException">At the first line that is no request.</exception>
    public static RequestTrace Read(string path)
    {
        var (arrivals, prompts, answers) = (new List<double>(), new List<int>(), new List<int>());
        LineParser? parse = null;
        var first = double.NaN;
        foreach (var (number, text) in BoundedLines.Read(path, LongestLine))
        {
            if (parse is null)
            {
                parse = ParserFor(path, text.Trim().TrimStart('\uFEFF'));
                if (parse != Mooncake) continue;
            }

            if (text.Length == 0) continue;
            var (seconds, prompt, answer) = parse(path, number, text);
            if (double.IsNaN(first)) first = seconds;
            var at = seconds - first;
            if (at < (arrivals.Count > 0 ? arrivals[^1] : 0)) throw new TraceException(path, number, "is earlier than the line before it; sort the file by time");
            if (at > LongestSpan.TotalSeconds) throw new TraceException(path, number, $"lies more than {LongestSpan.TotalDays:0} days after the first request");
            if (arrivals.Count == SyntheticTraffic.RequestsMax) throw new TraceException(path, number, $"more than {SyntheticTraffic.RequestsMax} requests; cut the file into parts");
            // A prompt or an answer of no token was counted by nobody; it takes a step all the same.
            arrivals.Add(at);
            prompts.Add(Math.Max(1, prompt));
            answers.Add(Math.Max(1, answer));
        }

        if (parse is null) throw new TraceException(path, 0, "is empty");
        if (arrivals.Count == 0) throw new TraceException(path, 0, "has a header and no request");
        return new RequestTrace([.. arrivals], [.. prompts], [.. answers], arrivals[^1]);
    }

    private static LineParser ParserFor(string path, string line) => line switch
    {
        "TIMESTAMP,ContextTokens,GeneratedTokens" => Azure(),
        "seconds,prompt_tokens,answer_tokens" => Plain,
        ['{', ..] => Mooncake,
        _ => throw new TraceException(path, 1,
            $"the header is '{Excerpt(line)}'; known are 'TIMESTAMP,ContextTokens,GeneratedTokens', 'seconds,prompt_tokens,answer_tokens', 'seconds,requests_per_second', ServeGen's 'client,window_start_s,...', and lines of JSON"),
    };

    // Seconds since the first line: since the year 1 they would be whole microseconds at the best.
    private static LineParser Azure()
    {
        DateTimeOffset? first = null;
        return (path, number, text) =>
        {
            var fields = Fields(path, number, text, 3);
            var at = Timestamp(path, number, fields[0]);
            first ??= at;
            return ((at - first.Value).TotalSeconds, Tokens(path, number, "ContextTokens", fields[1]), Tokens(path, number, "GeneratedTokens", fields[2]));
        };
    }

    /// <summary>A time as Azure's traces write it: up to 100 ns, with or without a zone.</summary>
    /// <exception cref="TraceException">It is none.</exception>
    public static DateTimeOffset Timestamp(string path, long number, string text) =>
        DateTimeOffset.TryParseExact(text, TimestampFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? at : throw new TraceException(path, number, $"TIMESTAMP is '{Excerpt(text)}'; expected like '2023-11-16 18:17:03.9799600'");

    private static (double, int, int) Plain(string path, long number, string text)
    {
        var fields = Fields(path, number, text, 3);
        return (Number(path, number, "seconds", fields[0]), Tokens(path, number, "prompt_tokens", fields[1]), Tokens(path, number, "answer_tokens", fields[2]));
    }

    private static (double, int, int) Mooncake(string path, long number, string text)
    {
        try
        {
            using var line = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 4 });
            int Of(string name) => line.RootElement.TryGetProperty(name, out var value) && value.TryGetInt32(out var tokens) && tokens is >= 0 and <= TokensMax
                ? tokens : throw new TraceException(path, number, $"has no {name}; a whole number from 0 to {TokensMax} would do");
            if (!line.RootElement.TryGetProperty("timestamp", out var at) || !at.TryGetDouble(out var milliseconds) || milliseconds < 0)
                throw new TraceException(path, number, "has no timestamp; milliseconds since the trace's beginning would do");
            return (milliseconds / 1000, Of("input_length"), Of("output_length"));
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw new TraceException(path, number, $"is no object of JSON: '{Excerpt(text)}'");
        }
    }

    internal static string[] Fields(string path, long number, string text, int count)
    {
        var fields = text.Split(',');
        return fields.Length == count ? fields
            : throw new TraceException(path, number, $"has {fields.Length} fields, expected {count}: '{Excerpt(text)}'");
    }

    internal static double Number(string path, long number, string field, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 1e9
            ? value : throw new TraceException(path, number, $"{field} is '{Excerpt(text)}'; expected a number like 12.25");

    private static int Tokens(string path, long number, string field, string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var tokens) && tokens <= TokensMax
            ? tokens : throw new TraceException(path, number, $"{field} is '{Excerpt(text)}'; expected a whole number from 0 to {TokensMax}");

    /// <summary>A text short enough for a sentence.</summary>
    public static string Excerpt(string text) => text.Length <= 60 ? text : text[..57] + "...";
}
