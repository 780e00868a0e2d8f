namespace Plimsoll;

/// <summary>What is known of requests' lengths: what was seen, else what was stated, else what a public trace has.</summary>
/// <param name="Prompt">Mean tokens of a prompt; null for the trace's.</param>
/// <param name="Answer">Mean tokens of an answer; null for the trace's.</param>
/// <param name="PromptSpread">Spread of the logarithm of prompts' lengths; null for the trace's.</param>
/// <param name="AnswerSpread">The same of answers.</param>
public readonly record struct TypicalLengths(double? Prompt, double? Answer, double? PromptSpread = null, double? AnswerSpread = null)
{
    // Prompts and answers lognormal and independent, with the medians and spreads of the public trace of an hour of
    // conversations (AzurePublicDataset, azure_llm_2023_conv, 19,366 requests, CC-BY-4.0; fitted 2026-11-27: medians 760 and
    // 151 tokens, spreads of the logarithm 0.99 and 0.86, correlation 0.09).
    private const double TracePrompt = 760;
    private const double TracePromptSpread = 0.99;
    private const double TraceAnswer = 151;
    private const double TraceAnswerSpread = 0.86;

    /// <summary>Steps of a means' logarithm and of a spread to which they are rounded: predicting anew for less tells nothing.</summary>
    private const double MeanStep = 0.15;
    private const double SpreadStep = 0.15;

    /// <summary>Quantiles of a standard normal in the middle of each eighth.</summary>
    private static readonly double[] Eighths = [-1.5341, -0.8871, -0.4888, -0.1573, 0.1573, 0.4888, 0.8871, 1.5341];

    /// <summary>What was seen, coarsely; where nothing was, what was stated.</summary>
    public static TypicalLengths Of(TokenMeans? seen, double? promptStated, double? answerStated)
    {
        var (prompt, answer) = seen?.Or(0, 0) ?? (0, 0);
        if (seen is null || prompt <= 0) return new(promptStated, answerStated);
        return new(Coarse(prompt), Coarse(answer), Coarse(seen.PromptSpread), Coarse(seen.AnswerSpread));
    }

    /// <summary>Sixty-four requests, each as likely as another.</summary>
    /// <param name="longest">Most tokens of a request, prompt and answer: what is longer is cut as a client would have to.</param>
    public RequestLengths Sample(long longest = long.MaxValue)
    {
        var prompts = Scaled(TracePrompt, PromptSpread ?? TracePromptSpread, Prompt);
        var answers = Scaled(TraceAnswer, AnswerSpread ?? TraceAnswerSpread, Answer);
        return RequestLengths.Of(
            from prompt in prompts
            from answer in answers
            let asked = (int)Math.Clamp(answer, 1, Math.Max(1, longest / 2))
            select ((int)Math.Clamp(prompt, 1, Math.Max(1, longest - asked)), asked));
    }

    private static double[] Scaled(double median, double spread, double? mean)
    {
        var wide = double.IsFinite(spread) ? Math.Clamp(spread, 0, 2) : TracePromptSpread;
        double[] values = [.. Eighths.Select(z => median * Math.Exp(z * wide))];
        var factor = mean is > 0 and var wanted && double.IsFinite(wanted) ? Math.Min(wanted, 1e7) / values.Average() : 1;
        return [.. values.Select(value => Math.Round(value * factor))];
    }

    private static double Coarse(double mean) => Math.Exp(MeanStep * Math.Round(Math.Log(mean) / MeanStep));

    private static double? Coarse(double? spread) => spread is { } known ? SpreadStep * Math.Round(known / SpreadStep) : null;
}
