using System.Collections.Immutable;
using Plimsoll.Artifacts;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>Makes a fleet of a folder: every ONNX and GGUF model in it that can be served on this machine.</summary>
public static class FolderScan
{
    public const int ModelsMax = 1000;

    /// <summary>The fleet found, and a note on every model that was left out.</summary>
    public static (FleetFile File, ImmutableArray<string> Notes) Read(string folder)
    {
        var problems = new Problems(Show.Text(folder, 200));
        var files = FolderFiles.Of(folder);
        var notes = ImmutableArray.CreateBuilder<string>();
        notes.AddRange(files.Notes);
        var models = ImmutableArray.CreateBuilder<ModelDocument>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var hasLlama = ServerPresets.Find(ServerKind.LlamaServer) is not null;
        var ggufs = 0;
        foreach (var path in files.Models)
        {
            if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && !hasLlama)
            {
                ggufs++;
                continue;
            }

            try
            {
                if (ArtifactWeigher.Weigh(path).Footprint is not { Format: ArtifactFormat.Onnx or ArtifactFormat.Gguf, Weights.Value: > 0 })
                {
                    notes.Add($"left out: {Show.Text(path, 200)} is named like a model and is none");
                    continue;
                }
            }
            catch (ArtifactException unreadable)
            {
                notes.Add($"left out: {Show.Text(unreadable.Message, 400)}");
                continue;
            }

            if (models.Count == ModelsMax)
            {
                notes.Add($"only the first {ModelsMax} models are taken; a fleet file can name more");
                break;
            }

            models.Add(new ModelDocument { Name = Unique(NameOf(path), names), Source = Path.GetFullPath(path) });
        }

        if (ggufs > 0) notes.Add($"{ggufs} GGUF {(ggufs == 1 ? "model is" : "models are")} left out: llama-server is not on the PATH");
        if (models.Count == 0) problems.Add(new Yaml.Position(1, 1), "", "no model in this folder that can be served here; .onnx files, or .gguf files with llama-server, would do");
        var file = new FleetFile
        {
            Path = folder,
            Folder = Path.GetFullPath(folder),
            Document = new FleetDocument { Models = models.ToImmutable() },
            Problems = problems,
        };
        return (file, notes.ToImmutable());
    }

    /// <summary>
    /// Why a model could never run on what was seen, null where it could: by its files, as what was measured holds for the context
    /// that it had then.
    /// </summary>
    public static Func<ModelSpec, string?> RefusedOn(FleetSpec spec, FleetSnapshot seen) =>
        model => Planner.Admit(spec with { Models = [model] }, seen, Knowledge.Empty) is [var verdict, ..] ? verdict.Reason.ToString() : null;

    /// <summary>That of all models of a folder none can be served; notes say why of each.</summary>
    public static CommandException NothingFits(FleetFile file) => new(ExitCode.Refused,
        $"{Show.Text(file.Path, 200)}: this machine can hold no model of this folder; more memory, or a fleet file that states a shorter context or fewer requests at once, would do");

    // Exported models are often all called model.onnx; then the folder tells them apart.
    private static string NameOf(string path)
    {
        var stem = FleetResolver.NameOf(path);
        return stem == "model" && Path.GetDirectoryName(path) is { } parent ? FleetResolver.NameOf(parent) : stem;
    }

    private static string Unique(string name, HashSet<string> names)
    {
        var unique = name;
        for (var n = 2; !names.Add(unique); n++) unique = $"{name}-{n}";
        return unique;
    }
}
