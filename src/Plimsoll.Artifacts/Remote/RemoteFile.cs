using System.Buffers.Binary;

namespace Plimsoll.Artifacts;

/// <summary>A file of a source that is asked over http(s), read in ranges: little where it jumps, more and more where it goes on.</summary>
internal sealed class RemoteFile : ByteSource
{
    private const int LeastAhead = 16 * 1024;
    private const int MostAtOnce = 1 << 20;

    private readonly RangeReader _reader;
    private readonly RemoteFolder _folder;
    private readonly SourceRequest _from;
    private readonly string? _validator;
    private readonly string _beside;
    private readonly byte[] _first;
    private byte[] _window = [];
    private long _windowStart;

    private RemoteFile(RangeReader reader, RemoteFolder folder, string name, RangeAnswer first, string shown, ModelFile? listed)
    {
        (_reader, _folder, Name) = (reader, folder, shown);
        // Where a redirect led is asked directly from now on.
        (_from, Length, _validator, _first) = (first.From, first.Length, first.Validator, first.Content ?? []);
        Validator = listed?.Validator ?? first.Validator;
        HasRanges = first.Content is not null;
        _beside = name[..(name.LastIndexOf('/') + 1)];
    }

    /// <param name="reader">What asks, within its bounds.</param>
    /// <param name="folder">The folder it is in.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="firstBytes">What is read at once of its beginning.</param>
    /// <param name="listed">What a listing says of it; null without one.</param>
    /// <exception cref="ArtifactException">It is not there, or does not let us in.</exception>
    public static async Task<RemoteFile> OpenAsync(RangeReader reader, RemoteFolder folder, string name, int firstBytes, ModelFile? listed)
    {
        var request = folder.Ask(name);
        var answer = await reader.ReadAsync(request, 0, firstBytes).ConfigureAwait(false);
        if (listed is not null && listed.Bytes != answer.Length)
            throw new ArtifactException($"{request.Shown} has {answer.Length} bytes where its listing says {listed.Bytes}; try again.");
        var file = new RemoteFile(reader, folder, name, answer, request.Shown, listed);
        await file.ReadAheadAsync().ConfigureAwait(false);
        return file;
    }

    public override string Name { get; }

    public override long Length { get; }

    public override string? Validator { get; }

    public override int Window => 4 * 1024;

    /// <summary>False when nothing of it can be read but all of it.</summary>
    public bool HasRanges { get; }

    /// <summary>A redirect led to an address that ends in a slash: a folder's index, no file.</summary>
    public bool CameFromFolder => _from.Url.AbsolutePath.EndsWith('/');

    public override int Read(Span<byte> target, long offset)
    {
        if (offset >= Length || target.IsEmpty) return 0;
        if (!HasRanges) throw new ArtifactException($"{Name} cannot be read by its header: its server knows no ranges.");
        if (offset < _first.Length) return Copy(_first.AsSpan((int)offset), target);
        var windowEnd = _windowStart + _window.Length;
        if (offset < _windowStart || offset >= windowEnd)
        {
            var goesOn = _window.Length > 0 ? offset == windowEnd : offset == _first.Length;
            var ahead = goesOn ? Math.Max(LeastAhead, Math.Max(_window.Length * 2L, _first.Length)) : 0;
            var count = Math.Min(Length - offset, Math.Max(target.Length, Math.Min(ahead, MostAtOnce)));
            (_window, _windowStart) = (Checked(_reader.Read(_from, offset, (int)count)), offset);
        }

        return Copy(_window.AsSpan((int)(offset - _windowStart)), target);
    }

    public override ModelFile? FileBeside(string name) => _folder.FileOf(_beside + name) is { } file ? file with { Name = name } : null;

    public override ByteSource? OpenBeside(string name) => _folder.Open(_beside + name);

    public override void ExpectBeside(IEnumerable<string> names) => _folder.Expect(names.Select(name => _beside + name));

    // The first eight bytes of a safetensors file tell how long its header is: of many shards, all are brought at once.
    private async Task ReadAheadAsync()
    {
        if (!Name.EndsWith(".safetensors", StringComparison.Ordinal) || _first.Length < sizeof(long)) return;
        var end = Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(_first), MostAtOnce) + sizeof(long);
        if (end <= (ulong)_first.Length || end > (ulong)Length) return;
        var answer = await _reader.ReadAsync(_from, _first.Length, (int)end - _first.Length).ConfigureAwait(false);
        (_window, _windowStart) = (Checked(answer), _first.Length);
    }

    private byte[] Checked(RangeAnswer answer) => answer.Length == Length && answer.Validator == _validator && answer.Content is { } content
        ? content : throw new ArtifactException($"{Name} changed while its header was read; try again.");

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        var count = Math.Min(from.Length, to.Length);
        from[..count].CopyTo(to);
        return count;
    }
}
