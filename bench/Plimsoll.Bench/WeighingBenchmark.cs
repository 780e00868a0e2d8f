using BenchmarkDotNet.Attributes;
using Plimsoll.Artifacts;

namespace Plimsoll.Bench;

/// <summary>What <c>plimsoll inspect</c> does for a sharded mixture of about 400 GB: headers, digest, architecture, footprint.</summary>
public class WeighingBenchmark
{
    private string _folder = "";
    private ArtifactHeader _header = null!;

    [Params(20, 200)]
    public int Shards { get; set; }

    /// <summary>Experts of a layer: 20,589 tensors, or 100,677.</summary>
    [Params(70, 354)]
    public int Experts { get; set; }

    [GlobalSetup]
    public void Write()
    {
        _folder = Directory.CreateTempSubdirectory("plimsoll-bench-").FullName;
        var (tensors, bytes) = MixtureFolder.Write(_folder, Shards, Experts);
        _header = ArtifactReader.Read(_folder);
        var footprint = WeighFolder().Footprint;
        if (_header.Tensors.Length != tensors || footprint.Weights.Value != bytes || footprint.Shape is not { LayerCount: 94 })
            throw new InvalidOperationException($"weighed {footprint.Weights} in {_header.Tensors.Length} tensors, wrote {bytes} in {tensors}");
        Console.WriteLine($"// {Shards} shards, {tensors} tensors, {bytes} bytes, digest {footprint.Digest}");
    }

    [GlobalCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    /// <summary>Headers only.</summary>
    [Benchmark]
    public ArtifactHeader ReadFolder() => ArtifactReader.Read(_folder);

    /// <summary>The architecture and the footprint, from headers that were read.</summary>
    [Benchmark]
    public Footprint FootprintOf() => Architecture.FootprintOf(_header, "");

    /// <summary>All of it.</summary>
    [Benchmark]
    public WeighedArtifact WeighFolder() => ArtifactWeigher.Weigh(_folder);
}
