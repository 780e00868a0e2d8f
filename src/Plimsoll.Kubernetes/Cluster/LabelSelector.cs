using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>
/// A label selector as the API server writes it: <c>a=b,c!=d,e in (f,g),h notin (i),j,!k</c>, all of which must hold. Of a
/// stranger's text at most <see cref="LongestText"/> characters and <see cref="MostRequirements"/> requirements are read.
/// </summary>
internal sealed class LabelSelector
{
    public const int LongestText = 4096;
    public const int MostRequirements = 64;

    private readonly ImmutableArray<Requirement> _requirements;

    private LabelSelector(ImmutableArray<Requirement> requirements) => _requirements = requirements;

    private enum Relation
    {
        Exists,
        Absent,
        In,
        NotIn,
    }

    /// <summary>Whether it asks for anything.</summary>
    public bool IsEmpty => _requirements.IsEmpty;

    /// <summary>Reads a selector; an empty text selects everything. The problem is one sentence.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out LabelSelector? selector, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        (selector, problem) = (null, null);
        if (text.Length > LongestText)
        {
            problem = $"labelSelector has {text.Length} characters, and at most {LongestText} are read";
            return false;
        }

        var reader = new Reader(text);
        if (reader.Read() is not { } requirements)
        {
            problem = $"labelSelector: {reader.Problem}";
            return false;
        }

        selector = new(requirements);
        return true;
    }

    /// <summary>Whether a thing with just the one label is selected.</summary>
    public bool Matches(string key, string value) => Matches(asked => asked == key ? value : null);

    /// <summary>Whether a thing with these labels is selected.</summary>
    public bool Matches(IReadOnlyDictionary<string, string> labels) => Matches(labels.GetValueOrDefault);

    private bool Matches(Func<string, string?> labels)
    {
        foreach (var requirement in _requirements)
        {
            var value = labels(requirement.Key);
            var holds = requirement.Relation switch
            {
                Relation.Exists => value is not null,
                Relation.Absent => value is null,
                Relation.In => value is not null && requirement.Values.Contains(value),

                // What lacks the label is not in the set either.
                _ => value is null || !requirement.Values.Contains(value),
            };
            if (!holds) return false;
        }

        return true;
    }

    private sealed record Requirement(string Key, Relation Relation, ImmutableArray<string> Values);

    private sealed class Reader(string text)
    {
        private const int End = -1;

        private int _at;

        public string? Problem { get; private set; }

        public ImmutableArray<Requirement>? Read()
        {
            var requirements = ImmutableArray.CreateBuilder<Requirement>();
            if (Peek() == End) return [];
            while (true)
            {
                if (One() is not { } requirement) return null;
                if (requirements.Count == MostRequirements)
                    return Fail<ImmutableArray<Requirement>?>($"it has more than {MostRequirements} requirements");
                requirements.Add(requirement);
                if (Peek() == End) return requirements.ToImmutable();
                if (!Take(',')) return Fail<ImmutableArray<Requirement>?>($"a comma or the end was expected at {Here()}");
            }
        }

        private Requirement? One()
        {
            var absent = Take('!');
            if (Word() is not { Length: > 0 } key) return Fail<Requirement>($"a label's key was expected at {Here()}");
            if (!IsKey(key)) return Fail<Requirement>($"'{key}' is no label's key");
            if (absent) return new(key, Relation.Absent, []);
            switch (Peek())
            {
                case End or ',':
                    return new(key, Relation.Exists, []);
                case '=':
                    Take('=');
                    Take('=');
                    return Single(key, Relation.In);
                case '!':
                    Take('!');
                    return Take('=') ? Single(key, Relation.NotIn) : Fail<Requirement>($"'=' was expected at {Here()}");
                case '<' or '>':
                    return Fail<Requirement>("'<' and '>' are not supported: these labels are names");
                default:
                    return Set(key);
            }
        }

        private Requirement? Single(string key, Relation relation) =>
            Value() is { } value ? new(key, relation, [value]) : null;

        private Requirement? Set(string key)
        {
            var at = Here();
            Relation? relation = Word() switch { "in" => Relation.In, "notin" => Relation.NotIn, _ => null };
            if (relation is null) return Fail<Requirement>($"'=', '!=', 'in' or 'notin' was expected at {at}");
            if (!Take('(')) return Fail<Requirement>($"'(' was expected at {Here()}");
            var values = ImmutableArray.CreateBuilder<string>();
            do
            {
                if (Value() is not { } value) return null;
                values.Add(value);
            }
            while (Take(','));
            return Take(')') ? new(key, relation.Value, values.ToImmutable()) : Fail<Requirement>($"',' or ')' was expected at {Here()}");
        }

        private string? Value()
        {
            var value = Word();
            return IsValue(value) ? value : Fail<string>($"'{value}' is no label's value");
        }

        /// <summary>The next character after blanks, which stays there; <see cref="End"/> at the end.</summary>
        private int Peek()
        {
            while (_at < text.Length && text[_at] is ' ' or '\t' or '\r' or '\n') _at++;
            return _at < text.Length ? text[_at] : End;
        }

        private bool Take(char wanted)
        {
            if (Peek() != wanted) return false;
            _at++;
            return true;
        }

        private string Word()
        {
            _ = Peek();
            var start = _at;
            while (_at < text.Length && text[_at] is not (' ' or '\t' or '\r' or '\n' or ',' or '(' or ')' or '=' or '!' or '<' or '>')) _at++;
            return text[start.._at];
        }

        private string Here() => $"character {_at + 1}";

        private T? Fail<T>(string problem)
        {
            Problem ??= problem;
            return default;
        }

        /// <summary>An optional DNS prefix and a name of at most 63 characters.</summary>
        private static bool IsKey(string key)
        {
            var slash = key.IndexOf('/', StringComparison.Ordinal);
            return slash <= 253 && slash != 0
                && (slash < 0 || key[..slash].All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.'))
                && key[(slash + 1)..] is { Length: > 0 } name && IsValue(name);
        }

        /// <summary>At most 63 letters, digits, '-', '_' and '.', the first and last a letter or digit; or nothing.</summary>
        private static bool IsValue(string value) => value.Length == 0
            || (value.Length <= 63 && char.IsAsciiLetterOrDigit(value[0]) && char.IsAsciiLetterOrDigit(value[^1])
                && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'));
    }
}
