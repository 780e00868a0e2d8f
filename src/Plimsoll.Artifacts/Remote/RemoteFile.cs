namespace Plimsoll.Artifacts;

/// <summary>A file of a source that is asked over http(s), read in ranges: little where it jumps, more and more where it goes on.</summary>
internal sealed class RemoteFile : ByteSource
{
    private const int MostAtOnce = 1 << 20;

    private readonly RangeReader _reader;
    private readonly RemoteFolder _folder;
    private readonly SourceRequest _from;
    private readonly string? _validator;
    private readonly string _beside;
    private readonly byte[] _first;
    private byte[] _window = [];
    private long _windowStart;

    /// <param name="reader">What asks, within its bounds.</param>
    /// <param name="folder">The folder it is in.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="firstBytes">What is read at once of its beginning.</param>
    /// <param name="listed">What a listing says of it; null without one.</param>
    public RemoteFile(RangeReader reader, RemoteFolder folder, string name, int firstBytes, ModelFile? listed)
    {
        var request = folder.Ask(name);
        var answer = reader.Read(request, 0, firstBytes);
        if (listed is not null && listed.Bytes != answer.Length)
            throw new ArtifactException($"{request.Shown} has {answer.Length} bytes where its listing says {listed.Bytes}; try again.");
        (_reader, _folder, Name) = (reader, folder, request.Shown);
        // Where a redirect led is asked directly from now on.
        (_from, Length, _validator, _first) = (answer.From, answer.Length, answer.Validator, answer.Content ?? []);
        Validator = listed?.Validator ?? answer.Validator;
        HasRanges = answer.Content is not null;
        _beside = name[..(name.LastIndexOf('/') + 1)];
    }

    public override string Name { get; }

    public override long Length { get; }

    public override string? Validator { get; }

    public override int Window => 4 * 1024;

    /// <summary>False when nothing of it can be read but all of it.</summary>
    public bool HasRanges { get; }

    /// <summary>A redirect led to an address that ends in a slash: a folder's index, no file.</summary>
    public bool CameFromFolder => _from.Url.AbsolutePath.EndsWith('/');

    public override bool ReadsInParallel => true;

    public override int Read(Span<byte> target, long offset)
    {
        if (offset >= Length || target.IsEmpty) return 0;
        if (!HasRanges) throw new ArtifactException($"{Name} cannot be read by its header: its server knows no ranges.");
        if (offset < _first.Length) return Copy(_first.AsSpan((int)offset), target);
        var windowEnd = _windowStart + _window.Length;
        if (offset < _windowStart || offset >= windowEnd)
        {
            var ahead = offset == windowEnd && _window.Length > 0 ? _window.Length * 2L : offset == _first.Length && _window.Length == 0 ? _first.Length : 0;
            var count = Math.Min(Length - offset, Math.Max(target.Length, Math.Min(ahead, MostAtOnce)));
            var answer = _reader.Read(_from, offset, (int)count);
            if (answer.Length != Length || answer.Validator != _validator || answer.Content is null)
                throw new ArtifactException($"{Name} changed while its header was read; try again.");
            (_window, _windowStart) = (answer.Content, offset);
        }

        return Copy(_window.AsSpan((int)(offset - _windowStart)), target);
    }

    public override ModelFile? FileBeside(string name) => _folder.FileOf(_beside + name) is { } file ? file with { Name = name } : null;

    public override ByteSource? OpenBeside(string name) => _folder.Open(_beside + name);

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var count = Math.Min(from.Length, to.Length);
        from[..count].CopyTo(to);
        return count;
    }
}
