using System.Globalization;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Weighing;

/// <summary>Lengths of requests from a CSV file whose header names a column of prompt tokens and one of answer tokens.</summary>
internal static class LengthsFile
{
    private const int TokensMax = 10_000_000;
    private const int RequestsMax = 5_000_000;

    private static readonly string[] PromptColumns = ["ContextTokens", "input_tokens", "input_toks", "input_length", "num_prefill_tokens"];
    private static readonly string[] AnswerColumns = ["GeneratedTokens", "output_tokens", "output_toks", "output_length", "num_decode_tokens"];

    /// <summary>In the file's order; those without a prompt or an answer are passed over, as they ask for nothing.</summary>
    /// <exception cref="TraceException">At the first line that is no request.</exception>
    public static List<(int Prompt, int Answer)> Read(string path)
    {
        var requests = new List<(int, int)>();
        var (prompt, answer, columns) = (-1, -1, 0);
        foreach (var (number, text) in BoundedLines.Read(path))
        {
            if (columns == 0)
            {
                var header = text.Split(',').Select(name => name.Trim().TrimStart('\uFEFF')).ToArray();
                (prompt, answer, columns) = (Find(path, header, PromptColumns, "prompt"), Find(path, header, AnswerColumns, "answer"), header.Length);
                continue;
            }

            if (text.Length == 0) continue;
            var fields = text.Split(',');
            if (fields.Length != columns)
                throw new TraceException(path, number, string.Create(CultureInfo.InvariantCulture, $"has {fields.Length} fields, and the header names {columns}"));
            var (asked, given) = (Tokens(path, number, fields[prompt]), Tokens(path, number, fields[answer]));
            if (asked > 0 && given > 0) requests.Add((asked, given));
            if (requests.Count > RequestsMax) throw new TraceException(path, number, "more than five million requests; cut the file into parts");
        }

        return requests.Count > 0 ? requests : throw new TraceException(path, 0, "has no request with a prompt and an answer");
    }

    private static int Find(string path, string[] header, string[] known, string what)
    {
        var at = Array.FindIndex(header, name => known.Contains(name, StringComparer.OrdinalIgnoreCase));
        return at >= 0 ? at : throw new TraceException(path, 1, $"the header names no column of {what} tokens; known are {string.Join(", ", known)}");
    }

    private static int Tokens(string path, long number, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= TokensMax
            ? (int)value
            : throw new TraceException(path, number, $"has '{(text.Length <= 40 ? text : text[..37] + "...")}' for a number of tokens; expected 0 to {TokensMax}");
}
