using System.Collections.Frozen;

namespace Plimsoll;

/// <summary>
/// What a serving engine adds to the weights, as a prior before anything was measured. The Weigh issue replaces
/// these by calibrated terms; until then each is a deliberate over-estimate, because too little is an OOM and too
/// much is corrected by the first measured load.
/// </summary>
/// <param name="Name">The engine's name as written in fleet.yaml.</param>
/// <param name="HostFixed">Memory of the process before any weight is read.</param>
/// <param name="HostSteadyFactor">Host memory once serving, as a multiple of the weights.</param>
/// <param name="HostPeakFactor">Host memory at the load's highest point, as a multiple of the weights.</param>
/// <param name="DeviceFixed">Device memory of context and workspaces; used when the variant has devices.</param>
/// <param name="DeviceFactor">Device memory as a multiple of the weights, split evenly over the gang.</param>
public sealed record EngineProfile(
    string Name,
    Bytes HostFixed,
    double HostSteadyFactor,
    double HostPeakFactor,
    Bytes DeviceFixed,
    double DeviceFactor)
{
    /// <summary>Our own server: measured on the sample models, see docs/decisions.</summary>
    public static readonly EngineProfile OnnxRuntime =
        new("plimsoll-model-server", Bytes.MiB(160), 1.10, 1.20, Bytes.MiB(600), 1.2);

    /// <summary>llama.cpp's server maps the file; what it maps is charged in full.</summary>
    public static readonly EngineProfile LlamaServer =
        new("llama-server", Bytes.MiB(200), 1.15, 1.15, Bytes.MiB(600), 1.15);

    /// <summary>vLLM fills the device up to its memory fraction; the host holds a staging copy while loading.</summary>
    public static readonly EngineProfile Vllm =
        new("vllm", Bytes.GiB(4), 0.10, 1.05, Bytes.GiB(2), 1.25);

    /// <summary>A command we know nothing of.</summary>
    public static readonly EngineProfile Unknown =
        new("unknown", Bytes.MiB(256), 1.25, 2.0, Bytes.GiB(1), 1.5);

    private static readonly FrozenDictionary<string, EngineProfile> ByName =
        new[] { OnnxRuntime, LlamaServer, Vllm }.ToFrozenDictionary(profile => profile.Name, StringComparer.Ordinal);

    public static EngineProfile Named(string name) => ByName.GetValueOrDefault(name, Unknown);

    /// <summary>The prior of what one replica needs.</summary>
    /// <param name="footprint">What the artefact weighs.</param>
    /// <param name="devices">Devices in the gang; 0 for the processor alone.</param>
    /// <param name="cores">Cores the replica is given; null derives them from the weight.</param>
    /// <param name="cached">Whether the artefact takes room in the node's model cache.</param>
    /// <param name="hostCache">Keys and values that the engine reserves on the host at the start.</param>
    public ReplicaNeeds Needs(Footprint footprint, int devices, Cores? cores, bool cached, Bytes hostCache = default)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        var host = devices > 0
            ? new MemoryNeed(HostFixed + footprint.Weights.Scale(HostPeakFactor), HostFixed + footprint.Weights.Scale(0.1))
            : new MemoryNeed(
                HostFixed + footprint.Weights.Scale(HostPeakFactor), HostFixed + footprint.Weights.Scale(HostSteadyFactor));
        MemoryNeed? perDevice = null;
        if (devices > 0)
        {
            var share = DeviceFixed + footprint.Weights.Scale(DeviceFactor / devices);
            perDevice = new MemoryNeed(share, share);
        }

        return new ReplicaNeeds
        {
            Host = new MemoryNeed(host.LoadPeak + hostCache, host.Steady + hostCache),
            PerDevice = perDevice,
            Devices = devices,
            Cores = cores ?? CoresFor(footprint.Weights, devices),
            Disk = cached ? footprint.OnDisk : Bytes.Zero,
        };
    }

    /// <summary>
    /// The prior of what one takes while it sleeps: the weights on the host beside what its process holds there anyway, and of its devices
    /// what is neither weights nor cache.
    /// </summary>
    /// <param name="footprint">What the artefact weighs.</param>
    /// <param name="needs">What a replica needs awake, on devices.</param>
    public SleepNeed Asleep(Footprint footprint, ReplicaNeeds needs)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(needs);
        return new SleepNeed(needs.Host.Steady + footprint.Weights, Bytes.Min(DeviceFixed, needs.PerDevice?.Steady ?? Bytes.Zero));
    }

    /// <summary>
    /// A quarter of a core up to 64 MiB of weights, a half up to 512 MiB, one up to 8 GiB, then one for each 8 GiB;
    /// one per device feeds a device. A first rule, by weight alone: the Predict issue derives it from the SLO.
    /// </summary>
    public static Cores CoresFor(Bytes weights, int devices) =>
        devices > 0 ? Cores.Of(devices)
        : weights <= Bytes.MiB(64) ? Cores.Of(0.25)
        : weights <= Bytes.MiB(512) ? Cores.Of(0.5)
        : Cores.Of(Math.Max(1, Math.Ceiling(weights.Value / (double)Bytes.GiB(8).Value)));
}
