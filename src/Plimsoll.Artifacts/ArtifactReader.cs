using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>
/// Reads the headers of a model, whatever its format: a few kilobytes for each file, never a tensor, and nothing in it is
/// ever executed. A file is told by its first bytes, a folder by what lies in it.
/// </summary>
public static class ArtifactReader
{
    private static readonly ImmutableArray<string> ModelEndings = [".gguf", ".onnx", ".engine", ".plan", ".pt", ".pth", ".ckpt", ".bin"];

    /// <summary>Reads a file or folder of this machine.</summary>
    /// <param name="path">A folder (Hugging Face, adapter, pipeline, Triton repository, or one that holds a single model), a
    /// model's file, or the index of its shards.</param>
    /// <returns>What its headers say. A format that is not known gives its files and a note, and no tensors.</returns>
    /// <exception cref="ArtifactException">It is missing, truncated, contradicts itself, or points outside its folder.</exception>
    public static ArtifactHeader Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            return Read(new LocalFolder(path));
        using var file = new LocalFile(path);
        var header = Read(file);
        return header.Format == ArtifactFormat.Gguf && ProjectorBeside(path) is { } projector ? With(header, file.OpenBeside(projector)) : header;
    }

    // A projector for images lies beside the model that uses it; where several models lie there, no name tells whose it is.
    private static string? ProjectorBeside(string path)
    {
        var own = Path.GetFileName(path);
        List<string> all = [.. Directory.EnumerateFiles(Path.GetDirectoryName(Path.GetFullPath(path))!, "*", new EnumerationOptions()).Select(one => Path.GetFileName(one))
            .Where(name => name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && !GgufNames.IsLaterSplit(name)).Order(StringComparer.Ordinal)];
        return all.Where(name => !GgufNames.IsProjector(name)).ToList() is [var only] && only == (GgufNames.FirstSplitOf(own) ?? own)
            ? all.Find(GgufNames.IsProjector) : null;
    }

    private static ArtifactHeader With(ArtifactHeader header, ByteSource? projector)
    {
        using (projector)
        {
            if (projector is null) return header;
            var part = new ArtifactPart("mmproj", Read(projector));
            return header with { Files = [.. header.Files, .. part.Header.Files], Parts = [part] };
        }
    }

    /// <summary>Reads a folder, wherever it is.</summary>
    internal static ArtifactHeader Read(ByteFolder folder)
    {
        if (folder.Files is { Count: 0 })
            throw new ArtifactException($"{folder.Name} holds no files.");
        var has = folder.Files?.Select(file => file.Name).ToHashSet(StringComparer.Ordinal);
        bool Has(string name) => has is null || has.Contains(name);
        var hasModel = has is not null && has.Any(name => name.StartsWith("model.safetensors", StringComparison.Ordinal)
            || name.StartsWith("pytorch_model.bin", StringComparison.Ordinal));
        var header = (Has(DiffusionPipeline.IndexName) ? DiffusionPipeline.Read(folder) : null)
            ?? (has is not null && Has(LoraAdapter.ConfigName) && !hasModel ? LoraAdapter.Read(folder) : null)
            ?? TritonRepository.Read(folder)
            ?? ReadSingle(folder)
            ?? HuggingFaceFolder.Read(folder)
            ?? (has is null ? LoraAdapter.Read(folder) : null);
        if (has is null && header is null or { Tensors.IsEmpty: true, StorageBytes: null, Parts.IsEmpty: true })
            header = ReadOnnxAskedFor(folder) ?? header;
        return header ?? (folder.Files is { } files
            ? Unknown(folder.Name, [.. files])
            : throw new ArtifactException($"{folder.Name} holds no file of a name that is known, and cannot be listed."));
    }

    /// <summary>Reads one file, and those beside it that it names.</summary>
    internal static ArtifactHeader Read(ByteSource file)
    {
        var name = file.Name[(file.Name.LastIndexOf('/') + 1)..];
        switch (FileKinds.Of(file, name))
        {
            case FileKind.Gguf: return GgufArtifact.Read(file);
            case FileKind.Onnx: return OnnxArtifact.Read(file);
            case FileKind.MaybeOnnx: return OnnxOrUnknown(file);
            case FileKind.Zip or FileKind.LegacyTorch:
                return PyTorchReader.ReadIfTorch(file)?.As(ArtifactFormat.PyTorch, file.Name) ?? Unknown(file.Name, [FileOf(file)]);
            case FileKind.TensorRt:
                return Unknown(file.Name, [FileOf(file)]) with
                {
                    Format = ArtifactFormat.TensorRt,
                    Notes = ["A TensorRT plan tells nothing but its size: only the bytes on disk are known."],
                };
            case FileKind.Config: return HuggingFaceFolder.ReadConfigAlone(file);
            case FileKind.Index: return ReadIndex(file, name);
            case FileKind.Safetensors: return ReadSafetensors(file, name);
            default: return Unknown(file.Name, [FileOf(file)]);
        }
    }

    private static ArtifactHeader ReadIndex(ByteSource file, string name) => FolderWeights.Read(file, name).As(
        name.Contains(".safetensors", StringComparison.Ordinal) ? ArtifactFormat.Safetensors : ArtifactFormat.PyTorch, file.Name);

    private static ArtifactHeader ReadSafetensors(ByteSource file, string name)
    {
        var weights = FolderWeights.Read(file, name);
        if (name == "adapter_model.safetensors")
        {
            using var config = file.OpenBeside(LoraAdapter.ConfigName);
            if (config is not null)
                return LoraAdapter.Header(file.Name, config, weights);
        }

        var header = weights.As(ArtifactFormat.Safetensors, file.Name);
        return name.Contains("-of-0", StringComparison.Ordinal)
            ? header with { Notes = header.Notes.Add("This is one of several files of a model; name their index or folder to read all of them.") }
            : header;
    }

    // A folder that holds one model's file, or the files of one model, beside what people read.
    private static ArtifactHeader? ReadSingle(ByteFolder folder)
    {
        var files = (folder.Files ?? []).Where(file => !file.Name.Contains('/') && !GgufNames.IsLaterSplit(file.Name)).Select(file => file.Name).ToList();
        if (files.Any(name => name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".index.json", StringComparison.Ordinal)
            || name.StartsWith("pytorch_model", StringComparison.Ordinal) || name.StartsWith("diffusion_pytorch_model", StringComparison.Ordinal)))
            return null;
        foreach (var ending in ModelEndings)
        {
            var all = files.Where(name => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal).ToList();
            // A projector for images lies beside the model that uses it.
            var models = all.Where(name => !GgufNames.IsProjector(name)).ToList();
            if (models.Count > 1 && models.Contains("model" + ending))
                models = ["model" + ending];
            if (ending is ".engine" or ".plan" && RankFiles.Of(models, ending) is { } ranks)
                return ReadRanks(folder, ranks);
            if (models.Count > 1)
                throw new ArtifactException($"{folder.Name} holds {models.Count} models; name one of {Messages.Some(models)}.");
            if (models.Count == 1)
                return ReadSingle(folder, models[0], all);
        }

        return null;
    }

    // Where nobody lists the files: the name that exported graphs usually have.
    private static ArtifactHeader? ReadOnnxAskedFor(ByteFolder folder)
    {
        const string UsualName = "model.onnx";
        using var file = folder.Open(UsualName);
        return file is null ? null : ReadSingle(folder, UsualName, [UsualName]);
    }

    private static ArtifactHeader ReadRanks(ByteFolder folder, ImmutableArray<string> ranks)
    {
        var header = ReadSingle(folder, ranks[0], [ranks[0]]);
        var files = header.Files.ToBuilder();
        foreach (var rank in ranks[1..])
        {
            using var file = folder.Open(rank) ?? throw new ArtifactException($"{folder.Name}/{rank} does not exist.");
            files.AddRange(Read(file).Files);
        }

        return header with { Files = files.ToImmutable(), Notes = header.Notes.Add(RankFiles.Note(ranks.Length)) };
    }

    private static ArtifactHeader ReadSingle(ByteFolder folder, string name, List<string> all)
    {
        using var file = folder.Open(name) ?? throw new ArtifactException($"{folder.Name}/{name} does not exist.");
        var header = Read(file);
        using var configFile = folder.Open("config.json");
        var parts = ImmutableArray.CreateBuilder<ArtifactPart>();
        foreach (var projector in all.Where(GgufNames.IsProjector).Take(1))
        {
            using var projectorFile = folder.Open(projector)!;
            parts.Add(new ArtifactPart("mmproj", Read(projectorFile)));
        }

        var others = all.Where(one => one != name && parts.All(part => part.Header.Files[0].Name != one)).ToList();
        return header with
        {
            Config = configFile is null ? header.Config : JsonFile.ReadText(configFile),
            Files = [.. header.Files, .. parts.SelectMany(part => part.Header.Files)],
            Parts = parts.ToImmutable(),
            Notes = others.Count == 0 ? header.Notes : header.Notes.Add($"'{name}' is read, and not counted are {Messages.Some(others)}."),
        };
    }

    private static ArtifactHeader OnnxOrUnknown(ByteSource file)
    {
        try
        {
            return OnnxArtifact.Read(file);
        }
        catch (ArtifactException e) when (!e.Unreachable)
        {
            var unknown = Unknown(file.Name, [FileOf(file)]);
            return unknown with { Notes = unknown.Notes.Add($"Were it an ONNX model: {e.Message}") };
        }
    }

    internal static ArtifactHeader Unknown(string source, ImmutableArray<ModelFile> files) => new()
    {
        Format = ArtifactFormat.Unknown,
        Source = source,
        Files = files,
        Notes = ["The format is not known: only the bytes on disk are."],
    };

    private static ModelFile FileOf(ByteSource file) => new(file.Name, file.Length) { Validator = file.Validator };
}
