using System.Runtime.InteropServices;

namespace Plimsoll.Caching;

/// <summary>What the kernel says of files and file systems; Linux.</summary>
internal static partial class FileSystemFacts
{
    // "No space left on device" and "disk quota exceeded", the same on every architecture we run on.
    private const int NoSpace = 28, OverQuota = 122;

    public static bool IsFull(IOException exception) => exception.HResult is NoSpace or OverQuota;

    /// <summary>Free bytes for this user, and the size of the file system.</summary>
    public static (Bytes Free, Bytes Size) Space(string folder)
    {
        var drive = new DriveInfo(folder);
        return (new Bytes(drive.AvailableFreeSpace), new Bytes(drive.TotalSize));
    }

    /// <summary>Makes a rename in this folder last through a power cut; best effort.</summary>
    public static void FlushFolder(string folder)
    {
        var descriptor = Open(folder, 0, 0);
        if (descriptor < 0) return;
        _ = Sync(descriptor);
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
