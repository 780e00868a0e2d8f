using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>
/// Reads a safetensors file's header: its length in 8 bytes, then a JSON object that gives each tensor's dtype, shape and
/// place. As the format demands, the tensors must fill the rest of the file without gap or overlap.
/// </summary>
internal sealed class SafetensorsReader
{
    // The format's own limit.
    private const int HeaderBytesMax = 100_000_000;
    private const int TensorsMax = 1_000_000;
    private const int AxesMax = 32;
    private const int DepthMax = 8;
    private const int MetadataMax = 256;
    private const int MetadataTextMax = 4096;

    private readonly HeaderFile _file;
    private readonly List<(StoredTensor Tensor, long Begin, long End)> _tensors = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly ImmutableDictionary<string, string>.Builder _metadata = ImmutableDictionary.CreateBuilder<string, string>();
    private readonly List<long> _shape = [];

    private SafetensorsReader(HeaderFile file) => _file = file;

    public static StoredWeights Read(ByteSource source)
    {
        var reader = new SafetensorsReader(new HeaderFile(source, "a safetensors file"));
        reader.ReadHeader();
        return new StoredWeights
        {
            Files = [new ModelFile(source.Name, source.Length) { Validator = source.Validator }],
            Tensors = [.. reader._tensors.Select(one => one.Tensor)],
            Metadata = reader._metadata.ToImmutable(),
        };
    }

    private void ReadHeader()
    {
        if (_file.Length < 10)
            throw _file.Truncated("a header's length and an empty header take 10 bytes");
        var claimed = _file.ReadUInt64();
        if (claimed > HeaderBytesMax)
            throw _file.Broken($"its header claims {claimed} bytes, and at most {HeaderBytesMax} are accepted");
        var length = (int)claimed;
        if (length > _file.Length - 8)
            throw _file.Truncated($"its header ends at byte {8L + length}");
        if (length < 2 || _file.ReadByte() != '{')
            throw _file.Broken("no JSON object begins at byte 8");
        var header = new byte[length];
        header[0] = (byte)'{';
        _file.ReadExactly(header.AsSpan(1));
        Parse(header);
        Place(8L + length);
    }

    private void Parse(byte[] header)
    {
        var json = new Utf8JsonReader(header, new JsonReaderOptions { MaxDepth = DepthMax });
        try
        {
            json.Read();
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var name = json.GetString()!;
                json.Read();
                if (json.TokenType != JsonTokenType.StartObject)
                    throw _file.Broken($"what it says of '{Shown(name)}' is no object, at byte {8 + json.TokenStartIndex}");
                if (name == "__metadata__")
                    ReadMetadata(ref json);
                else
                    ReadTensor(ref json, name);
            }

            // Only spaces may follow; anything else is an error here.
            while (json.Read())
            {
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw _file.Broken($"the JSON of its header breaks at byte {8 + json.BytesConsumed}");
        }
    }

