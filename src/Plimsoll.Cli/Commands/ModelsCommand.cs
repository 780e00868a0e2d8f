using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Commands;

/// <summary>The commands <c>plimsoll models create|list</c>.</summary>
public static class ModelsCommand
{
    public static Command Create(TimeProvider time) => new("models", "Make sample models, or list a folder's")
    {
        CreateCommand(time), ListCommand(),
    };

    private static Command CreateCommand(TimeProvider time)
    {
        var name = new Argument<string>("NAME") { Description = "The file's name, without .onnx" };
        var size = new Option<Bytes?>("--size")
        {
            Description = "What its weights take, such as 250MB",
            HelpName = "SIZE",
            Required = true,
            CustomParser = result =>
            {
                if (Bytes.TryParse(result.Tokens[0].Value, out var bytes) && bytes.Value is >= SampleModel.BytesMin and <= SampleModel.BytesMax) return bytes;
                result.AddError($"--size is '{Show.Text(result.Tokens[0].Value)}'; expected a size from "
                    + $"{new Bytes(SampleModel.BytesMin)} to {new Bytes(SampleModel.BytesMax)}, such as 250MB.");
                return null;
            },
        };
        var seed = TrafficOptions.Seed();
        seed.Description = "The same seed gives the same file";
        var folder = FolderOption();
        var command = new Command("create", "Write a transformer encoder with seeded random weights") { name, size, seed, folder };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (model, bytes) = (parsed.GetValue(name)!, parsed.GetValue(size)!.Value.Value);
            var progress = new WritingProgress(Show.Text(model), bytes, parsed.InvocationConfiguration.Error.WriteLine, time);
            var made = await SampleModels.EnsureAsync(
                parsed.GetValue(folder) ?? DemoFolders.Open().Models, model, bytes, parsed.GetValue(seed), written: progress.Written, onlyOwn: true,
                cancel: cancellationToken).ConfigureAwait(false);
            await parsed.InvocationConfiguration.Output.WriteLineAsync(made.MadeBecause is { } why
                ? $"{made.Path}: written, {new Bytes(made.Model.WeightBytes)} of weights ({why})"
                : $"{made.Path}: there already, {new Bytes(made.Model.WeightBytes)} of weights").ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command ListCommand()
    {
        var folder = new Argument<string?>("FOLDER") { Description = "Default: where sample models are kept", Arity = ArgumentArity.ZeroOrOne };
        var json = StatusCommand.JsonOption();
        var command = new Command("list", "List the models in a folder and what they weigh") { folder, json };
        command.SetAction(parsed =>
        {
            var (output, path) = (parsed.InvocationConfiguration.Output, parsed.GetValue(folder) ?? DemoFolders.Open().Models);
            if (!Directory.Exists(path)) throw new CommandException(ExitCode.Failed, $"{path} is no folder; plimsoll models create makes sample models");
            var files = FolderFiles.Of(path);
            foreach (var note in files.Notes) parsed.InvocationConfiguration.Error.WriteLine($"plimsoll: {note}");
            var listings = files.Models.Select(ModelListing.Of).ToImmutableArray();
            if (parsed.GetValue(json)) output.WriteLine(JsonSerializer.Serialize(listings, CommandJson.Default.ImmutableArrayModelListing));
            else if (listings.IsEmpty) output.WriteLine($"no .onnx or .gguf file in {path}");
            else foreach (var listing in listings) output.WriteLine(listing.Line(path));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Option<string?> FolderOption() =>
        new("--folder") { Description = "Where to write it (default: where sample models are kept)", HelpName = "DIR" };
}

/// <summary>One model file as list prints it.</summary>
public sealed record ModelListing
{
    public required string Path { get; init; }

    /// <summary>Why it cannot be weighed; null when it can.</summary>
    public string? Problem { get; init; }

    public string? Format { get; init; }

    public long? WeightBytes { get; init; }

    public long? DiskBytes { get; init; }

    public long? LargestTensorBytes { get; init; }

    public long? Parameters { get; init; }

    public ImmutableArray<DtypeWeight>? ByDtype { get; init; }

    public long? KvBytesPerToken { get; init; }

    public string? Digest { get; init; }

    public static ModelListing Of(string path)
    {
        try
        {
            return Of(path, ArtifactWeigher.Weigh(path).Footprint);
        }
        catch (ArtifactException unreadable)
        {
            return new ModelListing { Path = path, Problem = unreadable.Message };
        }
    }

    private static ModelListing Of(string path, Footprint footprint) => new()
    {
        Path = path,
        Format = ScalarKind.NameOf(footprint.Format),
        WeightBytes = footprint.Weights.Value,
        DiskBytes = footprint.OnDisk.Value,
        LargestTensorBytes = footprint.LargestTensor.Value,
        Parameters = footprint.Parameters,
        ByDtype = footprint.ByDtype,
        KvBytesPerToken = footprint.KvPerToken.Value > 0 ? footprint.KvPerToken.Value : null,
        Digest = footprint.Digest,
    };

    public string Line(string folder) =>
        Problem is null
            ? $"{Show(WeightBytes),10} {Format,-5} {FleetFiles.Show.Text(System.IO.Path.GetRelativePath(folder, Path), 200)}"
            : $"{"?",10} {"",-5} {FleetFiles.Show.Text(Problem, 400)}";

    private static string Show(long? bytes) => bytes is { } known ? new Bytes(known).ToString() : "?";
}
