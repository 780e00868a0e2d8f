using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Cli.Demo;

/// <summary>
/// What the models were found to take, kept beside them: the runs of two policies are compared under one budget, and
/// a measurement repeated would differ by a few megabytes.
/// </summary>
/// <param name="Key">The models' versions and the server's file; another key makes the file void.</param>
/// <param name="Needs">Ordered by model.</param>
public sealed record WeighedFile(string Key, ImmutableSortedDictionary<ModelId, MemoryNeed> Needs)
{
    private const string Name = "weighed.json";

    public static string KeyOf(FleetSpec spec, string server)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var file = new FileInfo(server);
        return string.Join(' ', spec.Models.Select(model => model.Version).Append($"{file.Length}").Append($"{file.LastWriteTimeUtc.Ticks}"));
    }

    /// <summary>Null when there is none with this key, or it cannot be read: then the models are weighed again.</summary>
    public static WeighedFile? Read(string folder, string key)
    {
        try
        {
            var path = Path.Combine(folder, Name);
            if (new FileInfo(path) is not { Exists: true, Length: < 65_536 }) return null;
            var file = JsonSerializer.Deserialize(File.ReadAllBytes(path), WeighedJson.Default.WeighedFile);
            return file is { Needs: not null } && file.Key == key ? file : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    public void Write(string folder)
    {
        var path = Path.Combine(folder, Name);
        File.WriteAllBytes(path + ".next", JsonSerializer.SerializeToUtf8Bytes(this, WeighedJson.Default.WeighedFile));
        File.Move(path + ".next", path, overwrite: true);
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(WeighedFile))]
internal sealed partial class WeighedJson : JsonSerializerContext;
