using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using BenchmarkDotNet.Attributes;
using Plimsoll.Artifacts;

namespace Plimsoll.Bench;

/// <summary>What reading the headers of a sharded model costs: a folder of safetensors, 2 GB a shard, of which only the
/// headers were written (the files are sparse). The largest is 200 shards and 400 GB.</summary>
public class ArtifactBenchmark
{
    private const long ShardBytes = 2_000_000_000;
    private string _folder = "";

    [Params(1, 20, 200)]
    public int Shards { get; set; }

    [Params(10, 100, 1000)]
    public int TensorsPerShard { get; set; }

    [GlobalSetup]
    public void Write()
    {
        _folder = Directory.CreateTempSubdirectory("plimsoll-bench-").FullName;
        File.WriteAllText(Path.Combine(_folder, "config.json"), """{"model_type":"llama"}""");
        var map = new StringBuilder();
        for (var shard = 0; shard < Shards; shard++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:00000}-of-{Shards:00000}.safetensors");
            WriteShard(Path.Combine(_folder, name), name, shard, map);
        }

        File.WriteAllText(Path.Combine(_folder, "model.safetensors.index.json"), "{\"weight_map\":{" + map + "}}");
        var read = ReadFolder();
        if (read.Tensors.Length != Shards * TensorsPerShard || read.Tensors.Sum(tensor => tensor.Bytes) != Shards * ShardBytes)
            throw new InvalidOperationException($"read {read.Tensors.Length} tensors of {read.Tensors.Sum(tensor => tensor.Bytes)} bytes");
        Console.WriteLine($"// {Shards} shards, {read.Tensors.Length} tensors, {new Bytes(read.Files.Sum(file => file.Bytes))} on disk by length");
    }

    [GlobalCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    /// <summary>Every header of the folder.</summary>
    [Benchmark]
    public ArtifactHeader ReadFolder() => ArtifactReader.Read(_folder);

    private void WriteShard(string path, string name, int shard, StringBuilder map)
    {
        var each = ShardBytes / TensorsPerShard;
        var header = new StringBuilder("{");
        for (var i = 0; i < TensorsPerShard; i++)
        {
            var tensor = string.Create(CultureInfo.InvariantCulture, $"model.layers.{shard}.mlp.experts.{i}.down_proj.weight");
            header.Append(CultureInfo.InvariantCulture, $"{(i > 0 ? "," : "")}\"{tensor}\":{{\"dtype\":\"BF16\",\"shape\":[{each / 4},2],\"data_offsets\":[{i * each},{(i + 1) * each}]}}");
            map.Append(CultureInfo.InvariantCulture, $"{(map.Length > 0 ? "," : "")}\"{tensor}\":\"{name}\"");
        }

        var text = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        using var file = File.Create(path);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        file.Write(length);
        file.Write(text);
        file.SetLength(8 + text.Length + ShardBytes);
    }
}
