using System.Text.RegularExpressions;

namespace Plimsoll.Artifacts;

/// <summary>
/// One entry of a list of modules that a quantisation leaves out or takes in: a name or a part of one, a name with
/// wildcards, or "re:" and a regular expression. Each kind is matched in time linear in the name, whoever wrote it.
/// </summary>
internal sealed class ModulePattern
{
    private const int LengthMax = 1024;

    private readonly string _text;
    private readonly Regex? _expression;

    private ModulePattern(string text, Regex? expression)
    {
        _text = text;
        _expression = expression;
    }

    /// <exception cref="ArtifactException">It is too long, or no expression that can be matched in linear time.</exception>
    public static ModulePattern Of(string text, string file)
    {
        if (text.Length > LengthMax)
            throw new ArtifactException($"{file} names a module pattern of {text.Length} characters; at most {LengthMax} are read.");
        if (!text.StartsWith("re:", StringComparison.Ordinal))
            return new ModulePattern(text, null);
        try
        {
            return new ModulePattern(text, new Regex(
                "^(?:" + text[3..] + ")", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant));
        }
        catch (Exception wrong) when (wrong is ArgumentException or NotSupportedException)
        {
            throw new ArtifactException($"{file} has the module pattern {text}, which cannot be matched: {wrong.Message}", wrong);
        }
    }

    public bool Matches(string module) => _expression is not null ? _expression.IsMatch(module)
        : _text.Contains('*', StringComparison.Ordinal) ? MatchesWild(module)
        : MatchesPart(module);

    // "lm_head" names model.lm_head, and "model.layers.0.mlp" all that is below it; "gate" is not "gate_proj".
    private bool MatchesPart(string module)
    {
        for (var at = 0; (at = module.IndexOf(_text, at, StringComparison.Ordinal)) >= 0; at++)
        {
            var end = at + _text.Length;
            if ((at == 0 || module[at - 1] == '.') && (end == module.Length || module[end] == '.'))
                return true;
        }

        return false;
    }

    // A pattern that ends in a name matches what is below it too: "model.layers.*.self_attn".
    private bool MatchesWild(string module)
    {
        for (var end = module.Length; end > 0; end = module.LastIndexOf('.', end - 1))
        {
            if (Glob(_text, module.AsSpan(0, end)))
                return true;
        }

        return false;
    }

    private static bool Glob(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        var (p, t, star, resume) = (0, 0, -1, 0);
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                resume = t;
            }
            else if (p < pattern.Length && (pattern[p] == text[t] || pattern[p] == '?'))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                t = ++resume;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }
}
