namespace Plimsoll;

/// <summary>
/// Host memory of a replica's ranks. Weights that are mapped from files pass through the page cache, which the kernel
/// takes back at need; what is counted is what it can't.
/// </summary>
internal static class HostNeed
{
    /// <summary>One rank's process: interpreter, libraries, compiled kernels.</summary>
    private static readonly Bytes PerRank = Bytes.GiB(3);

    /// <summary>The front of the engine: server, tokeniser, scheduler.</summary>
    private static readonly Bytes Front = Bytes.GiB(2);

    public static MemoryNeed Of(Footprint footprint, ServingVariant variant)
    {
        switch (variant.Engine.Kind)
        {
            case EngineKind.LlamaCpp:
                // The file stays mapped; on a device its pages are no longer needed once copied.
                return new MemoryNeed(Bytes.MiB(400) + footprint.Weights, Bytes.MiB(400) + footprint.LargestTensor);
            case EngineKind.OnnxRuntime:
                return new MemoryNeed(
                    Bytes.Max(footprint.HostLoadPeak, footprint.Weights.Scale(1.2)) + Bytes.MiB(300), Bytes.MiB(500));
            default:
                var processes = PerRank * variant.Devices + Front;
                var each = Bytes.Max(footprint.LargestTensor, Bytes.Min(footprint.Weights, Bytes.GiB(1)));
                var staging = Bytes.Estimate((Int128)each.Value * variant.Devices);
                return new MemoryNeed(processes + staging, processes);
        }
    }
}
