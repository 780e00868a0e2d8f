namespace Plimsoll.Simulation.Traces;

/// <summary>Rates of one model over time, and the mean lengths of its requests where they are told.</summary>
/// <param name="Curve">Requests a second.</param>
/// <param name="Starts">Seconds at which each step begins.</param>
/// <param name="Tokens">Of each step, tokens of a prompt and of an answer on the mean; empty where the file does not tell them.</param>
public sealed record RatesOverTime(RateCurve Curve, double[] Starts, (double Prompt, double Answer)[] Tokens)
{
    /// <summary>The means of a moment; null where nothing is told of it.</summary>
    public (double Prompt, double Answer)? TokensAt(double seconds)
    {
        if (Tokens.Length == 0 || !(seconds >= 0)) return null;
        var at = Array.BinarySearch(Starts, seconds);
        return Tokens[at >= 0 ? at : ~at - 1] is { Prompt: > 0, Answer: > 0 } told ? told : null;
    }
}

/// <summary>
/// Reads rates, as monitoring keeps them: <c>seconds,requests_per_second</c>, with <c>,prompt_tokens,answer_tokens</c> (means; 0 or
/// nothing where unknown) behind it or not. A rate holds until the next row; the last one as long as the one before it. The requests
/// themselves are gone; <see cref="SyntheticTraffic"/> makes some of the same rates.
/// </summary>
public static class RateFile
{
    /// <summary>The shorter header, with which every such file begins.</summary>
    public const string Header = "seconds,requests_per_second";

    /// <summary>The longer header.</summary>
    public const string HeaderWithTokens = Header + ",prompt_tokens,answer_tokens";

    private const int StepsMax = 10_000_000;

    /// <exception cref="TraceException">At the first line that is no rate.</exception>
    public static RatesOverTime Read(string path)
    {
        var (starts, rates, tokens) = (new List<double>(), new List<double>(), new List<(double, double)>());
        var columns = 0;
        foreach (var (number, text) in BoundedLines.Read(path))
        {
            if (columns == 0)
            {
                columns = Columns(path, text.Trim().TrimStart('\uFEFF'));
                continue;
            }

            if (text.Length == 0) continue;
            var fields = TraceFile.Fields(path, number, text, columns);
            var at = TraceFile.Number(path, number, "seconds", fields[0]);
            if (starts.Count == 0 && at != 0) throw new TraceException(path, number, $"seconds is {fields[0]}; the first row's must be 0");
            if (starts.Count > 0 && at <= starts[^1]) throw new TraceException(path, number, "is not later than the row before it; sort the file by time");
            if (starts.Count == StepsMax) throw new TraceException(path, number, $"more than {StepsMax} rows; a longer step would do");
            starts.Add(at);
            rates.Add(TraceFile.Number(path, number, "requests_per_second", fields[1]));
            if (columns == 4) tokens.Add((Mean(path, number, "prompt_tokens", fields[2]), Mean(path, number, "answer_tokens", fields[3])));
        }

        if (starts.Count < 2) throw new TraceException(path, 0, $"has {starts.Count} rows with a rate; two at the least would do, as the second says how long the first holds");
        return new RatesOverTime(new RateCurve([.. starts], [.. rates], (2 * starts[^1]) - starts[^2]), [.. starts], [.. tokens]);
    }

    private static int Columns(string path, string header) => header switch
    {
        Header => 2,
        HeaderWithTokens => 4,
        _ => throw new TraceException(path, 1, $"the header is '{TraceFile.Excerpt(header)}'; expected '{Header}', with ',prompt_tokens,answer_tokens' behind it or not"),
    };

    private static double Mean(string path, long number, string field, string text)
    {
        if (text.Length == 0) return 0;
        var mean = TraceFile.Number(path, number, field, text);
        return mean <= TraceFile.TokensMax ? mean : throw new TraceException(path, number, $"{field} is {TraceFile.Excerpt(text)}; at most {TraceFile.TokensMax} would do");
    }
}
