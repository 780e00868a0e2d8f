using System.Collections.Immutable;
using System.Numerics;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>
/// What a pod asks of its node, as the scheduler counts it: containers together, or one init container where that is
/// more, sidecars and the runtime's overhead on top.
/// </summary>
/// <param name="CpuMilli">Thousandths of a core.</param>
/// <param name="MemoryBytes">Memory.</param>
/// <param name="EphemeralStorageBytes">The node's own disk.</param>
/// <param name="Devices">Devices by resource ("nvidia.com/gpu"), none with zero, ordered by name.</param>
public sealed record PodRequests(long CpuMilli, long MemoryBytes, long EphemeralStorageBytes, ImmutableSortedDictionary<string, long> Devices)
{
    private const string Cpu = "cpu";
    private const string Memory = "memory";
    private const string Storage = "ephemeral-storage";

    // Two of them still add up.
    private const long AmountMax = long.MaxValue / 4;

    public static PodRequests Of(V1PodSpec pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        var names = Containers(pod).SelectMany(container => Asked(container.Resources).Keys).Append(Cpu).Append(Memory).Append(Storage)
            .ToImmutableSortedSet(StringComparer.Ordinal);
        var sums = names.ToDictionary(name => name, name => Sum(pod, name), StringComparer.Ordinal);
        return new PodRequests(sums[Cpu], sums[Memory], sums[Storage],
            sums.Where(sum => sum.Value > 0 && IsDevice(sum.Key)).ToImmutableSortedDictionary(StringComparer.Ordinal));
    }

    /// <summary>Whether a resource stands for accelerators: whole ones, slices or shares of them.</summary>
    public static bool IsDevice(string resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return resource.StartsWith("nvidia.com/gpu", StringComparison.Ordinal) || resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal)
            || resource.StartsWith("aws.amazon.com/neuron", StringComparison.Ordinal) || resource.StartsWith("gpu.intel.com/", StringComparison.Ordinal)
            || resource is "amd.com/gpu" or "google.com/tpu" or "habana.ai/gaudi" or "intel.com/gpu" or "huawei.com/Ascend910";
    }

    internal static long DevicesOf(V1Container container) =>
        Asked(container.Resources).Where(asked => IsDevice(asked.Key)).Aggregate(0L, (sum, asked) => Add(sum, Amount(asked.Value, asked.Key)));

    private static long Sum(V1PodSpec pod, string name)
    {
        var running = (pod.Containers ?? []).Aggregate(0L, (sum, container) => Add(sum, Of(container, name)));
        var (sidecars, starting) = (0L, 0L);
        foreach (var container in pod.InitContainers ?? [])
        {
            var asked = Of(container, name);
            // One that is restarted always goes on beside the others, and beside those that start after it.
            if (container?.RestartPolicy == "Always") sidecars = Add(sidecars, asked);
            else starting = Math.Max(starting, Add(sidecars, asked));
        }

        var overhead = pod.Overhead is not null && pod.Overhead.TryGetValue(name, out var more) ? Amount(more, name) : 0;
        return Add(Math.Max(Add(running, sidecars), starting), overhead);
    }

    private static IEnumerable<V1Container> Containers(V1PodSpec pod) =>
        (pod.Containers ?? []).Concat(pod.InitContainers ?? []).Where(container => container is not null);

    private static long Of(V1Container? container, string name) =>
        container is not null && Asked(container.Resources).TryGetValue(name, out var quantity) ? Amount(quantity, name) : 0;

    // A limit stands for the request that is left out, as the API server fills it in.
    private static Dictionary<string, ResourceQuantity> Asked(V1ResourceRequirements? resources)
    {
        var asked = new Dictionary<string, ResourceQuantity>(resources?.Limits ?? new Dictionary<string, ResourceQuantity>(), StringComparer.Ordinal);
        foreach (var (name, quantity) in resources?.Requests ?? new Dictionary<string, ResourceQuantity>()) asked[name] = quantity;
        return asked;
    }

    private static long Amount(ResourceQuantity? quantity, string name) =>
        quantity is null ? 0
        : name == Cpu ? (long)Math.Ceiling(Math.Clamp(quantity.ToDouble() * 1000, 0, 1e15))
        : (long)BigInteger.Clamp(quantity.ToBigInteger(), 0, AmountMax);

    private static long Add(long a, long b) => Math.Min(a + b, AmountMax);
}
