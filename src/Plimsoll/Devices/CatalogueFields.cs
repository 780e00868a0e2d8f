using System.Globalization;
using System.Text.Json;

namespace Plimsoll;

/// <summary>
/// One object of a catalogue file and where it stands in it. Every field is taken once by name; what remains at the
/// end is a name nobody knows, which is a mistake and not ignored.
/// </summary>
internal sealed class CatalogueFields
{
    public const int TextMax = 256;

    private readonly string _origin;
    private readonly string _path;
    private readonly Dictionary<string, JsonElement> _left = new(StringComparer.Ordinal);
    private readonly List<string> _known = [];

    public CatalogueFields(JsonElement json, string origin, string path)
    {
        (_origin, _path) = (origin, path);
        if (json.ValueKind != JsonValueKind.Object) throw Wrong("", $"is {Kind(json)}", "an object");
        foreach (var property in json.EnumerateObject())
            if (!_left.TryAdd(property.Name, property.Value)) throw Wrong(property.Name, "is there twice", "it once");
    }

    public bool Has(string name) => _left.ContainsKey(name);

    public string Text(string name) => TextOrNull(name) ?? throw Missing(name, "a text");

    public string? TextOrNull(string name)
    {
        if (Take(name) is not { } json) return null;
        if (json.ValueKind == JsonValueKind.String && json.GetString() is { Length: > 0 and <= TextMax } text && !text.Any(char.IsControl)) return text;
        throw Wrong(name, $"is {Kind(json)}", $"a text of 1 to {TextMax} characters");
    }

    public Bytes Size(string name) => SizeOrNull(name) ?? throw Missing(name, "a size such as 79.19GiB");

    public Bytes? SizeOrNull(string name)
    {
        if (TextOrNull(name) is not { } text) return null;
        return Bytes.TryParse(text, out var size) && size.Value > 0 ? size
            : throw Wrong(name, $"is '{text}'", "a size such as 79.19GiB");
    }

    public BytesPerSecond? BandwidthOrNull(string name)
    {
        if (TextOrNull(name) is not { } text) return null;
        return BytesPerSecond.TryParse(text, out var bandwidth) ? bandwidth
            : throw Wrong(name, $"is '{text}'", "a bandwidth such as 3350GB/s");
    }

    public double? NumberOrNull(string name, double max)
    {
        if (Take(name) is not { } json) return null;
        return json.ValueKind == JsonValueKind.Number && json.TryGetDouble(out var number) && number > 0 && number <= max ? number
            : throw Wrong(name, $"is {Kind(json)}", string.Create(CultureInfo.InvariantCulture, $"a number above zero and up to {max}"));
    }

    public int? CountOrNull(string name, int max)
    {
        if (Take(name) is not { } json) return null;
        return json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out var number) && number >= 1 && number <= max ? number
            : throw Wrong(name, $"is {Kind(json)}", $"a whole number from 1 to {max}");
    }

    /// <summary>The members of a list, each with its path; none when the field is not there.</summary>
    public IEnumerable<(JsonElement Json, string Path)> List(string name, int max)
    {
        if (Take(name) is not { } json) yield break;
        if (json.ValueKind != JsonValueKind.Array) throw Wrong(name, $"is {Kind(json)}", "a list");
        if (json.GetArrayLength() > max) throw Wrong(name, $"has {json.GetArrayLength()} members", $"up to {max}");
        var index = 0;
        foreach (var member in json.EnumerateArray())
            yield return (member, string.Create(CultureInfo.InvariantCulture, $"{At(name)}[{index++}]"));
    }

    public CatalogueFields? ObjectOrNull(string name) =>
        Take(name) is { } json ? new CatalogueFields(json, _origin, At(name)) : null;

    /// <summary>Takes every field that is left: for objects whose names are the file's own.</summary>
    public IEnumerable<string> TakeNames() => _left.Keys.Order(StringComparer.Ordinal).ToList();

    public CatalogueFields Child(JsonElement json, string path) => new(json, _origin, path);

    /// <exception cref="CatalogueException">A field is left that nobody took.</exception>
    public void End()
    {
        if (_left.Keys.Order(StringComparer.Ordinal).FirstOrDefault() is not { } unknown) return;
        var near = NearMiss.Of(unknown, _known, 1).FirstOrDefault();
        throw Wrong(unknown, "is no field", near is null ? string.Join(", ", _known) : $"'{near}'");
    }

    public CatalogueException Wrong(string name, string found, string expected) =>
        new($"{_origin}: {At(name)} {found}; expected {expected}.");

    private CatalogueException Missing(string name, string expected) => Wrong(name, "is not there", expected);

    private JsonElement? Take(string name)
    {
        _known.Add(name);
        return _left.Remove(name, out var json) && json.ValueKind != JsonValueKind.Null ? json : null;
    }

    private string At(string name)
    {
        // The name may be a stranger's: cut, and no control characters into a terminal.
        var shown = new string([.. name.Take(60).Select(c => char.IsControl(c) ? '?' : c)]);
        return _path.Length == 0 ? shown.Length == 0 ? "the file" : shown : shown.Length == 0 ? _path : $"{_path}.{shown}";
    }

    private static string Kind(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => json.GetString() is { Length: <= 40 } text && !text.Any(char.IsControl) ? $"'{text}'" : "a text",
        JsonValueKind.Number => json.GetRawText() is { Length: <= 40 } number ? number : "a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        _ => "nothing",
    };
}
