using System.Runtime.InteropServices;

namespace Plimsoll.Artifacts;

/// <summary>What the kernel says a path is; Linux.</summary>
public static unsafe partial class RegularFile
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint TypeAndMode = 0x3; // STATX_TYPE | STATX_MODE
    private const int ModeOffset = 28; // struct statx, the same on every architecture
    private const int TypeMask = 0xF000;
    private const int Regular = 0x8000;

    /// <summary>True for a regular file, links followed; opening a pipe or device would wait for ever or do worse.</summary>
    public static bool Is(string path)
    {
        var buffer = stackalloc byte[256];
        return StatX(CurrentFolder, path, 0, TypeAndMode, buffer) == 0 && (*(ushort*)(buffer + ModeOffset) & TypeMask) == Regular;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, byte* buffer);
}
