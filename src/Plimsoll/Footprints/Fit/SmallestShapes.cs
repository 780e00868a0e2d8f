using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>The fewest devices of one kind on which a variant fits.</summary>
/// <param name="Device">The kind.</param>
/// <param name="Report">The fit of the smallest shape; null when none up to the bound fits.</param>
public sealed record SmallestShape(Accelerator Device, FitReport? Report)
{
    /// <summary>Devices of one replica; 0 when no shape fits.</summary>
    public int Devices => Report?.Variant.Devices ?? 0;
}

/// <summary>The smallest shapes that fit, on each device of a catalogue.</summary>
public static class SmallestShapes
{
    /// <summary>
    /// For each device the shape with the fewest devices; among equals the one with the most key-value tokens, then
    /// the one with fewer stages. Tensor parallel stays within a link's domain, or eight devices without a link.
    /// </summary>
    /// <param name="footprint">What the artefact weighs.</param>
    /// <param name="variant">Everything but the device and the split.</param>
    /// <param name="devices">The catalogue; the answer is in its order.</param>
    /// <param name="devicesMax">Devices of the largest shape tried.</param>
    public static ImmutableArray<SmallestShape> Of(
        Footprint footprint, ServingVariant variant, IReadOnlyList<Accelerator> devices, int devicesMax = 64)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(variant);
        ArgumentNullException.ThrowIfNull(devices);
        return [.. devices.Select(device => new SmallestShape(device, On(footprint, variant with { Device = device }, devicesMax)))];
    }

    /// <summary>Ranks that may share a layer: all of a link's domain, eight over PCIe, one on a slice.</summary>
    internal static int LargestTensorParallel(Accelerator device) =>
        device.SliceOf is not null ? 1 : Math.Max(8, device.LinkDomainDevices);

    private static FitReport? On(Footprint footprint, ServingVariant variant, int devicesMax)
    {
        for (var count = 1; count <= devicesMax; count++)
        {
            FitReport? best = null;
            for (var stages = 1; stages <= count; stages++)
            {
                if (count % stages != 0) continue;
                var ranks = count / stages;
                if (ranks > LargestTensorParallel(variant.Device) || !RanksAllowed(ranks)) continue;
                var report = Fit.Evaluate(
                    footprint,
                    variant with
                    {
                        TensorParallel = ranks,
                        PipelineParallel = stages,
                        ExpertParallel = variant.ExpertParallel > 1 ? ranks : 1,
                    },
                    FitCoefficients.Vllm019);
                if (report.Fits && (best is null || report.KvTokens > best.KvTokens)) best = report;
            }

            if (best is not null) return best;
        }

        return null;
    }

    /// <summary>Collectives and quantised blocks want powers of two.</summary>
    private static bool RanksAllowed(int ranks) => (ranks & (ranks - 1)) == 0;
}
