using System.Text.Json.Nodes;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>A pod's required node affinity: terms of which a node must meet one.</summary>
internal static class NodeTerms
{
    // What the scheduler would have to try on every node for every pod.
    private const int TermsMax = 64;

    /// <summary>
    /// Terms that say what these say and that a node has one of the labels; null where they say so already, and where it
    /// would take too many of them.
    /// </summary>
    public static JsonArray? Narrowed(JsonArray terms, IReadOnlyCollection<NodeLabel> labels)
    {
        var byKey = labels.GroupBy(one => one.Label, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (group.Key, Values: group.Select(one => one.Value).Order(StringComparer.Ordinal).ToArray())).ToArray();
        var open = terms.OfType<JsonObject>().Where(term => !Says(term, byKey)).ToArray();
        if (terms.Count > 0 && open.Length == 0) return null;
        var narrowed = new JsonArray([.. terms.OfType<JsonObject>().Where(term => Says(term, byKey)).Select(term => term.DeepClone())]);
        foreach (var term in open.DefaultIfEmpty())
        {
            // One without any expression matches no node, with or without another expression beside it.
            if (term is not null && Count(term) == 0) continue;
            foreach (var (key, values) in byKey)
            {
                var copy = (JsonObject?)term?.DeepClone() ?? [];
                var expressions = copy["matchExpressions"] as JsonArray;
                if (expressions is null) copy["matchExpressions"] = expressions = [];
                expressions.Add((JsonNode)new JsonObject { ["key"] = key, ["operator"] = "In", ["values"] = new JsonArray([.. values.Select(value => (JsonNode)value)]) });
                narrowed.Add((JsonNode)copy);
            }
        }

        return narrowed.Count is 0 or > TermsMax ? null : narrowed;
    }

    private static bool Says(JsonObject term, IEnumerable<(string Key, string[] Values)> byKey) =>
        term["matchExpressions"] is JsonArray expressions && byKey.Any(one => expressions.OfType<JsonObject>().Any(expression =>
            (string?)expression["key"] == one.Key && (string?)expression["operator"] == "In" && expression["values"] is JsonArray values
            && values.Count > 0 && values.All(value => one.Values.Contains((string?)value, StringComparer.Ordinal))));

    private static int Count(JsonObject term) =>
        ((term["matchExpressions"] as JsonArray)?.Count ?? 0) + ((term["matchFields"] as JsonArray)?.Count ?? 0);
}
