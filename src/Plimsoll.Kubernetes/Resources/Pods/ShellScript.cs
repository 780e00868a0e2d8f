using System.Text;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>
/// Takes a shell script apart into the commands it may run, as far as starting a server needs: quotes, variables that are
/// known, and what stands between commands. Loops and branches are not followed; each command in them counts.
/// </summary>
internal sealed class ShellScript
{
    private const int CharactersMax = 65_536;
    private const int WordsMax = 4096;
    private const int ExpandedMax = 65_536;

    private readonly string _text;
    private readonly Dictionary<string, string?> _variables;
    private readonly List<IReadOnlyList<string>> _commands = [];
    private readonly StringBuilder _word = new();
    private List<string> _words = [];
    private bool _inWord;
    private int _at;
    private int _count;
    private long _expanded;

    private ShellScript(string text, IReadOnlyDictionary<string, string?> environment)
    {
        _text = text.Length > CharactersMax ? text[..CharactersMax] : text;
        _variables = new(environment, StringComparer.Ordinal);
    }

    /// <summary>The commands in their order, without assignments before them.</summary>
    public static IReadOnlyList<IReadOnlyList<string>> Commands(string text, IReadOnlyDictionary<string, string?> environment)
    {
        var script = new ShellScript(text, environment);
        script.Read();
        return script._commands;
    }

    private void Read()
    {
        while (_at < _text.Length && _count < WordsMax)
        {
            var c = _text[_at++];
            switch (c)
            {
                case '\\' when _at < _text.Length && _text[_at] is '\n' or '\r':
                    if (_text[_at] == '\r' && _at + 1 < _text.Length && _text[_at + 1] == '\n') _at++;
                    _at++;
                    break;
                case '\\' when _at < _text.Length:
                    Add(_text[_at++]);
                    break;
                case '\'':
                    Quoted();
                    break;
                case '"':
                    DoublyQuoted();
                    break;
                case '$':
                    Variable(splits: true);
                    break;
                case '#' when !_inWord:
                    while (_at < _text.Length && _text[_at] != '\n') _at++;
                    break;
                case ' ' or '\t' or '\r':
                    EndWord();
                    break;
                case '\n' or ';' or '|' or '(' or ')':
                    EndCommand();
                    break;
                case '&' when _at < _text.Length && _text[_at] == '>':
                    break;
                case '&':
                    EndCommand();
                    break;
                case '<' or '>':
                    Redirection();
                    break;
                default:
                    Add(c);
                    break;
            }
        }

        EndCommand();
    }

    private void Quoted()
    {
        _inWord = true;
        while (_at < _text.Length && _text[_at] != '\'') Add(_text[_at++]);
        _at++;
    }

    private void DoublyQuoted()
    {
        _inWord = true;
        while (_at < _text.Length && _text[_at] != '"')
        {
            var c = _text[_at++];
            if (c == '\\' && _at < _text.Length && _text[_at] is '"' or '\\' or '$' or '`') Add(_text[_at++]);
            else if (c == '\\' && _at < _text.Length && _text[_at] == '\n') _at++;
            else if (c == '$') Variable(splits: false);
            else Add(c);
        }

        _at++;
    }

    // $NAME, ${NAME}, ${NAME:-otherwise}; what is not known stays as it is written, so that a message can name it.
    private void Variable(bool splits)
    {
        var start = _at - 1;
        if (_at < _text.Length && _text[_at] == '(')
        {
            var depth = 0;
            do
            {
                if (_text[_at] == '(') depth++;
                else if (_text[_at] == ')') depth--;
                _at++;
            }
            while (_at < _text.Length && depth > 0);
            Keep(start);
            return;
        }

        var braces = _at < _text.Length && _text[_at] == '{';
        if (braces) _at++;
        var from = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] == '_')) _at++;
        var name = _text[from.._at];
        string? otherwise = null;
        if (braces)
        {
            var close = _text.IndexOf('}', _at);
            if (close < 0) close = _text.Length;
            var rest = _text[_at..close];
            if (rest.StartsWith(":-", StringComparison.Ordinal)) otherwise = rest[2..];
            else if (rest.StartsWith('-')) otherwise = rest[1..];
            _at = Math.Min(close + 1, _text.Length);
        }

        var value = name.Length == 0 ? null : _variables.GetValueOrDefault(name) is { Length: > 0 } known ? known : otherwise;
        if (value is null) Keep(start);
        else if (splits)
        {
            var parts = value.Split((char[])[' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries);
            for (var i = 0; i < parts.Length && _count < WordsMax; i++)
            {
                if (i > 0) EndWord();
                Add(parts[i]);
            }
        }
        else
        {
            _inWord = true;
            Add(value);
        }
    }

    private void Keep(int start) => Add(_text[start.._at]);

    private void Redirection()
    {
        // The digit before it is the number of a stream, what follows a file.
        if (_word.Length == 1 && char.IsAsciiDigit(_word[0]))
        {
            _word.Clear();
            _inWord = false;
        }

        EndWord();
        while (_at < _text.Length && _text[_at] is '>' or '<' or '&' or ' ') _at++;
        while (_at < _text.Length && _text[_at] is not (' ' or '\t' or '\n' or ';' or '|' or '&' or ')')) _at++;
    }

    private void Add(char c)
    {
        _inWord = true;
        _word.Append(c);
    }

    private void Add(string text)
    {
        _inWord = true;
        if ((_expanded += text.Length) <= ExpandedMax) _word.Append(text);
    }

    private void EndWord()
    {
        if (!_inWord) return;
        _inWord = false;
        var word = _word.ToString();
        _word.Clear();
        _count++;
        if (_words.Count == 0 && Assignment(word) is { } equals) _variables[word[..equals]] = word[(equals + 1)..];
        else if (_words.Count != 0 || !IsBeforeACommand(word)) _words.Add(word);
        if (_words is ["export" or "local" or "readonly" or "declare", ..] && Assignment(word) is { } at) _variables[word[..at]] = word[(at + 1)..];
    }

    private void EndCommand()
    {
        EndWord();
        if (_words.Count == 0) return;
        _commands.Add(_words);
        _words = [];
    }

    private static int? Assignment(string word)
    {
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && !char.IsAsciiDigit(word[0]) && word.AsSpan(0, equals).ToString().All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? equals : null;
    }

    private static bool IsBeforeACommand(string word) =>
        word is "if" or "then" or "else" or "elif" or "while" or "until" or "do" or "{" or "}" or "!" or "exec" or "nohup" or "time" or "fi" or "done";
}
