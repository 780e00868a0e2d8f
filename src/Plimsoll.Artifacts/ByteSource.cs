using Microsoft.Win32.SafeHandles;

namespace Plimsoll.Artifacts;

/// <summary>The bytes of one untrusted file, read at any place; a failure is an <see cref="ArtifactException"/> that names it.</summary>
internal abstract class ByteSource : IDisposable
{
    /// <summary>The file as messages name it.</summary>
    public abstract string Name { get; }

    public abstract long Length { get; }

    /// <summary>See <see cref="ModelFile.Validator"/>.</summary>
    public virtual string? Validator => null;

    /// <summary>What is worth reading at once where the next jump is not known.</summary>
    public virtual int Window => 16 * 1024;

    /// <summary>Reads up to the target's length from <paramref name="offset"/> on; 0 only at the end.</summary>
    public abstract int Read(Span<byte> target, long offset);

    /// <summary>A file beside this one, whose name was found in it and checked; null when there is none.</summary>
    public abstract ModelFile? FileBeside(string name);

    /// <summary>Opens a file beside this one, or below its folder, whose name was checked (<see cref="ByteFolder.Checked"/>);
    /// null when there is none.</summary>
    public abstract ByteSource? OpenBeside(string name);

    /// <summary>Whether files beside this one may be opened and read by several threads at once, each file by one.</summary>
    public virtual bool ReadsInParallel => false;

    /// <summary>Told that these files beside this one, whose names were checked, are opened next and their headers read, so that
    /// a source that is far away can ask for all of them at once.</summary>
    public virtual void ExpectBeside(IEnumerable<string> names)
    {
    }

    public virtual void Dispose()
    {
    }
}

/// <summary>A file of this machine.</summary>
internal sealed class LocalFile : ByteSource
{
    private readonly SafeFileHandle _handle;

    public LocalFile(string path)
    {
        Name = path;
        if (File.Exists(path) && !RegularFile.Is(path)) throw new ArtifactException($"{path} is no regular file; a copy of what it gives would do.");
        try
        {
            _handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            Length = RandomAccess.GetLength(_handle);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArtifactException(Unreadable(path, e), e);
        }

        if (Length <= ByteFolder.FileBytesMax) return;
        _handle.Dispose();
        throw new ArtifactException($"{path} has {Length} bytes, which no file of a model has.");
    }

    public override string Name { get; }

    public override long Length { get; }

    public override int Read(Span<byte> target, long offset)
    {
        try
        {
            return RandomAccess.Read(_handle, target, offset);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArtifactException(Unreadable(Name, e), e);
        }
    }

    public override ModelFile? FileBeside(string name)
    {
        var path = Path.Combine(Path.GetDirectoryName(Name) ?? "", name);
        var info = new FileInfo(path);
        if (!info.Exists) return null;
        // A link's own length is its target path's; the tensors are in the target.
        var target = info.LinkTarget is null ? info : (FileInfo?)info.ResolveLinkTarget(returnFinalTarget: true) ?? info;
        return new ModelFile(path, target.Length) { Name = name };
    }

    public override ByteSource? OpenBeside(string name)
    {
        var path = Path.Combine(Path.GetDirectoryName(Name) ?? "", name);
        return File.Exists(path) ? new LocalFile(path) : null;
    }

    public override bool ReadsInParallel => true;

    public override void Dispose()
    {
        _handle.Dispose();
        base.Dispose();
    }

    // One sentence for a file that cannot be opened.
    private static string Unreadable(string path, Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => $"{path} does not exist.",
        UnauthorizedAccessException when Directory.Exists(path) => $"{path} is a folder, and a file is needed.",
        UnauthorizedAccessException => $"{path} may not be read by this user.",
        _ => $"{path} cannot be read: {e.Message}",
    };
}
