using System.Collections.Immutable;
using System.Numerics;

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
    /// For each device the practical shape with the fewest devices. Layers are split over ranks of a link's domain (eight devices
    /// without a link) first, and over stages only where that is full, or where it is not enough or the model does not divide so: a
    /// stage more costs every token a hop and keeps devices waiting.
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
        device.SliceOf is not null ? 1
        // The largest power of two in a domain of 72.
        : (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, device.LinkDomainDevices) + 1) / 2;

    private static FitReport? On(Footprint footprint, ServingVariant variant, int devicesMax)
    {
        var domain = LargestTensorParallel(variant.Device);
        // Within a domain in powers of two, as collectives and quantised blocks want them; beyond, whole domains.
        for (var count = 1; count <= devicesMax; count += count < domain ? count : domain)
        {
            foreach (var ranks in RanksOf(count, domain))
            {
                var shape = variant.Over(ranks) with { PipelineParallel = count / ranks };
                var report = Fit.Evaluate(footprint, shape, FitCoefficients.Vllm019);
                if (report.Fits) return report;
            }
        }

        return null;
    }

    /// <summary>Ranks to try for so many devices, most first: all that a domain allows, in powers of two.</summary>
    private static IEnumerable<int> RanksOf(int count, int domain)
    {
        for (var ranks = domain; ranks >= 1; ranks /= 2)
        {
            if (ranks <= count && count % ranks == 0) yield return ranks;
        }
    }
}
