using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Writes zip archives record by record, so that any field of them may lie.</summary>
internal sealed class ZipBytes
{
    private readonly List<Entry> _entries = [];

    /// <summary>A file of the archive; unset fields are the true ones.</summary>
    internal sealed record Entry(string Name, byte[] Content)
    {
        public long? Bytes { get; init; }

        public long? StoredBytes { get; init; }

        public long? Offset { get; init; }

        public ushort Method { get; init; }

        public ushort Flags { get; init; }
    }

    public ZipBytes Add(string name, byte[] content) => Add(new Entry(name, content));

    public ZipBytes Add(Entry entry)
    {
        _entries.Add(entry);
        return this;
    }

    public byte[] File(bool zip64 = false, string comment = "")
    {
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        var offsets = new List<long>();
        foreach (var entry in _entries)
        {
            offsets.Add(file.Position);
            Local(writer, entry);
        }

        var start = file.Position;
        for (var i = 0; i < _entries.Count; i++)
            Central(writer, _entries[i], _entries[i].Offset ?? offsets[i], zip64);
        End(writer, start, file.Position, zip64, comment);
        return file.ToArray();
    }

    private static void Local(BinaryWriter writer, Entry entry)
    {
        var name = Encoding.UTF8.GetBytes(entry.Name);
        writer.Write("PK\x03\x04"u8);
        writer.Write((ushort)20);
        writer.Write(entry.Flags);
        writer.Write(entry.Method);
        writer.Write(0);
        writer.Write(0);
        writer.Write(entry.Content.Length);
        writer.Write(entry.Content.Length);
        writer.Write((ushort)name.Length);
        // PyTorch fills the extra field so that each storage begins at a multiple of 64.
        var fill = (int)((64 - (writer.BaseStream.Position + 2 + name.Length + 4) % 64) % 64);
        writer.Write((ushort)(4 + fill));
        writer.Write(name);
        writer.Write("FB"u8);
        writer.Write((ushort)fill);
        writer.Write(new byte[fill]);
        writer.Write(entry.Content);
    }

    private static void Central(BinaryWriter writer, Entry entry, long offset, bool zip64)
    {
        var name = Encoding.UTF8.GetBytes(entry.Name);
        var (bytes, stored) = (entry.Bytes ?? entry.Content.Length, entry.StoredBytes ?? entry.Content.Length);
        writer.Write("PK\x01\x02"u8);
        writer.Write((ushort)20);
        writer.Write((ushort)20);
        writer.Write(entry.Flags);
        writer.Write(entry.Method);
        writer.Write(0);
        writer.Write(0);
        writer.Write(zip64 ? uint.MaxValue : (uint)stored);
        writer.Write(zip64 ? uint.MaxValue : (uint)bytes);
        writer.Write((ushort)name.Length);
        writer.Write((ushort)(zip64 ? 28 : 0));
        writer.Write(new byte[10]);
        writer.Write(zip64 ? uint.MaxValue : (uint)offset);
        writer.Write(name);
        if (!zip64) return;
        writer.Write((ushort)1);
        writer.Write((ushort)24);
        writer.Write(bytes);
        writer.Write(stored);
        writer.Write(offset);
    }

    private void End(BinaryWriter writer, long start, long end, bool zip64, string comment)
    {
        if (zip64)
        {
            writer.Write("PK\x06\x06"u8);
            writer.Write(44L);
            writer.Write(0);
            writer.Write(0L);
            writer.Write((long)_entries.Count);
            writer.Write((long)_entries.Count);
            writer.Write(end - start);
            writer.Write(start);
            writer.Write("PK\x06\x07"u8);
            writer.Write(0);
            writer.Write(end);
            writer.Write(1);
        }

        writer.Write("PK\x05\x06"u8);
        writer.Write(0);
        writer.Write(zip64 ? ushort.MaxValue : (ushort)_entries.Count);
        writer.Write(zip64 ? ushort.MaxValue : (ushort)_entries.Count);
        writer.Write(zip64 ? uint.MaxValue : (uint)(end - start));
        writer.Write(zip64 ? uint.MaxValue : (uint)start);
        writer.Write((ushort)comment.Length);
        writer.Write(Encoding.ASCII.GetBytes(comment));
    }
}
