namespace Plimsoll;

/// <summary>Predicted step times, or a sentence why there are none.</summary>
public sealed record StepPrediction(PredictedSteps? Steps, string? Problem);

/// <summary>
/// How long the steps of a model take under an engine on a device of the catalogue, and how far off that may be. Where
/// the device, the engine or the model was never measured it is the roofline at the efficiency of what was, with a wider
/// bar. Times are positive and finite for every batch, an empty one included.
/// </summary>
public sealed class PredictedSteps
{
    private PredictedSteps(StepModel model, StepSubject subject, StepCalibration calibration)
    {
        (Model, Subject, Fitted) = (model, subject, calibration.For(subject).WithinPeaks());
        (Nearest, LogSpread, Source) = (calibration.NearestTo(subject), calibration.LogSpread(subject), calibration.Source);
    }

    /// <summary>What it was predicted for.</summary>
    public StepSubject Subject { get; }

    public StepModel Model { get; }

    public StepCoefficients Fitted { get; }

    /// <summary>The nearest thing that was measured, by which the bar is as wide as it is.</summary>
    public StepNearness Nearest { get; }

    /// <summary>See <see cref="StepEstimate.LogSpread"/>: of every step, whatever its batch.</summary>
    public double LogSpread { get; }

    /// <summary>What the coefficients were fitted on, with a date.</summary>
    public string Source { get; }

    /// <summary>Of a model by its footprint. See <see cref="Of(ModelShape, string, Accelerator, StepSplit, double, StepCalibration?)"/>.</summary>
    public static StepPrediction Of(
        Footprint footprint, string engine, Accelerator device, StepSplit split, double kvElementBytes = 2, StepCalibration? calibration = null)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        return footprint.Shape is { } shape ? Of(shape, engine, device, split, kvElementBytes, calibration)
            : new(null, "its layers are not known, only its weights");
    }

    /// <summary>
    /// A problem is named where the model's layers or the device's FLOP/s or bandwidth are not known, or the model can't be
    /// split so; nothing else hinders.
    /// </summary>
    /// <param name="shape">The model.</param>
    /// <param name="engine">"vllm", "sglang", "trtllm"; another is taken for the mean of those, with a wider bar.</param>
    /// <param name="device">Of the catalogue, a slice too.</param>
    /// <param name="split">Over how many devices, and how.</param>
    /// <param name="kvElementBytes">Bytes of a cached element of keys and values.</param>
    /// <param name="calibration">The built-in one if null.</param>
    public static StepPrediction Of(
        ModelShape shape, string engine, Accelerator device, StepSplit split, double kvElementBytes = 2, StepCalibration? calibration = null)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(split);
        if (split.Devices > 1 && device.SliceOf is { } whole)
            return new(null, $"{device.Name} is a slice of {whole}, and slices reach no other device");
        if (shape.Layers.IsDefaultOrEmpty || shape.HiddenSize <= 0) return new(null, "its layers are not known");
        if (device.MemoryBandwidth.Value <= 0) return new(null, $"the memory bandwidth of {device.Name} is not known");
        return StepModel.Of(shape, device, split, kvElementBytes) is { } model
            ? new(new PredictedSteps(model, StepSubject.Of(shape, engine, device), calibration ?? StepCalibration.BuiltIn), null)
            : new(null, $"the FLOP/s of {device.Name} are not known");
    }

    /// <summary>A pass of so many prompts, of so many tokens each, beside those that are cached.</summary>
    public StepEstimate Prefill(double prompts, double tokens, double cached = 0) => Of(StepBatch.Prefill(prompts, tokens, cached));

    /// <summary>A pass that gives each of so many sequences one more token.</summary>
    public StepEstimate Decode(double sequences, double context) => Of(StepBatch.Decode(sequences, context));

    /// <summary>Any pass; one with both prompts and sequences is chunked prefill's.</summary>
    public StepEstimate Of(StepBatch batch) => new(Model.Seconds(batch, Fitted), LogSpread);
}
