using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Plimsoll.Kubernetes.Resources.Import;

/// <summary>A YAML text that is not read, and why, in one sentence.</summary>
public sealed class YamlUnreadableException(string message) : Exception(message);

/// <summary>
/// Reads a YAML text of several documents as JSON. Aliases are refused, because nine of them make a billion values out of
/// a kilobyte; size and depth are bounded, because we recurse.
/// </summary>
public sealed class YamlDocuments
{
    public const int CharactersMax = 4_194_304;
    private const int DepthMax = 64;
    private const int DocumentsMax = 10_000;

    private readonly Parser _parser;
    private int _depth;

    private YamlDocuments(string text) => _parser = new Parser(new StringReader(text));

    /// <summary>The documents in their order, empty ones left out.</summary>
    /// <exception cref="YamlUnreadableException">It is no YAML, or more of it than is read.</exception>
    public static ImmutableArray<JsonElement> Read(string text)
    {
        if (text.Length > CharactersMax) throw new YamlUnreadableException($"it has {text.Length} characters; {CharactersMax} at most would do");
        var documents = new YamlDocuments(text);
        try
        {
            return documents.ReadAll();
        }
        catch (YamlException broken)
        {
            throw Unreadable($"not readable as YAML: {Shown.Text(broken.Message, 200)}", YamlTabs.Find(text, broken) is var (line, column) ? new Mark(0, line, column) : broken.Start);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or OverflowException or IndexOutOfRangeException or NullReferenceException)
        {
            // The parser's own slips on mutilated input.
            throw Unreadable("not readable as YAML", documents._parser.Current?.Start ?? Mark.Empty);
        }
    }

    private ImmutableArray<JsonElement> ReadAll()
    {
        var documents = ImmutableArray.CreateBuilder<JsonElement>();
        Step();
        Take<StreamStart>();
        while (_parser.Current is DocumentStart)
        {
            if (documents.Count == DocumentsMax) throw Unreadable($"it holds more than {DocumentsMax} documents", _parser.Current.Start);
            Step();
            var buffer = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { MaxDepth = DepthMax + 1, SkipValidation = true })) Value(writer);
            Take<DocumentEnd>();
            using var document = JsonDocument.Parse(buffer.WrittenMemory, new JsonDocumentOptions { MaxDepth = DepthMax + 1 });
            if (document.RootElement.ValueKind != JsonValueKind.Null) documents.Add(document.RootElement.Clone());
        }

        return documents.ToImmutable();
    }

    private void Value(Utf8JsonWriter writer)
    {
        if (_parser.Current is NodeEvent { Anchor.IsEmpty: false }) throw Unreadable("found an anchor (&name) or an alias (*name); write the value out at each place", _parser.Current.Start);
        switch (_parser.Current)
        {
            case Scalar scalar:
                Write(writer, scalar);
                Step();
                break;
            case SequenceStart:
                Nest();
                writer.WriteStartArray();
                while (_parser.Current is not SequenceEnd) Value(writer);
                writer.WriteEndArray();
                Leave();
                break;
            case MappingStart:
                Map(writer);
                break;
            default:
                throw Unreadable("found no value where one was expected", _parser.Current?.Start ?? Mark.Empty);
        }
    }

    private void Map(Utf8JsonWriter writer)
    {
        Nest();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        writer.WriteStartObject();
        while (_parser.Current is not MappingEnd)
        {
            if (_parser.Current is not Scalar key || !key.Anchor.IsEmpty) throw Unreadable("found a list or map as a field's name; a word would do", _parser.Current?.Start ?? Mark.Empty);
            if (!seen.Add(key.Value)) throw Unreadable($"{Shown.Text(key.Value)} is written twice; once would do", key.Start);
            writer.WritePropertyName(key.Value);
            Step();
            Value(writer);
        }

        writer.WriteEndObject();
        Leave();
    }

    // What stands without quotes and looks like a number, true, false or nothing is one.
    private static void Write(Utf8JsonWriter writer, Scalar scalar)
    {
        var text = scalar.Value;
        if (scalar.Style != ScalarStyle.Plain || !scalar.Tag.IsEmpty) writer.WriteStringValue(text);
        else if (text is "" or "~" or "null" or "Null" or "NULL") writer.WriteNullValue();
        else if (text is "true" or "True" or "TRUE") writer.WriteBooleanValue(true);
        else if (text is "false" or "False" or "FALSE") writer.WriteBooleanValue(false);
        else if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) writer.WriteNumberValue(whole);
        else if ((char.IsAsciiDigit(text[0]) || text[0] is '-' or '.') && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)) writer.WriteNumberValue(number);
        else writer.WriteStringValue(text);
    }

    private void Nest()
    {
        if (++_depth > DepthMax) throw Unreadable($"nested more than {DepthMax} deep", _parser.Current!.Start);
        Step();
    }

    private void Leave()
    {
        _depth--;
        Step();
    }

    private void Take<T>() where T : ParsingEvent
    {
        if (_parser.Current is not T) throw Unreadable("not readable as YAML", _parser.Current?.Start ?? Mark.Empty);
        Step();
    }

    private void Step()
    {
        if (!_parser.MoveNext() && _parser.Current is not StreamEnd) throw Unreadable("it ends too early", _parser.Current?.Start ?? Mark.Empty);
    }

    private static YamlUnreadableException Unreadable(string message, Mark at) =>
        new(string.Create(CultureInfo.InvariantCulture, $"line {Math.Max(1, at.Line)}: {message}"));
}
