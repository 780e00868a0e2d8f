using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Plimsoll.Artifacts;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>Weighs the models of a fleet file: by their headers, here or behind an address, else as they are declared.</summary>
/// <param name="file">Where they are named; what is wrong is a problem of the field that named it.</param>
/// <param name="time">How long a server may take.</param>
/// <param name="cached">See <see cref="FleetResolver"/>.</param>
internal sealed class ModelWeigher(FleetFile file, TimeProvider time, Func<ModelId, ModelSpec?>? cached)
{
    private const int FilesMax = 10_000;

    private readonly List<string> _notes = [];

    /// <summary>What a person should know although nothing is wrong.</summary>
    public ImmutableArray<string> Notes => [.. _notes];

    /// <summary>What is named: by the field, else by its ending; a folder, or a model of a hub, is one in the hub's layout.</summary>
    public static ModelFormat FormatOf(ModelDocument model, string folder) => model.Format ?? ExtensionOf(model.Source!).ToUpperInvariant() switch
    {
        ".ONNX" => ModelFormat.Onnx,
        ".GGUF" => ModelFormat.Gguf,
        ".SAFETENSORS" => ModelFormat.Safetensors,
        _ when IsHubLayout(model.Source!, folder) => ModelFormat.Safetensors,
        _ => ModelFormat.Other,
    };

    private static bool IsHubLayout(string source, string folder)
    {
        if (!FleetChecks.IsRemote(source)) return File.Exists(Path.Combine(Path.GetFullPath(source, folder), "config.json"));
        return !source.StartsWith("http", StringComparison.OrdinalIgnoreCase) && Path.GetExtension(source) is not (".bin" or ".pt" or ".pth" or ".plan" or ".engine");
    }

    private static string ExtensionOf(string source) =>
        Path.GetExtension(FleetChecks.IsRemote(source) && Uri.TryCreate(source, UriKind.Absolute, out var url) ? url.AbsolutePath : source);

    /// <summary>What the model weighs; null when that is a problem of its field.</summary>
    public WeighedArtifact? Weigh(ModelDocument model, string path, CancellationToken cancellationToken)
    {
        if (FleetChecks.IsRemote(model.Source!)) return WeighRemote(model, path, cancellationToken);
        var source = Path.GetFullPath(model.Source!, file.Folder);
        var format = FormatOf(model, file.Folder);
        try
        {
            if (!File.Exists(source) && !Directory.Exists(source)) file.Problems.Add($"{path}.source", $"{source} does not exist");
            // A stated weight is for what no header tells; where one should and does not, that is worth knowing.
            else if (model.Weights is { } weights && format == ModelFormat.Other) return Stated(source, weights);
            else return Known(ArtifactWeigher.Weigh(source), path);
        }
        catch (ArtifactException unreadable)
        {
            file.Problems.Add($"{path}.source", Show.Text(unreadable.Message, 400));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file.Problems.Add($"{path}.source", $"{source} cannot be read: {Show.Text(e.Message, 200)}");
        }

        return null;
    }

    // A header of a format that nobody knows gives files and no weights.
    private WeighedArtifact? Known(WeighedArtifact weighed, string path)
    {
        if (weighed.Footprint.Weights > Bytes.Zero) return weighed;
        file.Problems.Add($"{path}.weights", "missing; no header of this source tells what it weighs, a size such as 250MB would do");
        return null;
    }

    private static WeighedArtifact Stated(string source, Bytes weights)
    {
        try
        {
            var weighed = ArtifactWeigher.Weigh(source);
            if (weighed.Footprint.Format != ArtifactFormat.Unknown && weighed.Footprint.Weights > Bytes.Zero) return weighed;
        }
        catch (ArtifactException)
        {
        }

        return new WeighedArtifact(Declared(source, ModelFormat.Other, weights), []) { IsFolder = Directory.Exists(source) };
    }

    private WeighedArtifact? WeighRemote(ModelDocument model, string path, CancellationToken cancellationToken)
    {
        var format = FormatOf(model, file.Folder);
        try
        {
            using var found = ArtifactSource.Open(SourceAddress.Parse(model.Source!), SourceSettings.OfProcess, time, cancellationToken);
            if (ArtifactWeigher.HasRanges(found) && (model.Weights is null || format != ModelFormat.Other)) return Known(ArtifactWeigher.Weigh(found), path);
            if (model.Weights is { } weights)
            {
                if (format != ModelFormat.Other) _notes.Add($"model '{model.Name}': its server knows no ranges, so it is taken to weigh {weights} as stated");
                return found.LocalPath is { } here ? Stated(here, weights) : ArtifactWeigher.Declared(found, Kind(format), weights);
            }

            file.Problems.Add($"{path}.weights",
                "missing; the server of this source knows no ranges, so its header cannot be read before it is fetched; a size such as 250MB would do");
        }
        catch (ArtifactException away) when (away.Unreachable && LastKnown(model) is { } known)
        {
            _notes.Add($"model '{model.Name}' is served from the model cache as last weighed: {Show.Text(away.Message, 400)}");
            return new WeighedArtifact(known.Footprint, default);
        }
        catch (ArtifactException unreadable)
        {
            file.Problems.Add($"{path}.source", Show.Text(unreadable.Message, 400));
        }

        return null;
    }

    private ModelSpec? LastKnown(ModelDocument model) =>
        cached?.Invoke(ModelId.Of(model.Name!)) is { } known && known.Source == SourceAddress.ShownOf(model.Source!)
            && (model.Version is null || model.Version == known.Version) ? known : null;

    private static ArtifactFormat Kind(ModelFormat format) => format switch
    {
        ModelFormat.Onnx => ArtifactFormat.Onnx,
        ModelFormat.Gguf => ArtifactFormat.Gguf,
        ModelFormat.Safetensors => ArtifactFormat.Safetensors,
        _ => ArtifactFormat.Unknown,
    };

    private static Footprint Declared(string source, ModelFormat format, Bytes weights)
    {
        var files = Directory.Exists(source)
            ? [.. new DirectoryInfo(source).EnumerateFiles("*", SearchOption.AllDirectories).Take(FilesMax)]
            : new List<FileInfo> { new(source) };
        var listing = string.Join('\n', files.Select(one => string.Create(CultureInfo.InvariantCulture,
            $"{Path.GetRelativePath(source, one.FullName)} {one.Length} {one.LastWriteTimeUtc.Ticks}")).Order(StringComparer.Ordinal));
        return new Footprint
        {
            Format = Kind(format),
            Source = FootprintSource.Declared,
            Digest = "listing-sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(listing))),
            OnDisk = new Bytes(files.Sum(one => one.Length)),
            Weights = weights,
        };
    }
}
