using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>What a pod asks of the scheduler, all containers together; device resources ordered by name.</summary>
public sealed record PodAmounts(Cores Cores, Bytes Memory, Bytes EphemeralStorage, ImmutableArray<ResourceCount> Extended)
{
    public static PodAmounts Of(JsonElement spec)
    {
        // The scheduler's rule: containers add up, init containers run one after the other before them.
        var sum = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var container in spec.List("containers"))
        {
            foreach (var (name, amount) in Amounts(container)) sum[name] = checked(sum.GetValueOrDefault(name) + amount);
        }

        var always = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var container in spec.List("initContainers"))
        {
            var sidecar = container.Text("restartPolicy") == "Always";
            foreach (var (name, amount) in Amounts(container))
            {
                var before = always.GetValueOrDefault(name);
                if (sidecar)
                {
                    always[name] = checked(before + amount);
                    sum[name] = checked(sum.GetValueOrDefault(name) + amount);
                }
                else sum[name] = Math.Max(sum.GetValueOrDefault(name), checked(before + amount));
            }
        }

        foreach (var (name, text) in spec.At("overhead") is null ? [] : spec.Texts("overhead"))
        {
            if (Amount(name, text) is { } amount) sum[name] = checked(sum.GetValueOrDefault(name) + amount);
        }

        return new PodAmounts(
            new Cores(sum.GetValueOrDefault("cpu")), new Bytes(sum.GetValueOrDefault("memory")), new Bytes(sum.GetValueOrDefault("ephemeral-storage")),
            [.. sum.Where(one => one.Key.Contains('/', StringComparison.Ordinal) && one.Value > 0).Select(one => new ResourceCount(one.Key, one.Value))]);
    }

    // A limit without a request is a request.
    private static Dictionary<string, long> Amounts(JsonElement container)
    {
        var resources = container.At("resources") ?? default;
        var amounts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (name, text) in resources.Texts("limits").Concat(resources.Texts("requests")))
        {
            if (Amount(name, text) is { } amount) amounts[name] = amount;
        }

        return amounts;
    }

    /// <summary>Thousandths of cores, whole units of everything else.</summary>
    public static long? Amount(string name, string text) => name == "cpu" ? KubeFields.Milli(text) : KubeFields.Whole(text);
}
