using System.Buffers.Binary;
using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>A safetensors model of 400 GB in 200 shards of 2 GB, of which only the headers exist: the rest is zeros nobody sends.</summary>
internal static class ShardedModel
{
    public const int Shards = 200;
    public const long ShardBytes = 2_000_000_000;

    public static string ShardName(int number) => $"model-{number:00000}-of-00200.safetensors";

    /// <summary>The header of a shard with eight tensors, 124,999,850 halves each or so: what follows it fills the shard.</summary>
    public static byte[] Header(int number)
    {
        // 8 + 1,000 bytes of header leave 1,999,998,992 for eight tensors of 124,999,937 halves.
        var tensors = Enumerable.Range(0, 8).Select(i =>
            $"\"model.layers.{number}.part.{i}.weight\":{{\"dtype\":\"BF16\",\"shape\":[124999937],\"data_offsets\":[{i * 249_999_874L},{(i + 1) * 249_999_874L}]}}");
        var json = Encoding.UTF8.GetBytes($"{{{string.Join(',', tensors)}}}".PadRight(1000));
        Assert.Equal(1000, json.Length);
        var header = new byte[8 + json.Length];
        BinaryPrimitives.WriteInt64LittleEndian(header, json.Length);
        json.CopyTo(header, 8);
        return header;
    }

    public static byte[] Index()
    {
        var map = Enumerable.Range(1, Shards).SelectMany(shard => Enumerable.Range(0, 8).Select(i =>
            $"\"model.layers.{shard}.part.{i}.weight\":\"{ShardName(shard)}\""));
        return Encoding.UTF8.GetBytes($"{{\"metadata\":{{\"total_size\":399999798400}},\"weight_map\":{{{string.Join(',', map)}}}}}");
    }

    public static byte[] Config { get; } = Encoding.UTF8.GetBytes("""{"model_type":"llama","hidden_size":16384}""");

    /// <summary>Every file with its length and the bytes that are not zeros.</summary>
    public static Dictionary<string, (byte[] Beginning, long Length)> Files { get; } = Enumerable.Range(1, Shards)
        .Select(shard => (Name: ShardName(shard), Beginning: Header(shard), Length: ShardBytes))
        .Append((Name: "model.safetensors.index.json", Beginning: Index(), Length: Index().Length))
        .Append((Name: "config.json", Beginning: Config, Length: Config.Length))
        .ToDictionary(file => file.Name, file => (file.Beginning, file.Length), StringComparer.Ordinal);

    /// <summary>Reads what weighing reads of it, by its address.</summary>
    public static void AssertRead(ArtifactSource source)
    {
        var header = source.ReadHeader();

        Assert.Equal(ArtifactFormat.HuggingFace, header.Format);
        Assert.Equal(1600, header.Tensors.Length);
        Assert.Equal(399_999_798_400, header.Tensors.Sum(tensor => tensor.Bytes));
        Assert.Equal("""{"model_type":"llama","hidden_size":16384}""", header.Config);
        Assert.Equal(202, header.Files.Length);
        Assert.All(header.Files, file => Assert.NotNull(file.Validator));
    }
}
