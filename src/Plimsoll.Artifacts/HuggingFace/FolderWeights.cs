using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Plimsoll.Artifacts;

/// <summary>
/// Chooses the weights that an engine would load from a folder in Hugging Face's layout: safetensors before PyTorch files,
/// one file before shards, the default before a variant ("fp16"), the folder's own before other copies of them.
/// </summary>
internal static partial class FolderWeights
{
    private static readonly ImmutableArray<string> Names =
    [
        "model.safetensors", "model.safetensors.index.json",
        "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
        "pytorch_model.bin", "pytorch_model.bin.index.json",
        "diffusion_pytorch_model.bin", "diffusion_pytorch_model.bin.index.json",
    ];

    private static readonly ImmutableArray<string> WeightEndings =
        [".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".h5", ".msgpack", ".ot", ".tflite", ".onnx_data"];

    /// <summary>Reads them; null when the folder has none. What was left out is said in the notes.</summary>
    public static StoredWeights? Read(ByteFolder folder)
    {
        var listed = folder.Files?.Select(file => file.Name).Where(name => !name.Contains('/')).ToHashSet(StringComparer.Ordinal);
        foreach (var name in Names.Where(name => listed is null || listed.Contains(name)))
        {
            if (ReadNamed(folder, name) is { } weights)
                return weights;
        }

        if (listed is null)
            return null;
        var others = listed.Order(StringComparer.Ordinal).ToList();
        if (others.Where(name => Variant().IsMatch(name)).MinBy(name => !name.Contains(".safetensors", StringComparison.Ordinal)) is { } variant)
            return Noted(ReadNamed(folder, variant)!, $"There is no default set of weights: '{variant}' is read.");
        return ReadLoose(folder, [.. others.Where(name => name.EndsWith(".safetensors", StringComparison.Ordinal) && !IsAdapter(name))])
            ?? others.Where(name => Consolidated().IsMatch(name)).Take(1).Select(name => ReadNamed(folder, name)).FirstOrDefault();
    }

    /// <summary>Reads a file of weights, or an index of such files, by its name.</summary>
    public static StoredWeights? ReadNamed(ByteFolder folder, string name)
    {
        using var file = folder.Open(name);
        return file is null ? null : Read(file, name);
    }

    /// <summary>The same for an open file.</summary>
    public static StoredWeights Read(ByteSource file, string name)
    {
        Func<ByteSource, StoredWeights> read = name.Contains(".safetensors", StringComparison.Ordinal) ? SafetensorsReader.Read : PyTorchReader.Read;
        var weights = name.EndsWith(".json", StringComparison.Ordinal) ? ShardedWeights.ReadIndexed(file, read) : read(file);
        return weights with { Files = weights.Files.SetItem(0, weights.Files[0] with { Name = name }) };
    }

    /// <summary>Files of weights in the folder, or below it, that are not among those read.</summary>
    public static string? Unread(ByteFolder folder, StoredWeights weights)
    {
        var read = weights.Files.Select(file => file.Name).ToHashSet(StringComparer.Ordinal);
        var unread = (folder.Files ?? []).Where(file => IsWeights(file.Name) && !read.Contains(file.Name)).ToList();
        if (unread.Count == 0)
            return null;
        var names = unread.Select(file => file.Name.Contains('/') ? file.Name[..(file.Name.IndexOf('/') + 1)] : file.Name).Distinct().ToList();
        return $"Not counted, as other copies or parts that serving does not need: {Messages.Some(names)} ({new Bytes(unread.Sum(file => file.Bytes))}).";
    }

    public static bool IsWeights(string name) => WeightEndings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal));

    private static bool IsAdapter(string name) => name.StartsWith("adapter_model", StringComparison.Ordinal);

    // Without an index: shards that number themselves, or a single file of another name.
    private static StoredWeights? ReadLoose(ByteFolder folder, ImmutableArray<string> names)
    {
        var own = names.Where(name => !name.StartsWith("consolidated", StringComparison.Ordinal)).ToImmutableArray();
        if (own.Length == 0)
            own = names;
        if (own.Length == 0)
            return null;
        if (RankFiles.Of(own, ".safetensors") is { } ranks)
            return Noted(RankFiles.Read(folder, ranks), RankFiles.Note(ranks.Length));
        var numbered = own.Where(name => Shard().IsMatch(name)).ToImmutableArray();
        if (numbered.Length == 0)
        {
            return own.Length == 1 ? ReadNamed(folder, own[0]) : throw new ArtifactException(
                $"{folder.Name} holds {own.Length} files of weights and none has the name that engines look for; name one of {Messages.Some(own)}.");
        }

        var first = Shard().Match(numbered[0]);
        if (numbered.Any(name => Shard().Match(name) is var other && (other.Groups[1].Value, other.Groups[2].Value) != (first.Groups[1].Value, first.Groups[2].Value)))
            throw new ArtifactException($"{folder.Name} holds shards of several models without an index: {Messages.Some(numbered)}.");
        if (numbered.Length.ToString("00000", null) != first.Groups[2].Value)
            throw new ArtifactException($"{folder.Name} holds {numbered.Length} of the {first.Groups[2].Value.TrimStart('0')} files that '{numbered[0]}' counts.");
        using var beside = folder.Open(numbered[0])!;
        return Noted(ShardedWeights.Read(beside, numbered, SafetensorsReader.Read), "There is no index beside the shards: all of them are read.");
    }

    private static StoredWeights Noted(StoredWeights weights, string note) => weights with { Notes = weights.Notes.Add(note) };

    [GeneratedRegex(@"^(diffusion_pytorch_model|model|pytorch_model)(\.[a-z0-9_]+\.(safetensors|bin)|\.(safetensors|bin)\.index\.[a-z0-9_]+\.json)$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Variant();

    [GeneratedRegex(@"^(.+)-[0-9]{5}-of-([0-9]{5})\.safetensors$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Shard();

    [GeneratedRegex(@"^consolidated(\.00)?\.pth$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Consolidated();
}
