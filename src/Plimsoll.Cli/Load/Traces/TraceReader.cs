using System.Globalization;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Load.Traces;

/// <summary>
/// Reads traces in their published formats, line by line, in two dialects told apart by their header:
/// <list type="bullet">
/// <item><c>TIMESTAMP,ContextTokens,GeneratedTokens</c>: Azure LLM inference traces (AzurePublicDataset), timestamps
/// with up to 100 ns, with or without a zone;</item>
/// <item><c>seconds,model,size</c>: ours, for traces made by hand or exported from elsewhere.</item>
/// </list>
/// </summary>
public static class TraceReader
{
    /// <summary>No context of a real model is longer; a larger number is a broken line.</summary>
    public const int MostTokens = 100_000_000;

    private static readonly TimeSpan LongestSpan = TimeSpan.FromDays(366);

    private delegate (long Ticks, string? Model, int Tokens) RowParser(string path, long number, string text);

    /// <summary>The requests in the file's order, which must be the order of time.</summary>
    /// <exception cref="TraceException">At the first line that is no request.</exception>
    public static IEnumerable<TraceRequest> Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        RowParser? parse = null;
        long? first = null;
        var last = 0L;
        foreach (var (number, text) in BoundedLines.Read(path))
        {
            if (parse is null)
            {
                parse = ParserFor(path, text);
                continue;
            }

            if (text.Length == 0) continue;
            var (ticks, model, tokens) = parse(path, number, text);
            first ??= ticks;
            var at = ticks - first.Value;
            if (at < last)
                throw new TraceException(path, number, "is earlier than the line before it; sort the file by time");
            if (at > LongestSpan.Ticks)
                throw new TraceException(path, number, $"lies more than {LongestSpan.TotalDays:0} days after the first request");
            last = at;
            yield return new TraceRequest(TimeSpan.FromTicks(at), model, tokens);
        }

        if (parse is null) throw new TraceException(path, 0, "is empty");
        if (first is null) throw new TraceException(path, 0, "has a header and no request");
    }

    private static RowParser ParserFor(string path, string header) => header.Trim() switch
    {
        "TIMESTAMP,ContextTokens,GeneratedTokens" => Azure,
        "seconds,model,size" => Plain,
        _ => throw new TraceException(path, 1,
            $"the header is '{TraceFile.Excerpt(header)}'; known are 'TIMESTAMP,ContextTokens,GeneratedTokens' and 'seconds,model,size'"),
    };

    private static (long Ticks, string? Model, int Tokens) Azure(string path, long number, string text)
    {
        var fields = Fields(path, number, text);
        var at = TraceFile.Timestamp(path, number, fields[0]);
        var tokens = Tokens(path, number, "ContextTokens", fields[1]);
        Tokens(path, number, "GeneratedTokens", fields[2]);
        return (at.UtcTicks, null, tokens);
    }

    private static (long Ticks, string? Model, int Tokens) Plain(string path, long number, string text)
    {
        var fields = Fields(path, number, text);
        if (!double.TryParse(fields[0], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
            || !(seconds <= 1e9)) // said so that NaN is refused too
        {
            throw new TraceException(path, number,
                $"seconds is '{TraceFile.Excerpt(fields[0])}'; expected a number of seconds like 12.25");
        }

        var model = fields[1].Trim();
        if (model.Length is 0 or > 200)
            throw new TraceException(path, number, $"model is '{TraceFile.Excerpt(model)}'; expected a name of 1 to 200 characters");
        return ((long)(seconds * TimeSpan.TicksPerSecond), model, Tokens(path, number, "size", fields[2]));
    }

    private static string[] Fields(string path, long number, string text)
    {
        var fields = text.Split(',', 4);
        return fields.Length == 3 ? fields
            : throw new TraceException(path, number, $"has {(fields.Length == 4 ? "more than 3" : fields.Length)} fields, expected 3: '{TraceFile.Excerpt(text)}'");
    }

    private static int Tokens(string path, long number, string field, string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var tokens)
        && tokens <= MostTokens
            ? tokens
            : throw new TraceException(path, number,
                $"{field} is '{TraceFile.Excerpt(text)}'; expected a whole number from 0 to {MostTokens.ToString(CultureInfo.InvariantCulture)}");
}
