namespace Plimsoll.Artifacts;

/// <summary>Reads one TensorProto's description and locates its data, which is skipped.</summary>
internal sealed class OnnxTensorReader(HeaderFile file, ProtobufReader reader, OnnxExternalFiles external)
{
    private const int AxesMax = 64;
    private const int NameBytesMax = 64 * 1024;
    private const int EntriesMax = 64;
    private readonly List<long> _dimensions = [];
    private readonly Dictionary<string, string> _entries = new(StringComparer.Ordinal);
    private string _name = "";
    private OnnxDataType _type;
    private long _rawStart = -1;
    private long _rawBytes;
    private long _typedBytes;
    private long _textBytes;
    private bool _isExternal;

    public OnnxTensor Read(in ProtobufField record)
    {
        var end = reader.Enter(record, "a tensor");
        while (reader.Next(end, out var field))
            ReadField(field);
        var what = _name.Length > 0 ? $"tensor '{Messages.Shown(_name)}'" : $"the tensor at byte {record.Start}";
        var elements = Elements(what);
        if (_type.Bits() == 0 && _type != OnnxDataType.Text)
            throw file.Broken($"{what} has the unknown data type {(int)_type}");
        var bytes = _type == OnnxDataType.Text ? _textBytes : _type.PackedBytes(elements)
            ?? throw file.Broken($"{what} is larger than any memory ({elements} elements)");
        var (storage, path, offset) = Locate(what, elements, bytes);
        return new OnnxTensor(_name, _type, [.. _dimensions], elements, bytes, storage, path, offset, record.Start, end);
    }

    private void ReadField(in ProtobufField field)
    {
        switch (field.Number)
        {
            case 1: reader.ReadInt64s(field, _dimensions, AxesMax, "a tensor's shape"); break;
            case 2: _type = (OnnxDataType)Math.Clamp(reader.ReadInt64(field), 0, 255); break;
            case 8: _name = reader.ReadText(field, NameBytesMax, "a tensor's name"); break;
            case 9:
                reader.Require(field, "a tensor's raw data");
                (_rawStart, _rawBytes) = (field.ContentStart, field.ContentBytes);
                reader.Skip(field);
                break;
            case 13: ReadEntry(field); break;
            case 14: _isExternal = reader.ReadInt64(field) == 1; break;
            case 6:
                _textBytes += field.ContentBytes;
                _typedBytes += Math.Max(1, field.ContentBytes);
                reader.Skip(field);
                break;
            case 4 or 5 or 7 or 10 or 11:
                _typedBytes += Math.Max(1, field.ContentBytes);
                reader.Skip(field);
                break;
            default: reader.Skip(field); break;
        }
    }

    private long Elements(string what)
    {
        var elements = (Int128)1;
        foreach (var length in _dimensions)
        {
            if (length < 0)
                throw file.Broken($"{what} has the negative length {length} in its shape");
            elements *= length;
            if (elements > long.MaxValue / 16)
                throw file.Broken($"{what} has an impossibly large shape, {string.Join('×', _dimensions)}");
        }

        return (long)elements;
    }

    private (OnnxStorage Storage, string Path, long Offset) Locate(string what, long elements, long bytes)
    {
        if (_type == OnnxDataType.Text)
        {
            // Each text is a field of its own, counted as one byte at least.
            return !_isExternal && _rawStart < 0 && _typedBytes >= elements
                ? (OnnxStorage.Typed, file.Path, -1)
                : throw file.Broken($"{what} declares {elements} texts and does not hold them");
        }

        if (_isExternal)
        {
            var (path, offset) = external.Locate(_entries, what, bytes);
            return (OnnxStorage.External, path, offset);
        }

        if (_rawStart >= 0)
        {
            if (_rawBytes != bytes)
            {
                throw file.Broken(
                    $"{what} holds {_rawBytes} bytes where its shape {string.Join('×', _dimensions)} needs {bytes}");
            }

            return (OnnxStorage.Raw, file.Path, _rawStart);
        }

        // A typed field takes at least one byte an element, except that int4 packs two (int2 four) into an int32.
        if (_typedBytes < Math.Min(elements, bytes))
            throw file.Broken($"{what} declares {elements} elements and holds {_typedBytes} bytes of data");
        return (OnnxStorage.Typed, file.Path, -1);
    }

    private void ReadEntry(in ProtobufField entry)
    {
        var (key, value) = ("", "");
        var end = reader.Enter(entry, "an external data entry");
        while (reader.Next(end, out var field))
        {
            switch (field.Number)
            {
                case 1: key = reader.ReadText(field, NameBytesMax, "an external data key"); break;
                case 2: value = reader.ReadText(field, NameBytesMax, "an external data value"); break;
                default: reader.Skip(field); break;
            }
        }

        if (_entries.Count >= EntriesMax)
            throw file.Broken($"a tensor has more than {EntriesMax} external data entries");
        _entries[key] = value;
    }
}
