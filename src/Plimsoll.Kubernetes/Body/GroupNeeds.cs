using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>What each pod of a replica takes where a replica is several: its part of the devices, and its own ranks' memory.</summary>
internal static class GroupNeeds
{
    /// <summary>
    /// The variant with its leader's needs as its own and its workers' beside them; as it is where a replica is one pod. Which
    /// stage a pod gets is not known here, so each is charged the fullest.
    /// </summary>
    /// <param name="variant">With the needs of the whole replica.</param>
    /// <param name="served">What the pods are started with and ask.</param>
    /// <param name="footprint">What the artefact weighs.</param>
    /// <param name="kind">The devices; null on processors.</param>
    public static VariantSpec Split(VariantSpec variant, ServedModel served, Footprint footprint, DeviceGroup? kind)
    {
        if (served is not { PodsPerReplica: > 1, WorkerRequests: { } worker }) return variant;
        return variant with
        {
            Needs = Of(served.Requests, variant, served, footprint, kind),
            // What they ask of the scheduler is filled in with the nodes that they may go to.
            Workers = new WorkerPods(served.PodsPerReplica - 1, Of(worker, variant, served, footprint, kind), new SchedulerRequests { Memory = Bytes.Zero, Cores = Cores.Zero }),
        };
    }

    private static ReplicaNeeds Of(PodRequests pod, VariantSpec variant, ServedModel served, Footprint footprint, DeviceGroup? kind)
    {
        var (whole, cores) = (variant.Needs, new Cores(pod.CpuMilli));
        // Without devices nobody shares a model out, as far as is known: each pod may read all of it.
        if (kind is null || served.DeviceResource is not { } resource) return whole with { Cores = cores };
        var devices = (int)Math.Min(pod.Devices.GetValueOrDefault(resource), 1024);
        var host = footprint.Shape is not null && served.Engine is not null
            ? ServingNeeds.HostOfPod(footprint, served.VariantOn(kind.Accelerator), devices)
            : EngineProfile.Named(variant.Engine).Needs(
                footprint with { Weights = footprint.Weights.Scale(devices / (double)Math.Max(1, whole.Devices)) }, devices, cores, cached: false).Host;
        return whole with { Host = host, Devices = devices, PerDevice = devices > 0 ? whole.PerDevice : null, Cores = cores };
    }
}
