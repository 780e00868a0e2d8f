namespace Plimsoll;

/// <summary>
/// What a layer's forward pass keeps for its backward pass, in bytes per token, by the tensors that automatic
/// differentiation saves. For a GPT layer with 16-bit values and dropout it is Korthikanti et al. (2022), equation 1:
/// <c>h · (34 + 5·a·s/h)</c>.
/// </summary>
/// <param name="Whole">What tensor parallelism leaves whole and sequence parallelism splits: norms, masks, inputs of the first
/// matrices.</param>
/// <param name="Split">What tensor parallelism splits.</param>
public readonly record struct LayerActivations(double Whole, double Split)
{
    /// <summary>On one rank.</summary>
    public double PerToken(TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Split / run.TensorParallel + Whole / (run.SequenceParallel ? run.TensorParallel : 1);
    }

    /// <summary>What is kept under the run's recomputation.</summary>
    public static LayerActivations Kept(ModelShape shape, LayerRun layer, TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(run);
        var traits = LayerTraits.Of(shape, layer);
        double e = Width(run);
        return run.Recomputation switch
        {
            Recomputation.Full => new(e * traits.Hidden, 0),
            // Products in the order q, k, v, output, gate, up, down: the first, third and so on stay.
            Recomputation.MatrixOutputs => new(
                e * traits.Hidden + (traits.Gated ? e * traits.Hidden : 0), e * (traits.Query + traits.Value + traits.Inner + traits.Mixed)),
            _ => Everything(traits, run, run.Recomputation == Recomputation.None),
        };
    }

    /// <summary>What one layer holds while it is recomputed for its backward pass; nothing where nothing is recomputed.</summary>
    internal static LayerActivations Working(ModelShape shape, LayerRun layer, TrainingRun run) =>
        run.Recomputation == Recomputation.None ? default : Everything(LayerTraits.Of(shape, layer), run, scores: true);

    private static LayerActivations Everything(LayerTraits t, TrainingRun run, bool scores)
    {
        double e = Width(run);
        // A frozen matrix needs its input for nothing, unless it is quantised (the 4-bit kernel keeps it).
        var inputs = run.Method != TrainingMethod.Lora;
        double whole = 0, split = 0;
        whole += e * t.Hidden * t.Norms * (t.RmsNorm ? run.Trainer.RmsNormInputs : 1);
        if (inputs) whole += 2 * e * t.Hidden;
        if (run.Dropout) whole += 2 * t.Hidden;

        split += e * (t.Query + t.Key + t.Value + t.Mixed);
        if (run.Trainer.KeepsFusedProjection) split += e * (t.Query + t.Key);
        if (scores && !run.FusedAttention) split += ScoreBytes(run, e) * t.Heads * ((double)run.Sequence / run.ContextParallel);

        // Input of the activation; with a gate also its output and the other factor; then the last matrix's input.
        split += e * t.Inner * ((t.Gated ? 3 : 1) + (inputs ? 1 : 0));
        // Tokens are copied to their experts and their outputs weighed.
        if (t.Experts > 0) split += 2 * e * t.Hidden * t.Experts;

        var lora = LoraAdapters.Kept(t, run, e);
        return new LayerActivations(whole + lora.Whole, split + lora.Split);
    }

    // The softmax's output, and with dropout its mask and what is left: 2 + 1 + 2 bytes in 16 bit.
    private static double ScoreBytes(TrainingRun run, double e) => run.Dropout ? 2 * e + 1 : e;

    internal static int Width(TrainingRun run) => run.Precision == TrainingPrecision.Full32 ? 4 : 2;
}
