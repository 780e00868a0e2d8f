using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>What is kept of one of Karpenter's NodePools (karpenter.sh/v1).</summary>
public sealed record KarpenterPool
{
    /// <summary>The label that Karpenter gives a NodePool's nodes.</summary>
    public const string Label = "karpenter.sh/nodepool";

    public const string InstanceTypeLabel = "node.kubernetes.io/instance-type";

    public required string Name { get; init; }

    /// <summary>Labels that all its nodes have.</summary>
    public required ImmutableSortedDictionary<string, string> Labels { get; init; }

    public required ImmutableArray<Taint> Taints { get; init; }

    /// <summary>Machine types that it may make, ordered; empty where it does not name any.</summary>
    public required ImmutableArray<string> InstanceTypes { get; init; }

    /// <summary>Most of each resource that all its nodes may have together; thousandths of cores, whole units of all else.</summary>
    public required ImmutableSortedDictionary<string, long> Limits { get; init; }

    public static KarpenterPool? Of(JsonElement item)
    {
        if (item.At("metadata")?.Text("name") is not { } name || item.At("spec") is not { } spec) return null;
        var template = spec.At("template") ?? default;
        var nodes = template.At("spec") ?? default;
        var labels = (template.At("metadata") ?? default).Texts("labels").ToImmutableSortedDictionary(StringComparer.Ordinal).SetItem(Label, name);
        var requirements = nodes.List("requirements").Where(one => one.Text("operator") == "In" && one.Text("key") is not null)
            .GroupBy(one => one.Text("key")!, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => ValuesOf(group.First()), StringComparer.Ordinal);
        foreach (var (key, values) in requirements)
        {
            if (values is [var only]) labels = labels.SetItem(key, only);
        }

        return new KarpenterPool
        {
            Name = name,
            Labels = labels,
            Taints =
            [
                .. nodes.List("taints").Select(taint => new Taint(taint.Text("key") ?? "", taint.Text("value") ?? "", taint.Text("effect") ?? ""))
                    .Where(taint => taint.Effect is "NoSchedule" or "NoExecute"),
            ],
            InstanceTypes = requirements.GetValueOrDefault(InstanceTypeLabel, []),
            Limits = LimitsOf(spec),
        };
    }

    private static ImmutableArray<string> ValuesOf(JsonElement requirement) =>
        [.. requirement.List("values").Where(one => one.ValueKind == JsonValueKind.String).Select(one => one.GetString()!).Order(StringComparer.Ordinal)];

    // An amount may be written as a number or as a text.
    private static ImmutableSortedDictionary<string, long> LimitsOf(JsonElement spec)
    {
        var limits = ImmutableSortedDictionary.CreateBuilder<string, long>(StringComparer.Ordinal);
        if (spec.At("limits") is not { ValueKind: JsonValueKind.Object } stated) return limits.ToImmutable();
        foreach (var one in stated.EnumerateObject())
        {
            var text = one.Value.ValueKind switch
            {
                JsonValueKind.String => one.Value.GetString()!,
                JsonValueKind.Number => one.Value.GetRawText(),
                _ => "",
            };
            if (PodRequests.Amount(text, one.Name) is { } amount) limits[one.Name] = amount;
        }

        return limits.ToImmutable();
    }
}
