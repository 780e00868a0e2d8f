using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>
/// What sentence-transformers put behind a transformer: pooling and projections, each in a folder that modules.json names ("1_Pooling").
/// An engine that does not find them answers other vectors.
/// </summary>
internal static class SentenceModules
{
    public const string IndexName = "modules.json";

    /// <summary>What is asked for in each where nobody lists a folder.</summary>
    public static readonly string[] Names = ["config.json", "model.safetensors", "pytorch_model.bin"];

    private const int Most = 32;

    /// <summary>The folders, relative; none where there is no index, or none that can be read.</summary>
    public static IReadOnlyList<string> Of(ByteSource? index)
    {
        if (index is null) return [];
        try
        {
            // It is a list, where configurations are objects.
            using var json = JsonFile.Parse(index.Name, $$"""{"modules":{{JsonFile.ReadText(index)}}}""");
            if (json.RootElement.GetProperty("modules") is not { ValueKind: JsonValueKind.Array } modules) return [];
            return [.. modules.EnumerateArray().Take(Most).Where(module => module.ValueKind == JsonValueKind.Object)
                .Select(module => module.Text("path")).OfType<string>().Select(ByteFolder.Checked).OfType<string>().Distinct(StringComparer.Ordinal)];
        }
        catch (ArtifactException)
        {
            return [];
        }
    }
}
