using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>A diffusion pipeline: model_index.json names components, each a folder with its own configuration and weights.</summary>
internal static class DiffusionPipeline
{
    public const string IndexName = "model_index.json";
    private const int ComponentsMax = 64;

    /// <summary>Reads it; null where the folder is no pipeline.</summary>
    public static ArtifactHeader? Read(ByteFolder folder)
    {
        using var indexFile = folder.Open(IndexName);
        if (indexFile is null)
            return null;
        var text = JsonFile.ReadText(indexFile);
        var parts = ImmutableArray.CreateBuilder<ArtifactPart>();
        var files = ImmutableArray.CreateBuilder<ModelFile>();
        files.Add(new ModelFile(indexFile.Name, indexFile.Length) { Name = IndexName, Validator = indexFile.Validator });
        foreach (var (name, type) in Components(indexFile.Name, text))
        {
            var component = folder.Below(name);
            if (ReadComponent(component) is { } header)
            {
                parts.Add(new ArtifactPart(name, header));
                files.AddRange(header.Files.Select(file => file with { Name = $"{name}/{file.Name}" }));
            }
            else if (component.Files is { } listed)
            {
                // A tokenizer or scheduler: small files without weights.
                if (listed.Count == 0)
                    throw new ArtifactException($"{indexFile.Name} names the component '{name}' ({type}), and there is no such folder.");
                files.AddRange(listed.Select(file => file with { Name = $"{name}/{file.Name}" }));
            }
        }

        if (parts.Count == 0)
            throw new ArtifactException($"{indexFile.Name} names no component that has a configuration or weights.");
        return new ArtifactHeader
        {
            Format = ArtifactFormat.Diffusers,
            Source = folder.Name,
            Files = files.ToImmutable(),
            Config = text,
            Parts = parts.ToImmutable(),
            Notes = Notes(folder, parts),
        };
    }

    private static ArtifactHeader? ReadComponent(ByteFolder component) =>
        component.Files?.Any(file => file.Name == "config.json" || FolderWeights.IsWeights(file.Name)) == false
            ? null : HuggingFaceFolder.Read(component);

    /// <summary>The components that a model_index.json names, each a folder beside it, with their classes.</summary>
    /// <exception cref="ArtifactException">It is no JSON object, names one twice or too many, or one elsewhere.</exception>
    public static List<(string Name, string Type)> Components(ByteSource index) => Components(index.Name, JsonFile.ReadText(index));

    private static List<(string Name, string Type)> Components(string path, string text)
    {
        using var index = JsonFile.Parse(path, text);
        var components = new List<(string, string)>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in index.RootElement.EnumerateObject())
        {
            // A component is [library, class]; [null, null] says that it is left out on purpose.
            if (property.Value.ValueKind != JsonValueKind.Array || property.Value.GetArrayLength() != 2
                || property.Value[0].ValueKind != JsonValueKind.String || property.Value[1].ValueKind != JsonValueKind.String)
                continue;
            var name = Checked(path, property.Name);
            if (name[0] == '_')
                continue;
            if (!names.Add(name))
                throw new ArtifactException($"{path} names the component '{name}' twice.");
            if (components.Count >= ComponentsMax)
                throw new ArtifactException($"{path} names more than {ComponentsMax} components.");
            components.Add((name, Messages.Shown(JsonFile.TextOf(property.Value[1]) ?? "?")));
        }

        return components;
    }

    private static string Checked(string path, string name) =>
        ByteFolder.Checked(name) == name && !name.Contains('/') ? name : throw new ArtifactException(
            $"{path} names the component '{Messages.Shown(name)}', which is no folder of the pipeline; that is refused.");

    private static ImmutableArray<string> Notes(ByteFolder folder, IEnumerable<ArtifactPart> parts)
    {
        var notes = parts.SelectMany(part => part.Header.Notes.Select(note => $"{part.Name}: {note}")).ToList();
        var loose = (folder.Files ?? []).Where(file => !file.Name.Contains('/') && FolderWeights.IsWeights(file.Name)).ToList();
        if (loose.Count > 0)
            notes.Add($"Not counted, as the whole pipeline in one file: {Messages.Some([.. loose.Select(file => file.Name)])} ({new Bytes(loose.Sum(file => file.Bytes))}).");
        return [.. notes];
    }
}
