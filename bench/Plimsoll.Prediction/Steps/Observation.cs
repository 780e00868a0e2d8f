namespace Plimsoll.Prediction.Steps;

/// <summary>One measured time, and what the model says of it.</summary>
/// <param name="Kind">"decode step", "prefill step", "TPOT", "TTFT" or a kernel table's name.</param>
/// <param name="Cell">All rows of the same configuration share it, however often and under whatever name they were published.</param>
/// <param name="Subject">What coefficients it tells of.</param>
/// <param name="Seconds">As measured.</param>
/// <param name="Predict">Seconds, given coefficients and how it was measured.</param>
/// <param name="Noise">Log error that the model is allowed: the weight in the fit.</param>
internal sealed record Observation(
    string Kind, string Cell, StepSubject Subject, double Seconds, Func<StepCoefficients, MeasuringTraits, double> Predict, double Noise)
{
    public string Stratum { get; init; } = "";

    public bool Calibration { get; init; }

    /// <summary>Kernels say nothing of one model as a whole.</summary>
    public bool IsKernel { get; init; }

    /// <summary>Rows that differ in nothing but <see cref="Batch"/>, between which one may interpolate.</summary>
    public string Series { get; init; } = "";

    /// <summary>Of the engine, where the table gives one.</summary>
    public string Version { get; init; } = "";

    public double Batch { get; init; } = 1;

    public string Label { get; init; } = "";

    /// <summary>Who measured it under which engine: whose traits apply.</summary>
    public string Benchmark { get; init; } = "";

    /// <summary>Of the campaign whose prompts repeat, so that a part of them may be found in the prefix cache.</summary>
    public bool Repeats { get; init; }

    /// <summary>Prefill and decode on devices of their own.</summary>
    public bool IsDisaggregated { get; init; }

    /// <summary>
    /// False in a series whose time per token falls by a quarter and more as requests are added, which no server does: its
    /// rows are not of one configuration, so nothing is fitted on them.
    /// </summary>
    public bool IsSteady { get; init; } = true;

    public double LogError(StepCoefficients fitted, MeasuringTraits traits) => Math.Log(Predict(fitted, traits) / Seconds);
}
