using System.Collections.Immutable;
using Plimsoll.Kubernetes.Resources.Import;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Plimsoll.Cli.FleetFiles.Yaml;

/// <summary>
/// Reads one YAML document into a tree that knows its positions. Aliases are refused, because nine of them make a
/// billion values out of a kilobyte; tags are, because none means anything here; depth is bounded, because we recurse.
/// </summary>
internal sealed class YamlTree
{
    public const int DepthMax = 16;

    private readonly Parser _parser;
    private readonly Problems _problems;
    private int _depth;

    private YamlTree(string text, Problems problems) => (_parser, _problems) = (new Parser(new StringReader(text)), problems);

    /// <summary>The document; null when it is empty or broken, and then a problem says so.</summary>
    public static YamlItem? Read(string text, Problems problems)
    {
        var tree = new YamlTree(text, problems);
        try
        {
            return tree.ReadDocument();
        }
        catch (UnusableYamlException unusable)
        {
            problems.Add(unusable.At, "", unusable.Message);
        }
        catch (YamlException broken)
        {
            problems.Add(YamlTabs.Find(text, broken) is var (line, column) ? new Position(line, column) : PositionOf(broken.Start), "", "not readable as YAML: " + Sentence(broken.Message));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or OverflowException or IndexOutOfRangeException)
        {
            // The parser's own slips on mutilated input; found by mutation tests, and no reason for a stack trace.
            problems.Add(tree.Here, "", "not readable as YAML");
        }

        return null;
    }

    private YamlItem? ReadDocument()
    {
        Next<StreamStart>();
        if (_parser.Current is StreamEnd) return Empty();
        Next<DocumentStart>();
        var item = ReadItem();
        Next<DocumentEnd>();
        if (_parser.Current is not StreamEnd)
            throw new UnusableYamlException(Here, "a second document starts here; a fleet is one document");
        return item is YamlItem.Scalar { IsNothing: true } ? Empty() : item;
    }

    private YamlItem? Empty()
    {
        _problems.Add(new Position(1, 1), "", "the file is empty; it takes at least \"models:\" with one model");
        return null;
    }

    private YamlItem ReadItem()
    {
        var at = Here;
        if (_parser.Current is NodeEvent { Tag.IsEmpty: false } tagged && !tagged.Tag.IsNonSpecific)
            throw new UnusableYamlException(at, $"found the tag \"{Show.Text(tagged.Tag.Value)}\"; values are written without tags");
        if (_parser.Current is NodeEvent { Anchor.IsEmpty: false })
            throw new UnusableYamlException(at, "found an anchor (&name); write the value out at each place");
        switch (_parser.Current)
        {
            case AnchorAlias:
                throw new UnusableYamlException(at, "found an alias (*name); write the value out");
            case Scalar scalar:
                Step();
                return new YamlItem.Scalar(scalar.Value, scalar.Style == ScalarStyle.Plain) { At = at };
            case SequenceStart:
                return Nested(() => ReadList(at));
            case MappingStart:
                return Nested(() => ReadMap(at));
            default:
                throw new UnusableYamlException(at, "not readable as YAML: a value was expected");
        }
    }

    private YamlItem Nested(Func<YamlItem> read)
    {
        if (++_depth > DepthMax)
            throw new UnusableYamlException(Here, $"nested more than {DepthMax} deep; nothing in a fleet file is");
        Step();
        var item = read();
        Step();
        _depth--;
        return item;
    }

    private YamlItem.List ReadList(Position at)
    {
        var items = ImmutableArray.CreateBuilder<YamlItem>();
        while (_parser.Current is not SequenceEnd) items.Add(ReadItem());
        return new YamlItem.List(items.ToImmutable()) { At = at };
    }

    private YamlItem.Map ReadMap(Position at)
    {
        var entries = ImmutableArray.CreateBuilder<YamlEntry>();
        var seen = new Dictionary<string, Position>(StringComparer.Ordinal);
        while (_parser.Current is not MappingEnd)
        {
            var keyAt = Here;
            if (ReadItem() is not YamlItem.Scalar key)
                throw new UnusableYamlException(keyAt, "found a list or map as a field's name; a word would do");
            var value = ReadItem();
            if (seen.TryAdd(key.Text, keyAt)) entries.Add(new YamlEntry(key.Text, keyAt, value));
            else _problems.Add(keyAt, key.Text, $"written twice, first on line {seen[key.Text].Line}; once would do");
        }

        return new YamlItem.Map(entries.ToImmutable()) { At = at };
    }

    private Position Here => PositionOf(_parser.Current?.Start ?? Mark.Empty);

    private void Next<T>() where T : ParsingEvent
    {
        if (_parser.Current is null) Step();
        if (_parser.Current is not T) throw new UnusableYamlException(Here, "not readable as YAML");
        Step();
    }

    private void Step()
    {
        if (!_parser.MoveNext() && _parser.Current is not StreamEnd)
            throw new UnusableYamlException(Here, "not readable as YAML: it ends too early");
    }

    private static Position PositionOf(Mark mark) => new(Clamp(mark.Line), Clamp(mark.Column));

    private static int Clamp(long n) => (int)Math.Clamp(n, 1, int.MaxValue);

    // The parser says "While parsing a block mapping, did not find expected key."; it fits after a colon as it is.
    private static string Sentence(string message) =>
        message.Length == 0 ? "its structure is broken" : char.ToLowerInvariant(message[0]) + Show.Text(message[1..].TrimEnd('.'), 200);

    private sealed class UnusableYamlException(Position at, string message) : Exception(message)
    {
        public Position At { get; } = at;
    }
}
