namespace Plimsoll;

/// <summary>
/// The working set of an engine's largest step on one device, beyond weights and cache: either the sampler over
/// every sequence it may take (logits at the run's dtype, their float32 copy, probabilities, random draws), or the
/// widest layer over the largest batch of tokens, whichever is more, and what lives beside both.
/// </summary>
internal static class StepMemory
{
    private const double GiB = 1024.0 * 1024 * 1024;

    /// <summary>
    /// Rows of the sampler's scratch: one for each multiprocessor of the device (vLLM's Triton top-k top-p kernel).
    /// An H100's 132; others have 108 to 148, which moves the sampler by two hundredths at most.
    /// </summary>
    private const int Multiprocessors = 132;

    public static MemoryTerm Of(
        ModelShape shape, ServingVariant variant, StageLayers stage, FitCoefficients fitted, int stepTokens, int sequences)
    {
        return variant.Engine.Kind switch
        {
            EngineKind.LlamaCpp => LlamaCpp(shape, stepTokens, stage),
            EngineKind.OnnxRuntime => Widths(shape, variant, stage, stepTokens, fitted),
            EngineKind.Vllm when variant.Engine.Version < new Version(0, 8) => Widths(shape, variant, stage, stepTokens, fitted),
            _ => Paged(shape, variant, stage, fitted, stepTokens, sequences),
        };
    }

    private static MemoryTerm Paged(
        ModelShape shape, ServingVariant variant, StageLayers stage, FitCoefficients fitted, int stepTokens, int sequences)
    {
        var width = ElementWidth.Of(ElementWidth.Run(shape, variant)) ?? 2;
        var hidden = (double)stepTokens * shape.HiddenSize * width;
        var forward = Forward(shape, variant, stage, stepTokens, width, fitted);
        var sampler = 0.0;
        if (stage.IsLast && shape.Task is not (ModelTask.Embed or ModelTask.Classify or ModelTask.Diffuse))
            sampler = hidden + Sampler(shape, variant.Engine, Math.Min(sequences, stepTokens), width);

        var (inputs, encoded, encoding) = stage.IsFirst ? Encoder(shape, variant, stepTokens, width) : default;
        var step = Math.Max(sampler, forward) + ExpertsWorkspace(shape, variant, stage, stepTokens, width) + (stage.IsFirst ? encoded : 2 * hidden);
        var from = encoding > step ? "the widest layer of the encoder over what a step may hold of its largest inputs"
            : sampler >= forward ? $"logits, probabilities and draws for {Math.Min(sequences, stepTokens)} sequences over the vocabulary"
            : $"the widest layer over {stepTokens} tokens";
        return new MemoryTerm(Bytes.Estimate(Math.Max(step, encoding) + inputs + fitted.StepFixedGiB * GiB), variant.Engine.Measured, from);
    }

    /// <summary>
    /// Logits as computed, in float32 (the same tensor where they already are), softmax's probabilities and the
    /// exponential draws, each sequences × vocabulary; and the top-k scratch. vLLM before 0.17 sorts instead: sorted
    /// values and 64-bit indexes, and as much again while it sorts.
    /// </summary>
    private static double Sampler(ModelShape shape, ServingEngine engine, int sequences, double width)
    {
        double cells = (double)sequences * shape.VocabularySize;
        var logits = width < 4 ? cells * width : 0;
        if (engine.Kind == EngineKind.Vllm && engine.Version < new Version(0, 17)) return logits + cells * (4 + 2 * 12);
        return logits + cells * 12 + Math.Min(Multiprocessors, sequences) * (double)shape.VocabularySize * 4;
    }

