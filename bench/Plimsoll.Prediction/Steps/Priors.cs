namespace Plimsoll.Prediction.Steps;

/// <summary>Where the fit starts and is held towards where rows say nothing: usual efficiencies of serving engines.</summary>
internal static class Priors
{
    public static readonly StepCoefficients Coefficients = new([.. Enum.GetValues<StepCoefficient>().Select(Of)]);

    private static double Of(StepCoefficient which) => which switch
    {
        StepCoefficient.Compute16 => 0.65,
        StepCoefficient.Compute8 => 0.6,
        StepCoefficient.Compute4 => 0.5,
        StepCoefficient.WeightBandwidth => 0.75,
        StepCoefficient.ExpertCompute => 0.35,
        StepCoefficient.ExpertBandwidth => 0.6,
        StepCoefficient.AttentionCompute => 0.5,
        StepCoefficient.CacheBandwidth => 0.6,
        StepCoefficient.ActivationPasses => 20,
        StepCoefficient.LayerSeconds => 2e-5,
        StepCoefficient.PromptLaunchSeconds => 2e-4,
        StepCoefficient.ExpertLayerSeconds => 3e-5,
        StepCoefficient.CollectiveSeconds => 8e-6,
        StepCoefficient.LinkBandwidth => 0.5,
        StepCoefficient.StepSeconds => 1.5e-3,
        StepCoefficient.SequenceSeconds => 1e-5,
        StepCoefficient.RequestSeconds => 0.03,
        StepCoefficient.RequestTokenSeconds => 2e-6,
        _ => 1,
    };
}
