using System.Collections.Immutable;
using System.Text;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>What a container starts, as far as its spec tells: the environment, and the commands it may come to.</summary>
internal sealed record ContainerCommand
{
    private const int EnvironmentMax = 2048;
    private const int ValueMax = 32_768;

    public required V1Container Container { get; init; }

    /// <summary>Variables by name; null for one whose value is in a Secret, a ConfigMap or the pod's fields.</summary>
    public required IReadOnlyDictionary<string, string?> Environment { get; init; }

    /// <summary>Without a command the image's own entry point is run, with these arguments.</summary>
    public required bool HasCommand { get; init; }

    /// <summary>Each as its words; a shell's script is taken apart into the commands in it.</summary>
    public required ImmutableArray<IReadOnlyList<string>> Commands { get; init; }

    public string? Variable(string name) => Environment.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;

    public static ContainerCommand Of(V1Container container)
    {
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var variable in (container.Env ?? []).Take(EnvironmentMax).Where(variable => variable?.Name is not null))
            environment[variable.Name] = variable.ValueFrom is not null ? null : Expand(variable.Value ?? "", environment);
        var hasCommand = container.Command is { Count: > 0 };
        var words = (container.Command ?? []).Concat(container.Args ?? []).Where(word => word is not null).Take(EnvironmentMax)
            .Select(word => Expand(word, environment)).ToList();
        return new ContainerCommand
        {
            Container = container,
            Environment = environment,
            HasCommand = hasCommand,
            Commands = ScriptOf(words) is { } script ? [.. ShellScript.Commands(script, environment)] : [words],
        };
    }

    /// <summary>Kubernetes' own $(NAME), "$$" for a dollar; a name that is not known stays as it is written.</summary>
    private static string Expand(string text, Dictionary<string, string?> environment)
    {
        if (text.Length > ValueMax) text = text[..ValueMax];
        if (!text.Contains('$', StringComparison.Ordinal)) return text;
        var expanded = new StringBuilder();
        for (var i = 0; i < text.Length && expanded.Length <= ValueMax; i++)
        {
            if (text[i] != '$' || i + 1 == text.Length)
            {
                expanded.Append(text[i]);
            }
            else if (text[i + 1] == '$')
            {
                expanded.Append('$');
                i++;
            }
            else if (text[i + 1] == '(' && text.IndexOf(')', i) is > 0 and var close && environment.GetValueOrDefault(text[(i + 2)..close]) is { } value)
            {
                expanded.Append(value);
                i = close;
            }
            else expanded.Append('$');
        }

        return expanded.ToString();
    }

    // sh -c "…", bash -lc "…", also behind an init such as tini.
    private static string? ScriptOf(List<string> words)
    {
        var shell = words.FindIndex(word => word.Length < 64 && word[(word.LastIndexOf('/') + 1)..] is "sh" or "bash" or "dash" or "ash" or "zsh");
        if (shell is < 0 or > 3) return null;
        for (var i = shell + 1; i < words.Count - 1 && words[i].StartsWith('-'); i++)
        {
            if (words[i].Length < 8 && !words[i].StartsWith("--", StringComparison.Ordinal) && words[i].EndsWith('c')) return words[i + 1];
        }

        return null;
    }
}
