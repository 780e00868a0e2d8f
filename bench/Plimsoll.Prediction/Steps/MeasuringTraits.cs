namespace Plimsoll.Prediction.Steps;

/// <summary>What differs between benchmarks and not between steps; fitted beside the coefficients and kept nowhere.</summary>
/// <param name="Burst">Part of the other requests that a request waits for as if all had been sent at once.</param>
/// <param name="Computed">
/// Part of a prompt's tokens that is computed, of the campaign whose prompts repeat: some of its rows take in more prompt
/// tokens a second than the devices' peak allows, so they must be found in the prefix cache. 1 of all others.
/// </param>
/// <param name="TransferSeconds">What a first token takes longer where decoding is on other devices than prefill.</param>
/// <param name="KernelSeconds">What a kernel measured alone takes whatever its size; steps have it in their layers' seconds.</param>
/// <param name="KernelPasses">
/// Times a kernel's operands and results pass memory beside its weights: narrow operands are made of wide ones first. Steps
/// have it in their activation's passes.
/// </param>
internal sealed record MeasuringTraits(double Burst, double Computed, double TransferSeconds, double KernelSeconds, double KernelPasses)
{
    public const int Count = 5;

    public const int OfCampaign = 1, OfDisaggregated = 2, FirstOfKernels = 3;

    /// <summary>Where the fit starts; of the bare roofline, kernels aside.</summary>
    public static readonly MeasuringTraits Prior = new(0.1, 0.97, 0.1, 4e-6, 1);

    /// <summary>How far each strays from one benchmark to another, in the terms of <see cref="OfLogs"/>.</summary>
    public static readonly double[] Strays = [0.3, 2.5, 1, 1.5, 1.5];

    /// <summary>From logarithms; of what is computed, of the logarithm's own, so that it stays between 0 and 1.</summary>
    public static MeasuringTraits OfLogs(ReadOnlySpan<double> logs) => new(
        Math.Exp(Math.Clamp(logs[0], -20, 5)), Math.Exp(-Math.Exp(Math.Clamp(logs[1], -20, 1.5))), Math.Exp(Math.Clamp(logs[2], -20, 5)),
        Math.Exp(Math.Clamp(logs[3], -20, 0)), Math.Exp(Math.Clamp(logs[4], -20, 5)));

    public double[] Logs => [Math.Log(Burst), Math.Log(-Math.Log(Computed)), Math.Log(TransferSeconds), Math.Log(KernelSeconds), Math.Log(KernelPasses)];
}
