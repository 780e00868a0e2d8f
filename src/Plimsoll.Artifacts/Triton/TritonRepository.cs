using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>
/// A Triton model repository: a folder for each model, with config.pbtxt and a folder for each version. Each version that
/// Triton would load is a part; by default that is the highest.
/// </summary>
internal static class TritonRepository
{
    private const string ConfigName = "config.pbtxt";
    private const int ModelsMax = 10_000;

    /// <summary>Reads it; null where the folder is none, or cannot be listed.</summary>
    public static ArtifactHeader? Read(ByteFolder folder)
    {
        if (folder.Files is not { } files || files.Any(file => file.Name == "config.json"))
            return null;
        // The folder of one model is a repository of one.
        var models = files.Any(file => file.Name == ConfigName) ? [""] : Models(files);
        if (models.Count == 0)
            return null;
        if (models.Count > ModelsMax)
            throw new ArtifactException($"{folder.Name} holds more than {ModelsMax} models.");
        var (parts, notes) = (ImmutableArray.CreateBuilder<ArtifactPart>(), ImmutableArray.CreateBuilder<string>());
        foreach (var name in models)
        {
            var model = new TritonModel(name.Length == 0 ? folder : folder.Below(name), name.Length == 0 ? LastPart(folder.Name) : name);
            parts.AddRange(model.Parts);
            notes.AddRange(model.Notes);
        }

        return new ArtifactHeader
        {
            Format = ArtifactFormat.TritonRepository,
            Source = folder.Name,
            Files = [.. parts.SelectMany(part => part.Header.Files).DistinctBy(file => file.Path)],
            Parts = parts.ToImmutable(),
            Notes = notes.ToImmutable(),
        };
    }

    /// <summary>A version's number. Triton passes over other names, and those that begin with zero.</summary>
    public static int? Version(string name) =>
        name.Length > 0 && name[0] is >= '1' and <= '9' && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version : null;

    // A folder with a configuration, or, since Triton completes missing ones, with a version that holds a model's file.
    private static List<string> Models(IReadOnlyList<ModelFile> files) =>
    [
        .. files.Select(file => file.Name.Split('/')).Where(path => path is [_, ConfigName]
            || path is [_, var version, var name, ..] && Version(version) is not null && TritonModel.IsDefaultName(name))
            .Select(path => path[0]).Distinct().Order(StringComparer.Ordinal),
    ];

    private static string LastPart(string name) => name[(name.LastIndexOf('/') + 1)..];
}
