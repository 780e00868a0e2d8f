using System.Globalization;
using k8s;
using k8s.Models;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Kubectl;

/// <summary>What the operator thinks of one ScaledModel, for a person.</summary>
internal static class ModelExplanation
{
    private const int EventsShown = 8;

    public static IEnumerable<string> Lines(ScaledModel model, IReadOnlyList<ObjectEvent> events, DateTimeOffset now, int width)
    {
        var settings = ScaledModelSettings.Of(model);
        foreach (var line in Head(model, model.Status is { } said ? (said.Mode, said.Reason, said.ObservedGeneration) : null, width)) yield return line;
        if (model.Status is not { } status) yield break;
        foreach (var target in settings.Variants) yield return Row("target", target.Target.ToString(), width);
        yield return Row("weight", $"{status.Weight ?? "not known"}{(status.Model is { } artefact ? $" ({artefact})" : "")}", width);
        yield return Row("replicas", string.Create(CultureInfo.InvariantCulture,
            $"{status.ReadyReplicas ?? 0} ready of {status.Replicas ?? 0}, {(status.DesiredReplicas is { } wanted ? $"{wanted} wanted" : "none decided")}"), width);
        yield return Row("demand", $"{Rate(status.DemandPerSecond)}, prepared for {Rate(status.ForecastPerSecond)}", width);
        if (status.Capacity is { } capacity) yield return Row("capacity", $"{capacity} (of one replica)", width);
        yield return Row("load", $"{status.LoadTime ?? "not known"} (9 in 10 are faster); idle replicas are held {status.Hold ?? "for a time not known"}", width);
        if (status.RecommendedRequests is { Count: > 0 } requests)
            yield return Row("requests", string.Join(", ", requests.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}: {one.Value}")) + " recommended for each pod", width);
        foreach (var variant in status.Variants ?? [])
            yield return Row("variant", $"{variant.Name} ({variant.Target}): {variant.ReadyReplicas ?? 0} ready, {variant.DesiredReplicas ?? 0} wanted. {variant.Reason}", width);
        foreach (var line in Conditions(status.Conditions, width)) yield return line;
        foreach (var line in Events(events, now, width)) yield return line;
    }

    /// <summary>What is said of an object first; a null status is of one that nobody looked at yet.</summary>
    internal static IEnumerable<string> Head(IKubernetesObject<V1ObjectMeta> one, (string? Mode, string? Reason, long? Observed)? status, int width)
    {
        var said = status is var (mode, reason, _) ? $", {mode ?? "no mode"}: {Show.Text(reason ?? "nothing was said of it", 600)}"
            : ": no operator looked at it yet; kubectl get pods -n plimsoll-system shows whether one runs";
        foreach (var line in FleetTable.Wrap(ClusterReader.NameOf(one) + said, width)) yield return line;
        if (one.Metadata?.Generation is { } generation && status?.Observed is { } observed && observed < generation)
            yield return $"  (of generation {observed}; what is asked for now is generation {generation})";
    }

    internal static IEnumerable<string> Conditions(IReadOnlyList<V1Condition>? conditions, int width)
    {
        yield return "";
        var type = Math.Max(13, (conditions ?? []).Select(one => one.Type?.Length + 1 ?? 0).DefaultIfEmpty(0).Max());
        foreach (var condition in conditions ?? [])
        {
            var first = true;
            foreach (var line in FleetTable.Wrap(Show.Text(condition.Message, 1000), width - type - 11))
            {
                yield return first ? $"  {condition.Type?.PadRight(type)}{condition.Status,-8} {line}" : new string(' ', type + 11) + line;
                first = false;
            }
        }
    }

    internal static IEnumerable<string> Events(IReadOnlyList<ObjectEvent> events, DateTimeOffset now, int width)
    {
        if (events.Count == 0) yield break;
        yield return "";
        foreach (var one in events.Take(EventsShown))
        {
            var age = one.At is { } at && now > at ? Durations.Show(now - at) + " ago" : "";
            var first = true;
            foreach (var line in FleetTable.Wrap(Show.Text($"{one.Reason}{(one.Count > 1 ? $" ({one.Count} times)" : "")}: {one.Message}", 600), width - 16))
            {
                yield return first ? $"  {age,-14}{line}" : new string(' ', 16) + line;
                first = false;
            }
        }
    }

    internal static string Row(string word, string text, int width) => string.Join('\n',
        FleetTable.Wrap(Show.Text(text, 800), width - 13).Select((line, n) => (n == 0 ? $"  {word,-11}" : new string(' ', 13)) + line));

    private static string Rate(double? perSecond) => perSecond is { } rate ? Fact.Rate("", rate).Shown : "not known";
}
