namespace Plimsoll.Artifacts;

/// <summary>Protobuf's wire types that are in use; groups (3 and 4) are refused.</summary>
internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// <summary>Walks protobuf fields in a file. A message is a range of the file: <see cref="Next"/> yields its fields,
/// and what the caller does not read is skipped with a seek.</summary>
internal sealed class ProtobufReader(HeaderFile file)
{
    /// <summary>Fields of one whole file: each is at least two bytes, so this bounds time without a valid model
    /// coming near it (the largest public graphs have a few hundred thousand nodes).</summary>
    private const int FieldsMax = 20_000_000;
    private int _fields;

    public HeaderFile File => file;

    /// <summary>Reads the next field's tag, or returns false at the message's <paramref name="end"/>.</summary>
    public bool Next(long end, out ProtobufField field)
    {
        field = default;
        if (file.Position > end)
            throw file.Broken($"the number ending at byte {file.Position} leaves the message around it, which ends at {end}");
        if (file.Position == end)
            return false;
        if (++_fields > FieldsMax)
            throw file.Broken($"it has more than {FieldsMax} fields");
        var start = file.Position;
        var tag = ReadVarint();
        var number = tag >> 3;
        if (number is 0 or > 536_870_911)
            throw file.Broken($"the field at byte {start} has the impossible number {number}");
        var type = (WireType)(tag & 7);
        var content = type switch
        {
            WireType.Varint => 0,
            WireType.Fixed64 => 8,
            WireType.Fixed32 => 4,
            WireType.Bytes => ReadLength(end, start),
            _ => throw file.Broken($"the field at byte {start} has the unknown wire type {tag & 7}"),
        };
        if (file.Position + content > end)
            throw OverrunAt(start, file.Position + content, end);
        field = new ProtobufField((int)number, type, start, file.Position, content);
        return true;
    }

    /// <summary>Moves past a field that nobody wants; of its content nothing is read but a varint's bytes.</summary>
    public void Skip(in ProtobufField field)
    {
        if (field.Type == WireType.Varint)
            ReadVarint();
        else
            file.Position = field.ContentStart + field.ContentBytes;
    }

    public long ReadInt64(in ProtobufField field)
    {
        if (field.Type != WireType.Varint)
            throw file.Broken($"the field {field.Number} at byte {field.Start} should be a number");
        return unchecked((long)ReadVarint());
    }

    public string ReadText(in ProtobufField field, int bytesMax, string what)
    {
        Require(field, what);
        return file.ReadText(field.ContentBytes, bytesMax, what);
    }

    /// <summary>Adds a repeated int64, packed or not, to <paramref name="target"/>, never beyond <paramref name="countMax"/>.</summary>
    public void ReadInt64s(in ProtobufField field, List<long> target, int countMax, string what)
    {
        if (field.Type == WireType.Varint)
        {
            target.Add(unchecked((long)ReadVarint()));
        }
        else
        {
            Require(field, what);
            var end = field.ContentStart + field.ContentBytes;
            while (file.Position < end && target.Count <= countMax)
                target.Add(unchecked((long)ReadVarint()));
            if (file.Position > end)
                throw file.Broken($"{what} overruns its field at byte {field.Start}");
        }

        if (target.Count > countMax)
            throw file.Broken($"{what} has more than {countMax} entries");
    }

    /// <summary>The end of a nested message, whose fields come next.</summary>
    public long Enter(in ProtobufField field, string what)
    {
        Require(field, what);
        return field.ContentStart + field.ContentBytes;
    }

    public void Require(in ProtobufField field, string what)
    {
        if (field.Type != WireType.Bytes)
            throw file.Broken($"{what} at byte {field.Start} has the wrong wire type {(int)field.Type}");
    }

    public ulong ReadVarint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var next = file.ReadByte();
            value |= unchecked((ulong)(next & 0x7F) << shift);
            if (next < 0x80)
                return value;
        }

        throw file.Broken($"the number ending at byte {file.Position} is longer than ten bytes");
    }

    private long ReadLength(long end, long start)
    {
        var length = ReadVarint();
        if (length > (ulong)long.MaxValue / 2)
            throw file.Broken($"the field at byte {start} claims {length} bytes");
        if (file.Position + (long)length > end)
            throw OverrunAt(start, file.Position + (long)length, end);
        return (long)length;
    }

    // The outermost message ends with the file, and only there does an overrun mean that bytes are missing;
    // an inner one contradicts the message around it.
    private ArtifactException OverrunAt(long start, long fieldEnd, long end) => end == file.Length
        ? file.Truncated($"the field at byte {start} should end at byte {fieldEnd}")
        : file.Broken($"the field at byte {start} ends at byte {fieldEnd}, outside the message around it, which ends at {end}");
}

/// <summary>One field: where its tag starts, and where its content lies (a varint's content is 0 bytes here).</summary>
internal readonly record struct ProtobufField(int Number, WireType Type, long Start, long ContentStart, long ContentBytes);
