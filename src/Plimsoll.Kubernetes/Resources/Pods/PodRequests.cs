using System.Collections.Immutable;
using System.Numerics;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>
/// What a pod asks of its node, as the scheduler counts it: containers together, or one init container where that is
/// more, sidecars and the runtime's overhead on top. What is stated for the pod as a whole (of processors and memory, Kubernetes 1.34)
/// counts in place of that.
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

    /// <summary>Of a pod, or of a template, as the client reads it.</summary>
    public static PodRequests Of(V1PodSpec pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return Of(
            (pod.Containers ?? []).Where(one => one is not null).Select(one => AskedBy(one)),
            (pod.InitContainers ?? []).Where(one => one is not null).Select(one => (one.RestartPolicy == "Always", AskedBy(one))),
            (pod.Overhead ?? new Dictionary<string, ResourceQuantity>()).ToDictionary(one => one.Key, one => Amount(one.Value, one.Key), StringComparer.Ordinal),
            Amounts(pod.Resources?.Requests), Amounts(pod.Resources?.Limits));
    }

    /// <summary>The same of a pod's spec as the server wrote it, for those who do not keep whole pods.</summary>
    public static PodRequests Of(JsonElement spec) => Of(
        spec.List("containers").Select(AskedBy),
        spec.List("initContainers").Select(one => (one.Text("restartPolicy") == "Always", AskedBy(one))),
        Amounts(spec.Texts("overhead")),
        Amounts((spec.At("resources") ?? default).Texts("requests")), Amounts((spec.At("resources") ?? default).Texts("limits")));

    /// <summary>Thousandths of cores, whole units of everything else, within bounds; null for what is no amount.</summary>
    public static long? Amount(string text, string name) =>
        !KubernetesQuantity.TryParseMilli(text, out var milli) ? null
        : (long)Int128.Min(name == Cpu ? milli : (milli + 999) / 1000, AmountMax);

    /// <summary>Whether a resource stands for accelerators: whole ones, slices or shares of them.</summary>
    public static bool IsDevice(string resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return resource.StartsWith("nvidia.com/gpu", StringComparison.Ordinal) || resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal)
            || resource.StartsWith("aws.amazon.com/neuron", StringComparison.Ordinal) || resource.StartsWith("gpu.intel.com/", StringComparison.Ordinal)
            || resource is "amd.com/gpu" or "google.com/tpu" or "habana.ai/gaudi" or "intel.com/gpu" or "huawei.com/Ascend910";
    }

    internal static long DevicesOf(V1Container container) =>
        AskedBy(container).Where(asked => IsDevice(asked.Key)).Aggregate(0L, (sum, asked) => Add(sum, asked.Value));

    private static PodRequests Of(
        IEnumerable<Dictionary<string, long>> running, IEnumerable<(bool Sidecar, Dictionary<string, long> Asked)> initial, Dictionary<string, long> overhead,
        Dictionary<string, long> whole, Dictionary<string, long> wholeLimits)
    {
        var (together, starting) = (new Dictionary<string, long>(StringComparer.Ordinal), new Dictionary<string, long>(StringComparer.Ordinal));
        var sidecars = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (sidecar, asked) in initial)
        {
            foreach (var (name, amount) in asked)
            {
                var beside = Add(sidecars.GetValueOrDefault(name), amount);
                // One that is restarted always goes on beside the others, and beside those that start after it.
                if (sidecar) sidecars[name] = beside;
                else starting[name] = Math.Max(starting.GetValueOrDefault(name), beside);
            }
        }

        foreach (var (name, amount) in running.SelectMany(asked => asked).Concat(sidecars)) together[name] = Add(together.GetValueOrDefault(name), amount);
        long Sum(string name) => Add(
            name is Cpu or Memory && (whole.TryGetValue(name, out var stated)
                || !together.ContainsKey(name) && !starting.ContainsKey(name) && wholeLimits.TryGetValue(name, out stated)) ? stated : Math.Max(together.GetValueOrDefault(name), starting.GetValueOrDefault(name)),
            overhead.GetValueOrDefault(name));
        return new PodRequests(Sum(Cpu), Sum(Memory), Sum(Storage), together.Keys.Concat(starting.Keys).Concat(overhead.Keys).Distinct(StringComparer.Ordinal)
            .Where(name => IsDevice(name) && Sum(name) > 0).ToImmutableSortedDictionary(name => name, Sum, StringComparer.Ordinal));
    }

    // A limit stands for the request that is left out, as the API server fills it in.
    internal static Dictionary<string, long> AskedBy(V1Container container) => AskedBy(container.Resources);

    private static Dictionary<string, long> AskedBy(V1ResourceRequirements? resources)
    {
        var asked = Amounts(resources?.Limits);
        foreach (var (name, amount) in Amounts(resources?.Requests)) asked[name] = amount;
        return asked;
    }

    private static Dictionary<string, long> Amounts(IDictionary<string, ResourceQuantity>? quantities) =>
        (quantities ?? new Dictionary<string, ResourceQuantity>()).ToDictionary(one => one.Key, one => Amount(one.Value, one.Key), StringComparer.Ordinal);

    private static Dictionary<string, long> AskedBy(JsonElement container)
    {
        var resources = container.At("resources") ?? default;
        return Amounts(resources.Texts("limits").Concat(resources.Texts("requests")));
    }

    private static Dictionary<string, long> Amounts(IEnumerable<KeyValuePair<string, string>> texts)
    {
        var amounts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (name, text) in texts)
        {
            if (Amount(text, name) is { } amount) amounts[name] = amount;
        }

        return amounts;
    }

    private static long Amount(ResourceQuantity? quantity, string name) =>
        quantity is null ? 0
        : name == Cpu ? (long)Math.Ceiling(Math.Clamp(quantity.ToDouble() * 1000, 0, 1e15))
        : (long)BigInteger.Clamp(quantity.ToBigInteger(), 0, AmountMax);

    private static long Add(long a, long b) => Math.Min(a + b, AmountMax);
}
