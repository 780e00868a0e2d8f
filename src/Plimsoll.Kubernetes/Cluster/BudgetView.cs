using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>A number of pods, or a share of them in percent.</summary>
public readonly record struct PodCount(int Number, bool IsPercent)
{
    /// <summary>Of so many pods, rounded up as the disruption controller does.</summary>
    public int Of(int pods) => IsPercent ? (int)((((long)Number * pods) + 99) / 100) : Number;

    internal static PodCount? Read(JsonElement? value)
    {
        if (value is not { } found) return null;
        if (found.ValueKind == JsonValueKind.Number && found.TryGetInt32(out var number) && number >= 0) return new PodCount(number, false);
        return found.ValueKind == JsonValueKind.String && found.GetString() is [.. var digits, '%']
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var percent) && percent <= 100 ? new PodCount(percent, true) : null;
    }
}

/// <summary>What a label must be like.</summary>
public sealed record LabelNeed(string Key, string Relation, ImmutableArray<string> Values)
{
    public bool Holds(IReadOnlyDictionary<string, string> labels)
    {
        var has = labels.TryGetValue(Key, out var value);
        return Relation switch
        {
            "In" => has && Values.Contains(value!),
            "NotIn" => !has || !Values.Contains(value!),
            "Exists" => has,
            "DoesNotExist" => !has,
            // One that nobody knows selects nothing: a budget must not be stretched over pods that are not its.
            _ => false,
        };
    }
}

/// <summary>What is kept of a PodDisruptionBudget.</summary>
public sealed record BudgetView
{
    private const int NeedsMax = 256;

    public required ObjectName Name { get; init; }

    /// <summary>What it selects by; null where it selects nothing.</summary>
    public required ImmutableArray<LabelNeed>? Selects { get; init; }

    public PodCount? MinAvailable { get; init; }

    public PodCount? MaxUnavailable { get; init; }

    /// <summary>Pods that there should be, as its controller counts; null where it has not counted this version of it.</summary>
    public int? Expected { get; init; }

    public bool Covers(PodView pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return pod.Name.Namespace == Name.Namespace && Selects is { } needs && needs.All(need => need.Holds(pod.Labels));
    }

    /// <summary>Whether it is kept to with so many pods of which so many are ready.</summary>
    public bool Keeps(int expected, int ready) =>
        (MinAvailable is not { } least || ready >= least.Of(expected)) && (MaxUnavailable is not { } most || ready >= expected - most.Of(expected));

    /// <param name="item">As the server has it.</param>
    /// <param name="emptySelectsAll">Whether an empty selector is all of the namespace: so in policy/v1, and none in v1beta1.</param>
    public static BudgetView? Of(JsonElement item, bool emptySelectsAll)
    {
        if (item.At("metadata") is not { } metadata || item.At("spec") is not { } spec) return null;
        var status = item.At("status") ?? default;
        var counted = status.Number("observedGeneration") is { } seen && seen == metadata.Number("generation");
        return new BudgetView
        {
            Name = new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? ""),
            Selects = spec.At("selector") is { } selector ? Needs(selector, emptySelectsAll) : null,
            MinAvailable = PodCount.Read(spec.At("minAvailable")),
            MaxUnavailable = PodCount.Read(spec.At("maxUnavailable")),
            Expected = counted ? status.Number("expectedPods") : null,
        };
    }

    private static ImmutableArray<LabelNeed>? Needs(JsonElement selector, bool emptySelectsAll)
    {
        ImmutableArray<LabelNeed> needs =
        [
            .. selector.Texts("matchLabels").Select(one => new LabelNeed(one.Key, "In", [one.Value])),
            .. selector.List("matchExpressions").Select(one => new LabelNeed(
                one.Text("key") ?? "", one.Text("operator") ?? "",
                [.. one.List("values").Where(value => value.ValueKind == JsonValueKind.String).Select(value => value.GetString()!)])),
        ];
        return needs.Length > NeedsMax || needs.IsEmpty && !emptySelectsAll ? null : needs;
    }
}
