using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>A folder in Hugging Face's layout: config.json, its weights, and the small files an engine reads with them.</summary>
internal static class HuggingFaceFolder
{
    private static readonly ImmutableArray<string> QuantizationNames = ["hf_quant_config.json", "quantize_config.json", "quant_config.json"];
    private static readonly ImmutableArray<string> CompanionEndings = [".json", ".txt", ".model", ".jinja", ".py", ".tiktoken", ".spm", ".vocab"];

    // What says that a JSON object describes a model.
    private static readonly ImmutableArray<string> ModelKeys = ["model_type", "architectures", "_class_name"];

    /// <summary>Reads it; null when there is neither a configuration nor weights.</summary>
    public static ArtifactHeader? Read(ByteFolder folder)
    {
        using var configFile = folder.Open("config.json");
        var config = configFile is null ? null : JsonFile.ReadText(configFile);
        var weights = FolderWeights.Read(folder);
        if (config is null && weights is null)
            return null;
        var notes = ImmutableArray.CreateBuilder<string>();
        if (config is null)
            notes.Add("There is no config.json beside the weights: the architecture is told by the tensors alone.");
        if (weights is null)
            notes.Add(folder.Files is null
                ? "There are no weights of a usual name beside config.json, and its server does not list what else lies there: what they take follows from the architecture."
                : "There are no weights beside config.json: what they take follows from the architecture.");
        else if (FolderWeights.Unread(folder, weights) is { } unread)
            notes.Add(unread);
        weights ??= new StoredWeights { Files = [] };
        return new ArtifactHeader
        {
            Format = config is not null ? ArtifactFormat.HuggingFace
                : weights.Files[0].Name.Contains(".safetensors", StringComparison.Ordinal) ? ArtifactFormat.Safetensors : ArtifactFormat.PyTorch,
            Source = folder.Name,
            Files = Files(folder, configFile, weights),
            Tensors = weights.Tensors,
            StorageBytes = weights.StorageBytes,
            Metadata = weights.Metadata,
            Config = config,
            QuantizationConfig = Quantization(folder),
            Notes = [.. weights.Notes, .. notes],
        };
    }

    /// <summary>A configuration without a folder around it.</summary>
    public static ArtifactHeader ReadConfigAlone(ByteSource file)
    {
        var text = JsonFile.ReadText(file);
        using var config = JsonFile.Parse(file.Name, text);
        if (!ModelKeys.Any(name => config.RootElement.TryGetProperty(name, out _)))
            throw new ArtifactException($"{file.Name} describes no model: it has neither a model_type nor architectures.");
        return new ArtifactHeader
        {
            Format = ArtifactFormat.HuggingFace,
            Source = file.Name,
            Files = [new ModelFile(file.Name, file.Length) { Validator = file.Validator }],
            Config = text,
            Notes = ["Only a configuration was read: what the weights take follows from the architecture."],
        };
    }

    private static string? Quantization(ByteFolder folder)
    {
        var listed = folder.Files?.Select(file => file.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in QuantizationNames.Where(name => listed is null || listed.Contains(name)))
        {
            using var file = folder.Open(name);
            if (file is not null)
                return JsonFile.ReadText(file);
        }

        return null;
    }

    private static ImmutableArray<ModelFile> Files(ByteFolder folder, ByteSource? configFile, StoredWeights weights)
    {
        var files = ImmutableArray.CreateBuilder<ModelFile>();
        if (configFile is not null)
            files.Add(new ModelFile(configFile.Name, configFile.Length) { Name = "config.json", Validator = configFile.Validator });
        files.AddRange(weights.Files);
        var known = files.Select(file => file.Name).ToHashSet(StringComparer.Ordinal);
        files.AddRange((folder.Files ?? []).Where(file => !known.Contains(file.Name) && IsCompanion(file.Name)));
        if (!files.Any(file => file.Name == SentenceModules.IndexName)) return files.ToImmutable();
        using var index = folder.Open(SentenceModules.IndexName);
        var modules = SentenceModules.Of(index).Select(module => module + "/").ToArray();
        files.AddRange((folder.Files ?? []).Where(file => !known.Contains(file.Name) && modules.Any(module => file.Name.StartsWith(module, StringComparison.Ordinal))));
        return files.ToImmutable();
    }

    // Tokenizers and code; another set's index is none, nor is what people read.
    private static bool IsCompanion(string name) =>
        !name.Contains('/') && !name.Contains(".index.", StringComparison.Ordinal)
        && !name.StartsWith("LICENSE", StringComparison.Ordinal)
        && CompanionEndings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal));
}
