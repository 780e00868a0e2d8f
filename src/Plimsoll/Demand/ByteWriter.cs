using System.Buffers.Binary;

namespace Plimsoll;

/// <summary>
/// Numbers one after the other into bytes, little-endian. A zero has no sign: what is left out for being nothing but zeros is read back
/// without one, and what goes on from there must write the same as what was never read.
/// </summary>
internal ref struct ByteWriter(Span<byte> bytes)
{
    private readonly Span<byte> _bytes = bytes;

    public int Length { get; private set; }

    public void Byte(byte value) => _bytes[Length++] = value;

    public void Short(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes[Length..], value);
        Length += 2;
    }

    /// <summary>A number that fits a half float; any other would be read back as another.</summary>
    public void Half(float value)
    {
        BinaryPrimitives.WriteHalfLittleEndian(_bytes[Length..], (Half)value + System.Half.Zero);
        Length += 2;
    }

    /// <summary>A number that fits a float.</summary>
    public void Single(double value)
    {
        BinaryPrimitives.WriteSingleLittleEndian(_bytes[Length..], (float)value + 0f);
        Length += 4;
    }

    /// <summary>A whole number that is never negative, seven bits a byte.</summary>
    public void Count(long value)
    {
        for (; value >= 0x80; value >>= 7) Byte((byte)(value & 0x7f | 0x80));
        Byte((byte)value);
    }
}

/// <summary>Reads what <see cref="ByteWriter"/> wrote.</summary>
/// <exception cref="ArgumentOutOfRangeException">Where there is less than is asked for.</exception>
/// <exception cref="FormatException">A number that is none.</exception>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _at;

    public readonly bool AtEnd => _at == _bytes.Length;

    public byte Byte() => Next(1)[0];

    public ushort Short() => BinaryPrimitives.ReadUInt16LittleEndian(Next(2));

    public float Half() => Finite((float)BinaryPrimitives.ReadHalfLittleEndian(Next(2)));

    public float Single() => Finite(BinaryPrimitives.ReadSingleLittleEndian(Next(4)));

    public long Count()
    {
        var (value, shift) = (0L, 0);
        while (true)
        {
            var part = Byte();
            if (shift > 56) throw new FormatException("a number of more than 63 bits");
            value |= (long)(part & 0x7f) << shift;
            if (part < 0x80) return value;
            shift += 7;
        }
    }

    private static float Finite(float value) => float.IsFinite(value) ? value : throw new FormatException("a number that is none");

    private ReadOnlySpan<byte> Next(int count)
    {
        var next = _bytes.Slice(_at, count);
        _at += count;
        return next;
    }
}
