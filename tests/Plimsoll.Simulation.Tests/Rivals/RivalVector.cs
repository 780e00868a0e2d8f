using System.Globalization;
using System.Text.Json;
using CsvHelper;

namespace Plimsoll.Simulation.Tests.Rivals;

/// <summary>
/// One row of rivals-cases.csv: what goes in and what the rival answers. Every field has to be read: one that nobody looked at
/// fails the row.
/// </summary>
public sealed class RivalVector(string rival, string name, string inputs, string expected, string source)
{
    public static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public string Rival { get; } = rival;

    public string Name { get; } = name;

    public string Source { get; } = source;

    public VectorFields Inputs { get; } = new(inputs);

    public VectorFields Expected { get; } = new(expected);

    public static IReadOnlyList<RivalVector> All { get; } = [.. Read()];

    public static RivalVector Of(string rival, string name) => All.Single(vector => vector.Rival == rival && vector.Name == name);

    public static DateTimeOffset At(double seconds) => Start + TimeSpan.FromSeconds(seconds);

    public void Expect(string field, int? actual) => Assert.Equal(Expected.CountOrNull(field), actual);

    public void Expect(string field, bool actual) => Assert.Equal(Expected.Bool(field), actual);

    public void ExpectNear(string field, double actual, double relative, double absolute) =>
        Near(Expected.Number(field), actual, relative, absolute);

    public static void Near(double expected, double actual, double relative, double absolute = 0)
    {
        var allowed = Math.Max(absolute, relative * Math.Abs(expected));
        Assert.InRange(actual, expected - allowed, expected + allowed);
    }

    private static IEnumerable<RivalVector> Read()
    {
        using var stream = typeof(RivalVector).Assembly.GetManifestResourceStream("rivals-cases.csv")!;
        using var csv = new CsvReader(new StreamReader(stream), CultureInfo.InvariantCulture);
        csv.Read();
        csv.ReadHeader();
        while (csv.Read())
            yield return new(csv["rival"]!, csv["case"]!, csv["inputs"]!, csv["expected"]!, csv["source"]!);
    }
}

/// <summary>A JSON object that remembers which of its fields were read.</summary>
public sealed class VectorFields(string json)
{
    private readonly JsonElement _root = JsonDocument.Parse(json).RootElement;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    public IEnumerable<string> Unread => _root.EnumerateObject().Select(entry => entry.Name).Where(entry => !_read.Contains(entry));

    /// <summary>Whether the field is there, be it null; does not read it.</summary>
    public bool Has(string name) => _root.TryGetProperty(name, out _);

    public JsonElement this[string name] => Find(name) ?? throw new KeyNotFoundException(name);

    public JsonElement? Find(string name)
    {
        _read.Add(name);
        return _root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public void Ignore(string name) => _read.Add(name);

    public double Number(string name) => this[name].GetDouble();

    public double? NumberOrNull(string name) => Find(name)?.GetDouble();

    public int Count(string name) => this[name].GetInt32();

    public int? CountOrNull(string name) => Find(name)?.GetInt32();

    public bool Bool(string name) => this[name].GetBoolean();

    public bool Flag(string name) => Find(name)?.GetBoolean() ?? false;

    public string? Text(string name) => Find(name)?.GetString();

    public IReadOnlyList<JsonElement> List(string name) => Find(name) is { } list ? [.. list.EnumerateArray()] : [];

    public double[] Numbers(string name) => [.. List(name).Select(item => item.GetDouble())];

    public int[] Counts(string name) => [.. List(name).Select(item => item.GetInt32())];

    public TimeSpan? Seconds(string name) => NumberOrNull(name) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
}
