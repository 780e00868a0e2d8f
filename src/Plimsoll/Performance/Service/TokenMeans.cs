namespace Plimsoll;

/// <summary>Lengths of a model's requests as its servers counted them: decayed sums.</summary>
/// <param name="Requests">Requests that the sums are of, older ones faded.</param>
/// <param name="PromptTokens">Tokens of their prompts.</param>
/// <param name="AnswerTokens">Tokens of their answers.</param>
public sealed record TokenMeans(double Requests, double PromptTokens, double AnswerTokens)
{
    public static readonly TokenMeans None = new(0, 0, 0);

    /// <summary>Requests remembered in effect.</summary>
    private const double Memory = 2000;

    /// <summary>Requests from which on the sums are believed: fewer may have begun before they were counted, or not have ended.</summary>
    private const double Believed = 20;

    /// <summary>Longer means are garbage: no engine holds such a request.</summary>
    private const double TokensMax = 1e8;

    /// <summary>Of the logarithm of lengths; wider than any service has it.</summary>
    private const double SpreadMax = 2;

    /// <summary>Of those requests whose squares were counted too, with the sums they had.</summary>
    public Squares? PromptSquares { get; init; }

    public Squares? AnswerSquares { get; init; }

    /// <summary>Spread of the logarithm of prompts' lengths, taken as lognormal; null where too few squares were counted.</summary>
    public double? PromptSpread => Spread(PromptSquares);

    public double? AnswerSpread => Spread(AnswerSquares);

    /// <summary>Adds an interval's; garbage (negative, not finite) changes nothing.</summary>
    public TokenMeans Add(TokenSample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        var (requests, prompts, answers) = (sample.Requests, sample.PromptTokens, sample.AnswerTokens);
        if (!(requests >= 0 && prompts >= 0 && answers >= 0) || !double.IsFinite(requests + prompts + answers)) return this;
        if (prompts > requests * TokensMax || answers > requests * TokensMax || requests + prompts + answers <= 0) return this;
        var keep = Requests <= 0 || Requests + requests <= Memory ? 1 : Math.Max(0, Memory - requests) / Requests;
        return new TokenMeans((Requests * keep) + requests, (PromptTokens * keep) + prompts, (AnswerTokens * keep) + answers)
        {
            PromptSquares = Squares.Add(PromptSquares, keep, requests, prompts, sample.PromptSquares),
            AnswerSquares = Squares.Add(AnswerSquares, keep, requests, answers, sample.AnswerSquares),
        };
    }

    /// <summary>The means, where enough were counted; else what is assumed.</summary>
    public (double Prompt, double Answer) Or(double promptAssumed, double answerAssumed) =>
        Requests < Believed ? (promptAssumed, answerAssumed)
        : (Math.Max(1, PromptTokens / Requests), Math.Max(1, AnswerTokens / Requests));

    private static double? Spread(Squares? squares)
    {
        if (squares is not { Requests: >= Believed, Sum: > 0 } known) return null;
        var mean = known.Sum / known.Requests;
        return Math.Min(SpreadMax, Math.Sqrt(Math.Log(Math.Max(1, known.Squared / known.Requests / (mean * mean)))));
    }

    /// <summary>Decayed sums of a length and of its square.</summary>
    public sealed record Squares(double Requests, double Sum, double Squared)
    {
        internal static Squares? Add(Squares? before, double keep, double requests, double sum, double? squares)
        {
            if (squares is not { } more || !(more >= 0) || !double.IsFinite(more)) return before;
            var (n, s, q) = before is null ? (0, 0, 0) : (before.Requests * keep, before.Sum * keep, before.Squared * keep);
            return new Squares(n + requests, s + sum, q + more);
        }
    }
}
