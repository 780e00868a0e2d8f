namespace Plimsoll.Simulation.Traces;

/// <summary>Where the lengths of made-up requests are drawn from.</summary>
public abstract record TokenLengths
{
    // Longer ones few models take, and lognormal tails have no end.
    private const int TokensMax = 1_000_000;

    private TokenLengths()
    {
    }

    /// <summary>Tokens of a prompt and of its answer; each at least 1.</summary>
    public abstract (int Prompt, int Answer) Draw(Random random);

    /// <summary>Of other means with the same spread; without one all are alike.</summary>
    public TokenLengths WithMeans(double prompt, double answer) => this is LogNormal spread
        ? spread with { PromptMean = prompt, AnswerMean = answer }
        : new Fixed((int)Math.Clamp(Math.Round(prompt), 1, TokensMax), (int)Math.Clamp(Math.Round(answer), 1, TokensMax));

    /// <summary>Always the same.</summary>
    public sealed record Fixed(int Prompt, int Answer) : TokenLengths
    {
        public override (int Prompt, int Answer) Draw(Random random) => (Prompt, Answer);
    }

    /// <summary>Lognormal, independent of each other, by their means and the spread of their logarithms.</summary>
    public sealed record LogNormal(double PromptMean, double PromptSpread, double AnswerMean, double AnswerSpread) : TokenLengths
    {
        public override (int Prompt, int Answer) Draw(Random random) =>
            (One(random, PromptMean, PromptSpread), One(random, AnswerMean, AnswerSpread));

        // The mean of a lognormal lies e^(s²/2) above its median.
        private static int One(Random random, double mean, double spread) =>
            (int)Math.Clamp(Math.Round(mean * Math.Exp(-spread * spread / 2) * random.Factor(spread)), 1, TokensMax);
    }

    /// <summary>Those of a trace's requests, each as likely as any other, prompt and answer together.</summary>
    public sealed record Sampled(RequestTrace Trace) : TokenLengths
    {
        public override (int Prompt, int Answer) Draw(Random random)
        {
            ArgumentNullException.ThrowIfNull(random);
            var request = random.Next(Trace.Count);
            return (Trace.Prompts[request], Trace.Answers[request]);
        }
    }
}
