using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>A low-rank adapter as PEFT writes it: adapter_config.json and adapter_model.safetensors (or .bin).</summary>
internal static class LoraAdapter
{
    public const string ConfigName = "adapter_config.json";
    private const int TargetsMax = 10_000;

    /// <summary>Reads it; null where the folder has no adapter's configuration and weights.</summary>
    public static ArtifactHeader? Read(ByteFolder folder)
    {
        using var configFile = folder.Open(ConfigName);
        if (configFile is null)
            return null;
        var weights = FolderWeights.ReadNamed(folder, "adapter_model.safetensors") ?? FolderWeights.ReadNamed(folder, "adapter_model.bin");
        return weights is null ? null : Header(folder.Name, configFile, weights);
    }

    public static ArtifactHeader Header(string source, ByteSource configFile, StoredWeights weights)
    {
        var text = JsonFile.ReadText(configFile);
        using var config = JsonFile.Parse(configFile.Name, text);
        var root = config.RootElement;
        var type = root.Text("peft_type") ?? "LORA";
        var notes = weights.Notes.ToBuilder();
        if (type != "LORA")
            notes.Add($"The adapter's type is {Messages.Shown(type)}: its bytes are exact, and its rank means nothing.");
        else
            notes.Add($"An adapter of rank {Number(root, "r") ?? "unknown"}, to be served on top of {(root.Text("base_model_name_or_path") is { Length: > 0 } named ? Messages.Shown(named) : "its base model, which it does not name")}: the base is not counted.");
        var metadata = weights.Metadata.ToBuilder();
        metadata["peft_type"] = type;
        Add(metadata, "base_model_name", root.Text("base_model_name_or_path"));
        Add(metadata, "r", Number(root, "r"));
        Add(metadata, "alpha", Number(root, "lora_alpha"));
        Add(metadata, "target_modules", Names(root, "target_modules"));
        Add(metadata, "modules_to_save", Names(root, "modules_to_save"));
        return new ArtifactHeader
        {
            Format = ArtifactFormat.Lora,
            Source = source,
            Files =
            [
                new ModelFile(configFile.Name, configFile.Length) { Name = ConfigName, Validator = configFile.Validator },
                .. weights.Files,
            ],
            Tensors = weights.Tensors,
            StorageBytes = weights.StorageBytes,
            Config = text,
            Metadata = metadata.ToImmutable(),
            Notes = notes.ToImmutable(),
        };
    }

    private static void Add(ImmutableDictionary<string, string>.Builder metadata, string key, string? value)
    {
        if (value is not null)
            metadata[key] = value;
    }

    private static string? Number(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetRawText() : null;

    // A list of names, or one text: a pattern, or "all-linear".
    private static string? Names(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.Array)
            return root.Text(name);
        if (value.GetArrayLength() > TargetsMax)
            return null;
        return string.Join(',', value.EnumerateArray().Where(one => one.ValueKind == JsonValueKind.String)
            .Select(one => JsonFile.TextOf(one) ?? "").Order(StringComparer.Ordinal));
    }
}