    /// <summary>Gate and up, their product, a quantised copy of it where activations are, and the hidden states alive.</summary>
    private static double Forward(
        ModelShape shape, ServingVariant variant, StageLayers stage, int tokens, double width, FitCoefficients fitted)
    {
        double widest = 0;
        foreach (var run in stage.Runs)
        {
            var inner = run.Experts > 0 ? run.ActiveWidth - run.ExpertsPerToken * run.ExpertWidth : run.ActiveWidth;
            var rank = (double)Math.Max(0, inner) / variant.TensorParallel;
            var quantised = shape.Quantization is "fp8" or "int8" or "w8a8" or "compressed-tensors" || variant.QuantizeOnLoad is not null;
            widest = Math.Max(widest, rank * (3 * width + (quantised ? 1 : 0)));
        }

        var copies = width >= 4 ? fitted.HiddenCopiesFloat32 : fitted.HiddenCopies;
        return tokens * (widest + copies * shape.HiddenSize * width);
    }

    /// <summary>
    /// Two workspaces that stay allocated once a layer of experts has run: for each token and each of its experts,
    /// the wider of input and product, and the wider of gate-up and output (vLLM's modular experts kernel).
    /// </summary>
    private static double ExpertsWorkspace(
        ModelShape shape, ServingVariant variant, StageLayers stage, int tokens, double width)
    {
        double most = 0;
        foreach (var run in stage.Runs.Where(run => run.Experts > 0))
        {
            if (shape.Quantization == "mxfp4") continue;
            var inner = (double)run.ExpertWidth / Math.Max(1, variant.ExpertRanks / variant.ExpertParallel);
            var first = Math.Max(inner, shape.HiddenSize);
            var second = Math.Max(2 * inner, shape.HiddenSize);
            most = Math.Max(most, (double)tokens * run.ExpertsPerToken * (first + second) * width);
        }

        return most;
    }

    /// <summary>
    /// Inputs of a full batch, pixels or samples; what they are encoded to, kept until it is used; and what the encoder holds
    /// beside the inputs while it works, which is over before the text's layers begin. An engine profiles as many of the largest inputs as the
    /// batch's tokens hold, one at least, all in one run of the encoder (vLLM's <c>profile_run</c>).
    /// </summary>
    private static (double Inputs, double Encoded, double Encoding) Encoder(ModelShape shape, ServingVariant variant, int tokens, double width)
    {
        if (shape.EncoderTokensMax <= 0) return default;
        var (inputs, work) = (Math.Max(1, tokens / shape.EncoderTokensMax), shape.EncoderWork);
        return (
            inputs * (double)shape.EncoderInputElements * width,
            inputs * (double)shape.EncoderTokensMax * shape.HiddenSize * Math.Max(1, work.OutputWidths) * width,
            inputs * (work.Whole + ((double)work.Split / variant.TensorParallel)) * width);
    }

    /// <summary>llama.cpp reserves float32 logits for a whole batch of 512 on the last device; elsewhere the widest layer.</summary>
    private static MemoryTerm LlamaCpp(ModelShape shape, int tokens, StageLayers stage)
    {
        var widest = stage.Runs.IsEmpty ? 0 : stage.Runs.Max(run => run.ActiveWidth);
        var layer = (double)tokens * (3.0 * widest + 4.0 * shape.HiddenSize) * 4;
        var logits = stage.IsLast ? (double)tokens * shape.VocabularySize * 4 : 0;
        return new MemoryTerm(
            Bytes.Estimate(Math.Max(layer, logits + tokens * (double)shape.HiddenSize * 4)),
            Certainty.Assumed, $"the compute buffer for a batch of {tokens}");
    }

    private static MemoryTerm Widths(
        ModelShape shape, ServingVariant variant, StageLayers stage, int tokens, FitCoefficients fitted)
    {
        var width = ElementWidth.Of(ElementWidth.Run(shape, variant)) ?? 2;
        var bytes = Forward(shape, variant, stage, tokens, width, fitted) + fitted.StepFixedGiB * GiB;
        return new MemoryTerm(
            Bytes.Estimate(bytes), Certainty.Assumed, $"the widest layer over {tokens} tokens");
    }
}
