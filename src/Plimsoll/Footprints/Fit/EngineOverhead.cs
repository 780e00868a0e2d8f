namespace Plimsoll;

/// <summary>What an engine needs of a device beside the model: its context, collectives, captured graphs.</summary>
internal static class EngineOverhead
{
    /// <summary>Inside the fraction.</summary>
    public static MemoryTerm Inside(ServingVariant variant, StageLayers stage, FitCoefficients fitted)
    {
        switch (variant.Engine.Kind)
        {
            case EngineKind.LlamaCpp:
                return new MemoryTerm(Bytes.GiB(fitted.ContextGiB), Certainty.Assumed, "the device's context");
            case EngineKind.OnnxRuntime:
                return new MemoryTerm(
                    Bytes.GiB(fitted.ContextGiB + fitted.NonTorchGiB), Certainty.Assumed, "the device's context and libraries");
            case EngineKind.SgLang:
                return MemoryTerm.None;
            default:
                break;
        }

        var gib = NonTorch(variant, stage, fitted);
        if (variant.Engine.GraphsInsideFraction) gib += Graphs(variant, stage, fitted);
        var graphs = variant.Engine.GraphsInsideFraction && variant.Graphs ? ", captured graphs" : "";
        return new MemoryTerm(
            Bytes.GiB(gib), variant.Engine.Measured, Ranks(variant, stage) is > 1 and var ranks
                ? $"kernels, libraries and collectives of {ranks} ranks{graphs}"
                : $"kernels and libraries{graphs}");
    }

    /// <summary>Outside the fraction; what is left of the device must hold it.</summary>
    public static MemoryTerm Outside(
        ServingVariant variant, StageLayers stage, FitCoefficients fitted, MemoryTerm step)
    {
        if (variant.Engine.Kind is EngineKind.LlamaCpp or EngineKind.OnnxRuntime) return MemoryTerm.None;
        var gib = Ranks(variant, stage) > 1 ? fitted.ContextRanksGiB : fitted.ContextGiB;
        if (!variant.Engine.GraphsInsideFraction) gib += Graphs(variant, stage, fitted);
        var graphs = !variant.Engine.GraphsInsideFraction && variant.Graphs;
        if (variant.Engine.ActivationInsideFraction)
            return new MemoryTerm(Bytes.GiB(gib), variant.Engine.Measured, graphs ? "the device's context and captured graphs" : "the device's context");
        return new MemoryTerm(
            Bytes.GiB(gib + NonTorch(variant, stage, fitted)) + step.Bytes, Certainty.Assumed,
            graphs ? "the device's context, captured graphs and the working set of a step" : "the device's context and the working set of a step");
    }

    /// <summary>Ranks that speak to each other within a stage: copies too where they share experts.</summary>
    private static int Ranks(ServingVariant variant, StageLayers stage) =>
        stage.Runs.Any(run => run.Experts > 0) ? variant.ExpertRanks : variant.TensorParallel;

    private static double NonTorch(ServingVariant variant, StageLayers stage, FitCoefficients fitted) =>
        Ranks(variant, stage) switch
        {
            1 => stage.IsFirst ? fitted.NonTorchGiB : fitted.NonTorchLaterStageGiB,
            2 or 3 => fitted.NonTorchTwoRanksGiB,
            _ => fitted.NonTorchFourRanksGiB,
        };

    private static double Graphs(ServingVariant variant, StageLayers stage, FitCoefficients fitted)
    {
        if (!variant.Graphs) return 0;
        var experts = stage.Runs.Where(run => run.Experts > 0).Sum(run => run.Count);
        return fitted.GraphsFixedGiB + fitted.GraphsPerLayerGiB * stage.Count + fitted.GraphsPerExpertLayerGiB * experts;
    }
}
