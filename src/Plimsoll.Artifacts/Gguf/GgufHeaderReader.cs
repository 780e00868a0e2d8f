using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Walks a GGUF file: magic, version, counts, key-values, tensor table, then aligned data.</summary>
internal sealed class GgufHeaderReader(HeaderFile file)
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const int PairsMax = 100_000;
    private const int TensorsMax = 1_000_000;
    private const int NameBytesMax = 64 * 1024;
    private const int ArrayDepthMax = 4;
    private const int AxesMax = 8;
    private const long ArrayElementsMax = 16L << 20;
    private readonly Dictionary<string, long> _numbers = new(StringComparer.Ordinal);
    private long _arrayElements;
    private string? _architecture;

    public GgufHeader Read()
    {
        if (file.Length < 24 || file.ReadUInt32() != Magic)
            throw file.Broken("it does not begin with 'GGUF' and a header");
        var version = file.ReadUInt32();
        if (version is not (2 or 3))
            throw file.Broken($"its version is {version}, and 2 and 3 are known");
        var tensorCount = Count(TensorsMax, "tensors");
        var pairCount = Count(PairsMax, "key-values");
        for (var i = 0; i < pairCount; i++)
            ReadPair();
        var alignment = _numbers.GetValueOrDefault("general.alignment", 32);
        if (alignment is < 1 or > 1 << 20)
            throw file.Broken($"its alignment is {alignment}");
        var tensors = new List<GgufTensor>();
        for (var i = 0; i < tensorCount; i++)
            tensors.Add(ReadTensor());
        var dataStart = (file.Position + alignment - 1) / alignment * alignment;
        return new GgufHeader
        {
            Path = file.Path,
            Version = (int)version,
            Tensors = [.. tensors.Select(tensor => Placed(tensor, dataStart))],
            FileBytes = file.Length,
            Architecture = _architecture,
            ContextLength = Number("context_length"),
            BlockCount = Number("block_count"),
            EmbeddingLength = Number("embedding_length"),
            HeadCount = Number("attention.head_count"),
            KeyValueHeadCount = Number("attention.head_count_kv"),
            KeyLength = Number("attention.key_length"),
            ValueLength = Number("attention.value_length"),
        };
    }

    private long? Number(string key) =>
        _numbers.TryGetValue($"{_architecture}.{key}", out var value) && value is > 0 and <= 1L << 40 ? value : null;

    private int Count(int max, string what)
    {
        var count = file.ReadUInt64();
        return count <= (ulong)max ? (int)count : throw file.Broken($"it claims {count} {what}, and at most {max} are accepted");
    }

    private string Text(string what)
    {
        var bytes = file.ReadUInt64();
        return file.ReadText(bytes > long.MaxValue ? -1 : (long)bytes, NameBytesMax, what);
    }

    private void ReadPair()
    {
        var key = Text("a key");
        var type = file.ReadUInt32();
        if (key == "general.architecture" && type == 8)
            _architecture = Text("the architecture");
        else if (ReadValue(type, 0) is { } number)
            _numbers[key] = number;
    }

    // 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 9 array, 10 u64, 11 i64, 12 f64.
    private long? ReadValue(uint type, int depth)
    {
        switch (type)
        {
            case 0 or 1 or 7: return file.ReadByte();
            case 2 or 3: return file.ReadByte() | file.ReadByte() << 8;
            case 4 or 5: return file.ReadUInt32();
            case 10 or 11: return unchecked((long)file.ReadUInt64());
            case 6: Skip(4); return null;
            case 12: Skip(8); return null;
            case 8: SkipText(); return null;
            case 9: return ReadArray(depth + 1);
            default: throw file.Broken($"the value at byte {file.Position} has the unknown type {type}");
        }
    }

    // Some keys (head_count_kv of hybrid models) hold one number per block: the largest stands for all.
    private long? ReadArray(int depth)
    {
        if (depth > ArrayDepthMax)
            throw file.Broken($"its arrays are nested deeper than {ArrayDepthMax}");
        var type = file.ReadUInt32();
        var count = file.ReadUInt64();
        if (count > (ulong)ArrayElementsMax || (_arrayElements += (long)count) > ArrayElementsMax)
            throw file.Broken($"its arrays hold more than {ArrayElementsMax} values");
        var fixedBytes = type switch { 6 => 4, 12 => 8, _ => 0 };
        if (fixedBytes > 0)
        {
            Skip(fixedBytes * (long)count);
            return null;
        }

        long? largest = null;
        for (var i = 0UL; i < count; i++)
        {
            if (ReadValue(type, depth) is { } value && !(value <= largest))
                largest = value;
        }

        return largest;
    }

    private void SkipText()
    {
        var bytes = file.ReadUInt64();
        if (bytes > (ulong)file.Length)
            throw file.Truncated($"the text at byte {file.Position} claims {bytes} bytes");
        Skip((long)bytes);
    }

    private void Skip(long bytes)
    {
        if (bytes > file.Length - file.Position)
            throw file.Truncated($"its header goes on to byte {file.Position + bytes}");
        file.Position += bytes;
    }

    private GgufTensor ReadTensor()
    {
        var name = Text("a tensor's name");
        var axes = file.ReadUInt32();
        if (axes > AxesMax)
            throw file.Broken($"tensor '{name}' has {axes} axes, and at most {AxesMax} are accepted");
        var dimensions = new long[axes];
        var elements = (Int128)1;
        for (var i = 0; i < axes; i++)
        {
            var length = file.ReadUInt64();
            if (length > 1UL << 48 || (elements *= length) > 1L << 56)
                throw file.Broken($"tensor '{name}' has an impossibly large shape");
            dimensions[i] = (long)length;
        }

        var number = file.ReadUInt32();
        var type = GgmlType.Of(number) ?? throw file.Broken($"tensor '{name}' has the unknown type {number}");
        var offset = file.ReadUInt64();
        var bytes = type.Bytes(axes > 0 ? dimensions[0] : 1, (long)elements)
            ?? throw file.Broken($"tensor '{name}' has rows that are no whole {type.Name} blocks");
        if (offset > long.MaxValue / 2)
            throw file.Broken($"tensor '{name}' lies at the impossible offset {offset}");
        return new GgufTensor(name, type.Name, [.. dimensions], (long)elements, bytes, (long)offset);
    }

    private GgufTensor Placed(GgufTensor tensor, long dataStart)
    {
        var placed = tensor with { Offset = dataStart + tensor.Offset };
        if (placed.Offset > file.Length || placed.Bytes > file.Length - placed.Offset)
            throw file.Truncated($"tensor '{tensor.Name}' ends at byte {placed.Offset + placed.Bytes}");
        return placed;
    }
}
