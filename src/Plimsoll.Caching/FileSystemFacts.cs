using System.Runtime.InteropServices;

namespace Plimsoll.Caching;

/// <summary>What the kernel says of files and file systems; Linux.</summary>
internal static unsafe partial class FileSystemFacts
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint TypeAndMode = 0x3; // STATX_TYPE | STATX_MODE
    private const int ModeOffset = 28; // struct statx, the same on every architecture
    private const int TypeMask = 0xF000;
    private const int Regular = 0x8000;

    // "No space left on device" and "disk quota exceeded", the same on every architecture we run on.
    private const int NoSpace = 28, OverQuota = 122;

    /// <summary>True for a regular file, links followed; opening a pipe or device would wait for ever or do worse.</summary>
    public static bool IsRegular(string path)
    {
        var buffer = stackalloc byte[256];
        return StatX(CurrentFolder, path, 0, TypeAndMode, buffer) == 0 && (*(ushort*)(buffer + ModeOffset) & TypeMask) == Regular;
    }

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

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
