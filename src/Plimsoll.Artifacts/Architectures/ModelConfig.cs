using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>
/// The fields of a model's configuration, read with bounds: the file comes from a stranger, and every number in it
/// becomes a size. Errors name the file and the field.
/// </summary>
internal sealed class ModelConfig
{
    // A width, a vocabulary or a count beyond this is a mistake or an attack: the largest published vocabulary has
    // 262,208 entries, the largest position count 10,485,760.
    private const long NumberMax = 1L << 28;
    private const int TextMax = 64 * 1024 * 1024;

    private readonly string _path;
    private readonly JsonElement _fields;
    private readonly ImmutableArray<(string Name, int Value)> _defaults;
    private JsonElement? _type;

    private ModelConfig(string file, string path, JsonElement fields, ImmutableArray<(string, int)> defaults = default)
    {
        File = file;
        _path = path;
        _fields = fields;
        _defaults = defaults.IsDefault ? [] : defaults;
    }

    /// <summary>The file, as messages name it.</summary>
    public string File { get; }

    /// <exception cref="ArtifactException">It is no JSON object, or larger or deeper than a configuration is.</exception>
    public static ModelConfig Parse(string text, string file = "config.json")
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length > TextMax)
            throw new ArtifactException($"{file} has {text.Length} characters; a configuration has at most {TextMax}.");
        using var document = JsonFile.Parse(file, text);
        return new ModelConfig(file, "", document.RootElement.Clone());
    }

    /// <summary>The first of the named objects that is there; null for none.</summary>
    public ModelConfig? Section(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(name) is { } value)
            {
                return value.ValueKind == JsonValueKind.Object
                    ? new ModelConfig(File, _path + name + ".", value)
                    : throw Wrong(name, value, "an object");
            }
        }

        return null;
    }

    public ImmutableArray<ModelConfig> Sections(string name) => Find(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array
            ? [.. Items(name, value).Select((item, i) => item.ValueKind == JsonValueKind.Object
                ? new ModelConfig(File, $"{_path}{name}[{i}].", item)
                : throw Wrong($"{name}[{i}]", item, "an object"))]
            : throw Wrong(name, value, "an array");

    /// <summary>Labels that id2label names; null without it.</summary>
    public int? LabelCount() => Find("id2label") is { ValueKind: JsonValueKind.Object } labels
        ? Math.Min(labels.EnumerateObject().Count(), 1 << 20) : null;

    /// <summary>The object's members that are objects themselves, by name.</summary>
    public IEnumerable<KeyValuePair<string, ModelConfig>> Members()
    {
        foreach (var member in _fields.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.Object && NameOf(member) is { } name)
                yield return KeyValuePair.Create(name, new ModelConfig(File, $"{_path}{name}.", member.Value));
        }
    }

    /// <summary>The same, with whole numbers an architecture takes where the file does not say.</summary>
    public ModelConfig With(params ReadOnlySpan<(string Name, int Value)> defaults) =>
        new(File, _path, _fields, [.. _defaults, .. defaults]);

    /// <summary>The same under another model_type.</summary>
    public ModelConfig As(string type)
    {
        using var named = JsonDocument.Parse($$"""{"model_type":"{{type}}"}""");
        return new ModelConfig(File, _path, _fields, _defaults) { _type = named.RootElement.GetProperty("model_type").Clone() };
    }

    /// <summary>A section of this file that is not there, for defaults to fill.</summary>
    public ModelConfig Empty(string name)
    {
        using var nothing = JsonDocument.Parse("{}");
        return new ModelConfig(File, _path + name + ".", nothing.RootElement.Clone());
    }

    public bool Has(string name) => Find(name) is not null;

    /// <summary>Whether the field is there and says that there is none.</summary>
    public bool IsNull(string name) => !Has(name) && _fields.TryGetProperty(name, out _);

    /// <summary>A whole number from 0; the first of the names that is there and not null.</summary>
    public int? OptionalInt(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(name) is { } value)
                return Int(name, value);
        }

        foreach (var (name, value) in _defaults)
        {
            // A null in the file says that there is none.
            if (names.Contains(name) && !_fields.TryGetProperty(name, out _))
                return value;
        }

        return null;
    }

    public int Int(string name) => OptionalInt(name)
        ?? throw new ArtifactException($"{File} has no {_path}{name}, which its architecture needs.");

    public int Int(string name, int otherwise) => OptionalInt(name) ?? otherwise;

    /// <summary>A whole number above 0 that must be there, under the first of the names that is.</summary>
    public int Positive(params ReadOnlySpan<string> names) => OptionalInt(names) switch
    {
        null => throw new ArtifactException($"{File} has no {_path}{names[0]}, which its architecture needs."),
        0 => throw new ArtifactException($"{File}: {_path}{names[0]} is 0; it must be above 0."),
        { } value => value,
    };

    public bool Bool(string name, bool otherwise = false) => Find(name) is not { } value ? otherwise
        : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Number => value.TryGetInt64(out var number) && number != 0,
            _ => throw Wrong(name, value, "true or false"),
        };

    public double? Number(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number
        : throw Wrong(name, value, "a number");

    public string? Text(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(name) is { } value)
                return value.ValueKind == JsonValueKind.String && JsonFile.TextOf(value) is { } text ? text : throw Wrong(name, value, "a string");
        }

        return null;
    }

    /// <summary>Whole numbers of an array; empty when it is not there. A single number counts as an array of one.</summary>
    public ImmutableArray<int> Ints(string name) => Find(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Number ? [Int(name, value)]
        : value.ValueKind == JsonValueKind.Array ? [.. Items(name, value).Select(item => Int(name, item))]
        : throw Wrong(name, value, "an array of numbers");

    public int ArrayLength(string name) => Find(name) is { ValueKind: JsonValueKind.Array } value ? value.GetArrayLength() : 0;

    /// <summary>Pairs of whole numbers of an array of arrays; entries of another form are left out.</summary>
    public IEnumerable<(int First, int Second)> Pairs(string name)
    {
        if (Find(name) is not { ValueKind: JsonValueKind.Array } value)
            yield break;
        foreach (var item in Items(name, value))
        {
            if (item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 2)
                yield return (Int(name, item[0]), Int(name, item[1]));
        }
    }

    public bool IsArray(string name) => Find(name) is { ValueKind: JsonValueKind.Array };

    public bool IsObject(string name) => Find(name) is { ValueKind: JsonValueKind.Object };

    /// <summary>Strings of an array, others left out; empty when it is not there.</summary>
    public ImmutableArray<string> Texts(string name) => Find(name) is { ValueKind: JsonValueKind.Array } value
        ? [.. Items(name, value).Where(item => item.ValueKind == JsonValueKind.String).Select(JsonFile.TextOf).OfType<string>()]
        : [];

    /// <summary>An error about one field, in one sentence.</summary>
    public ArtifactException Wrong(string name, string found, string expected) =>
        new($"{File}: {_path}{name} is {found}; expected {expected}.");

    private static JsonElement[] Items(string name, JsonElement array) => array.GetArrayLength() <= 1 << 20
        ? [.. array.EnumerateArray()]
        : throw new ArtifactException($"config.json: {name} has {array.GetArrayLength()} items; at most {1 << 20} are read.");

    private int Int(string name, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return value.ValueKind == JsonValueKind.True ? 1 : 0;
        if (value.ValueKind != JsonValueKind.Number)
            throw Wrong(name, value, "a whole number");
        if (!value.TryGetInt64(out var number))
        {
            number = value.TryGetDouble(out var real) && Math.Abs(real) < NumberMax && real == Math.Truncate(real)
                ? (long)real
                : throw Wrong(name, value, $"a whole number of at most {NumberMax}");
        }

        return number is >= 0 and <= NumberMax
            ? (int)number
            : throw Wrong(name, value, $"a whole number from 0 to {NumberMax}");
    }

    private JsonElement? Find(string name)
    {
        if (name == "model_type" && _type is not null)
            return _type;
        try
        {
            return _fields.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
        }
        catch (InvalidOperationException e)
        {
            // An escaped half of a surrogate pair among the names.
            throw new ArtifactException($"{File}: a name beside {_path}{name} is not Unicode.", e);
        }
    }

    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private ArtifactException Wrong(string name, JsonElement value, string expected) => Wrong(name, Kind(value), expected);

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        _ => value.GetRawText() is { Length: <= 40 } text ? text : "a long text or number",
    };
}
