namespace Plimsoll;

/// <summary>How a replica's work is split over devices.</summary>
public sealed record StepSplit
{
    /// <summary>Ranks that share a layer's attention and dense weights.</summary>
    public int Tensor { get; init; } = 1;

    /// <summary>Groups of tensor ranks that each attend for their own sequences.</summary>
    public int Data { get; init; } = 1;

    public int Pipeline { get; init; } = 1;

    /// <summary>Ranks over which whole experts are spread.</summary>
    public int Expert { get; init; } = 1;

    /// <summary>Ranks that share each expert; 0 for the stage's devices over <see cref="Expert"/>.</summary>
    public int ExpertTensor { get; init; }

    /// <summary>Bandwidth of the network for ranks beyond one link domain, one direction, for each device.</summary>
    public BytesPerSecond Network { get; init; } = new(50_000_000_000);

    /// <summary>Devices of a pipeline stage.</summary>
    public int StageDevices => Math.Max(1, Tensor) * Math.Max(1, Data);

    public int Devices => StageDevices * Math.Max(1, Pipeline);

    /// <summary>Ranks that each hold an equal part of a layer's experts.</summary>
    public int ExpertRanks =>
        Math.Max(1, Expert) * Math.Max(1, ExpertTensor > 0 ? ExpertTensor : StageDevices / Math.Max(1, Expert));
}
