using Plimsoll.Artifacts;

namespace Plimsoll.Footprints.Parameters;

/// <summary>One file of the folder of published configurations, weighed or refused.</summary>
/// <param name="File">Its name in the folder.</param>
/// <param name="Model">organisation/model, as the file's name says.</param>
/// <param name="Weighed">What it weighs; null where it is refused.</param>
/// <param name="Refused">Why it is refused; null where it is weighed.</param>
internal sealed record PublishedConfig(string File, string Model, WeighedModel? Weighed, string? Refused)
{
    private const string ConfigEnding = "_config.json";
    private const string QuantizationEnding = "_hf_quant_config.json";

    public bool IsQuantization => File.EndsWith(QuantizationEnding, StringComparison.Ordinal);

    /// <summary>Every file, in order of name; one that says how weights are quantised is read with the configuration beside it.</summary>
    public static IReadOnlyList<PublishedConfig> All(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(Read)];

    public static WeighedModel Weigh(string name, string config, string? quantization = null) => Architecture.Weigh(new ArtifactHeader
    {
        Format = ArtifactFormat.HuggingFace,
        Source = name,
        Files = [],
        Config = config,
        QuantizationConfig = quantization,
    });

    private static PublishedConfig Read(string path)
    {
        var file = Path.GetFileName(path);
        var isQuantization = file.EndsWith(QuantizationEnding, StringComparison.Ordinal);
        var stem = path[..^(isQuantization ? QuantizationEnding : ConfigEnding).Length];
        var model = Path.GetFileName(stem).Replace("--", "/", StringComparison.Ordinal);
        var (config, quantization) = (stem + ConfigEnding, stem + QuantizationEnding);
        if (!System.IO.File.Exists(config))
            return new PublishedConfig(file, model, null, "it says how weights are quantised, and nothing beside it says of what architecture");
        try
        {
            var text = System.IO.File.ReadAllText(config);
            return new PublishedConfig(file, model, Weigh(file, text, System.IO.File.Exists(quantization) ? System.IO.File.ReadAllText(quantization) : null), null);
        }
        catch (ArtifactException wrong)
        {
            return new PublishedConfig(file, model, null, wrong.Message);
        }
    }
}
