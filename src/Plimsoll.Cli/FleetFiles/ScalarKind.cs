using System.Collections.Frozen;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>How one type of value is written: read by the binder, and described to editors by the schema.</summary>
/// <param name="WouldDo">Completes "found X; ... would do".</param>
/// <param name="Read">The value and its number in the base unit, for bounds; null when the text is none.</param>
/// <param name="Show">A bound as a person reads it.</param>
/// <param name="Schema">The value in JSON Schema.</param>
internal sealed record ScalarKind(
    string WouldDo, Func<string, (object Value, double Number)?> Read, Func<double, string> Show, Func<JsonObject> Schema)
{
    private const string NumberPattern = @"^ *[0-9]+(\.[0-9]+)? *";
    private const string BytesPattern = NumberPattern + "([KkMmGgTt][Ii]?)?[Bb]?";

    private static readonly FrozenDictionary<Type, ScalarKind> Kinds = new Dictionary<Type, ScalarKind>
    {
        [typeof(string)] = new("a text", text => (text, text.Length), Plain, () => Typed("string")),
        [typeof(bool)] = new("true or false", ReadBool, Plain, () => Typed("boolean")),
        [typeof(int)] = new("a whole number such as 3",
            text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) ? (n, n) : null,
            Plain, () => Typed("integer")),
        [typeof(double)] = new("a number such as 3 or 2.5",
            text => TryNumber(text, out var n) ? (n, n) : null, Plain, () => Typed("number")),
        [typeof(Fraction)] = new("a share such as 0.99 or 99%", ReadFraction, Plain,
            () => Either("number", @"^[0-9]+(\.[0-9]+)? *%$", "0.99", "99%")),
        [typeof(Bytes)] = new("a size such as 250MB or 6GiB",
            text => Bytes.TryParse(text, out var bytes) ? (bytes, bytes.Value) : null,
            n => new Bytes((long)n).ToString(), () => Either("integer", BytesPattern + " *$", "250MB", "6GiB")),
        [typeof(BytesPerSecond)] = new("a bandwidth such as 200MB/s or 1GiB/s",
            text => BytesPerSecond.TryParse(text, out var rate) ? (rate, rate.Value) : null,
            n => new BytesPerSecond((long)n).ToString(), () => Either("integer", BytesPattern + "(/[Ss])? *$", "200MB/s", "1GiB/s")),
        [typeof(TimeSpan)] = new(DurationText.WouldDo,
            text => DurationText.TryParse(text, out var time) ? (time, time.TotalSeconds) : null,
            Durations.Show, () => Patterned(NumberPattern + "(ms|s|min|m|h|d) *$", "200ms", "2s", "1min")),
        [typeof(DateTimeOffset)] = new(MomentText.WouldDo, text => MomentText.TryParse(text, out var moment) ? (moment, 0) : null,
            Plain, () => Patterned(MomentText.Pattern, "2026-12-01T12:00:00Z", "2026-12-01T12:00+01:00")),
        [typeof(Cores)] = new("a number of cores such as 0.5 or 4",
            text => TryNumber(text, out var n) && n < 1e6 ? (Plimsoll.Cores.Of(n), n) : null, Plain, () => Typed("number")),
        [typeof(UsdPerHour)] = new("dollars an hour such as 0.80",
            text => TryNumber(text, out var n) && n < 1e9 ? (UsdPerHour.Of(n), n) : null, Plain, () => Typed("number")),
        [typeof(IPEndPoint)] = new("an address with a port such as 127.0.0.1:8080", ReadEndPoint, Plain,
            () => Patterned(@"^(localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$", "127.0.0.1:8080")),
    }.ToFrozenDictionary();

    /// <summary>The kind of a type; null when the type is a list, a map or a group of fields.</summary>
    public static ScalarKind? Of(Type type) =>
        Kinds.GetValueOrDefault(type) ?? (type.IsEnum ? OfEnum(type) : null);

    /// <summary>LlamaServer is written "llama-server".</summary>
    public static string NameOf(object value)
    {
        var name = value.ToString()!;
        return string.Concat(name.Select((c, i) => char.IsAsciiLetterUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));
    }

    private static ScalarKind OfEnum(Type type)
    {
        var values = Enum.GetValues(type).Cast<object>().ToDictionary(NameOf, StringComparer.Ordinal);
        var names = string.Join(", ", values.Keys.SkipLast(1)) + " or " + values.Keys.Last();
        return new(names, text => values.TryGetValue(text, out var value) ? (value, 0) : null, Plain, () => new JsonObject
        {
            ["enum"] = new JsonArray([.. values.Keys.Select(name => (JsonNode)name)]),
        });
    }

    private static bool TryNumber(string text, out double number) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)
        && double.IsFinite(number) && text.Length <= 32;

    private static (object, double)? ReadBool(string text) => text switch
    {
        "true" => (true, 1),
        "false" => (false, 0),
        _ => null,
    };

    private static (object, double)? ReadFraction(string text)
    {
        var percent = text.EndsWith('%');
        if (!TryNumber(percent ? text[..^1].Trim() : text, out var number)) return null;
        var share = percent ? number / 100 : number;
        return (new Fraction(share), share);
    }

    private static (object, double)? ReadEndPoint(string text)
    {
        if (text.StartsWith("localhost:", StringComparison.Ordinal)) text = "127.0.0.1" + text[9..];
        // IPEndPoint reads "8080" as an address of four zeros and a bit; a colon before the port must be there.
        var colon = text.LastIndexOf(':');
        return colon > 0 && colon < text.Length - 1 && (text[0] == '[' || text.IndexOf(':', StringComparison.Ordinal) == colon)
            && text[..colon].AsSpan().ContainsAny('.', ']') && IPEndPoint.TryParse(text, out var point)
            ? (point, point.Port) : null;
    }

    private static string Plain(double n) => n.ToString("0.#####", CultureInfo.InvariantCulture);

    private static JsonObject Typed(string type) => new() { ["type"] = type };

    private static JsonObject Patterned(string pattern, params string[] examples) => new()
    {
        ["type"] = "string",
        ["pattern"] = pattern,
        ["examples"] = new JsonArray([.. examples.Select(example => (JsonNode)example)]),
    };

    private static JsonObject Either(string type, string pattern, params string[] examples)
    {
        var schema = Patterned(pattern, examples);
        schema["type"] = new JsonArray(type, "string");
        return schema;
    }
}
