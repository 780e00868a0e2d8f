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

    public static ModelFormat FormatOf(ModelDocument model) => model.Format ?? ExtensionOf(model.Source!).ToUpperInvariant() switch
    {
        ".ONNX" => ModelFormat.Onnx,
        ".GGUF" => ModelFormat.Gguf,
        ".SAFETENSORS" => ModelFormat.Safetensors,
        _ => ModelFormat.Other,
    };

    private static string ExtensionOf(string source) =>
        Path.GetExtension(FleetChecks.IsRemote(source) ? new Uri(source).AbsolutePath : source);

    /// <summary>What the model weighs; null when that is a problem of its field.</summary>
    public WeighedArtifact? Weigh(ModelDocument model, string path, CancellationToken cancellationToken)
    {
        if (FleetChecks.IsRemote(model.Source!)) return WeighRemote(model, path, cancellationToken);
        var source = Path.GetFullPath(model.Source!, file.Folder);
        var format = FormatOf(model);
        try
        {
            if (!File.Exists(source) && !Directory.Exists(source)) file.Problems.Add($"{path}.source", $"{source} does not exist");
            else if (format is ModelFormat.Onnx or ModelFormat.Gguf) return FootprintReader.Weigh(source);
            else if (model.Weights is { } weights) return new WeighedArtifact(Declared(source, format, weights), []);
            else file.Problems.Add($"{path}.weights", "missing; only ONNX and GGUF files are weighed by their header, a size such as 250MB would do");
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

    private WeighedArtifact? WeighRemote(ModelDocument model, string path, CancellationToken cancellationToken)
    {
        var format = FormatOf(model);
        try
        {
            using var remote = new RemoteArtifact(new Uri(model.Source!), time, cancellationToken);
            var hasHeader = format is ModelFormat.Onnx or ModelFormat.Gguf;
            if (hasHeader && remote.HasRanges) return remote.Weigh();
            if (model.Weights is { } weights)
            {
                if (hasHeader) _notes.Add($"model '{model.Name}': its server knows no ranges, so it is taken to weigh {weights} as stated");
                return remote.Declared(Kind(format), weights);
            }

            file.Problems.Add($"{path}.weights", hasHeader
                ? "missing; the server of this source knows no ranges, so its header cannot be read before it is fetched; a size such as 250MB would do"
                : "missing; only ONNX and GGUF files are weighed by their header, a size such as 250MB would do");
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
        cached?.Invoke(ModelId.Of(model.Name!)) is { } known && known.Source == RemoteArtifact.Shown(new Uri(model.Source!))
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
