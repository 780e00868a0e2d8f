using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>A "*.index.json": which file of a sharded model holds which tensor.</summary>
internal sealed class ShardIndex
{
    // The index of a model of a trillion parameters, experts stored one by one, takes about 20 MB.
    private const int BytesMax = 128 << 20;
    private const int TensorsMax = 2_000_000;
    private const int ShardsMax = 10_000;
    private const int DepthMax = 16;

    private readonly HeaderFile _file;
    private readonly string _fileName;
    private readonly Dictionary<string, string> _shards = new(StringComparer.Ordinal);

    private ShardIndex(ByteSource source)
    {
        _file = new HeaderFile(source, "an index of shards");
        _fileName = source.Name[(source.Name.LastIndexOf('/') + 1)..];
        if (_file.Length > BytesMax)
            throw _file.Broken($"it has {_file.Length} bytes, and at most {BytesMax} are accepted");
        var text = new byte[_file.Length];
        _file.ReadExactly(text);
        Parse(text);
        if (ShardOf.Count == 0)
            throw _file.Broken("its weight_map names no tensor");
    }

    /// <summary>The file that holds each tensor.</summary>
    public Dictionary<string, string> ShardOf { get; } = new(StringComparer.Ordinal);

    /// <summary>The shards, each once however it is spelled, ordered by name.</summary>
    public IEnumerable<string> Shards => _shards.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);

    /// <summary>Bytes of all tensors as the index claims them; null when it does not.</summary>
    public long? TotalBytes { get; private set; }

    public static ShardIndex Read(ByteSource source) => new(source);

    private void Parse(byte[] text)
    {
        var json = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = DepthMax });
        try
        {
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                throw _file.Broken("its JSON is no object");
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isMap = json.ValueTextEquals("weight_map"u8);
                var isMetadata = json.ValueTextEquals("metadata"u8);
                json.Read();
                if (isMap && json.TokenType == JsonTokenType.StartObject)
                    ReadMap(ref json);
                else if (isMetadata && json.TokenType == JsonTokenType.StartObject)
                    ReadMetadata(ref json);
                else
                    json.Skip();
            }

            while (json.Read())
            {
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw _file.Broken($"its JSON breaks at byte {json.BytesConsumed}");
        }
    }

    private void ReadMetadata(ref Utf8JsonReader json)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isSize = json.ValueTextEquals("total_size"u8);
            json.Read();
            // Some tools write it as a float.
            if (isSize && json.TokenType == JsonTokenType.Number && json.TryGetDouble(out var size) && size is >= 0 and < 9e18)
                TotalBytes = json.TryGetInt64(out var whole) ? whole : (long)size;
            json.Skip();
        }
    }

    private void ReadMap(ref Utf8JsonReader json)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var tensor = json.GetString()!;
            json.Read();
            if (json.TokenType != JsonTokenType.String)
                throw _file.Broken($"its weight_map names no file for tensor '{Messages.Shown(tensor)}'");
            if (ShardOf.Count >= TensorsMax)
                throw _file.Broken($"it names more than {TensorsMax} tensors");
            if (!ShardOf.TryAdd(tensor, Shard(json.GetString()!, tensor)))
                throw _file.Broken($"it names tensor '{Messages.Shown(tensor)}' twice");
        }
    }

    private string Shard(string named, string tensor)
    {
        if (_shards.TryGetValue(named, out var known))
            return known;
        var name = ByteFolder.Checked(named) ?? throw new ArtifactException(
            $"{_file.Path} keeps tensor '{Messages.Shown(tensor)}' in '{Messages.Shown(named)}', which leaves the model's folder; that is refused.");
        if (name == _fileName || name.EndsWith(".index.json", StringComparison.Ordinal))
            throw _file.Broken($"it keeps tensor '{Messages.Shown(tensor)}' in an index, '{Messages.Shown(name)}'");
        if (_shards.Count >= ShardsMax)
            throw _file.Broken($"it names more than {ShardsMax} files");
        return _shards[named] = name;
    }
}
