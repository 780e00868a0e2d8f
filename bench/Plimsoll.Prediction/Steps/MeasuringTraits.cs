namespace Plimsoll.Prediction.Steps;

/// <summary>What differs between benchmarks and not between steps; fitted beside the coefficients and kept nowhere.</summary>
/// <param name="Burst">Part of the other requests that a request waits for as if all had been sent at once.</param>
/// <param name="Computed">
/// Part of a prompt's tokens that is computed: one campaign's rows of vLLM take in more prompt tokens a second than the
/// devices' peak allows, so its prompts must repeat and be found in the prefix cache.
/// </param>
/// <param name="KernelSeconds">What a kernel measured alone takes whatever its size; steps have it in their layers' seconds.</param>
/// <param name="KernelPasses">
/// Times a kernel's operands and results pass memory beside its weights: narrow operands are made of wide ones first. Steps
/// have it in their activation's passes.
/// </param>
internal sealed record MeasuringTraits(double Burst, double Computed, double KernelSeconds, double KernelPasses)
{
    public const int Count = 4;

    /// <summary>Where the fit starts; of the bare roofline, kernels aside.</summary>
    public static readonly MeasuringTraits Prior = new(0.1, 1, 4e-6, 1);

    public static MeasuringTraits OfLogs(ReadOnlySpan<double> logs) =>
        new(Math.Exp(Math.Clamp(logs[0], -20, 5)), Math.Exp(Math.Clamp(logs[1], -5, 0)), Math.Exp(Math.Clamp(logs[2], -20, 0)), Math.Exp(Math.Clamp(logs[3], -20, 5)));

    public double[] Logs => [Math.Log(Burst), Math.Log(Computed), Math.Log(KernelSeconds), Math.Log(KernelPasses)];
}
