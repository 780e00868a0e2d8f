using System.Globalization;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>A server's options. Names are compared with "_" as "-", as the engines do; the last of several wins.</summary>
internal sealed class ServerArguments
{
    private readonly Dictionary<string, string?> _options = new(StringComparer.Ordinal);

    /// <summary>What is no option and no option's value.</summary>
    public List<string> Positional { get; } = [];

    public ServerArguments(IEnumerable<string> words)
    {
        using var rest = new Lookahead(words);
        while (rest.TryTake(out var word))
        {
            if (!IsOption(word))
            {
                Positional.Add(word);
                continue;
            }

            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var name = Normal(equals < 0 ? word : word[..equals]);
            if (equals >= 0) _options[name] = word[(equals + 1)..];
            else if (rest.Next is { } next && !IsOption(next) && (!IsSwitch(name) || next is "true" or "false" or "True" or "False"))
            {
                _options[name] = next;
                rest.TryTake(out _);
            }
            else _options[name] = null;
        }
    }

    /// <summary>The value of an option by any of its names; null where none is given.</summary>
    public string? Text(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (_options.GetValueOrDefault(name) is { Length: > 0 } value) return value;
        }

        return null;
    }

    /// <summary>Whether a switch is on.</summary>
    public bool Has(string name) => _options.TryGetValue(name, out var value) && !string.Equals(value, "false", StringComparison.OrdinalIgnoreCase) && value != "0";

    /// <summary>A whole number from 1 up, with the suffixes that vLLM (k, K for 1000, 1024) and SGLang (k, Ki) take.</summary>
    public static long? Number(string? text, bool capitalsAreBinary)
    {
        if (text is null || text.Length > 18) return null;
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        long? factor = text[digits..] switch
        {
            "" => 1,
            "k" => 1000,
            "K" => capitalsAreBinary ? 1024 : null,
            "Ki" => 1024,
            "m" when capitalsAreBinary => 1_000_000,
            "M" => capitalsAreBinary ? 1 << 20 : 1_000_000,
            "Mi" => 1 << 20,
            _ => null,
        };
        return factor is { } times && decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * times is >= 1 and <= long.MaxValue / 2 and var product ? (long)product : null;
    }

    private static bool IsOption(string word) =>
        word.Length > 1 && word[0] == '-' && !char.IsAsciiDigit(word[1]) && word[1] != '.' && word is not ("--" or "---");

    private static string Normal(string name) => name.Replace('_', '-');

    // Switches take no value, so what follows one may be the model's name.
    private static bool IsSwitch(string name) =>
        name.StartsWith("--enable-", StringComparison.Ordinal) || name.StartsWith("--disable-", StringComparison.Ordinal)
        || name.StartsWith("--no-", StringComparison.Ordinal) || name.StartsWith("--async-", StringComparison.Ordinal)
        || name is "--trust-remote-code" or "--enforce-eager" or "--headless" or "--metrics" or "--jinja" or "--mlock" or "--embeddings"
            or "--embedding" or "--reranking" or "--is-embedding" or "--skip-tokenizer-init" or "--api-server" or "--json-output";

    /// <summary>Words with one of them seen ahead.</summary>
    private sealed class Lookahead : IDisposable
    {
        private readonly IEnumerator<string> _words;

        public Lookahead(IEnumerable<string> words)
        {
            _words = words.GetEnumerator();
            Step();
        }

        public string? Next { get; private set; }

        public bool TryTake(out string word)
        {
            word = Next ?? "";
            if (Next is null) return false;
            Step();
            return true;
        }

        public void Dispose() => _words.Dispose();

        private void Step() => Next = _words.MoveNext() ? _words.Current : null;
    }
}
