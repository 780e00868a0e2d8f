using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>
/// What a folder behind a plain web server consists of, where nobody lists it: the files that models are published with,
/// asked for by name, the shards that an index names, and for a pipeline the same of each component.
/// </summary>
internal static class WebFolderFiles
{
    private const int LargestIndex = 16 << 20;
    private const int ComponentsMax = 32;
    private const int AtOnce = 4;

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
            var named = Shards(folder, index).Select(name => below + name).ToList();
            TakeAll(named);
            if (named.FirstOrDefault(name => !found.ContainsKey(name)) is { } missing)
                throw new ArtifactException($"{folder.Name}/{missing} does not exist, and {index} names it.");
        }

        return found.Count > 0 ? [.. found.Values] : throw new ArtifactException(
            $"{folder.Name} has neither config.json nor another file that a model's folder begins with; name the model's own file or folder.");

        bool Take(string name)
        {
            if (folder.Open(name) is not { } file) return false;
            lock (found) found[name] = new ModelFile(file.Name, file.Length) { Name = name, Validator = file.Validator };
            return true;
        }

        void TakeAll(IEnumerable<string> names)
        {
            try
            {
                Parallel.ForEach(names, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, name => Take(name));
            }
            catch (AggregateException several)
            {
                throw several.InnerExceptions.OfType<ArtifactException>().FirstOrDefault() ?? several.InnerExceptions[0];
            }
        }
    }

    private static List<string> Shards(RemoteFolder folder, string index)
    {
        using var text = Json(folder, index);
        if (!text.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            throw new ArtifactException($"{folder.Name}/{index} has no weight_map.");
        var names = map.EnumerateObject().Select(entry => entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : "")
            .Distinct(StringComparer.Ordinal).Take(SourceStore.FilesMax).ToList();
        return names.All(name => ByteFolder.Checked(name) == name) ? names
            : throw new ArtifactException($"{folder.Name}/{index} names a file that leaves the model's folder; that is refused.");
    }

    private static List<string> Components(RemoteFolder folder)
    {
        using var text = Json(folder, "model_index.json");
        return [.. text.RootElement.EnumerateObject()
            .Where(entry => !entry.Name.StartsWith('_') && entry.Value.ValueKind == JsonValueKind.Array)
            .Select(entry => entry.Name).Where(name => ByteFolder.Checked(name) == name).Take(ComponentsMax)];
    }

    private static JsonDocument Json(RemoteFolder folder, string name)
    {
        var file = folder.Asked(name);
        if (file.Length > LargestIndex) throw new ArtifactException($"{file.Name} is longer than {new Bytes(LargestIndex)}, which no index is.");
        var bytes = new byte[file.Length];
        new HeaderFile(file, "an index").ReadExactly(bytes);
        try
        {
            var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            document.Dispose();
        }
        catch (JsonException)
        {
            // Said below: a page that a server shows for what it does not have is no JSON either.
        }

        throw new ArtifactException($"{file.Name} is no JSON object.");
    }
}
