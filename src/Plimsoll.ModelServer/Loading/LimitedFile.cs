using Microsoft.Win32.SafeHandles;
using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer;

/// <summary>Where the next <paramref name="bytes"/> bytes go, <paramref name="done"/> bytes having been read.</summary>
internal delegate Span<byte> ReadTarget(long done, int bytes);

/// <summary>A file that is read no faster than a <see cref="ReadLimit"/> allows.</summary>
internal sealed class LimitedFile : IDisposable
{
    private readonly string _path;
    private readonly ReadLimit _limit;
    private readonly SafeFileHandle _file;

    public LimitedFile(string path, ReadLimit limit)
    {
        (_path, _limit) = (path, limit);
        try
        {
            _file = File.OpenHandle(path, options: FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArtifactException($"{path} cannot be opened: {e.Message}", e);
        }
    }

    public async Task ReadAsync(long offset, long bytes, ReadTarget target, CancellationToken cancel)
    {
        for (long done = 0; done < bytes;)
        {
            cancel.ThrowIfCancellationRequested();
            var read = Read(target(done, (int)Math.Min(bytes - done, _limit.Room)), offset + done);
            done += read;
            await _limit.PayAsync(read, cancel);
        }
    }

    public void Dispose() => _file.Dispose();

    private int Read(Span<byte> target, long offset)
    {
        try
        {
            var read = RandomAccess.Read(_file, target, offset);
            return read > 0 ? read : throw new ArtifactException($"{_path} became shorter while it was being loaded.");
        }
        catch (IOException e)
        {
            throw new ArtifactException($"{_path} cannot be read at byte {offset}: {e.Message}", e);
        }
    }
}
