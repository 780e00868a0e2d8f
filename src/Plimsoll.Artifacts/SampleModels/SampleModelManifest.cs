using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Artifacts;

/// <summary>What was written, so that a damaged or half-written model is noticed. It lies beside the model.</summary>
internal sealed record SampleModelManifest(
    int FormatVersion, SampleModel Model, bool ExternalData, ImmutableArray<SampleModelManifest.Entry> Files)
{
    private const int BytesMax = 64 * 1024;

    public static string PathOf(string modelPath) => modelPath + ".manifest.json";

    /// <summary>The manifest beside <paramref name="modelPath"/>, or null when there is none that can be read.</summary>
    public static SampleModelManifest? Read(string modelPath)
    {
        var info = new FileInfo(PathOf(modelPath));
        if (!info.Exists || info.Length > BytesMax)
            return null;
        try
        {
            var manifest = JsonSerializer.Deserialize(
                File.ReadAllBytes(info.FullName), SampleModelJson.Default.SampleModelManifest);
            return manifest is { Files.IsDefault: false, Model: not null } ? manifest : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Write(string modelPath)
    {
        var temporary = $"{PathOf(modelPath)}.{Environment.ProcessId}.part";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, SampleModelJson.Default.SampleModelManifest));
        File.Move(temporary, PathOf(modelPath), overwrite: true);
    }

    /// <summary>One file: name, size, SHA-256 in lower-case hex, and its modification time in UTC ticks.</summary>
    internal sealed record Entry(string Name, long Bytes, string Sha256, long ModifiedUtcTicks);
}

[JsonSerializable(typeof(SampleModelManifest))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class SampleModelJson : JsonSerializerContext;
