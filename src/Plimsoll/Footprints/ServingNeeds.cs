namespace Plimsoll;

/// <summary>What a replica on devices of a known kind asks of its node, by its engine's own memory rules.</summary>
/// <param name="Needs">For the planner. An engine that fills its share of the device is charged all of that share.</param>
/// <param name="Fit">Why it fits, or does not.</param>
public sealed record ServingNeeds(ReplicaNeeds Needs, FitReport Fit)
{
    /// <summary>Derives them.</summary>
    /// <param name="footprint">What the artefact weighs.</param>
    /// <param name="variant">Device, split and engine; the context that must fit at least once.</param>
    /// <param name="cores">Cores the replica is given; null for one per device.</param>
    /// <param name="cached">Whether the artefact takes room in the node's model cache.</param>
    /// <param name="others">Devices that a change may propose.</param>
    public static ServingNeeds Of(
        Footprint footprint, ServingVariant variant, Cores? cores, bool cached, IReadOnlyList<Accelerator>? others = null)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        var report = Plimsoll.Fit.Of(footprint, variant, others);
        // The fullest stage need not be the one that takes most of its device: what lies outside differs by stage.
        var held = report.Stages.Aggregate(Bytes.Zero, (most, stage) => Bytes.Max(most, Held(stage, report.Variant.Engine)));
        return new ServingNeeds(
            new ReplicaNeeds
            {
                Host = report.Host,
                PerDevice = new MemoryNeed(held, held),
                Devices = report.Variant.Devices,
                Cores = cores ?? Cores.Of(report.Variant.Devices),
                Disk = cached ? footprint.OnDisk : Bytes.Zero,
            },
            report);
    }

    /// <summary>Host memory of one of a replica's pods: of its ranks, and a server's front, which a worker has in its agents.</summary>
    /// <param name="footprint">What the artefact weighs.</param>
    /// <param name="variant">How the replica is split.</param>
    /// <param name="devices">Those of the replica's devices that the pod has.</param>
    public static MemoryNeed HostOfPod(Footprint footprint, ServingVariant variant, int devices)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(variant);
        return HostNeed.Of(footprint, variant with { TensorParallel = devices, PipelineParallel = 1, DataParallel = 1 });
    }

    private static Bytes Held(DeviceNeed stage, ServingEngine engine) =>
        (engine.FillsItsShare ? Bytes.Max(stage.Total, stage.Budget) : stage.Total) + stage.Outside.Bytes;
}
