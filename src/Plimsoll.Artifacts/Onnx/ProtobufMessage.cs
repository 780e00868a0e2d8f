using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>Builds a small protobuf message in memory, field by field.</summary>
internal sealed class ProtobufMessage
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public int Length => _bytes.WrittenCount;

    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    public ProtobufMessage Number(int field, long value)
    {
        Varint((ulong)field << 3);
        Varint(unchecked((ulong)value));
        return this;
    }

    public ProtobufMessage Float(int field, float value)
    {
        Varint((ulong)field << 3 | 5);
        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(four, value);
        _bytes.Write(four);
        return this;
    }

    public ProtobufMessage Text(int field, string value) => Content(field, Encoding.UTF8.GetBytes(value));

    public ProtobufMessage Message(int field, ProtobufMessage value) => Content(field, value.Bytes);

    public ProtobufMessage Content(int field, ReadOnlySpan<byte> value)
    {
        Header(field, value.Length);
        _bytes.Write(value);
        return this;
    }

    /// <summary>The tag and length of a field whose content somebody else writes.</summary>
    public ProtobufMessage Header(int field, long contentBytes)
    {
        Varint((ulong)field << 3 | 2);
        Varint((ulong)contentBytes);
        return this;
    }

    /// <summary>Appends bytes that are fields already.</summary>
    public ProtobufMessage Raw(ReadOnlySpan<byte> fields)
    {
        _bytes.Write(fields);
        return this;
    }

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            _bytes.Write([(byte)(value & 0x7F | 0x80)]);
        _bytes.Write([(byte)value]);
    }
}
