using System.Buffers.Binary;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>One file in a zip archive, as its directory describes it.</summary>
/// <param name="Name">Its path in the archive.</param>
/// <param name="Bytes">Its size once unpacked.</param>
/// <param name="StoredBytes">Its size in the archive.</param>
/// <param name="Offset">Where its own header begins.</param>
/// <param name="IsStored">Whether it is kept as it is, neither compressed nor encrypted.</param>
internal sealed record ZipEntry(string Name, long Bytes, long StoredBytes, long Offset, bool IsStored);

/// <summary>
/// Reads a zip archive's central directory (with ZIP64), and unpacks nothing. Entries must lie in the file, before the
/// directory and apart from each other, so that no archive claims more bytes than it has.
/// </summary>
internal static class ZipDirectory
{
    private const int EndBytes = 22;
    private const int CommentMax = 65_535;
    private const int EntriesMax = 1_000_000;
    private const int EntryBytes = 46;
    private const long DirectoryBytesMax = 128 << 20;
    private const int LocalBytes = 30;
    private static readonly UTF8Encoding Lenient = new(false);

    public static List<ZipEntry> Read(HeaderFile file)
    {
        var (count, start, end) = FindDirectory(file);
        if ((Int128)count * EntryBytes > end - start)
            throw file.Broken($"its directory of {end - start} bytes at byte {start} can't hold the {count} entries it claims");
        var entries = new List<ZipEntry>((int)count);
        var names = new HashSet<string>(StringComparer.Ordinal);
        file.Position = start;
        for (var i = 0; i < count; i++)
        {
            var entry = ReadEntry(file, end);
            if (!names.Add(entry.Name))
                throw file.Broken($"it has two entries named '{Messages.Shown(entry.Name)}'");
            entries.Add(entry);
        }

        CheckApart(file, entries, start);
        return entries;
    }

    /// <summary>Where an entry's content begins, which its own header tells.</summary>
    public static long ContentStart(HeaderFile file, ZipEntry entry)
    {
        Span<byte> header = stackalloc byte[LocalBytes];
        file.Position = entry.Offset;
        file.ReadExactly(header);
        if (!header.StartsWith("PK\x03\x04"u8))
            throw file.Broken($"no entry begins at byte {entry.Offset}, where its directory has '{Messages.Shown(entry.Name)}'");
        var start = entry.Offset + LocalBytes + U16(header, 26) + U16(header, 28);
        return entry.StoredBytes <= file.Length - start ? start
            : throw file.Truncated($"entry '{Messages.Shown(entry.Name)}' ends at byte {(Int128)start + entry.StoredBytes}");
    }

    // The directory's end record is the file's last 22 bytes, unless a comment follows it.
    private static (long Count, long Start, long End) FindDirectory(HeaderFile file)
    {
        if (file.Length < EndBytes)
            throw file.Truncated($"a zip archive ends in a record of {EndBytes} bytes");
        Span<byte> record = stackalloc byte[EndBytes];
        var at = file.Length - EndBytes;
        file.Position = at;
        file.ReadExactly(record);
        if (!record.StartsWith("PK\x05\x06"u8) || U16(record, 20) != 0)
        {
            at = FindCommented(file);
            file.Position = at;
            file.ReadExactly(record);
        }

        long count = U16(record, 10), bytes = U32(record, 12), start = U32(record, 16);
        var end = at;
        if (count == 0xFFFF || bytes == 0xFFFF_FFFF || start == 0xFFFF_FFFF || HasLocator(file, at))
            (count, bytes, start, end) = ReadZip64(file, at);
        if (count > EntriesMax)
            throw file.Broken($"its directory claims {count} entries, and at most {EntriesMax} are accepted");
        if (bytes > DirectoryBytesMax)
            throw file.Broken($"its directory claims {bytes} bytes, and at most {DirectoryBytesMax} are accepted");
        if (start > end || bytes > end - start)
            throw file.Broken($"its directory of {bytes} bytes at byte {start} does not end before byte {end}");
        return (count, start, start + bytes);
    }