    private void ReadMetadata(ref Utf8JsonReader json)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var key = json.GetString()!;
            json.Read();
            if (json.TokenType == JsonTokenType.String && _metadata.Count < MetadataMax && key.Length <= 256 && json.ValueSpan.Length <= MetadataTextMax)
                _metadata[key] = json.GetString()!;
            else
                json.Skip();
        }
    }

    private void ReadTensor(ref Utf8JsonReader json, string name)
    {
        if (_tensors.Count >= TensorsMax)
            throw _file.Broken($"it has more than {TensorsMax} tensors");
        if (!_names.Add(name))
            throw _file.Broken($"it has two tensors named '{Shown(name)}'");
        string? dtype = null;
        var (hasShape, begin, end) = (false, -1L, -1L);
        _shape.Clear();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("dtype"u8))
            {
                json.Read();
                dtype = json.TokenType == JsonTokenType.String ? json.GetString() : null;
                json.Skip();
            }
            else if (json.ValueTextEquals("shape"u8))
            {
                hasShape = true;
                ReadNumbers(ref json, name, "shape", AxesMax);
            }
            else if (json.ValueTextEquals("data_offsets"u8))
            {
                var axes = _shape.Count;
                ReadNumbers(ref json, name, "data_offsets", axes + 2);
                if (_shape.Count != axes + 2)
                    throw _file.Broken($"tensor '{Shown(name)}' has {_shape.Count - axes} data_offsets, and 2 are needed");
                (begin, end) = (_shape[axes], _shape[axes + 1]);
                _shape.RemoveRange(axes, 2);
            }
            else
            {
                json.Read();
                json.Skip();
            }
        }

        if (dtype is null || !hasShape || begin < 0)
            throw _file.Broken($"tensor '{Shown(name)}' lacks a dtype, a shape or data_offsets");
        _tensors.Add((Checked(name, dtype, begin, end), begin, end));
    }

    // Numbers go behind those of the shape, wherever in the object it stands.
    private void ReadNumbers(ref Utf8JsonReader json, string name, string field, int countMax)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray)
            throw _file.Broken($"the {field} of tensor '{Shown(name)}' is no list, at byte {8 + json.TokenStartIndex}");
        if (field == "shape")
            _shape.Clear();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (json.TokenType != JsonTokenType.Number || !json.TryGetInt64(out var number) || number < 0)
                throw _file.Broken($"the {field} of tensor '{Shown(name)}' holds what is no length, at byte {8 + json.TokenStartIndex}");
            if (_shape.Count >= countMax)
                throw _file.Broken($"the {field} of tensor '{Shown(name)}' has too many entries, at byte {8 + json.TokenStartIndex}");
            _shape.Add(number);
        }
    }

    private StoredTensor Checked(string name, string dtype, long begin, long end)
    {
        var type = SafetensorsDtype.Of(dtype)
            ?? throw _file.Broken($"tensor '{Shown(name)}' has the unknown dtype '{Shown(dtype)}'");
        var elements = (Int128)1;
        foreach (var length in _shape)
        {
            if ((elements *= length) > long.MaxValue / 64)
                throw _file.Broken($"tensor '{Shown(name)}' has an impossibly large shape, {string.Join('×', _shape)}");
        }

        var bits = elements * type.Bits;
        if (bits % 8 != 0)
            throw _file.Broken($"tensor '{Shown(name)}' has {elements} elements of {type.Bits} bits, which is no whole number of bytes");
        if (end < begin || end - begin != bits / 8)
            throw _file.Broken($"tensor '{Shown(name)}' lies from {begin} to {end} of its data, and its shape and dtype need {bits / 8} bytes");
        return new StoredTensor(name, type.Name, [.. _shape], end - begin);
    }

    // Sorts the tensors as they lie and checks that they fill the file.
    private void Place(long dataStart)
    {
        _tensors.Sort((one, other) => one.Begin != other.Begin ? one.Begin.CompareTo(other.Begin)
            : one.End != other.End ? one.End.CompareTo(other.End) : string.CompareOrdinal(one.Tensor.Name, other.Tensor.Name));
        var at = 0L;
        foreach (var (tensor, begin, end) in _tensors)
        {
            if (begin < at)
                throw _file.Broken($"tensor '{Shown(tensor.Name)}' begins at {begin} of its data, inside the tensor before it, which ends at {at}");
            if (begin > at)
                throw _file.Broken($"bytes {at} to {begin} of its data belong to no tensor");
            at = end;
        }

        if (at > _file.Length - dataStart)
            throw _file.Truncated($"tensor '{Shown(_tensors[^1].Tensor.Name)}' ends at byte {(Int128)dataStart + at}");
        if (at < _file.Length - dataStart)
            throw _file.Broken($"{_file.Length - dataStart - at} bytes after its last tensor belong to none");
    }

    private static string Shown(string text) => Messages.Shown(text);
}
