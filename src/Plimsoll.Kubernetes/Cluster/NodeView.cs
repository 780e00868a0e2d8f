using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>A taint that keeps pods away unless they tolerate it.</summary>
public sealed record Taint(string Key, string Value, string Effect);

/// <summary>What is kept of a node.</summary>
public sealed record NodeView
{
    public required string Name { get; init; }

    public required ImmutableSortedDictionary<string, string> Labels { get; init; }

    public string Uid { get; init; } = "";

    /// <summary>Its kubelet says that its disk is nearly full, and ends pods for it.</summary>
    public bool DiskPressure { get; init; }

    /// <summary>Those that keep a pod from being placed (NoSchedule, NoExecute).</summary>
    public required ImmutableArray<Taint> Taints { get; init; }

    public required bool Ready { get; init; }

    public required bool Unschedulable { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required Cores Cores { get; init; }

    /// <summary>All of the machine's.</summary>
    public required Bytes MemoryCapacity { get; init; }

    /// <summary>What pods may take.</summary>
    public required Bytes Memory { get; init; }

    public required Bytes EphemeralStorage { get; init; }

    public required int Pods { get; init; }

    /// <summary>Allocatable device resources, ordered by name.</summary>
    public required ImmutableArray<ResourceCount> Extended { get; init; }

    /// <summary>Its devices by its labels.</summary>
    public required NodeDevices Devices { get; init; }

    public static NodeView? Of(JsonElement node)
    {
        if (node.At("metadata") is not { } metadata || metadata.Text("name") is not { } name) return null;
        var (spec, status) = (node.At("spec") ?? default, node.At("status") ?? default);
        var allocatable = Amounts(status, "allocatable");
        var labels = metadata.Texts("labels").ToImmutableSortedDictionary(StringComparer.Ordinal);
        return new NodeView
        {
            Name = name,
            Uid = metadata.Text("uid") ?? "",
            DiskPressure = status.List("conditions").Any(one => one.Text("type") == "DiskPressure" && one.Text("status") == "True"),
            Labels = labels,
            Taints =
            [
                .. spec.List("taints").Select(taint => new Taint(taint.Text("key") ?? "", taint.Text("value") ?? "", taint.Text("effect") ?? ""))
                    .Where(taint => taint.Effect is "NoSchedule" or "NoExecute")
                    .OrderBy(taint => taint.Key, StringComparer.Ordinal).ThenBy(taint => taint.Effect, StringComparer.Ordinal),
            ],
            Ready = status.List("conditions").Any(one => one.Text("type") == "Ready" && one.Text("status") == "True"),
            Unschedulable = spec.Flag("unschedulable"),
            CreatedAt = metadata.Time("creationTimestamp") ?? DateTimeOffset.UnixEpoch,
            Cores = new Cores(allocatable.GetValueOrDefault("cpu")),
            Memory = new Bytes(allocatable.GetValueOrDefault("memory")),
            MemoryCapacity = new Bytes(Amounts(status, "capacity").GetValueOrDefault("memory")),
            EphemeralStorage = new Bytes(allocatable.GetValueOrDefault("ephemeral-storage")),
            Pods = (int)Math.Min(allocatable.GetValueOrDefault("pods"), int.MaxValue),
            Extended = [.. allocatable.Where(one => one.Key.Contains('/', StringComparison.Ordinal)).Select(one => new ResourceCount(one.Key, one.Value))],
            Devices = NodeLabels.Read(DeviceCatalogue.BuiltIn, labels, allocatable),
        };
    }

    private static ImmutableSortedDictionary<string, long> Amounts(JsonElement status, string field)
    {
        var amounts = ImmutableSortedDictionary.CreateBuilder<string, long>(StringComparer.Ordinal);
        foreach (var (name, text) in status.Texts(field))
        {
            if (PodRequests.Amount(text, name) is { } amount) amounts[name] = amount;
        }

        return amounts.ToImmutable();
    }
}
