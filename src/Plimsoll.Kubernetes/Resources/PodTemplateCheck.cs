using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// Bounds a pod template, which the API server keeps in whatever form it has: how large and how deep it is, that it
/// holds containers, and that what stands for amounts is one.
/// </summary>
internal static class PodTemplateCheck
{
    /// <summary>A pod's spec needs 12; what is deeper no API server takes for one.</summary>
    public const int DepthMax = 24;

    public const int CharactersMax = 131_072;

    private const int ValuesMax = 10_000;

    private static readonly FrozenSet<string> Placeholders =
        new[] { "{tp}", "{pp}", "{devices}", "{maxModelLen}" }.ToFrozenSet(StringComparer.Ordinal);

    private static readonly FrozenSet<string> Inexact = Placeholders.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    public static void Of(JsonElement template, string path, FieldCheck check)
    {
        if (template.ValueKind != JsonValueKind.Object)
        {
            check.Add(path, "metadata and spec of a pod would do");
            return;
        }

        if (template.GetRawText().Length is > CharactersMax and var length)
        {
            check.Add(path, string.Create(CultureInfo.InvariantCulture, $"it has {length} characters; {CharactersMax} at most would do"));
            return;
        }

        var values = 0;
        if (!IsShallow(template, DepthMax, ref values))
        {
            check.Add(path, $"it is nested more than {DepthMax} deep or holds more than {ValuesMax} values; a pod's spec would do");
            return;
        }

        if (!template.TryGetProperty("spec", out var spec) || spec.ValueKind != JsonValueKind.Object
            || !spec.TryGetProperty("containers", out var containers) || containers.ValueKind != JsonValueKind.Array || containers.GetArrayLength() == 0)
        {
            check.Add($"{path}.spec.containers", "missing; a list with at least one container would do");
            return;
        }

        var index = 0;
        foreach (var container in containers.EnumerateArray())
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}.spec.containers[{index++}]");
            if (container.ValueKind != JsonValueKind.Object) check.Add(at, "a container with name and image would do");
            else if (container.TryGetProperty("resources", out var resources) && resources.ValueKind == JsonValueKind.Object) Amounts(resources, $"{at}.resources", check);
        }

        Misspelt(template, path, check);
    }

    // Fractions with an exponent of nine digits would take an hour to compute, and Kubernetes' own client does.
    private static void Amounts(JsonElement resources, string path, FieldCheck check)
    {
        foreach (var kind in resources.EnumerateObject().Where(kind => kind.Value.ValueKind == JsonValueKind.Object))
        {
            foreach (var amount in kind.Value.EnumerateObject())
            {
                var text = amount.Value.ValueKind switch
                {
                    JsonValueKind.String => amount.Value.GetString()!,
                    JsonValueKind.Number => amount.Value.GetRawText(),
                    _ => "",
                };
                if (!Placeholders.Contains(text) && !KubernetesQuantity.TryParse(text, out _))
                    check.Add($"{path}.{Shown.Text(kind.Name)}[{Shown.Text(amount.Name)}]", $"found \"{Shown.Text(text)}\"; an amount such as 2, 500m or 6Gi would do, or {{devices}}");
            }
        }
    }

    private static void Misspelt(JsonElement value, string path, FieldCheck check)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var one in value.EnumerateObject()) Misspelt(one.Value, path, check);
                break;
            case JsonValueKind.Array:
                foreach (var one in value.EnumerateArray()) Misspelt(one, path, check);
                break;
            case JsonValueKind.String:
                Misspelt(value.GetString()!, path, check);
                break;
            default:
                break;
        }
    }

    // Scripts and JSON have braces of their own: only what is a placeholder but for its capitals is a mistake.
    private static void Misspelt(string text, string path, FieldCheck check)
    {
        for (var open = text.IndexOf('{', StringComparison.Ordinal); open >= 0; open = text.IndexOf('{', open + 1))
        {
            var close = text.IndexOf('}', open);
            if (close < 0) return;
            var word = text[open..(close + 1)];
            if (word.Length <= 16 && Inexact.TryGetValue(word, out var meant) && word != meant && (open == 0 || text[open - 1] != '$'))
                check.Add(path, $"found \"{word}\"; {meant} would do");
        }
    }

    private static bool IsShallow(JsonElement value, int depth, ref int values)
    {
        if (depth == 0 || ++values > ValuesMax) return false;
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var one in value.EnumerateObject())
            {
                if (!IsShallow(one.Value, depth - 1, ref values)) return false;
            }
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var one in value.EnumerateArray())
            {
                if (!IsShallow(one, depth - 1, ref values)) return false;
            }
        }

        return true;
    }
}
