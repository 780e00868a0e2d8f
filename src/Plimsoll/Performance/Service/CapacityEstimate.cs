namespace Plimsoll;

/// <summary>Requests a second that one replica carries within its objective, as believed now.</summary>
/// <param name="PerSecond">The median.</param>
/// <param name="LowPerSecond">The same were its steps as slow as nine in ten are; what else may be wrong is not in it.</param>
/// <param name="HighPerSecond">The same were they as fast.</param>
/// <param name="Pace">How many times as long as predicted its steps take.</param>
/// <param name="Requests">How many requests say so; 0 where all is predicted.</param>
/// <param name="Keeps">False where the objective is missed even by requests that are alone: then the rate is what it gets through.</param>
/// <param name="PromptTokens">Mean tokens of a prompt that it is for; 0 where tokens are not counted, as by a profile of batches.</param>
/// <param name="AnswerTokens">Mean tokens of an answer.</param>
/// <param name="LengthsSeen">Whether servers counted those, or they are assumed or stated.</param>
/// <param name="From">What was predicted from.</param>
public sealed record CapacityEstimate(
    double PerSecond, double LowPerSecond, double HighPerSecond, double Pace, long Requests, bool Keeps, double PromptTokens, double AnswerTokens, bool LengthsSeen,
    string From)
{
    /// <summary>Null where size and hardware say nothing of the variant, or what was seen is nothing like it.</summary>
    public static CapacityEstimate? Of(VariantSpec variant, ModelKnowledge known)
    {
        ArgumentNullException.ThrowIfNull(variant);
        ArgumentNullException.ThrowIfNull(known);
        if (variant.Service is not { } prior) return null;
        var (prompt, answer) = prior.Profiled ? (0, 0) : (known.Tokens ?? TokenMeans.None).Or(prior.PromptTokens, prior.AnswerTokens);
        var pace = known.Paces?.GetValueOrDefault(variant.Id) ?? Slowness.Predicted(prior.LogSpread, default);
        if (!pace.IsBelieved) return null;
        var (fast, slow) = pace.Range;
        var seen = known.Tokens is { } tokens && tokens.Or(0, 0) != (0, 0);
        return new CapacityEstimate(
            prior.CapacityPerSecond(pace.Factor, prompt, answer), prior.CapacityPerSecond(slow, prompt, answer), prior.CapacityPerSecond(fast, prompt, answer),
            pace.Factor, pace.Requests, prior.Keeps(pace.Factor, prompt, answer), prompt, answer, seen, prior.From);
    }
}
