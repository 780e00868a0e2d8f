namespace Plimsoll;

/// <summary>Weights of a layer (or of the head) that are multiplied alike, on the rank that holds most of them.</summary>
/// <param name="Parameters">On one rank.</param>
/// <param name="WeightBytes">On one rank, as stored.</param>
/// <param name="FlopsPerSecond">The device's peak for their operands.</param>
/// <param name="Efficiency">Which share of that peak applies.</param>
internal sealed record StepMatrix(double Parameters, double WeightBytes, double FlopsPerSecond, StepCoefficient Efficiency)
{
    public double Seconds(double tokens, double bytesPerSecond, StepCoefficients fitted) => Roofline.Larger(
        2 * Parameters * tokens / (FlopsPerSecond * fitted[Efficiency]),
        WeightBytes / (bytesPerSecond * fitted[StepCoefficient.WeightBandwidth]));
}

/// <summary>A layer's routed experts, over all ranks of a stage.</summary>
/// <param name="Experts">How many there are.</param>
/// <param name="PerToken">How many of them a token passes.</param>
/// <param name="Parameters">Of one expert.</param>
/// <param name="WeightBytes">Of one expert, as stored.</param>
/// <param name="Ranks">Ranks that each hold an equal part of them.</param>
/// <param name="FlopsPerSecond">The device's peak for their operands.</param>
internal sealed record StepExperts(
    double Experts, double PerToken, double Parameters, double WeightBytes, int Ranks, double FlopsPerSecond)
{
    /// <summary>The time of a batch of so many tokens, those of all ranks together.</summary>
    public double Seconds(double tokens, double bytesPerSecond, StepCoefficients fitted) => Roofline.Larger(
        2 * Parameters * PerToken * tokens / Ranks / (FlopsPerSecond * fitted[StepCoefficient.ExpertCompute]),
        WeightBytes * Roofline.TouchedExperts(Experts, PerToken, tokens) / Ranks
            / (bytesPerSecond * fitted[StepCoefficient.ExpertBandwidth]));
}

/// <summary>What a layer computes and reads for each pair of tokens, on one rank.</summary>
/// <param name="PromptFlops">For a new prompt token and one that it sees.</param>
/// <param name="DecodeFlops">For a sequence and a token of its context.</param>
/// <param name="DecodeBytes">The same, bytes of keys and values.</param>
/// <param name="StateBytes">For a sequence, whatever its context: state read and written.</param>
/// <param name="Window">Tokens it attends to at most; null for all.</param>
/// <param name="FlopsPerSecond">The device's peak for 16-bit operands.</param>
internal sealed record StepAttention(
    double PromptFlops, double DecodeFlops, double DecodeBytes, double StateBytes, double? Window, double FlopsPerSecond)
{
    public double Seconds(StepBatch batch, double bytesPerSecond, StepCoefficients fitted)
    {
        var read = bytesPerSecond * fitted[StepCoefficient.CacheBandwidth];
        var flops = FlopsPerSecond * fitted[StepCoefficient.AttentionCompute];
        var context = Window is { } window ? Math.Min(window, batch.Context) : batch.Context;
        var prompts = Roofline.Larger(
            PromptFlops * batch.Pairs(Window) / flops,
            batch.Prompts * ((DecodeBytes * (batch.CachedTokens + batch.PromptTokens)) + StateBytes) / read);
        var decode = Roofline.Larger(
            DecodeFlops * batch.Sequences * context / flops,
            batch.Sequences * ((DecodeBytes * context) + StateBytes) / read);
        return prompts + decode;
    }
}

/// <summary>Layers that are alike.</summary>
internal sealed record StepLayer(
    int Count, IReadOnlyList<StepMatrix> Matrices, StepExperts? Experts, StepAttention? Attention);
