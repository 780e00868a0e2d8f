using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Decisions;

/// <summary>A scaler's points in one scenario, kept as FOLDER/SCENARIO.curve-SCALER.json; a point is known by its setting, and each of its runs by its seed.</summary>
internal sealed record CurveFile
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.AllowNamedFloatingPointLiterals };

    public required string Scenario { get; init; }

    /// <summary>Of the scenario's file; points of another are not used.</summary>
    public required string Digest { get; init; }

    public required string Scaler { get; init; }

    public required List<CloudPoint> Points { get; init; }

    public static CurveFile? Read(string path) => File.Exists(path) ? JsonSerializer.Deserialize<CurveFile>(File.ReadAllText(path), Json) : null;

    public static IEnumerable<CurveFile> All(string folder) =>
        Directory.GetFiles(folder, "*.curve-*.json").Order(StringComparer.Ordinal).Select(path => Read(path)!);

    public static string PathOf(string folder, string scenario, string scaler) => Path.Combine(folder, $"{scenario}.curve-{scaler}.json");

    public void Write(string path)
    {
        File.WriteAllText(path + ".next", JsonSerializer.Serialize(this, Json));
        File.Move(path + ".next", path, overwrite: true);
    }
}

/// <summary>One setting.</summary>
/// <param name="Setting">"target 0.5, min 2".</param>
/// <param name="Runs">One a seed.</param>
internal sealed record CloudPoint(string Setting, List<CloudRun> Runs);

/// <summary>What a setting came to with one seed.</summary>
/// <param name="Seed">Which.</param>
/// <param name="Attainment">Share of all requests within SLO.</param>
/// <param name="Cost">Dollars of what replicas held, or device hours where nothing has a price.</param>
/// <param name="WorstModel">The least share of a model.</param>
internal sealed record CloudRun(int Seed, double Attainment, double Cost, double WorstModel);
