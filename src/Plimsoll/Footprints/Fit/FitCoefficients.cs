namespace Plimsoll;

/// <summary>
/// What no rule of an engine's source gives and was fitted on measured start-ups: GiB per device. Refitted by
/// <see cref="Command"/> on the calibration rows alone.
/// </summary>
public sealed record FitCoefficients
{
    /// <summary>Device context before an engine's first allocation: seen beside every start-up, outside the fraction.</summary>
    public required double ContextGiB { get; init; }

    /// <summary>Memory that isn't PyTorch's, one rank: loaded kernels, library workspaces.</summary>
    public required double NonTorchGiB { get; init; }

    /// <summary>The same on a pipeline's stages after the first.</summary>
    public required double NonTorchLaterStageGiB { get; init; }

    /// <summary>The same for two tensor-parallel ranks: collectives' buffers are nearly all of it.</summary>
    public required double NonTorchTwoRanksGiB { get; init; }

    /// <summary>The same for four ranks or more.</summary>
    public required double NonTorchFourRanksGiB { get; init; }

    /// <summary>Part of the working set that no width explains: a matrix library's workspace, small buffers.</summary>
    public required double StepFixedGiB { get; init; }

    /// <summary>Widths of the hidden state alive, beside the gate's and the product's, at a step's highest point.</summary>
    public required double HiddenCopies { get; init; }

    /// <summary>The same in float32, where attention runs without the fast kernels.</summary>
    public required double HiddenCopiesFloat32 { get; init; }

    /// <summary>Captured graphs: fixed, per layer, per layer and KiB of hidden state, per layer of experts.</summary>
    public required double GraphsFixedGiB { get; init; }

    public required double GraphsPerLayerGiB { get; init; }

    public required double GraphsPerExpertLayerGiB { get; init; }

    /// <summary>Left unused by the allocator for each tensor repacked to 4 bits after loading, MiB.</summary>
    public required double RepackWasteMiB { get; init; }

    /// <summary>Where they come from, with a date.</summary>
    public required string Source { get; init; }

    /// <summary>What refits them.</summary>
    public required string Command { get; init; }

    public static readonly FitCoefficients Vllm019 = new()
    {
        ContextGiB = 0.51,
        NonTorchGiB = 0.25,
        NonTorchLaterStageGiB = 0.07,
        NonTorchTwoRanksGiB = 2.07,
        NonTorchFourRanksGiB = 2.15,
        StepFixedGiB = 0.045,
        HiddenCopies = 3.5,
        HiddenCopiesFloat32 = 6.8,
        GraphsFixedGiB = 0.45,
        GraphsPerLayerGiB = 0.0135,
        GraphsPerExpertLayerGiB = 0.012,
        RepackWasteMiB = 0.32,
        Source = "vLLM 0.19.0 start-ups on H100 80 GB published by llm-d-incubation/llm-d-planner, calibration rows; 2026-11-26",
        Command = "dotnet run --project bench/Plimsoll.Footprints -- refit",
    };
}
