using System.Collections.Immutable;

namespace Plimsoll.Simulation.Packing;

/// <summary>
/// The same experiment with bytes of device memory in place of thousandths. A device has what the catalogue says is usable of
/// its model; a pod asks for its thousandths of the model that it was sized for. The traces don't say which that was, so it is
/// drawn from the models it may run on, in proportion to the devices of those, by a hash of its name: the same for every run.
/// It may then run on any device with as much free, if it names no other models.
/// </summary>
public static class DeviceBytes
{
    private const long BytesPerMib = 1024 * 1024;

    // The traces' own spellings.
    private static readonly ImmutableArray<(string Model, string Catalogued)> Spellings = [("V100M16", "v100-16gb"), ("V100M32", "v100-32gb")];

    // Models whose makers the traces hide; their size is what the simulator of FGD's authors puts in their place
    // (hkust-adsl/kubernetes-scheduler-simulator at 8f3d641).
    private static readonly ImmutableArray<(string Model, int Mib)> Hidden = [("G1", 10_000), ("G2", 20_000), ("G3", 30_000)];

    /// <summary>A workload in MiB from one in thousandths.</summary>
    /// <exception cref="InvalidDataException">A node's model is not known; the message names it and what would do.</exception>
    public static PackingWorkload Of(PackingWorkload thousandths, DeviceCatalogue catalogue)
    {
        ArgumentNullException.ThrowIfNull(thousandths);
        ArgumentNullException.ThrowIfNull(catalogue);
        var models = thousandths.Nodes.Where(node => node.Devices > 0).GroupBy(node => node.Model, StringComparer.Ordinal)
            .Select(group => new Model(group.Key, Mib(group.Key, catalogue), group.Sum(node => node.Devices), [.. group.Select(node => (node.CpuMilli, node.MemoryMib, node.Devices)).Distinct()]))
            .OrderBy(model => model.Name, StringComparer.Ordinal).ToArray();
        var sizes = models.ToDictionary(model => model.Name, model => model.Mib, StringComparer.Ordinal);
        var shapes = new Dictionary<PodShape, PodShape>();
        return new PackingWorkload(
            [.. thousandths.Nodes.Select(node => node with { PerDevice = sizes.GetValueOrDefault(node.Model, node.PerDevice) })],
            [.. thousandths.Pods.Select(pod =>
            {
                if (pod.Shape.Devices == 0) return pod;
                var shape = pod.Shape with { PerDevice = Mib(pod, models) };
                if (!shapes.TryAdd(shape, shape)) shape = shapes[shape];
                return pod with { Shape = shape };
            })]);
    }

    private static int Mib(PackingPod pod, Model[] models)
    {
        var shape = pod.Shape;
        var may = models.Where(model => shape.Takes(model.Name)
            && model.Nodes.Any(node => node.CpuMilli >= shape.CpuMilli && node.MemoryMib >= pod.MemoryMib && node.Devices >= shape.Devices)).ToArray();
        // A pod that fits nowhere asks for something nonetheless.
        if (may.Length == 0) may = models;
        // One that names models runs on all of them.
        if (shape.Models.Length > 0) may = [may.MinBy(model => model.Mib)!];
        var at = (long)(Hash(pod.Name) % (ulong)may.Sum(model => (long)model.Devices));
        var drawn = may.First(model => (at -= model.Devices) < 0);
        return (int)(((long)shape.PerDevice * drawn.Mib + PodShape.Milli - 1) / PodShape.Milli);
    }

    private static int Mib(string model, DeviceCatalogue catalogue)
    {
        if (Hidden.FirstOrDefault(one => one.Model == model) is { Mib: > 0 } hidden) return hidden.Mib;
        var name = Spellings.FirstOrDefault(one => one.Model == model).Catalogued ?? model;
        return catalogue.Find(name) is { } found ? (int)(found.Memory.Value / BytesPerMib)
            : throw new InvalidDataException($"model '{model}' is not in the catalogue of devices, so its bytes are not known; a name that `plimsoll devices` lists would do");
    }

    // FNV-1a, 64 bits: string.GetHashCode differs from run to run.
    private static ulong Hash(string name)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in name) hash = unchecked((hash ^ letter) * 1099511628211UL);
        return hash;
    }

    private sealed record Model(string Name, int Mib, int Devices, ImmutableArray<(int CpuMilli, int MemoryMib, int Devices)> Nodes);
}
