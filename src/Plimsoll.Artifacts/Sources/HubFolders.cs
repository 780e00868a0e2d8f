using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>
/// The folders that the hub's own tools keep on a machine: the token, and models that were fetched before, as
/// models--org--name/snapshots/commit with a ref from branch to commit.
/// </summary>
internal static class HubFolders
{
    private const int FilesMax = 10_000;

    private static readonly string[] YesWords = ["on", "yes", "true"];

    private static readonly string[] Weights = [".safetensors", ".gguf", ".onnx", ".bin", ".pt", ".pth", ".ckpt"];

    /// <summary>HF_TOKEN, else what the token file holds; null without either.</summary>
    public static string? Token(SourceSettings settings)
    {
        if (settings.Secret("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") is { } told) return told;
        var path = settings.First("HF_TOKEN_PATH") ?? (Home(settings) is { } home ? Path.Combine(home, "token") : null);
        try
        {
            var file = path is null ? null : new FileInfo(path);
            if (file is not { Exists: true, Length: > 0 and <= 8192 }) return null;
            return File.ReadAllText(path!).Trim() is { Length: > 0 } token ? SourceSettings.Checked(token, path!) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether the environment forbids to ask the hub, by the values that the hub's own tools take for yes.</summary>
    public static bool IsOffline(SourceSettings settings) => settings.First("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") is { } told
        && (told == "1" || YesWords.Contains(told, StringComparer.OrdinalIgnoreCase));

    /// <summary>Where a model lies whole on this machine; null when it does not, or not all of it.</summary>
    public static string? Find(SourceAddress.Hub model, SourceSettings settings)
    {
        var cache = settings.First("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? (Home(settings) is { } home ? Path.Combine(home, "hub") : null);
        if (cache is null) return null;
        var folder = Path.Combine(cache, $"models--{model.Repository.Replace("/", "--", StringComparison.Ordinal)}");
        try
        {
            var reference = Path.Combine(folder, "refs", model.Revision);
            var commit = File.Exists(reference) && new FileInfo(reference).Length <= 128 ? File.ReadAllText(reference).Trim() : model.Revision;
            if (commit.Length == 0 || !commit.All(char.IsAsciiLetterOrDigit)) return null;
            var path = Path.GetFullPath(Path.Combine(folder, "snapshots", commit, model.Path));
            return File.Exists(path) ? IsWholeFile(path) ? path : null : Directory.Exists(path) && IsWhole(path) ? path : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArtifactException)
        {
            return null;
        }
    }

    /// <summary>The model's folder in the cache, above the snapshot that a path of <see cref="Find"/> is in.</summary>
    public static string? RootOf(string path)
    {
        for (var folder = path; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (Path.GetFileName(folder) == "snapshots") return Path.GetDirectoryName(folder);
        }

        return null;
    }

    private static string? Home(SourceSettings settings)
    {
        if (settings.First("HF_HOME") is { } told) return told;
        var caches = settings.First("XDG_CACHE_HOME") ?? (settings.First("HOME") is { } home ? Path.Combine(home, ".cache") : null);
        return caches is null ? null : Path.Combine(caches, "huggingface");
    }

    // A download that was cut leaves fewer files, never half ones: so every file that an index or a number names must be there.
    private static bool IsWhole(string folder)
    {
        if (Directory.EnumerateFiles(folder, "*.index.json").Take(FilesMax).Any(index => !HasAll(folder, index))) return false;
        var pipeline = Path.Combine(folder, "model_index.json");
        if (File.Exists(pipeline))
        {
            using var file = new LocalFile(pipeline);
            return DiffusionPipeline.Components(file).All(part => Directory.Exists(Path.Combine(folder, part.Name)) && IsWhole(Path.Combine(folder, part.Name)));
        }

        var weights = Directory.EnumerateFiles(folder).Take(FilesMax).Select(path => Path.GetFileName(path))
            .Where(name => Weights.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase)).ToList();
        // A component without weights, a tokenizer or a scheduler, has its configuration only.
        if (weights.Count == 0) return !File.Exists(Path.Combine(folder, "config.json")) && Directory.EnumerateFiles(folder, "*.json").Any();
        return weights.All(name => PartOf(name) is not { } part || part.Count == weights.Count(other => PartOf(other) is { } same && same == part));
    }

    // An index is nothing without its shards, nor a part of a split GGUF model without the others.
    private static bool IsWholeFile(string path)
    {
        var (folder, name) = (Path.GetDirectoryName(path)!, Path.GetFileName(path));
        if (name.EndsWith(".index.json", StringComparison.Ordinal)) return HasAll(folder, path);
        return !name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) || PartOf(name) is not { } part
            || part.Count == Directory.EnumerateFiles(folder).Take(FilesMax).Count(other => PartOf(Path.GetFileName(other)) is { } same && same == part);
    }

    private static bool HasAll(string folder, string index)
    {
        using var file = new LocalFile(index);
        return ShardIndex.Read(file).Shards.All(name => File.Exists(Path.Combine(folder, name)));
    }

    // "model-00002-of-00004.safetensors": the name before the number, and how many there are.
    private static (string Stem, int Count)? PartOf(string name)
    {
        var stem = Path.GetFileNameWithoutExtension(name);
        var of = stem.LastIndexOf("-of-", StringComparison.Ordinal);
        if (of < 0 || stem.LastIndexOf('-', of - 1) is not (var dash and > 0)) return null;
        return int.TryParse(stem.AsSpan(of + 4), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 1
            ? ($"{stem[..dash]}{Path.GetExtension(name)}", count) : null;
    }
}