    private static long FindCommented(HeaderFile file)
    {
        var tail = new byte[(int)Math.Min(file.Length, EndBytes + CommentMax)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        for (var at = tail.Length - EndBytes; at >= 0; at--)
        {
            if (tail.AsSpan(at).StartsWith("PK\x05\x06"u8) && at + EndBytes + U16(tail, at + 20) == tail.Length)
                return file.Length - tail.Length + at;
        }

        throw file.Truncated("a zip archive's directory comes last, and there is none");
    }

    private static bool HasLocator(HeaderFile file, long end)
    {
        Span<byte> mark = stackalloc byte[4];
        if (end < 20) return false;
        file.Position = end - 20;
        file.ReadExactly(mark);
        return mark.SequenceEqual("PK\x06\x07"u8);
    }

    private static (long Count, long Bytes, long Start, long End) ReadZip64(HeaderFile file, long end)
    {
        if (!HasLocator(file, end))
            throw file.Broken($"its directory's end at byte {end} needs a ZIP64 record, and none is there");
        file.Position = end - 12;
        var at = file.ReadUInt64();
        if (at > (ulong)(end - 20) || end - 20 - (long)at < 56)
            throw file.Broken($"its ZIP64 record should begin at byte {at}, outside the file");
        Span<byte> record = stackalloc byte[56];
        file.Position = (long)at;
        file.ReadExactly(record);
        if (!record.StartsWith("PK\x06\x06"u8))
            throw file.Broken($"no ZIP64 record begins at byte {at}");
        return (Limited(file, U64(record, 32)), Limited(file, U64(record, 40)), Limited(file, U64(record, 48)), (long)at);
    }

    private static ZipEntry ReadEntry(HeaderFile file, long end)
    {
        Span<byte> header = stackalloc byte[EntryBytes];
        var at = file.Position;
        if (EntryBytes > end - at)
            throw file.Broken($"its directory ends at byte {end}, inside the entry at byte {at}");
        file.ReadExactly(header);
        if (!header.StartsWith("PK\x01\x02"u8))
            throw file.Broken($"no entry of its directory begins at byte {at}");
        int nameBytes = U16(header, 28), extraBytes = U16(header, 30), commentBytes = U16(header, 32);
        if (nameBytes + extraBytes + commentBytes > end - file.Position)
            throw file.Broken($"its directory ends at byte {end}, inside the entry at byte {at}");
        var texts = new byte[nameBytes + extraBytes];
        file.ReadExactly(texts);
        file.Position += commentBytes;
        long stored = U32(header, 20), bytes = U32(header, 24), offset = U32(header, 42);
        ReadWide(file, texts.AsSpan(nameBytes), ref bytes, ref stored, ref offset);
        var isStored = U16(header, 10) == 0 && (U16(header, 8) & 1) == 0;
        var name = Lenient.GetString(texts, 0, nameBytes);
        return isStored && stored != bytes
            ? throw file.Broken($"entry '{Messages.Shown(name)}' is not compressed and has two sizes, {stored} and {bytes}")
            : new ZipEntry(name, bytes, stored, offset, isStored);
    }

    // What does not fit 32 bits stands in an extra field, in this order.
    private static void ReadWide(HeaderFile file, ReadOnlySpan<byte> extra, ref long bytes, ref long stored, ref long offset)
    {
        while (extra.Length >= 4)
        {
            var length = U16(extra, 2);
            if (length > extra.Length - 4) return;
            if (U16(extra, 0) == 1)
            {
                var wide = extra.Slice(4, length);
                bytes = Wide(file, ref wide, bytes);
                stored = Wide(file, ref wide, stored);
                offset = Wide(file, ref wide, offset);
                return;
            }

            extra = extra[(4 + length)..];
        }
    }

    private static long Wide(HeaderFile file, ref ReadOnlySpan<byte> wide, long narrow)
    {
        if (narrow != 0xFFFF_FFFF || wide.Length < 8) return narrow;
        var value = Limited(file, U64(wide, 0));
        wide = wide[8..];
        return value;
    }

    private static void CheckApart(HeaderFile file, List<ZipEntry> entries, long directoryStart)
    {
        var end = 0L;
        var before = "";
        foreach (var entry in entries.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if (entry.Offset < end)
                throw file.Broken($"entry '{Messages.Shown(entry.Name)}' at byte {entry.Offset} lies inside '{Messages.Shown(before)}', which ends at byte {end}");
            // Its own header repeats the name.
            var bytes = (Int128)LocalBytes + entry.Name.Length + entry.StoredBytes;
            if (bytes > directoryStart - entry.Offset)
                throw file.Broken($"entry '{Messages.Shown(entry.Name)}' ends at byte {entry.Offset + bytes}, beyond byte {directoryStart}, where the directory begins");
            (end, before) = (entry.Offset + (long)bytes, entry.Name);
        }
    }

    private static long Limited(HeaderFile file, ulong value) =>
        value <= long.MaxValue ? (long)value : throw file.Broken($"its directory holds the impossible size {value}");

    private static ushort U16(ReadOnlySpan<byte> from, int at) => BinaryPrimitives.ReadUInt16LittleEndian(from[at..]);

    private static uint U32(ReadOnlySpan<byte> from, int at) => BinaryPrimitives.ReadUInt32LittleEndian(from[at..]);

    private static ulong U64(ReadOnlySpan<byte> from, int at) => BinaryPrimitives.ReadUInt64LittleEndian(from[at..]);
}
