namespace Plimsoll;

/// <summary>
/// What no rule of an engine's source gives and was fitted on measured start-ups: GiB per device. Refitted by
/// <see cref="Command"/> on the calibration rows alone.
/// </summary>
public sealed record FitCoefficients
{
    /// <summary>Device context before an engine's first allocation: in every start-up's log, outside the fraction.</summary>
    public required double ContextGiB { get; init; }

    /// <summary>The same with tensor-parallel ranks, whose collectives are set up before the engine measures.</summary>
    public required double ContextRanksGiB { get; init; }

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

    /// <summary>Captured graphs: fixed, then for each layer of a device, and more for each with experts.</summary>
    public required double GraphsFixedGiB { get; init; }

    public required double GraphsPerLayerGiB { get; init; }

    public required double GraphsPerExpertLayerGiB { get; init; }

    /// <summary>Where they come from, with a date.</summary>
    public required string Source { get; init; }

    /// <summary>What refits them.</summary>
    public required string Command { get; init; }

    public static readonly FitCoefficients Vllm019 = new()
    {
        ContextGiB = 0.51,
        ContextRanksGiB = 2.01,
        NonTorchGiB = 0.25,
        NonTorchLaterStageGiB = 0.07,
        NonTorchTwoRanksGiB = 2.07,
        NonTorchFourRanksGiB = 2.15,
        StepFixedGiB = 0.052,
        HiddenCopies = 3.43,
        HiddenCopiesFloat32 = 6.76,
        GraphsFixedGiB = 0.615,
        GraphsPerLayerGiB = 0.0088,
        GraphsPerExpertLayerGiB = 0.0106,
        Source = "vLLM 0.19.0 start-ups on H100 80 GB published by llm-d-incubation/llm-d-planner, calibration rows; 2026-11-26",
        Command = "dotnet run --project bench/Plimsoll.Footprints -- refit",
    };
}
