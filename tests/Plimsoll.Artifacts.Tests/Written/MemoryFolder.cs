namespace Plimsoll.Artifacts.Tests;

/// <summary>A folder in memory; its files may be longer than what was written to them, and read as zeros there.</summary>
/// <param name="isListed">Whether it tells its files, as a plain web server does not.</param>
internal sealed class MemoryFolder(bool isListed = true) : ByteFolder
{
    private readonly SortedDictionary<string, (byte[] Content, long Length)> _files = new(StringComparer.Ordinal);
    private List<ModelFile>? _listed;

    public override string Name => "memory";

    public override IReadOnlyList<ModelFile>? Files => !isListed ? null : _listed ??=
        [.. _files.Select(file => new ModelFile($"memory/{file.Key}", file.Value.Length) { Name = file.Key })];

    /// <summary>The names and contents, to mutate one of them.</summary>
    public IReadOnlyDictionary<string, byte[]> Contents => _files.ToDictionary(file => file.Key, file => file.Value.Content);

    public MemoryFolder With(string name, byte[] content, long? length = null)
    {
        (_files[name], _listed) = ((content, length ?? content.LongLength), null);
        return this;
    }

    public override ByteSource? Open(string name) =>
        _files.TryGetValue(name, out var file) ? new MemoryFile(this, name, file.Content, file.Length) : null;

    public MemoryFolder Copy()
    {
        var copy = new MemoryFolder();
        foreach (var (name, file) in _files)
            copy._files[name] = file;
        return copy;
    }
}

internal sealed class MemoryFile(MemoryFolder? folder, string name, byte[] content, long length) : ByteSource
{
    public override string Name => folder is null ? name : $"memory/{name}";

    public override long Length => length;

    public override int Read(Span<byte> target, long offset)
    {
        var count = (int)Math.Min(target.Length, length - offset);
        if (count <= 0) return 0;
        var written = (int)Math.Clamp(content.LongLength - offset, 0, count);
        if (written > 0) content.AsSpan((int)offset, written).CopyTo(target);
        target[written..count].Clear();
        return count;
    }

    public override ModelFile? FileBeside(string beside) =>
        OpenBeside(beside) is { } found ? new ModelFile(found.Name, found.Length) { Name = beside } : null;

    public override ByteSource? OpenBeside(string beside) => folder?.Open(Beside(beside));

    private string Beside(string beside) => name[..(name.LastIndexOf('/') + 1)] + beside;
}
