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

    /// <summary>What the model weighs; null when that is a problem of its field.</summary>
    public WeighedArtifact? Weigh(ModelDocument model, string path, CancellationToken cancellationToken)
    {
        try
        {
            return FleetChecks.IsRemote(model.Source!) ? Remote(model, path, cancellationToken) : Local(model, path);
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file.Problems.Add($"{path}.source", $"{SourceAddress.ShownOf(model.Source!)} cannot be read: {Show.Text(e.Message, 200)}");
        }

        return null;
    }

    private WeighedArtifact? Local(ModelDocument model, string path)
    {
        var source = FleetChecks.PathOf(model.Source!, file.Folder);
        if (File.Exists(source) || Directory.Exists(source))
            return Judged(model, path, source, () => ArtifactWeigher.Weigh(source), (format, weights) => Declared(source, format, weights));
        file.Problems.Add($"{path}.source", $"{source} does not exist");
        return null;
    }

    private WeighedArtifact? Remote(ModelDocument model, string path, CancellationToken cancellationToken)
    {
        using var found = ArtifactSource.Open(SourceAddress.Parse(model.Source!), SourceSettings.OfProcess, time, cancellationToken);
        if (ArtifactWeigher.HasRanges(found))
            return Judged(model, path, found.Shown, () => ArtifactWeigher.Weigh(found), (format, weights) => found.LocalPath is { } here
                ? Declared(here, format, weights) : ArtifactWeigher.Declared(found, format, weights));
        if (model.Weights is { } stated)
        {
            if (HasHeader(model)) _notes.Add($"model '{model.Name}': its server knows no ranges, so it is taken to weigh {stated} as stated");
            return ArtifactWeigher.Declared(found, ByName(model), stated);
        }

        file.Problems.Add($"{path}.weights",
            "missing; the server of this source knows no ranges, so its header cannot be read before it is fetched; a size such as 250MB would do");
        return null;
    }

    // By its header. A stated weight is for what no header tells; where one should and does not, that is worth knowing.
    private WeighedArtifact? Judged(
        ModelDocument model, string path, string shown, Func<WeighedArtifact> weigh, Func<ArtifactFormat, Bytes, WeighedArtifact> declare)
    {
        WeighedArtifact weighed;
        try
        {
            weighed = weigh();
        }
        catch (ArtifactException unreadable) when (!unreadable.Unreachable && model.Weights is not null && !HasHeader(model))
        {
            return declare(ArtifactFormat.Unknown, model.Weights.Value);
        }

        var footprint = weighed.Footprint;
        var noWeights = footprint.Source == FootprintSource.Architecture;
        if (!noWeights && footprint.Weights > Bytes.Zero && footprint.Format is not (ArtifactFormat.Unknown or ArtifactFormat.TensorRt)) return weighed;
        // A server of one's own may bring weights from elsewhere; ours load what is there.
        if (model.Weights is { } weights && (!noWeights || !model.Command.IsEmpty)) return declare(footprint.Format, weights);
        if (noWeights)
            file.Problems.Add($"{path}.source", $"{Show.Text(shown, 200)} holds a configuration and no weights, so there is nothing to serve; a folder that holds both would do");
        else
            file.Problems.Add($"{path}.weights", "missing; no header of this source tells what it weighs, a size such as 250MB would do");
        return null;
    }

    // Of formats whose headers tell the weights: by the field, else by the name's ending.
    private static bool HasHeader(ModelDocument model) => ByName(model) != ArtifactFormat.Unknown;

    private static ArtifactFormat ByName(ModelDocument model) => model.Format switch
    {
        ModelFormat.Onnx => ArtifactFormat.Onnx,
        ModelFormat.Gguf => ArtifactFormat.Gguf,
        ModelFormat.Safetensors => ArtifactFormat.Safetensors,
        ModelFormat.Other => ArtifactFormat.Unknown,
        _ => ExtensionOf(model.Source!).ToUpperInvariant() switch
        {
            ".ONNX" => ArtifactFormat.Onnx,
            ".GGUF" => ArtifactFormat.Gguf,
            ".SAFETENSORS" => ArtifactFormat.Safetensors,
            _ => ArtifactFormat.Unknown,
        },
    };

    private static string ExtensionOf(string source) =>
        Path.GetExtension(FleetChecks.IsRemote(source) && Uri.TryCreate(source, UriKind.Absolute, out var url) ? url.AbsolutePath : source);

    private ModelSpec? LastKnown(ModelDocument model) =>
        cached?.Invoke(ModelId.Of(model.Name!)) is { } known && known.Source == SourceAddress.ShownOf(model.Source!)
            && (model.Version is null || model.Version == known.Version) ? known : null;

    private static WeighedArtifact Declared(string source, ArtifactFormat format, Bytes weights)
    {
        var isFolder = Directory.Exists(source);
        IEnumerable<FileInfo> found = isFolder
            ? new DirectoryInfo(source).EnumerateFiles("*", SearchOption.AllDirectories).Take(FilesMax) : [new FileInfo(source)];
        // A link's own length and time are its target path's; the weights are in the target.
        var files = found.Select(one => (Name: Path.GetRelativePath(source, one.FullName), File: one.ResolveLinkTarget(true) as FileInfo ?? one)).ToList();
        var listing = string.Join('\n', files.Select(one => string.Create(CultureInfo.InvariantCulture,
            $"{one.Name} {one.File.Length} {one.File.LastWriteTimeUtc.Ticks}")).Order(StringComparer.Ordinal));
        var footprint = new Footprint
        {
            Format = format,
            Source = FootprintSource.Declared,
            Digest = "listing-sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(listing))),
            OnDisk = new Bytes(files.Sum(one => one.File.Length)),
            Weights = weights,
        };
        return new WeighedArtifact(footprint, isFolder ? [] : [new ModelFile(source, files[0].File.Length)]) { IsFolder = isFolder };
    }
}
