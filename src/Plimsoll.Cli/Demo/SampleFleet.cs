using System.Collections.Immutable;
using Plimsoll.Artifacts;

namespace Plimsoll.Cli.Demo;

/// <summary>Makes the sample models that the demo and the quickstart serve, and says how far it is.</summary>
public static class SampleFleet
{
    /// <param name="models">What is wanted.</param>
    /// <param name="folder">Where they are kept from run to run.</param>
    /// <param name="tell">Called with lines for the person; with nothing when all are there.</param>
    /// <param name="time">The clock of the progress.</param>
    /// <param name="cancellationToken">Stops the writing; nothing half-written is left.</param>
    /// <exception cref="ArtifactException">The folder cannot be written, or the disk is full.</exception>
    public static async Task<ImmutableSortedDictionary<ModelId, SampleModelResult>> MakeAsync(
        ImmutableArray<DemoModel> models, string folder, Action<string> tell, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tell);
        var missing = models.Where(model => !File.Exists(PathOf(folder, model))).ToImmutableArray();
        if (!missing.IsEmpty)
        {
            RequireSpace(folder, missing);
            tell($"making {missing.Length} sample {(missing.Length == 1 ? "model" : "models")} in {folder} (once), "
                + $"{new Bytes(missing.Sum(model => model.WeightBytes))} in all");
        }

        var made = ImmutableSortedDictionary.CreateBuilder<ModelId, SampleModelResult>();
        foreach (var model in models)
        {
            var progress = new WritingProgress(model.Id.Value, model.WeightBytes, tell, time);
            var result = await SampleModels.EnsureAsync(
                folder, model.Id.Value, model.WeightBytes, written: progress.Written, cancel: cancellationToken).ConfigureAwait(false);
            if (result.MadeBecause is { } why) tell($"  {model.Id} made, {new Bytes(model.WeightBytes)}, in {progress.Took} ({why})");
            made[model.Id] = result;
        }

        return made.ToImmutable();
    }

    public static string PathOf(string folder, DemoModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Path.Combine(folder, model.Id.Value + ".onnx");
    }

    // Asked for all of them at once: to fill the disk with two models and then refuse the third helps nobody.
    private static void RequireSpace(string folder, ImmutableArray<DemoModel> missing)
    {
        var needed = new Bytes(missing.Sum(model => model.WeightBytes));
        var existing = Path.GetFullPath(folder);
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent) existing = parent;
        var free = new Bytes(new DriveInfo(existing).AvailableFreeSpace);
        if (free < needed)
            throw new ArtifactException($"the sample models take {needed}, and the disk of {folder} has {free} free; "
                + "free some, or have them elsewhere with PLIMSOLL_HOME");
    }
}
