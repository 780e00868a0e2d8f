namespace Plimsoll.Artifacts;

/// <summary>
/// A model file behind an address, weighed before it is fetched: only its header is read, in ranges. Its digest covers
/// the header, the sizes, both ends and what its server says tells versions apart, so that a changed file is a new version.
/// </summary>
public sealed class RemoteArtifact : IDisposable
{
    private readonly ArtifactSource _source;
    private readonly RemoteFile _file;

    /// <summary>Asks for the model's first bytes.</summary>
    /// <exception cref="ArtifactException">It is not there; the message shows the address without user and query.</exception>
    public RemoteArtifact(Uri url, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(url);
        _source = ArtifactSource.OfFile(url, time, cancellationToken);
        _file = _source.RemoteFile!;
    }

    /// <summary>False when the server sends the file only whole, and it is too large to look at its header so.</summary>
    public bool HasRanges => _file.HasRanges;

    /// <summary>The address as it may be shown: without user, query and fragment, which may hold secrets.</summary>
    public static string Shown(Uri url) => SourceRequest.ShownOf(url);

    /// <summary>Weighs it by its header.</summary>
    /// <exception cref="ArtifactException">The server knows no ranges, or it is no whole ONNX or GGUF file.</exception>
    public WeighedArtifact Weigh() => HasRanges
        ? FootprintReader.Weigh(_file, _source.Opened)
        : throw new ArtifactException($"{_file.Name} cannot be weighed by its header: its server knows no ranges.");

    /// <summary>What it is by declaration. On disk it takes the size its server tells, which is more than its weights.</summary>
    public WeighedArtifact Declared(ArtifactFormat format, Bytes weights)
    {
        var file = new ModelFile(_file.Name, _file.Length) { Validator = _file.Validator };
        var footprint = new Footprint
        {
            Format = format,
            Source = FootprintSource.Declared,
            Digest = FootprintReader.Digest([file], [_file.Name], _ => _file, sampled: HasRanges),
            OnDisk = new Bytes(_file.Length),
            Weights = weights,
        };
        return new WeighedArtifact(footprint, [file]);
    }

    public void Dispose() => _source.Dispose();
}
