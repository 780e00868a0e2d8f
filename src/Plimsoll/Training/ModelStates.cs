namespace Plimsoll;

/// <summary>
/// Bytes of weights, gradients and optimiser on one rank: ZeRO's "model states" (Rajbhandari et al. 2020, §3.1 and §5).
/// </summary>
/// <param name="Weights">Bytes of the weights.</param>
/// <param name="Gradients">Bytes of their gradients.</param>
/// <param name="Optimizer">Bytes of the optimiser's state and, in mixed precision, of the 32-bit master copy.</param>
public sealed record ModelStates(double Weights, double Gradients, double Optimizer)
{
    private const int EightBitBlock = 256;

    public double Total => Weights + Gradients + Optimizer;

    /// <summary>
    /// Bytes of one parameter that learns. Mixed AdamW is 2 + 2 + 12 = 16, AdamW in 16 bit 2 + 2 + 4 = 8, in 32 bit 16.
    /// </summary>
    /// <param name="run">Optimiser, precision and the gradients' width.</param>
    /// <param name="hidden">Width of the model: Adafactor's state shrinks with it. 0 counts none.</param>
    public static ModelStates PerTrained(TrainingRun run, int hidden)
    {
        ArgumentNullException.ThrowIfNull(run);
        var weight = run.Precision == TrainingPrecision.Full32 ? 4 : 2;
        double moment = run.Precision == TrainingPrecision.Pure16 ? 2 : 4;
        var states = run.Optimizer switch
        {
            TrainingOptimizer.AdamW => 2 * moment,
            TrainingOptimizer.Adam8Bit => 2 * (1 + 4.0 / EightBitBlock),
            TrainingOptimizer.SgdMomentum => moment,
            // A row and a column of 4-byte moments for each matrix: of a square one, 8 bytes per row.
            TrainingOptimizer.Adafactor => hidden > 0 ? 8.0 / hidden : 0,
            _ => 0,
        };
        return new ModelStates(weight, run.GradientBytes ?? weight, states + (run.Precision == TrainingPrecision.Mixed ? 4 : 0));
    }

    /// <summary>Bytes of one frozen parameter: 2 or 4, and under QLoRA, where it is quantised, half a byte and its scales.</summary>
    public static double PerFrozen(TrainingRun run, bool quantised)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (!quantised) return run.Precision == TrainingPrecision.Full32 ? 4 : 2;
        return ElementWidth.NormalFloat4(run.DoubleQuantization);
    }

    /// <summary>What so many parameters that learn take before ZeRO shards them.</summary>
    /// <param name="parameters">Parameters of the rank.</param>
    /// <param name="run">Optimiser, precision and the gradients' width.</param>
    /// <param name="hidden">Width of the model.</param>
    public static ModelStates Of(double parameters, TrainingRun run, int hidden)
    {
        var each = PerTrained(run, hidden);
        return new ModelStates(each.Weights * parameters, each.Gradients * parameters, each.Optimizer * parameters);
    }

    /// <summary>These states as ZeRO's stage leaves them on one rank: in mixed AdamW stage 1 leaves <c>4 + 12/N</c> bytes a
    /// parameter, stage 2 <c>2 + 14/N</c>, stage 3 <c>16/N</c>.</summary>
    internal ModelStates Sharded(TrainingRun run)
    {
        double shards = run.Shards;
        return new ModelStates(
            run.ZeroStage >= 3 ? Weights / shards : Weights,
            run.ZeroStage >= 2 ? Gradients / shards : Gradients,
            run.ZeroStage >= 1 ? Optimizer / shards : Optimizer);
    }

    public static ModelStates operator +(ModelStates a, ModelStates b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return new ModelStates(a.Weights + b.Weights, a.Gradients + b.Gradients, a.Optimizer + b.Optimizer);
    }
}
