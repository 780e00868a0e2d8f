using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Plimsoll.Caching;

/// <summary>What a whole artefact consists of.</summary>
internal sealed record CacheManifest
{
    public const string FileName = ".plimsoll-manifest.json";

    public required string Model { get; init; }

    public required string Version { get; init; }

    public required string Source { get; init; }

    /// <summary>True when the artefact is its first file, with the others beside it; false when it is the folder.</summary>
    public required bool SingleFile { get; init; }

    public required DateTimeOffset CompletedAt { get; init; }

    public required ImmutableArray<ManifestFile> Files { get; init; }

    public Bytes Size => new(Files.Sum(file => file.Size));
}

/// <param name="Name">Path within the artefact, with forward slashes.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">Lower-case hex.</param>
/// <param name="Modified">The file's time when it was finished; a cheap look compares it.</param>
internal sealed record ManifestFile(string Name, long Size, string Sha256, DateTime Modified);

/// <summary>How far an unfinished artefact is, as of its last mark. What lies behind a mark has been flushed.</summary>
internal sealed record PartialState
{
    public const string FileName = ".plimsoll-fetch.json";

    public required string Model { get; init; }

    public required string Version { get; init; }

    public required string Source { get; init; }

    public ImmutableSortedDictionary<string, PartialFile> Files { get; init; } =
        ImmutableSortedDictionary.Create<string, PartialFile>(StringComparer.Ordinal);
}

/// <param name="Validator">What tells whether the source is still the same; null when it has nothing of the kind.</param>
/// <param name="Marked">Bytes that are safely here.</param>
/// <param name="Sha256">Of those bytes.</param>
/// <param name="Whole">True when that is the whole file.</param>
internal sealed record PartialFile(string? Validator, long Marked, string Sha256, bool Whole);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(CacheManifest))]
[JsonSerializable(typeof(PartialState))]
internal sealed partial class CacheJson : JsonSerializerContext
{
    private const long LargestFile = 16 * 1024 * 1024;

    /// <summary>Null when there is none, or nothing that can be read as one.</summary>
    public static T? Read<T>(string path, JsonTypeInfo<T> type) where T : class
    {
        try
        {
            var file = new FileInfo(path);
            return !file.Exists || file.Length > LargestFile ? null : JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Replaces the file in one step.</summary>
    public static void Write<T>(string path, T value, JsonTypeInfo<T> type)
    {
        var fresh = path + ".new";
        using (var file = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(file, value, type);
            file.Flush(flushToDisk: true);
        }

        File.Move(fresh, path, overwrite: true);
    }
}
