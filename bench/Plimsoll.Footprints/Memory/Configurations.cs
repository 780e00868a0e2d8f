using Plimsoll.Artifacts;

namespace Plimsoll.Footprints.Memory;

/// <summary>Published configurations by model name: this project's own and those of the data folder, weighed once.</summary>
internal sealed class Configurations(params IReadOnlyList<string> folders)
{
    private readonly Dictionary<string, Footprint?> _known = new(StringComparer.Ordinal);

    /// <summary>The footprint of "organisation/model"; null when no folder has its configuration.</summary>
    public Footprint? Find(string model)
    {
        if (_known.TryGetValue(model, out var known)) return known;
        var name = model.Replace("/", "--", StringComparison.Ordinal);
        var file = folders
            .SelectMany(folder => new[] { Path.Combine(folder, name + ".json"), Path.Combine(folder, name + "_config.json") })
            .FirstOrDefault(File.Exists);
        try
        {
            return _known[model] = file is null ? null : Weigh(file, model);
        }
        catch (ArtifactException wrong)
        {
            Console.Error.WriteLine($"{model}: {wrong.Message}");
            return _known[model] = null;
        }
    }

    private static Footprint Weigh(string file, string model)
    {
        var beside = file.Replace("_config.json", "_hf_quant_config.json", StringComparison.Ordinal);
        var weighed = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.HuggingFace,
            Source = model,
            Files = [],
            Config = File.ReadAllText(file),
            QuantizationConfig = beside != file && File.Exists(beside) ? File.ReadAllText(beside) : null,
        });
        return new Footprint
        {
            Format = ArtifactFormat.HuggingFace,
            Source = weighed.Source,
            Digest = model,
            OnDisk = weighed.Weights,
            Weights = weighed.Weights,
            LargestTensor = weighed.LargestTensor,
            Parameters = weighed.Parameters,
            Shape = weighed.Shape,
            Notes = weighed.Notes,
        };
    }
}
