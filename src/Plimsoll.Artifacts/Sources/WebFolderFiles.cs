using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>
/// What a folder behind a plain web server consists of, where nobody lists it: the files that models are published with,
/// asked for by name, the shards that an index names, and for a pipeline the same of each component.
/// </summary>
internal static class WebFolderFiles
{
    private const int ComponentsMax = 32;

    private static readonly string[] Names =
    [
        "adapter_config.json", "adapter_model.safetensors", "added_tokens.json", "chat_template.jinja", "config.json",
        "generation_config.json", "hf_quant_config.json", "merges.txt", "model.onnx", "model.safetensors",
        "model.safetensors.index.json", "preprocessor_config.json", "processor_config.json", "quantize_config.json",
        "special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt",
    ];

    private static readonly string[] OldWeights = ["pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin"];

    private static readonly string[] ComponentNames =
    [
        "config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json", "merges.txt",
        "model.safetensors", "model.safetensors.index.json", "preprocessor_config.json", "scheduler_config.json", "special_tokens_map.json",
        "spiece.model", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    ];

    /// <exception cref="ArtifactException">None of them is there, or an index is none.</exception>
    public static IReadOnlyList<ModelFile> Find(RemoteFolder folder)
    {
        var found = new SortedDictionary<string, ModelFile>(StringComparer.Ordinal);
        if (Take("model_index.json")) foreach (var part in Components(folder)) TakeAll(ComponentNames.Select(name => $"{part}/{name}"));
        else TakeAll(Names);
        if (!found.Keys.Any(name => name.Contains(".safetensors", StringComparison.Ordinal) || name.EndsWith(".onnx", StringComparison.Ordinal)))
            TakeAll(OldWeights);
        foreach (var index in found.Keys.Where(name => name.EndsWith(".index.json", StringComparison.Ordinal)).ToList())
        {
            var below = index[..(index.LastIndexOf('/') + 1)];
            var named = ShardIndex.Read(folder.Asked(index)).Shards.Select(name => below + name).ToList();
            TakeAll(named);
            if (named.FirstOrDefault(name => !found.ContainsKey(name)) is { } missing)
                throw new ArtifactException($"{folder.Name}/{missing} does not exist, and {index} names it.");
        }

        return found.Count > 0 ? [.. found.Values] : throw new ArtifactException(
            $"{folder.Name} has neither config.json nor another file that a model's folder begins with; name the model's own file or folder.");

        bool Take(string name)
        {
            if (Found(folder, name) is not { } file) return false;
            found[name] = file;
            return true;
        }

        void TakeAll(IEnumerable<string> names)
        {
            foreach (var file in All(folder, names)) found[file.Name] = file;
        }
    }

    /// <summary>The small files that an engine reads beside the weights: tokenizers and configurations.</summary>
    public static IEnumerable<ModelFile> Companions(RemoteFolder folder) => All(folder, Names.Where(name =>
        !name.EndsWith(".index.json", StringComparison.Ordinal) && !FolderWeights.IsWeights(name) && !name.StartsWith("adapter_", StringComparison.Ordinal)));

    private static List<ModelFile> All(RemoteFolder folder, IEnumerable<string> names)
    {
        var wanted = names.ToList();
        folder.Expect(wanted);
        return [.. wanted.Select(name => Found(folder, name)).OfType<ModelFile>()];
    }

    private static ModelFile? Found(RemoteFolder folder, string name) =>
        folder.Open(name) is { } file ? new ModelFile(file.Name, file.Length) { Name = name, Validator = file.Validator } : null;

    private static List<string> Components(RemoteFolder folder)
    {
        var file = folder.Asked("model_index.json");
        using var text = JsonFile.Parse(file.Name, JsonFile.ReadText(file));
        try
        {
            return [.. text.RootElement.EnumerateObject()
                .Where(entry => entry.Value.ValueKind == JsonValueKind.Array && !entry.Name.StartsWith('_'))
                .Select(entry => entry.Name).Where(name => ByteFolder.Checked(name) == name).Take(ComponentsMax)];
        }
        catch (InvalidOperationException)
        {
            throw new ArtifactException($"{file.Name} names a component in what is no Unicode.");
        }
    }
}
