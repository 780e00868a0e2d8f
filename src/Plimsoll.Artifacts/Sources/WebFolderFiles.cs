namespace Plimsoll.Artifacts;

/// <summary>
/// What a folder behind a plain web server consists of, where nobody lists it: the files that models are published with,
/// asked for by name, the shards that an index names, what a graph keeps outside itself, and for a pipeline the same of each
/// component.
/// </summary>
internal static class WebFolderFiles
{
    // The small files that an engine reads beside the weights: tokenizers and configurations.
    private static readonly string[] CompanionNames =
    [
        "added_tokens.json", "chat_template.jinja", "config.json", "generation_config.json", "hf_quant_config.json", "merges.txt",
        "modules.json", "preprocessor_config.json", "processor_config.json", "quantize_config.json", "special_tokens_map.json",
        "spiece.model", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt",
    ];

    private static readonly string[] Weights =
        ["adapter_config.json", "adapter_model.safetensors", "model.onnx", "model.safetensors", "model.safetensors.index.json"];

    private static readonly string[] OldWeights = ["pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin"];

    private static readonly string[] ComponentCompanions = [.. CompanionNames, "scheduler_config.json"];

    private static readonly string[] ComponentWeights =
    [
        "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json", "model.safetensors", "model.safetensors.index.json",
    ];

    private static readonly string[] OldComponentWeights =
        ["diffusion_pytorch_model.bin", "diffusion_pytorch_model.bin.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

    /// <exception cref="ArtifactException">None of them is there, or an index is none.</exception>
    public static IReadOnlyList<ModelFile> Find(RemoteFolder folder)
    {
        var found = new SortedDictionary<string, ModelFile>(StringComparer.Ordinal);
        if (Found(folder, DiffusionPipeline.IndexName) is { } pipeline)
        {
            found[pipeline.Name] = pipeline;
            var parts = Components(folder);
            Take(Below(parts, [.. ComponentCompanions, .. ComponentWeights]));
            Take(Below(parts.Where(part => !found.Keys.Any(name => IsNewWeights(name) && name.StartsWith(part + "/", StringComparison.Ordinal))), OldComponentWeights));
        }
        else
        {
            Take([.. CompanionNames, .. Weights]);
            if (!found.Keys.Any(IsNewWeights)) Take(OldWeights);
            if (found.ContainsKey(SentenceModules.IndexName)) Take(Below(SentenceModules.Of(folder.Open(SentenceModules.IndexName)), SentenceModules.Names));
        }

        foreach (var index in found.Keys.Where(name => name.EndsWith(".index.json", StringComparison.Ordinal)).ToList())
        {
            var below = index[..(index.LastIndexOf('/') + 1)];
            var named = ShardIndex.Read(folder.Asked(index)).Shards.Select(name => below + name).ToList();
            Take(named);
            if (named.FirstOrDefault(name => !found.ContainsKey(name)) is { } missing)
                throw new ArtifactException($"{folder.Name}/{missing} does not exist, and {index} names it.");
        }

        if (found.ContainsKey("model.onnx"))
            foreach (var file in OnnxArtifact.Read(folder.Asked("model.onnx")).Files) found[file.Name] = file;
        return found.Count > 0 ? [.. found.Values] : throw new ArtifactException(
            $"{folder.Name} has neither config.json nor another file that a model's folder begins with; name the model's own file or folder.");

        void Take(IEnumerable<string> names)
        {
            foreach (var file in All(folder, names)) found[file.Name] = file;
        }
    }

    /// <summary>The small files that an engine reads beside the weights, of each component where it is a pipeline.</summary>
    public static IEnumerable<ModelFile> Companions(RemoteFolder folder) =>
        All(folder, folder.Open(DiffusionPipeline.IndexName) is null ? CompanionNames : Below(Components(folder), ComponentCompanions));

    /// <summary>Of a pipeline, components of which no file was found; null where each has one.</summary>
    /// <param name="folder">Where nobody lists the files.</param>
    /// <param name="header">What was read there, with its companions.</param>
    public static string? Missing(RemoteFolder folder, ArtifactHeader header)
    {
        if (header.Format != ArtifactFormat.Diffusers) return null;
        var empty = Components(folder).Where(part => !header.Files.Any(file => file.Name.StartsWith(part + "/", StringComparison.Ordinal))).ToList();
        return empty.Count == 0 ? null
            : $"Its server does not list its files, and none of a usual name was found of {Messages.Some(empty)}: fetched from there, the pipeline may lack them.";
    }

    private static IEnumerable<string> Below(IEnumerable<string> parts, string[] names) => parts.SelectMany(part => names.Select(name => $"{part}/{name}"));

    private static bool IsNewWeights(string name) =>
        name.Contains(".safetensors", StringComparison.Ordinal) || name.EndsWith(".onnx", StringComparison.Ordinal);

    private static List<ModelFile> All(RemoteFolder folder, IEnumerable<string> names)
    {
        var wanted = names.ToList();
        folder.Expect(wanted);
        return [.. wanted.Select(name => Found(folder, name)).OfType<ModelFile>()];
    }

    private static ModelFile? Found(RemoteFolder folder, string name) =>
        folder.Open(name) is { } file ? new ModelFile(file.Name, file.Length) { Name = name, Validator = file.Validator } : null;

    private static List<string> Components(RemoteFolder folder) =>
        [.. DiffusionPipeline.Components(folder.Asked(DiffusionPipeline.IndexName)).Select(part => part.Name)];
}
