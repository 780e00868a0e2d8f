using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Walks a GGUF file: magic, version, counts, key-values, tensor table, then aligned data.</summary>
internal sealed class GgufHeaderReader(HeaderFile file)
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const int PairsMax = 100_000;
    private const int TensorsMax = 1_000_000;
    private const int NameBytesMax = 64 * 1024;
    private const int AxesMax = 8;
    private readonly Dictionary<string, long> _numbers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private readonly HashSet<string> _tensorNames = new(StringComparer.Ordinal);
    private readonly GgufValues _values = new(file);
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
        CheckRoom(pairCount, 13, "key-values");
        for (var i = 0; i < pairCount; i++)
            ReadPair();
        var alignment = _numbers.GetValueOrDefault("general.alignment", 32);
        if (alignment is < 1 or > 1 << 20)
            throw file.Broken($"its alignment is {alignment}");
        CheckRoom(tensorCount, 24, "tensors");
        var tensors = new List<GgufTensor>();
        for (var i = 0; i < tensorCount; i++)
            tensors.Add(ReadTensor());
        var dataStart = (file.Position + alignment - 1) / alignment * alignment;
        return new GgufHeader
        {
            Path = file.Path,
            Version = (int)version,
            Tensors = Placed(tensors, dataStart),
            Metadata = _values.Kept,
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

    // The least that many of them take, so that a lying count ends before its loop does.
    private void CheckRoom(int count, int bytesEach, string what)
    {
        if ((long)count * bytesEach > file.Length - file.Position)
            throw file.Truncated($"its {count} {what} end beyond byte {file.Position + (long)count * bytesEach}");
    }

    private string Text(string what)
    {
        var bytes = file.ReadUInt64();
        return file.ReadText(bytes > long.MaxValue ? -1 : (long)bytes, NameBytesMax, what);
    }

    private void ReadPair()
    {
        var key = Text("a key");
        if (!_keys.Add(key))
            throw file.Broken($"it has the key '{Messages.Shown(key)}' twice");
        var type = file.ReadUInt32();
        if (key == "general.architecture" && type == 8)
        {
            _architecture = Text("the architecture");
            _values.Keep(key, _architecture);
        }
        else if (_values.Read(key, type) is { } number)
        {
            _numbers[key] = number;
        }
    }

    private GgufTensor ReadTensor()
    {
        var name = Text("a tensor's name");
        if (!_tensorNames.Add(name))
            throw file.Broken($"it has two tensors named '{Messages.Shown(name)}'");
        var axes = file.ReadUInt32();
        if (axes > AxesMax)
            throw file.Broken($"tensor '{Messages.Shown(name)}' has {axes} axes, and at most {AxesMax} are accepted");
        var dimensions = new long[axes];
        var elements = (Int128)1;
        for (var i = 0; i < axes; i++)
        {
            var length = file.ReadUInt64();
            if (length > 1UL << 48 || (elements *= length) > 1L << 56)
                throw file.Broken($"tensor '{Messages.Shown(name)}' has an impossibly large shape");
            dimensions[i] = (long)length;
        }

        var number = file.ReadUInt32();
        var type = GgmlType.Of(number) ?? throw file.Broken(GgmlType.IsRemoved(number)
            ? $"tensor '{Messages.Shown(name)}' has the type {number}, which ggml gave up; quantise the model again"
            : $"tensor '{Messages.Shown(name)}' has the unknown type {number}");
        var offset = file.ReadUInt64();
        var bytes = type.Bytes(axes > 0 ? dimensions[0] : 1, (long)elements)
            ?? throw file.Broken($"tensor '{Messages.Shown(name)}' has rows that are no whole {type.Name} blocks");
        if (offset > long.MaxValue / 2)
            throw file.Broken($"tensor '{Messages.Shown(name)}' lies at the impossible offset {offset}");
        return new GgufTensor(name, type.Name, [.. dimensions], (long)elements, bytes, (long)offset);
    }

    // In the file's order, each inside the file and none inside another.
    private ImmutableArray<GgufTensor> Placed(List<GgufTensor> tensors, long dataStart)
    {
        var placed = tensors.ConvertAll(tensor => tensor with { Offset = dataStart + tensor.Offset });
        placed.Sort((one, other) => one.Offset != other.Offset ? one.Offset.CompareTo(other.Offset)
            : one.Bytes != other.Bytes ? one.Bytes.CompareTo(other.Bytes) : string.CompareOrdinal(one.Name, other.Name));
        var end = dataStart;
        foreach (var tensor in placed)
        {
            if (tensor.Offset > file.Length || tensor.Bytes > file.Length - tensor.Offset)
                throw file.Truncated($"tensor '{Messages.Shown(tensor.Name)}' ends at byte {(Int128)tensor.Offset + tensor.Bytes}");
            if (tensor.Offset < end)
                throw file.Broken($"tensor '{Messages.Shown(tensor.Name)}' begins at byte {tensor.Offset}, inside the tensor before it, which ends at {end}");
            end = tensor.Offset + tensor.Bytes;
        }

        return [.. placed];
    }
}
