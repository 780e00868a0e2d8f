namespace Plimsoll.Artifacts;

/// <summary>A file behind an http(s) address, read in ranges: little where it jumps, more and more where it goes on.</summary>
internal sealed class RemoteFile : ByteSource
{
    private const int FirstBytes = 64 * 1024;
    private const int MostAtOnce = 1 << 20;

    private readonly RangeReader _reader;
    private readonly Uri _asked;
    private readonly Uri _url;
    private readonly byte[] _first;
    private readonly Dictionary<string, RemoteFile> _beside = new(StringComparer.Ordinal);
    private byte[] _window = [];
    private long _windowStart;

    public RemoteFile(RangeReader reader, Uri url)
    {
        (_reader, _asked) = (reader, url);
        var answer = reader.Read(url, 0, FirstBytes);
        // Where a redirect led is asked directly from now on.
        (_url, Length, Validator, _first) = (answer.From, answer.Length, answer.Validator, answer.Content ?? []);
        HasRanges = answer.Content is not null;
    }

    public override string Name => RangeReader.Shown(_asked);

    public override long Length { get; }

    public override string? Validator { get; }

    public override int Window => 4 * 1024;

    /// <summary>False when nothing of it can be read but all of it.</summary>
    public bool HasRanges { get; }

    public override int Read(Span<byte> target, long offset)
    {
        if (offset >= Length || target.IsEmpty) return 0;
        if (offset < _first.Length) return Copy(_first.AsSpan((int)offset), target);
        var windowEnd = _windowStart + _window.Length;
        if (offset < _windowStart || offset >= windowEnd)
        {
            var goesOn = offset == windowEnd || (_window.Length == 0 && offset == _first.Length);
            var count = Math.Min(Length - offset, Math.Max(target.Length, goesOn ? Math.Min(_window.Length * 2, MostAtOnce) : 0));
            var answer = _reader.Read(_url, offset, (int)count);
            if (answer.Length != Length || answer.Validator != Validator || answer.Content is null)
                throw new ArtifactException($"{Name} changed while its header was read; try again.");
            (_window, _windowStart) = (answer.Content, offset);
        }

        return Copy(_window.AsSpan((int)(offset - _windowStart)), target);
    }

    public override ModelFile? FileBeside(string name)
    {
        if (!_beside.TryGetValue(name, out var file))
        {
            var path = _asked.AbsolutePath[..(_asked.AbsolutePath.LastIndexOf('/') + 1)];
            var url = new UriBuilder(_asked) { Path = path + string.Join('/', name.Split('/').Select(Uri.EscapeDataString)) }.Uri;
            _beside[name] = file = new RemoteFile(_reader, url);
        }

        return new ModelFile(file.Name, file.Length) { Name = name, Validator = file.Validator };
    }

    public override ByteSource? OpenBeside(string name)
    {
        try
        {
            FileBeside(name);
            return _beside[name];
        }
        catch (ArtifactException e) when (e.Missing)
        {
            return null;
        }
    }

    /// <summary>This file, or one beside it that was asked for before.</summary>
    public RemoteFile Of(ModelFile file) => _beside.GetValueOrDefault(file.Name, this);

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var count = Math.Min(from.Length, to.Length);
        from[..count].CopyTo(to);
        return count;
    }
}
