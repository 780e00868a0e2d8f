namespace Plimsoll;

/// <summary>
/// What one forward pass computes: prompts or chunks of them, and sequences that each get one more token. Over all
/// data-parallel ranks of a replica together. Numbers may be means of many steps, so they need not be whole.
/// </summary>
public readonly record struct StepBatch
{
    /// <summary>Prompts, or chunks of prompts.</summary>
    public double Prompts { get; private init; }

    /// <summary>Tokens of each that are computed in this pass.</summary>
    public double PromptTokens { get; private init; }

    /// <summary>Tokens of each whose keys and values are there already: a prefix-cache hit, or the chunks before.</summary>
    public double CachedTokens { get; private init; }

    /// <summary>Sequences that get one more token.</summary>
    public double Sequences { get; private init; }

    /// <summary>Tokens of context of each of them.</summary>
    public double Context { get; private init; }

    public double Tokens => (Prompts * PromptTokens) + Sequences;

    /// <exception cref="ArgumentOutOfRangeException">A number is negative or not finite.</exception>
    public static StepBatch Prefill(double prompts, double tokens, double cached = 0) => new()
    {
        Prompts = Valid(prompts),
        PromptTokens = Valid(tokens),
        CachedTokens = Valid(cached),
    };

    /// <exception cref="ArgumentOutOfRangeException">A number is negative or not finite.</exception>
    public static StepBatch Decode(double sequences, double context) =>
        new() { Sequences = Valid(sequences), Context = Valid(context) };

    /// <summary>This pass's prompts and another's sequences in one: chunked prefill.</summary>
    public StepBatch With(StepBatch decode) => this with { Sequences = decode.Sequences, Context = decode.Context };

    /// <summary>
    /// What the busiest of so many data-parallel ranks has of it: an equal part, but no less than one prompt or sequence.
    /// </summary>
    public StepBatch OfOneRank(int ranks) => this with { Prompts = Part(Prompts, ranks), Sequences = Part(Sequences, ranks) };

    private static double Part(double count, int ranks) => Math.Max(count / ranks, Math.Min(count, 1));

    /// <summary>Only the sequences, without the prompts.</summary>
    public StepBatch DecodePart => this with { Prompts = 0, PromptTokens = 0, CachedTokens = 0 };

    /// <summary>
    /// Pairs of a new token and one it attends to, over all prompts: token i of a prompt sees what is cached and the i
    /// before it, itself included, no more than the window.
    /// </summary>
    public double Pairs(double? window)
    {
        var full = PromptTokens * (CachedTokens + ((PromptTokens + 1) / 2));
        if (window is not { } w) return Prompts * full;

        // The first tokens see less than a window; the rest see a whole one.
        var growing = Math.Clamp(w - CachedTokens, 0, PromptTokens);
        return Prompts * Math.Min(full, (growing * (CachedTokens + ((growing + 1) / 2))) + ((PromptTokens - growing) * w));
    }

    private static double Valid(double value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        if (!double.IsFinite(value)) throw new ArgumentOutOfRangeException(nameof(value), value, "not finite");
        return value;
    }
}
