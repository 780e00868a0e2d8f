using System.Globalization;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>A message in protobuf's text format: fields by name, in order, each a text, or a message of its own.</summary>
internal sealed class TextProto
{
    private readonly List<(string Name, string? Text, TextProto? Message)> _fields = [];

    /// <summary>The last value of a field, without its quotes; null without one.</summary>
    public string? Text(string name) => _fields.LastOrDefault(field => field.Name == name && field.Text is not null).Text;

    /// <summary>All values of a repeated field.</summary>
    public IEnumerable<string> Texts(string name) => _fields.Where(field => field.Name == name && field.Text is not null).Select(field => field.Text!);

    public IEnumerable<TextProto> Messages(string name) => _fields.Where(field => field.Name == name && field.Message is not null).Select(field => field.Message!);

    public TextProto? Message(string name) => Messages(name).LastOrDefault();

    public bool Has(string name) => _fields.Any(field => field.Name == name);

    /// <summary>A whole number; null without one.</summary>
    public long? Number(string name) =>
        long.TryParse(Text(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>Parses <paramref name="text"/>, which came from <paramref name="path"/>.</summary>
    public static TextProto Parse(string path, string text) => new Parser(path, text).ParseAll();

    private sealed class Parser(string path, string text)
    {
        private const int DepthMax = 32;
        private const int FieldsMax = 100_000;
        private int _at;
        private int _fields;

        public TextProto ParseAll()
        {
            var message = Fields('\0', 0);
            return _at == text.Length ? message : throw Broken("a message ends that did not begin");
        }

        private TextProto Fields(char end, int depth)
        {
            if (depth > DepthMax) throw Broken($"its messages are nested deeper than {DepthMax}");
            var message = new TextProto();
            for (Space(); _at < text.Length && text[_at] is not ('}' or '>'); Space())
            {
                if (++_fields > FieldsMax) throw Broken($"it has more than {FieldsMax} fields");
                Field(message, depth);
                Space();
                if (Peek() is ',' or ';') _at++;
            }

            if (end == '\0') return message;
            if (Peek() != end) throw Broken($"a message does not end in '{end}'");
            _at++;
            return message;
        }

        private void Field(TextProto message, int depth)
        {
            var name = Word();
            Space();
            if (Peek() == ':')
            {
                _at++;
                Space();
            }
            else if (Peek() is not ('{' or '<' or '['))
            {
                throw Broken($"no value follows the name '{Artifacts.Messages.Shown(name)}'");
            }

            if (Peek() != '[')
            {
                Value(message, name, depth);
                return;
            }

            _at++;
            for (Space(); Peek() != ']'; Space())
            {
                if (++_fields > FieldsMax) throw Broken($"it has more than {FieldsMax} fields");
                Value(message, name, depth);
                Space();
                if (Peek() == ',') _at++;
                else if (Peek() != ']') throw Broken("a list does not end in ']'");
            }

            _at++;
        }

        private void Value(TextProto message, string name, int depth)
        {
            switch (Peek())
            {
                case '{' or '<':
                    var end = text[_at++] == '{' ? '}' : '>';
                    message._fields.Add((name, null, Fields(end, depth + 1)));
                    break;
                case '"' or '\'':
                    message._fields.Add((name, Quoted(), null));
                    break;
                default:
                    message._fields.Add((name, Word(), null));
                    break;
            }
        }

        // Texts side by side are one text.
        private string Quoted()
        {
            var value = new StringBuilder();
            for (; Peek() is '"' or '\''; Space())
            {
                var quote = text[_at++];
                for (; Peek() != quote; _at++)
                {
                    if (Peek() is '\0' or '\n') throw Broken("a text does not end");
                    if (text[_at] == '\\') _at++;
                    value.Append(Peek());
                }

                _at++;
            }

            return value.ToString();
        }

        private string Word()
        {
            var start = _at;
            while (char.IsAsciiLetterOrDigit(Peek()) || Peek() is '_' or '-' or '+' or '.' or '/') _at++;
            return _at > start ? text[start.._at] : throw Broken($"'{Artifacts.Messages.Shown(Peek().ToString())}' stands where a name or value should");
        }

        private void Space()
        {
            for (; _at < text.Length && (char.IsWhiteSpace(text[_at]) || text[_at] == '#'); _at++)
            {
                if (text[_at] == '#')
                    while (_at + 1 < text.Length && text[_at] != '\n') _at++;
            }
        }

        private char Peek() => _at < text.Length ? text[_at] : '\0';

        private ArtifactException Broken(string what) => new($"{path} is not a Triton configuration: {what}, at character {_at}.");
    }
}
